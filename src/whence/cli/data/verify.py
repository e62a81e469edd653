"""`whence data verify`: read every byte of versions again."""

from __future__ import annotations

from collections.abc import Sequence

from ...actions.dataset_verify import Verified, verify_datasets
from ..arguments import CommandParser, Place
from ..output import counted, json_document, line, printable, styled


def parser() -> CommandParser:
    parser = CommandParser(
        "data verify",
        "Re-read every byte of datasets, or of versions: files, packs, manifests and steps. Names what is damaged, the"
        " versions that need it, and the runs that pinned these. Exit code 1 when anything is damaged.",
        examples=("whence data verify", "whence data verify cifar@2.1.0 labels"),
    )
    parser.add_argument("versions", nargs="*", metavar="NAME[@VERSION]", help="a dataset or version; without: all")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    verified = verify_datasets(Place().store, options.versions)
    if options.json:
        json_document(verified)
    else:
        _print(verified)
    return 0 if verified.sound else 1


def _print(verified: Verified) -> None:
    for damage in verified.damage:
        line(f"{styled('damaged', 'red')}  {printable(damage.where)}: {printable(damage.what)}")
        for version in damage.versions:
            line(f"         needed by {version}")
        for run in damage.runs:
            line(f"         pinned by run {run}")
    for note in verified.notes:
        line(f"note     {printable(note)}")
    counts = f"{counted(verified.versions, 'version', 'versions')}, {counted(verified.objects, 'object', 'objects')}"
    line(f"{counts}: {'sound' if verified.sound else f'{len(verified.damage)} damaged'}")
