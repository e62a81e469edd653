"""The comparison of runs as one page for a browser: nothing is fetched, nothing runs, every value is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from ..records.comparison import CodeChanges, Comparison, Part, PartName
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
from .rows import Row

_MOST = 10
"""So many times as much as a terminal is shown."""

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.4em } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #8888 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .2em .8em .2em 0; overflow-wrap: anywhere }
th { font-weight: 600; width: 16em } thead th { width: auto }
tr + tr { border-top: 1px solid #8883 }
pre { overflow-x: auto; padding: .8em; background: #8881; font-size: 13px }
ins { text-decoration: none; color: #1a7f37 } del { text-decoration: none; color: #cf222e }
b.hunk { font-weight: inherit; color: #0969da } p.more { opacity: .7 }
"""


def html_page(compared: Comparison, *, full: bool) -> Iterator[str]:
    """The lines of the page."""
    title = "whence diff " + " ".join(side.name or side.id for side in compared.runs)
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>"
    yield "<h1>What differs</h1>"
    yield from _rows(
        Row(letter(position), f"{side.id}  {side_text(side)}") for position, side in enumerate(compared.runs)
    )
    for name, part in compared.parts.items():
        yield from _part(compared, name, part, full=full)
    yield from _explanation(compared)
    if same := same_text(compared):
        yield f"<h2>The same</h2><p>{_text(same)}</p>"
    yield "</body></html>"


def _part(compared: Comparison, name: PartName, part: Part, *, full: bool) -> Iterator[str]:
    pair = len(compared.runs) == 2
    body = list(_pair(compared, name, part, full=full) if pair else _table(compared, part, full=full))
    if body:
        yield f"<h2>{_text(TITLES[name].capitalize())}</h2>"
        yield from body


def _pair(compared: Comparison, name: PartName, part: Part, *, full: bool) -> Iterator[str]:
    most = None if full else _MOST * LONG
    yield from _limited(part_rows(part, full=full), most)
    code = shown_code(compared, part) if name == "code" else None
    if code is not None:
        yield from _limited(list(commit_rows(code)), most)
        yield from _limited(list(file_rows(code)), most)
        yield from _patch(code, full=full)
    names = {one.what for one in part.differs}
    for one in compared.members:
        if one.what in names:
            yield f"<h3>In {_text(label(one.what))}</h3>"
            yield from _limited([Row("", text) for text in member_lines(one)], most)


def _limited(rows: Sequence[Row], most: int | None) -> Iterator[str]:
    shown, more = bounded(rows, most)
    if shown:
        yield from _rows(shown)
    yield from _more(more)


def _more(count: int) -> Iterator[str]:
    if count:
        yield f'<p class="more">… {count} more (--full)</p>'


def _rows(rows: Iterable[Row]) -> Iterator[str]:
    yield "<table>"
    for row in rows:
        yield f"<tr><th>{_text(row.label)}</th><td>{_text(row.text)}</td></tr>"
    yield "</table>"


def _patch(code: CodeChanges, *, full: bool) -> Iterator[str]:
    lines, more = patch_lines(code, None if full else _MOST * PATCH)
    if lines:
        yield "<pre>" + "\n".join(_patch_line(text, full=full) for text in lines) + "</pre>"
    yield from _more(more)


def _patch_line(text: str, *, full: bool) -> str:
    said = _text(patch_line(text, full=full))
    match text[:1]:
        case "+":
            return f"<ins>{said}</ins>"
        case "-":
            return f"<del>{said}</del>"
        case "@":
            return f'<b class="hunk">{said}</b>'
        case _:
            return said


def _table(compared: Comparison, part: Part, *, full: bool) -> Iterator[str]:
    shown, more = bounded(part.differs, None if full else _MOST * LONG)
    positions = range(len(compared.runs))
    if shown:
        heads = "".join(f"<th>{_text(letter(position))}</th>" for position in positions)
        yield f"<table><thead><tr><th></th>{heads}</tr></thead>"
        for one in shown:
            found = "".join(f"<td>{_text(cell)}</td>" for cell in row_cells(one, len(positions), full=True))
            yield f"<tr><th>{_text(label(one.what))}</th>{found}</tr>"
        yield "</table>"
    yield from _more(more)
    if part.unknown:
        yield from _rows(Row(label(one.what), unknown_text(one)) for one in part.unknown)


def _explanation(compared: Comparison) -> Iterator[str]:
    told = compared.explanation
    if told is None:
        return
    yield f"<h2>Why the results may differ</h2><p>{_text(told.summary)}</p>"
    if told.causes:
        yield from _rows(Row(cause.likelihood, cause_text(cause)) for cause in told.causes)


def _text(text: str) -> str:
    """Escaped, for an element's content or an attribute in quotes."""
    return escape(text.encode("utf-8", "backslashreplace").decode())
