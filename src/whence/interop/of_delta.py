"""Delta Lake: a version of a table by its number, or the newest one at a moment.

A table has no order of its own. Its files are read in the order in which they were written, so that the same version
gives the same rows in the same order, whatever has become of its log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from ..records.encoding import timestamp
from ..records.source import TableSnapshot
from ..rules.addresses import without_password
from ..rules.table_addresses import TableAddress
from ..store.adding import SourceError
from ..system.libraries import library
from .answers import ROWS
from .snapshots import Reading, gone

MOST_LOOKED_AT = 20
"""Versions that are looked at, the newest first, for those that are whole."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def read_delta(address: TableAddress, cwd: Path) -> Reading:
    """A version of a table."""
    library("pyarrow", extra="delta", what=address.table)
    delta = library("deltalake", extra="delta", what=address.table)
    local = "://" not in address.location
    location = os.path.realpath(cwd / address.location) if local else address.location
    with _reading(delta, address):
        if local and not os.path.isdir(location):
            raise SourceError(f"{location}: found no folder, expected a Delta Lake table")
        table = _load(delta, address, location)
        data = table.to_pyarrow_dataset()
        told = table.metadata()
        snapshot = TableSnapshot(
            format="delta",
            location=without_password(location),
            name=told.name,
            table=str(told.id),
            id=str(table.version()),
            committed=_committed(table),
            floating=address.option is None,
            software=f"deltalake {delta.__version__}",
        )
        return Reading(snapshot, data.schema, _batches(delta, address, location, table, data))


@contextmanager
def _reading(delta: Any, address: TableAddress) -> Generator[None]:
    arrow = library("pyarrow", extra="delta", what=address.table)
    try:
        yield
    except delta.exceptions.TableNotFoundError as error:
        raise SourceError(f"{address.table}: found no Delta Lake table: {_said(error)}") from error
    except (delta.exceptions.DeltaError, arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise SourceError(f"{address.table}: cannot be read: {_said(error)}") from error


def _said(error: BaseException) -> str:
    """What the library says, on one line."""
    return " ".join(_COLOURS.sub("", str(error)).split()) or type(error).__name__


def _load(delta: Any, address: TableAddress, location: str) -> Any:
    """The table at the version that is asked for. Raises SourceError, and what the library raises."""
    newest = delta.DeltaTable(location)
    if address.option is None:
        return newest
    if address.option == "timestamp":
        moment = address.moment
        newest.load_as_version(moment)
        committed = newest.history(1)
        if committed and committed[0]["timestamp"] > moment.timestamp() * 1000:
            # The library takes the oldest one where all are later.
            raise _gone(delta, address, location, f"has no version as old as {address.value}")
        return newest
    if address.number > newest.version():
        what = f"has no version {address.number}, the newest is {newest.version()}"
        raise SourceError(f"{address.table}: {what}", hint=f"name that one: version={newest.version()}")
    try:
        return delta.DeltaTable(location, version=address.number)
    except delta.exceptions.DeltaError as error:
        what = f"has no version {address.number} any more, its log was cleaned up"
        raise _gone(delta, address, location, what) from error


def _committed(table: Any) -> str | None:
    """When the version was made; nothing where the log does not say it any more."""
    entries = [one for one in table.history(1) if one.get("version") == table.version()]
    return timestamp(entries[0]["timestamp"] * 1_000_000) if entries else None


def _batches(delta: Any, address: TableAddress, location: str, table: Any, data: Any) -> Iterator[Any]:
    with _reading(delta, address):
        written = _written(table)
        try:
            for file in sorted(data.get_fragments(), key=lambda one: (written.get(unquote(one.path), 0), one.path)):
                yield from file.to_batches(schema=data.schema, batch_size=ROWS, batch_readahead=2)
        except OSError as error:
            lost = _lost(data)
            if not lost:
                raise
            what = f"version {table.version()} has lost {lost[0]!r}"
            more = f" and {len(lost) - 1} more of its files" if len(lost) > 1 else ""
            raise _gone(delta, address, location, f"{what}{more}, as after a vacuum") from error


def _written(table: Any) -> dict[str, int]:
    """When each file was written, in milliseconds, by its path without escapes."""
    arrow = library("pyarrow", extra="delta", what="a table")
    actions = arrow.table(table.get_add_actions(flatten=True))
    paths, times = (actions[column].to_pylist() for column in ("path", "modification_time"))
    return {unquote(path): time or 0 for path, time in zip(paths, times, strict=True)}


def _lost(data: Any) -> list[str]:
    """Files of a version that are not there."""
    fs = library("pyarrow.fs", extra="delta", what="a table")
    infos = cast("list[Any]", data.filesystem.get_file_info(data.files) if data.files else [])
    return [info.path for info in infos if info.type == fs.FileType.NotFound]


def _gone(delta: Any, address: TableAddress, location: str, what: str) -> SourceError:
    return gone(address, what, _whole(delta, location), "version")


def _whole(delta: Any, location: str) -> list[str]:
    """The versions that can be read, the newest first."""
    versions = sorted({entry["version"] for entry in delta.DeltaTable(location).history()}, reverse=True)
    return [str(version) for version in versions[:MOST_LOOKED_AT] if _is_whole(delta, location, version)]


def _is_whole(delta: Any, location: str, version: int) -> bool:
    try:
        return not _lost(delta.DeltaTable(location, version=version).to_pyarrow_dataset())
    except (delta.exceptions.DeltaError, OSError):
        return False
