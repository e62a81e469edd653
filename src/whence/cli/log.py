"""`whence log`: the runs, newest first, one line each."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from ..actions.follow import follow_runs
from ..actions.listing import Choice, Order, read_order, records
from ..actions.references import resolve_run
from ..actions.summary import summary
from ..errors import UsageError
from ..ids import short
from ..records.encoding import parse_timestamp
from ..records.record import Record
from ..records.run import TERMINAL
from ..rules.query import All, Exists, Field, Query, parse, parse_field, tests_of
from ..rules.query_check import FREE, refuse_clashes, unknown_fields
from .arguments import CommandParser, Place, count
from .log_fields import print_columns, print_groups
from .output import (
    STATUS_STYLES,
    cells,
    command_text,
    complain,
    cut,
    flush,
    json_line,
    line,
    padded,
    printable,
    seconds_text,
    styled,
    time_text,
    width,
)

if TYPE_CHECKING:
    from ..index.interface import Index

ON_A_TERMINAL = 50
"""Runs that are listed on a terminal when nobody said how many."""

POLL = 0.5
"""Seconds between two looks at the store while following."""

STATUSES = ("created", "running", *sorted(TERMINAL))

STATUS_HELP = f"only runs of that status ({', '.join(STATUSES)}); may be given again"

HEADINGS = ("run", "created (UTC)", "status", "took", "code", "name", "command")
SIZES = (8, 19, 18, 6, 9, 12)
"""Columns before the last: fixed, so that lines can be printed as they are found."""

NOTHING = (0,) * len(SIZES)
STATUS = HEADINGS.index("status")
ROOM = (0, 0, len("killed SIGKILL"), 6, 0, 0)
"""What columns of a run that is followed take at least: how it ends, and what it took, are seen only later."""

NARROW = 100
"""Columns of a terminal below which the year and the seconds of a time are left out."""


def parser() -> CommandParser:
    parser = CommandParser(
        "log",
        "List the runs of the store, newest first, one line a run.",
        examples=(
            "whence log",
            "whence log --limit 5 --status failed --status lost",
            "whence log 'metrics.acc > 0.9 and config.lr in (0.1, 0.01)'",
            "whence log 'code.dirty = true' --json | jq -r .id",
            "whence log 'text ~ overfit' --sort -metrics.acc --columns name,config.lr,metrics.acc",
            "whence log --group config.lr",
            "whence log -f",
        ),
    )
    parser.add_argument("query", nargs="*", metavar="QUERY", help="only runs that it means; see docs/query.md")
    parser.add_argument(
        "--limit",
        "-n",
        type=count,
        metavar="N",
        help=f"at most so many; 0: all. Without it {ON_A_TERMINAL} on a terminal, all elsewhere",
    )
    parser.add_argument("--status", action="append", default=[], choices=STATUSES, metavar="STATUS", help=STATUS_HELP)
    parser.add_argument("--original", action="store_true", help="only runs that are no rerun or variant of another")
    parser.add_argument("--reruns-of", metavar="RUN", help="only the reruns and variants of a run")
    parser.add_argument("--sort", metavar="FIELD", help="by a field, -FIELD for the largest first; newest among equals")
    parser.add_argument("--columns", metavar="FIELD,…", help="these fields of each run, instead of the usual ones")
    parser.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="FIELD",
        help="how many runs have each value of a field, and how they ended; with `--json` in `value`, `runs`, "
        "`statuses`, `latest`",
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on: print runs as they start and end")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_intermixed_args(_with_falling(words))
    text = " ".join(options.query)
    query = parse(text)
    columns = [parse_field(name) for name in options.columns.split(",")] if options.columns else []
    order = read_order(options.sort) if options.sort else None
    group = _group(options)
    if options.follow and (columns or order or group):
        raise UsageError("--follow prints runs as they come", hint="leave out --sort, --columns and --group")
    place = Place()
    with closing(place.index()) as index:
        _check(index, query, text, order, [*columns, *([group] if group else [])])
        choice = Choice(
            query=query,
            statuses=options.status,
            original=options.original,
            reruns_of=resolve_run(place.store, options.reruns_of) if options.reruns_of else None,
        )
        if group is not None:
            groups = index.groups(choice.whole, group.path)
            print_groups(groups, str(group), as_json=options.json)
            return _said_if_none(len(groups))
        if options.follow:
            return _follow(place, index, choice, options.limit, as_json=options.json)
        limit = _limit(options.limit, as_json=options.json)
        found = _found(place, index, choice, limit, order)
        shown = print_columns(found, columns, as_json=options.json) if columns else _print(found, as_json=options.json)
    if options.limit is None and limit is not None and shown == limit:
        complain(f"the {'first' if order else 'newest'} {limit} are shown", "`--limit 0` shows all")
    return _said_if_none(shown)


def _said_if_none(shown: int) -> int:
    """0, as for any answer; that it is an empty one is said beside it."""
    if not shown:
        complain("no run matches")
    return 0


def _group(options: argparse.Namespace) -> Field | None:
    """The field to group by. Raises UsageError for more of them, and for what says how single runs are printed."""
    if not options.group:
        return None
    if len(options.group) > 1:
        raise UsageError(
            f"found --group {len(options.group)} times, expected one field",
            hint="narrow the runs down with a query, or see both fields with --columns",
        )
    given = {"--sort": options.sort, "--columns": options.columns, "--limit": options.limit is not None}
    if beside := [name for name, value in given.items() if value]:
        raise UsageError(
            f"found --group with {' and '.join(beside)}, expected it alone: its lines are values, in their order",
            hint=f"leave out {' and '.join(beside)}, or --group",
        )
    return parse_field(options.group[0])


def _with_falling(words: Sequence[str]) -> list[str]:
    """The words, with `--sort -FIELD` as one: to argparse what begins with a dash is another option."""
    joined = list(words)
    for at in range(len(joined) - 2, -1, -1):
        if joined[at] == "--sort" and joined[at + 1].startswith("-"):
            joined[at : at + 2] = [f"--sort={joined[at + 1]}"]
    return joined


def _check(index: Index, query: Query, text: str, order: Order | None, named: Sequence[Field]) -> None:
    """Refuse what no run can match, and name the fields that none has. Raises QueryError."""
    refuse_clashes(query, text, index.kinds)
    fields = [*([Field(path=tuple(order.path))] if order and order.path else []), *named]
    asked = All(parts=(query, *(Exists(field=field) for field in fields)))
    if not any(test.field.path[0] in FREE for test in tests_of(asked)):
        return
    for field, near in unknown_fields(asked, index.fields()):
        complain(f"no run has {field}", f"did you mean {near}?" if near else None)


def _limit(asked: int | None, *, as_json: bool) -> int | None:
    if asked is None:
        return ON_A_TERMINAL if sys.stdout.isatty() and not as_json else None
    return asked or None


def _found(
    place: Place, index: Index, choice: Choice, limit: int | None, order: Order | None = None
) -> Iterator[Record]:
    return records(place.store, index, choice, order=order, limit=limit, clock=time.time_ns, faulty=complain)


def _print(found: Iterator[Record], *, as_json: bool) -> int:
    if not as_json and width() is not None:
        rows = list(found)
        _print_fitted(rows)
        return len(rows)
    if not as_json:
        line(_row(HEADINGS))
    count = 0
    for record in found:
        _print_one(record, as_json=as_json)
        count += 1
    return count


def _print_fitted(found: Sequence[Record], least: Sequence[int] = NOTHING) -> _Layout:
    """For a terminal: columns as wide as what is in them, and none that is empty, so that the command has room."""
    narrow = _is_narrow()
    rows = [_cells(record, narrow=narrow) for record in found]
    sizes = (_fitted(column, rows, narrow=narrow) for column in range(len(SIZES)))
    layout = _Layout(narrow, tuple(map(max, sizes, least)))
    _print_headings(layout)
    for record, row in zip(found, rows, strict=True):
        line(_with_style(_row(row, layout.sizes), record))
    return layout


class _Layout(NamedTuple):
    """The columns of a terminal's lines; one of no width is left out."""

    narrow: bool
    sizes: tuple[int, ...]


