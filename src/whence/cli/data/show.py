"""`whence data show`: one version of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from msgspec import structs

from ...actions.dataset_view import VersionPage, file_lines, manifest_of, tables_of, version_page
from ...records.act import Actor
from ...records.data import ManifestEntry
from ...records.encoding import encode
from ...records.tables import TableShape
from ...rules.versions import NEWEST
from ...store.dataset_references import find_version
from ...store.layout import Store
from ...store.stories import story_of_run
from ..arguments import CommandParser, Place
from ..output import counted, json_document, line, printable, size_text, time_text, width, wrapped
from .words import VERSION, amount, pick_lines


def parser() -> CommandParser:
    parser = CommandParser(
        "data show",
        "Show a version of a dataset: its identity, who made it and why, and how much of its bytes is in this store.",
        examples=("whence data show cifar", "whence data show cifar@2.1.0 --files", "whence data show cifar --json"),
    )
    parser.add_argument("version", metavar="NAME[@VERSION]", help=VERSION)
    parser.add_argument("--files", action="store_true", help="list its files, with digests")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    store = Place().store
    found = find_version(store, options.version)
    page = version_page(store, found)
    entries = manifest_of(store, found) if options.files else None
    if options.json:
        json_document({**_as_json(page, entries), "tables": tables_of(store, found.made)})
        return 0
    for text in [*_lines(store, page), *_table_lines(tables_of(store, found.made))]:
        for part in _folded(text):
            line(part)
    for entry in entries or []:
        line(f"  {entry.digest or '-':<71}  {size_text(entry.size):>9}  {printable(entry.path)}")
    return 0


LABEL = 10
"""Columns before what a line says."""


def _folded(text: str) -> list[str]:
    """The lines that a terminal needs for it; elsewhere it is one."""
    room = width()
    return [text] if room is None else wrapped(text[:LABEL], text[LABEL:], room)


def _as_json(page: VersionPage, entries: list[ManifestEntry] | None) -> dict[str, object]:
    shown: dict[str, object] = structs.asdict(page.version)
    shown |= {"description": page.description, "here": page.here}
    shown |= {"released_as": page.released_as, "newest": page.newest}
    shown |= {
        "all_parts": page.all_parts,
        "contained_in": page.contained_in,
        "expiry": page.expiry,
        "imports": page.imports,
    }
    return shown if entries is None else {**shown, "entries": list(file_lines(entries))}


def _standing(page: VersionPage) -> str:
    if page.version.released:
        return "a release"
    if page.released_as is not None:
        return f"developing: {page.released_as} is the release with its content"
    return "developing: no release has its content"


def _lines(store: Store, page: VersionPage) -> Iterator[str]:
    version = page.version
    yield f"dataset   {version.name} ({version.id})"
    if page.description:
        yield f"          {printable(page.description)}"
    yield f"version   {version.version}, {_standing(page)}"
    if page.newest is not None:
        yield f"newest    {page.newest}: `whence data show {version.name}@{NEWEST}`"
    yield f"manifest  {version.manifest}"
    yield f"content   {amount(version.files, version.size)}"
    yield f"here      {amount(page.here.files, page.here.size)}{_after(': ', page.here.because)}"
    for expiry in page.expiry:
        yield f"expired   {time_text(expiry.at)} by {_who(expiry.by)}{_after(': ', expiry.why)}"
        if (undone := expiry.undone) is not None:
            how = "added again" if undone.archive is None else f"import of {printable(undone.archive)}"
            yield f"          undone {time_text(undone.at)} by {_who(undone.by)}: {how}"
    for one in page.imports:
        archive = f"{printable(one.archive or '')}{_after(': ', one.why)}"
        yield f"imported  {time_text(one.at)} by {_who(one.by)}: {archive}"
    what = f"{version.operation}{_after(' of ', version.base)}"
    yield f"made      {time_text(version.at)} by {_who(version.by)}: {what}"
    if version.why:
        yield f"because   {printable(version.why)}"
    for text in pick_lines(version.picks):
        yield f"pick      {text}"
    for run in dict.fromkeys([*filter(None, [version.run]), *version.producers]):
        here = story_of_run(store, version.id, run).here
        yield f"run       {run}{'' if here else ', which is not in this store'}"
    for part in page.all_parts:
        yield f"part      {printable(f'{part.folder}/  {part.dataset}@{part.version}')}"
    for place in page.contained_in:
        yield f"part of   {printable(f'{place.dataset}@{place.version}  {place.folder}/')}"
    for key, value in version.parameters.items():
        yield f"given     {printable(f'{key} = {_text(key, value)}')}"


def _table_lines(tables: Sequence[TableShape]) -> Iterator[str]:
    for table in tables:
        name = printable(table.path + (f" {table.name}" if table.name is not None else ""))
        if table.digest is None:
            yield f"table     {name}: not read: {printable(table.because or '')}"
            continue
        yield f"table     {name}: {counted(table.rows or 0, 'row', 'rows')}, {table.digest}"
        yield f"          {printable(', '.join(f'{column.name} ({column.type})' for column in table.columns))}"


def _text(key: str, value: object) -> str:
    match key, value:
        case _, str():
            return value
        case "source", {"name": str(name), "version": str(version), "dataset": str()}:
            return f"{name}@{version}"
        case "parts", list():
            return ", ".join(f"{part.get('name')} {part.get('take')}" for part in cast("list[dict[str, Any]]", value))
        case _:
            return encode(value).decode()


def _who(actor: Actor) -> str:
    return printable(actor.name or actor.user or "somebody")


def _after(before: str, text: str | None) -> str:
    return f"{before}{printable(text)}" if text else ""
