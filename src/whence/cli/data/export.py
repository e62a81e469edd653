"""`whence data export`: a version as an archive that any program can check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ...actions.dataset_archive import export_version
from ...errors import UsageError
from ...rules.policy import read_size
from ..arguments import CommandParser, Place
from ..output import counted, json_document, say
from .words import VERSION, amount, named_version


def parser() -> CommandParser:
    parser = CommandParser(
        "data export",
        "Write a version as a BagIt 1.0 bag (RFC 8493): its files under data/, with checksums that sha256sum and every"
        " BagIt program know, and all that `whence data import` needs to make the same version elsewhere. The bag is a"
        " folder, or one file if FILE ends in .tar, .tar.gz, .tgz or .zip. Nothing is overwritten.",
        examples=(
            "whence data export cifar@2.1.0 cifar-2.1.0.tar.gz",
            "whence data export cifar@2.1.0 /mnt/archive/cifar-2.1.0",
            "whence data export atlas@1.0.0 atlas.zip --fetch 1GiB",
        ),
    )
    parser.add_argument("version", metavar="NAME[@VERSION]", help=VERSION)
    parser.add_argument("file", metavar="FILE", help="the bag; there must be nothing of this name")
    parser.add_argument(
        "--fetch", metavar="SIZE", help="name files of SIZE and more, say 1GiB, that lie elsewhere by address; see docs"
    )
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    found = named_version(place.store, options.version)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    done = export_version(place.store, found, place.setting.cwd / options.file, today, fetch=_size(options.fetch))
    if options.json:
        json_document(done)
        return 0
    said = [f"{options.file}: {found}, {amount(done.files, done.size)}"]
    if done.renamed:
        said.append(counted(done.renamed, "file has another name there", "files have other names there"))
    if done.fetched:
        said.append(f"{counted(done.fetched, 'file', 'files')} came from where it is referred to")
    if done.listed:
        said.append(f"{counted(done.listed, 'file is', 'files are')} not in it: fetch.txt says where to have them")
    say("; ".join(said))
    return 0


def _size(text: str | None) -> int | None:
    try:
        return None if text is None else read_size(text)
    except ValueError as error:
        raise UsageError(f"--fetch: found {text!r}, expected {error}") from None
