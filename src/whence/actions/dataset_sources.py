"""What `data create` and `data add` take: files and folders, or the rows that a query gives."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from ..errors import UsageError, WhenceError
from ..interop.answers import Question
from ..interop.databases import DATABASES
from ..interop.parquet_files import arrow_version, stored_schema, write_parquet
from ..records.data import ManifestEntry
from ..records.encoding import encode, timestamp
from ..records.source import Column, Files, Place, Query, RemoteFile
from ..rules.addresses import Address, Scalar, name_of_url, passwords_of, read_address, without_password
from ..rules.contents import in_order
from ..rules.manifests import manifest_faults
from ..rules.secret_literals import is_distinctive
from ..rules.secrets import Secrets
from ..store.adding import SourceError
from ..store.dataset_changes import folder_of, gather, place_of
from ..store.incoming import Incoming
from ..store.layout import Store
from ..store.objects import put_bytes
from ..store.speaker import Speaker
from ..system.remote_files import Remote, RemoteError, is_url
from ..system.remote_files import RemoteFile as Seen

SUFFIX = ".parquet"

MOST_LISTED = 20
"""So many files by address a step lists itself; more are an object."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: paths, or a query and the database that it is for."""

    paths: Sequence[str] = ()
    below: str | None = None
    """The folder in the dataset that files go to; the file that a query is frozen to."""
    reference: bool = False
    sql: str | None = None
    url: str | None = None
    parameters: Mapping[str, Scalar] = {}


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the store then."""

    entries: Sequence[ManifestEntry]
    parameters: dict[str, Any] = {}
    """Where it came from, for the step."""


def gather_source(store: Store, cwd: Path, name: str, source: Source, secrets: Secrets, speaker: Speaker) -> Gathered:
    """Bring what the source is into the store; `name` is the dataset's. Raises UsageError, SourceError, StoreError,
    LibraryError."""
    try:
        return _gather(store, cwd, name, source, secrets, speaker)
    except WhenceError as error:
        # Whoever was asked may repeat in its words what it was told.
        error.message = _knowing(secrets, source).mask_text(error.message)
        error.args = (error.message,)
        raise


def _gather(store: Store, cwd: Path, name: str, source: Source, secrets: Secrets, speaker: Speaker) -> Gathered:
    if source.sql is None:
        _refuse_query_words(source)
        if any(map(is_url, source.paths)):
            return _gather_remote(store, source, secrets, speaker)
        entries = gather(store, cwd, source.paths, below=source.below, keep=not source.reference)
        said = _referred(cwd, source, secrets, speaker) if source.reference else {}
        return Gathered(entries=entries, parameters=said)
    if source.paths or source.reference:
        found = "--reference" if source.reference else repr(source.paths[0])
        raise UsageError(
            f"found {found} and --sql, expected one of them",
            hint="a query is always frozen: its rows are in no file that could be referred to",
        )
    if source.url is None:
        raise UsageError("found --sql and no database", hint="for instance --from sqlite:///measurements.db")
    address = read_address(source.url, list(DATABASES))
    return _freeze(store, cwd, name, source, address, secrets, speaker.clock())


def _refuse_query_words(source: Source) -> None:
    if source.url is not None or source.parameters:
        word = "--from" if source.url is not None else "--parameter"
        raise UsageError(f"found {word} and no query", hint="--sql QUERY --from URL freezes what a query gives")
    if not source.paths:
        raise UsageError("found nothing to take", hint="expected files or folders, or --sql QUERY --from URL")


def _referred(cwd: Path, source: Source, secrets: Secrets, speaker: Speaker) -> dict[str, Any]:
    """Where the files lie, for the step."""
    alone = len(source.paths) == 1
    places = [
        Place(path=place_of(cwd / path, source.below, alone=alone), location=os.path.realpath(cwd / path))
        for path in source.paths
    ]
    return secrets.mask_values(msgspec.to_builtins(Files(reference=True, host=speaker.by.host, places=places)))


def _gather_remote(store: Store, source: Source, secrets: Secrets, speaker: Speaker) -> Gathered:
    """Files by their addresses, copied or only digested."""
    local = next((path for path in source.paths if not is_url(path)), None)
    if local is not None:
        raise UsageError(f"found the path {local!r} beside addresses", hint="add them apart")
    places: list[Place] = []
    seen: list[RemoteFile] = []
    entries: dict[str, ManifestEntry] = {}
    with Incoming(store, keep=not source.reference) as incoming:
        for url in source.paths:
            found = _found(url, source, _knowing(secrets, source))
            places.append(found.place)
            for file, entry in _taken(incoming, found):
                if entries.setdefault(entry.path, entry) is not entry:
                    what = f"{found.place.location}: found a second file for {entry.path}"
                    raise UsageError(what, hint="add them apart")
                seen.append(RemoteFile(path=entry.path, size=entry.size, etag=file.etag, version=file.version))
    listed = in_order(entries.values())
    fault = next(manifest_faults(listed), None)
    if fault is not None:
        raise SourceError(f"{places[0].location}: {fault}", hint="no folder could hold it")
    many = len(seen) > MOST_LISTED
    files = Files(
        reference=source.reference,
        places=places,
        files=[] if many else seen,
        listing=put_bytes(store, secrets.mask_text(encode(seen).decode()).encode()) if many else None,
        at=timestamp(speaker.clock()),
    )
    return Gathered(entries=listed, parameters=_knowing(secrets, source).mask_values(msgspec.to_builtins(files)))


class _Found(NamedTuple):
    """What is at an address."""

    remote: Remote
    files: list[Seen]
    place: Place


def _found(url: str, source: Source, secrets: Secrets) -> _Found:
    """A folder that is alone goes to the top, as a local one does. Raises SourceError, LibraryError."""
    location = secrets.mask_text(without_password(url))
    try:
        remote = Remote(url, location)
        files = remote.files()
    except RemoteError as error:
        raise SourceError(error.message, hint=error.hint) from error
    if not files:
        raise SourceError(f"{location}: found no files")
    name = "" if len(source.paths) == 1 and files[0].path else name_of_url(url)
    return _Found(remote, files, Place(path="/".join(filter(None, (folder_of(source.below), name))), location=location))


def _taken(incoming: Incoming, found: _Found) -> Iterator[tuple[Seen, ManifestEntry]]:
    """Each file as the other side told of it, and as it is here. Raises SourceError."""
    for file in found.files:
        path = "/".join(filter(None, (found.place.path, file.path)))
        try:
            entry = incoming.take(path, functools.partial(_write, found.remote, file))
        except RemoteError as error:
            raise SourceError(error.message, hint=error.hint) from error
        if file.size is not None and file.size != entry.size:
            said = f"{found.place.location}: {path!r} has {entry.size} bytes, expected {file.size}"
            raise SourceError(said, hint="add it when nothing writes to it")
        yield file, entry


def _write(remote: Remote, file: Seen, out: BinaryIO) -> None:
    for chunk in remote.chunks(file.place):
        out.write(chunk)


def _freeze(
    store: Store, cwd: Path, name: str, source: Source, address: Address, secrets: Secrets, now_ns: int
) -> Gathered:
    path = _file_of(source.below, name)
    question = Question(source.sql or "", source.parameters)
    with DATABASES[address.scheme](address, cwd, question) as answer, Incoming(store) as incoming:
        schema = stored_schema(answer.schema)
        rows = 0

        def fill(out: Any) -> None:
            nonlocal rows
            rows = write_parquet(out, answer, schema)

        entry = incoming.take(path, fill)
    query = Query(
        query=question.query,
        parameters=dict(question.parameters),
        connection=answer.connection,
        path=path,
        rows=rows,
        columns=[Column(name=field.name, type=str(field.type)) for field in schema],
        at=timestamp(now_ns),
        writer=arrow_version(),
    )
    parameters = _knowing(secrets, source).mask_values(msgspec.to_builtins(query))
    return Gathered(entries=[entry], parameters=parameters)


def _file_of(below: str | None, name: str) -> str:
    """The path in the dataset. Raises UsageError."""
    path = folder_of(below) if below is not None else f"{name}{SUFFIX}"
    if not path.endswith(SUFFIX) or path.endswith(f"/{SUFFIX}") or path == SUFFIX:
        raise UsageError(f"--as {below}: expected a file that ends in {SUFFIX}", hint="for instance --as rows.parquet")
    return path


def _knowing(secrets: Secrets, source: Source) -> Secrets:
    """With the passwords of the addresses, wherever they stand."""
    passwords = (word for url in (source.url or "", *source.paths) for word in passwords_of(url))
    return secrets.knowing_all(word for word in passwords if is_distinctive(word))