def _print_headings(layout: _Layout) -> None:
    headings = [
        name if len(name) <= size else name.partition(" ")[0]
        for name, size in zip(HEADINGS, (*layout.sizes, 99), strict=True)
    ]
    line(styled(_row(headings, layout.sizes), "dim"))


def _print_followed(record: Record, layout: _Layout | None) -> _Layout:
    """One more line in the layout; where it needs more room, or the terminal is another one, under new headings.

    A status that needs more is cut: it is one that passes, as `succeeded (finishing)`.
    """
    narrow = _is_narrow()
    row = _cells(record, narrow=narrow)
    before = layout.sizes if layout and layout.narrow == narrow else ROOM
    fitted = [_fitted(column, [row], narrow=narrow) for column in range(len(SIZES))]
    fitted[STATUS] = 0
    sizes = tuple(map(max, before, fitted))
    wanted = _Layout(narrow, sizes)
    if wanted != layout:
        _print_headings(wanted)
    line(_with_style(_row(row, sizes), record))
    return wanted


def _is_narrow() -> bool:
    return (width() or 0) < NARROW


def _fitted(column: int, rows: Sequence[Sequence[str]], *, narrow: bool) -> int:
    """The width of a column; 0 when no row has anything in it."""
    longest = max((cells(row[column]) for row in rows if row[column] != "-"), default=0)
    heading = len(HEADINGS[column].partition(" ")[0])
    return (
        max(min(longest, SIZES[column] if narrow and HEADINGS[column] == "name" else longest), heading)
        if longest
        else 0
    )


