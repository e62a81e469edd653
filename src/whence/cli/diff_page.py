"""The comparison of runs on a terminal or in a pipe, in the order in which a reviewer asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..records.comparison import CodeChanges, Comparison, Members, Part
from .diff_cells import row_cells
from .diff_words import (
    LONG,
    PATCH,
    TITLES,
    bounded,
    cause_text,
    commit_rows,
    file_rows,
    label,
    letter,
    member_lines,
    part_rows,
    patch_line,
    patch_lines,
    same_text,
    shown_code,
    side_text,
    unknown_text,
)
from .output import cells, cut, padded, printable, styled, width
from .rows import Row, aligned


def page(compared: Comparison, *, full: bool) -> Iterator[str]:
    """The lines of the page."""
    for position, side in enumerate(compared.runs):
        yield f"{styled(letter(position), 'bold')}  {side.id}"
        yield f"   {side_text(side)}"
    parts = _pair(compared, full=full) if len(compared.runs) == 2 else _table(compared, full=full)
    yield from parts
    if same := same_text(compared):
        yield ""
        yield from aligned([Row("the same", same)], None)


def _pair(compared: Comparison, *, full: bool) -> Iterator[str]:
    limit = None if full else LONG
    for name, part in compared.parts.items():
        rows = part_rows(part, full=full)
        code = shown_code(compared, part) if name == "code" else None
        if code is not None:
            rows += _limited(list(commit_rows(code)), limit) + _limited(list(file_rows(code)), limit)
        if not rows:
            continue
        yield ""
        yield styled(TITLES[name], "bold")
        yield from _rows(rows, limit)
        if code is not None:
            yield from _patch(code, full=full)
        yield from _all_members(compared.members, part, limit)
    yield from _explanation(compared)


def _rows(rows: Sequence[Row], limit: int | None) -> Iterator[str]:
    """As `show` prints them; what is left out is had with another option."""
    return (text.replace("(--all)", "(--full)") for text in aligned(rows, limit))


def _limited(rows: list[Row], limit: int | None) -> list[Row]:
    shown, more = bounded(rows, limit)
    return [*shown, *([Row(rows[0].label, f"… {more} more (--full)")] if more else [])]


def _patch(code: CodeChanges, *, full: bool) -> Iterator[str]:
    lines, more = patch_lines(code, None if full else PATCH)
    if lines:
        yield ""
    for text in lines:
        yield styled(patch_line(text, full=full), {"+": "green", "-": "red", "@": "blue"}.get(text[:1]))
    if more:
        yield f"… {more} more lines (--full)"


def _all_members(members: Sequence[Members], part: Part, limit: int | None) -> Iterator[str]:
    names = {one.what for one in part.differs}
    for one in members:
        if one.what in names:
            lines, more = bounded(list(member_lines(one)), limit)
            yield f"  in {label(one.what)}"
            yield from (f"    {text}" for text in lines)
            if more:
                yield f"    … {more} more (--full)"


def _explanation(compared: Comparison) -> Iterator[str]:
    told = compared.explanation
    if told is None:
        return
    yield ""
    yield styled("why the results may differ", "bold")
    yield from aligned([Row("", printable(told.summary))], None)
    if told.causes:
        yield from aligned([Row(cause.likelihood, cause_text(cause)) for cause in told.causes], None)


def _table(compared: Comparison, *, full: bool) -> Iterator[str]:
    """What varies, a column for each run."""
    limit = None if full else LONG
    for name, part in compared.parts.items():
        if part.state == "same":
            continue
        yield ""
        yield styled(TITLES[name], "bold")
        shown, more = bounded(part.differs, limit)
        headings = ["", *(letter(position) for position in range(len(compared.runs)))]
        rows = [[label(one.what), *row_cells(one, len(compared.runs), full=full)] for one in shown]
        if rows:
            yield from _columns([headings, *rows], full=full)
        if more:
            yield f"  … {more} more rows (--full)"
        if part.unknown:
            yield from _rows([Row(label(one.what), unknown_text(one)) for one in part.unknown], limit)


def _columns(rows: list[list[str]], *, full: bool) -> Iterator[str]:
    """Aligned, in as many columns as the terminal has; of a long name the end is shown, of a value the begin."""
    room = width()
    names = 10_000 if full else 28 if room is None else max(12, room // 4)
    most = None if full else 28 if room is None else max(8, (room - names) // (len(rows[0]) - 1) - 3)
    table = [[_end_of(row[0], names), *(cut(cell, most) for cell in row[1:])] for row in rows]
    sizes = [max(cells(row[column]) for row in table) for column in range(len(rows[0]))]
    for row in table:
        line = "  ".join(padded(cell, size) for cell, size in zip(row, sizes, strict=True))
        yield cut(f"  {line}".rstrip(), room)


def _end_of(text: str, most: int) -> str:
    return text if cells(text) <= most else "…" + text[len(text) - most + 1 :]
