"""`whence verify`: re-read what the store holds, and name exactly what is damaged and what depended on it."""

from __future__ import annotations

from collections.abc import Sequence

from ..actions.references import resolve_run
from ..actions.verify import verify
from ..store.check import Report
from .arguments import REFERENCE, CommandParser, Place
from .output import counted, json_document, line, printable, styled


def parser() -> CommandParser:
    parser = CommandParser(
        "verify",
        "Re-read every line, object and seal and hold it against its digest. Names each thing that is damaged, and the"
        " runs that depended on it. Exit code 1 when anything is. What came after a seal is late, not damage.",
        examples=("whence verify", "whence verify @", "whence verify --json | jq '.damage[].where'"),
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"{REFERENCE}; the whole store without")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_intermixed_args(list(words))
    place = Place()
    runs = [resolve_run(place.store, text) for text in options.runs] or None
    report = verify(place.store, runs, environ=place.setting.environ)
    if options.json:
        json_document(_as_json(report))
    else:
        _print(report)
    return 1 if report.damage else 0


def _as_json(report: Report) -> dict[str, object]:
    return {
        "sound": not report.damage,
        "damage": [{"where": d.where, "what": d.what, "runs": list(d.runs)} for d in report.damage],
        "late": list(report.late),
        "notes": list(report.notes),
        "runs": report.runs,
        "objects": report.objects,
        "acts": report.acts,
    }


def _print(report: Report) -> None:
    for damage in report.damage:
        line(f"{styled('damaged', 'red')}  {printable(damage.where)}: {printable(damage.what)}")
        for run in damage.runs:
            line(f"         depended on by run {run}")
    for late in report.late:
        line(f"late     {printable(late)}")
    for note in report.notes:
        line(f"note     {printable(note)}")
    runs = counted(report.runs, "run", "runs")
    counts = f"{runs}, {counted(report.objects, 'object', 'objects')}, {counted(report.acts, 'act', 'acts')}"
    line(f"{counts}: {f'{len(report.damage)} damaged' if report.damage else 'sound'}")