def _print_one(record: Record, *, as_json: bool) -> None:
    if as_json:
        json_line(summary(record))
    else:
        line(_line(record))


def _line(record: Record) -> str:
    return _with_style(_row(_cells(record)), record)


def _cells(record: Record, *, narrow: bool = False) -> tuple[str, ...]:
    created = time_text(record.created)
    return (
        short(record.id),
        created[5:16] if narrow else created,
        status_text(record),
        seconds_text(_took(record)),
        _code(record),
        printable(record.name or "-"),
        _command(record),
    )


def _took(record: Record) -> float | None:
    """How long it took; of a run that goes on, how long it has been going."""
    if record.duration is not None or record.status != "running" or record.started is None:
        return record.duration
    return max(0.0, time.time() - parse_timestamp(record.started))


def _with_style(row: str, record: Record) -> str:
    status = status_text(record)
    return row.replace(status, styled(status, STATUS_STYLES.get(record.status)), 1)


def _row(row: Sequence[str], sizes: Sequence[int] = SIZES) -> str:
    """The line; a column of no width is left out. Only what was fitted is cut: elsewhere a long cell moves the rest."""
    fitted = sizes is not SIZES
    shown = [padded(cut(cell, size) if fitted else cell, size) for cell, size in zip(row, sizes, strict=False) if size]
    return cut("  ".join((*shown, row[-1])), width())


def status_text(record: Record) -> str:
    """The status, with what a reader must know beside it: `running (silent)`, `failed 3`."""
    if record.phase:
        return f"{record.status} ({record.phase})"
    if record.signal:
        return f"{record.status} {record.signal}"
    return f"{record.status} {record.exit_code}" if record.exit_code else record.status


def _command(record: Record) -> str:
    """The command, and the function whose call the run is, where it is one: two of a script would look alike."""
    entry = record.code.entry if record.code else None
    called = entry is not None and entry.kind == "function" and entry.name
    return command_text(record.command) + (f"  {printable(called.removeprefix('__main__.'))}()" if called else "")


def _code(record: Record) -> str:
    """The commit's first digits, or the code id's, or neither; `*`: the folder differed from the commit, `?`: that is
    not known."""
    code = record.code
    if code is None:
        return "-"
    mark = {True: "*", False: "", None: "?" if code.vcs == "git" else ""}[code.dirty]
    return (code.commit or (code.id or "").rpartition(":")[2] or "-")[:7] + mark


def _follow(place: Place, index: Index, choice: Choice, limit: int | None, *, as_json: bool) -> int:
    """The latest runs, the oldest first, and then a line whenever a run appears or its state changes."""
    following = follow_runs(place.store, choice, clock=time.time_ns, sleep=_pause)
    found = list(_found(place, index, choice, ON_A_TERMINAL if limit is None else limit or None))[::-1]
    fitted = not as_json and width() is not None
    layout = _print_fitted(found, ROOM) if fitted and found else None
    if not fitted:
        _print(iter(found), as_json=as_json)
    flush()
    for record in following:
        if fitted:
            layout = _print_followed(record, layout)
        else:
            _print_one(record, as_json=as_json)
        flush()
    return 0


def _pause() -> None:
    time.sleep(POLL)
