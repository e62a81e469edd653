"""`whence data pick`: of what two stores made apart, say which is meant."""

from __future__ import annotations

from collections.abc import Sequence

from ...actions.dataset_pick import PickDone, pick
from ..arguments import CommandParser, Place
from ..output import complain, json_document, say
from ..speaking import speaker
from .words import said


def parser() -> CommandParser:
    parser = CommandParser(
        "data pick",
        "After stores were merged that went on apart: say which is meant of two contents of a version, two newest"
        " versions, or two datasets of one name. Nothing is changed or removed: the other one is still named by its"
        " digest, and runs that pinned it are untouched. Another pick takes the place of this one; two that were made"
        " apart and contradict each other leave it ambiguous.",
        examples=(
            "whence data pick cifar sha256:3b0c44298fc1c149 --because 'the other store had the wrong labels'",
            "whence data pick cifar@2.1.0 sha256:3b0c44298fc1c149",
            "whence data pick cifar 01a22e41-1c10-7053-ab28-c92f3de96bdd",
        ),
    )
    parser.add_argument(
        "reference", metavar="NAME[@VERSION]", help="what is ambiguous: a version, the newest version, or a name"
    )
    parser.add_argument(
        "which",
        metavar="WHICH",
        help="the digest of the manifest that is meant, or its first eight digits; the id of an act or dataset; or,"
        " of several newest versions, the version",
    )
    parser.add_argument("--because", metavar="TEXT", help="why, in a sentence; stays with the choice")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    because = said(place, options.because, None).why
    done = pick(place.store, options.reference, options.which, because, speaker(place.setting))
    if options.json:
        json_document(done)
    else:
        _tell(options.reference, done)
    return 0


def _tell(reference: str, done: PickDone) -> None:
    one = f"{done.name}@{done.version} ({done.manifest})" if done.question != "name" else f"the dataset {done.id}"
    if not done.changes:
        say(f"{reference}: is {one} already, so nothing was picked")
        return
    say(f"{reference}: is {one} from now on")
    if done.heads > 1:
        complain(
            f"{done.name}: {done.heads} versions may still be the newest one",
            f"`whence data pick {done.name} WHICH` says which",
        )
