"""`whence data log`: the versions of a dataset, ascending, with who made them, when and why."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import to_builtins

from ...actions.dataset_view import VersionLine, history_faults, version_lines
from ...actions.version_acts import VersionAct, expired_of, version_acts
from ...ids import short
from ...rules.transforms import transform_text
from ...store.dataset_references import find_dataset
from ...store.layout import Store
from ...store.stories import NO_STORY, Story, story_of_run
from ..arguments import CommandParser, Place
from ..output import complain, json_line, line, printable, size_text, table, time_text
from .words import DATASET, pick_lines

HEADINGS = ("version", "made (UTC)", "by", "what", "files", "size", "run", "why")


def parser() -> CommandParser:
    parser = CommandParser(
        "data log",
        "List the versions of a dataset, the oldest first: what was done, by whom, why and from which run; below it"
        " which expired, were imported or picked after a merge, and what the runs that made them said of the rows.",
        examples=("whence data log cifar", "whence data log cifar --json | jq -r 'select(.released) | .version'"),
    )
    parser.add_argument("dataset", metavar="NAME", help=DATASET)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    store = Place().store
    history = find_dataset(store, options.dataset)
    versions, acts = list(version_lines(history)), version_acts(store, history.id)
    expired = expired_of(acts)
    for fault in history_faults(store, history):
        complain(fault, "`whence verify` names all that is damaged")
    if options.json:
        for version in versions:
            about = [act for act in acts if (act.version, act.manifest) == (version.version, version.manifest)]
            story = _story(store, version)
            told = {
                "transforms": story.transforms,
                "transforms_from": story.archive,
                "acts": about,
                "expired": _key(version) in expired,
            }
            json_line({**to_builtins(version), **to_builtins(told)})
        return 0
    for text in table(HEADINGS, [_row(version, expired=_key(version) in expired) for version in versions]):
        line(text)
    for act in acts:
        line(printable(_act_text(act)))
    for version in versions:
        for text in pick_lines(version.picks):
            line(f"{version.version}  {version.manifest[:15]}  {text}")
        story = _story(store, version)
        told = f"  (as {story.archive} says)" if story.archive else ""
        for step in story.transforms:
            line(printable(f"{version.version}  {transform_text(step)}{told}"))
    return 0


def _story(store: Store, version: VersionLine) -> Story:
    return story_of_run(store, version.id, version.run) if version.run else NO_STORY


def _key(version: VersionLine) -> tuple[str, str]:
    return version.version, version.manifest


def _act_text(act: VersionAct) -> str:
    what = {"expire": "expired", "restore": "added again"}.get(act.kind) or f"imported from {act.archive}"
    who = act.by.name or act.by.user or "-"
    undone = "" if act.stands else "; undone since"
    return f"{act.version}  {what}  {time_text(act.at)}  {who}  {act.why or '-'}{undone}"


def _row(version: VersionLine, *, expired: bool) -> tuple[str, ...]:
    changes = ((version.added, "+"), (version.changed, "~"), (version.removed, "-"))
    signs = "".join(f" {sign}{count}" for count, sign in changes if count)
    who = version.by.name or version.by.user or "-"
    return (
        f"{version.version} (expired)" if expired else version.version,
        time_text(version.at),
        printable(who),
        version.operation + signs,
        str(version.files),
        size_text(version.size),
        short(version.run) if version.run else "-",
        printable(version.why or "-"),
    )
