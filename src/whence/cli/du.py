"""`whence du`: bytes by run and part."""

from __future__ import annotations

from collections.abc import Sequence

from ..actions.usage import RunUsage, Usage, measure
from ..ids import short
from .arguments import CommandParser, Place
from .output import json_document, line, printable, size_text, table

HEADINGS = ("run", "own", "shared", "journals", "points", "output", "record", "objects", "name")


def parser() -> CommandParser:
    return CommandParser(
        "du",
        "Show how many bytes the store takes, by run and part. `own` is what only that run needs; objects that several"
        " runs refer to stand under `shared`.",
        examples=("whence du", "whence du --json | jq .total"),
    )


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    usage = measure(Place().store)
    if options.json:
        json_document(_as_json(usage))
    else:
        _print(usage)
    return 0


def _as_json(usage: Usage) -> dict[str, object]:
    return {
        "runs": [
            {"id": run.run, "name": run.name, **run.parts, "objects": run.objects, "shared": run.shared, "own": run.own}
            for run in usage.runs
        ],
        "objects": usage.objects,
        "code": usage.code,
        "acts": usage.acts,
        "cache": usage.cache,
        "total": usage.total,
    }


def _print(usage: Usage) -> None:
    for text in table(HEADINGS, [_row(run) for run in usage.runs]):
        line(text)
    line()
    for name, size in (
        ("objects", usage.objects),
        ("code.git", usage.code),
        ("acts", usage.acts),
        ("cache", usage.cache),
        ("in all", usage.total),
    ):
        line(f"{name:<9} {size_text(size)}")


def _row(run: RunUsage) -> tuple[str, ...]:
    sizes = (run.own, run.shared, *(run.parts[part] for part in ("journals", "points", "output", "record")))
    return (short(run.run), *map(size_text, sizes), size_text(run.objects), printable(run.name or "-"))
