"""What `data create` and `data add` take: files and folders, or the rows that a query gives."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UsageError, WhenceError
from ..interop.answers import Question
from ..interop.databases import DATABASES
from ..interop.parquet_files import arrow_version, stored_schema, write_parquet
from ..records.data import ManifestEntry
from ..records.encoding import timestamp
from ..records.source import Column, Files, Place, Query
from ..rules.addresses import Address, Scalar, read_address
from ..rules.secret_literals import is_distinctive
from ..rules.secrets import Secrets
from ..store.dataset_changes import folder_of, gather, place_of
from ..store.incoming import Incoming
from ..store.layout import Store
from ..store.speaker import Speaker

SUFFIX = ".parquet"


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
    if source.sql is None:
        _refuse_query_words(source)
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
    try:
        return _freeze(store, cwd, name, source, address, secrets, speaker.clock())
    except WhenceError as error:
        # A database may repeat in its words what it was told.
        error.message = _knowing(secrets, address).mask_text(error.message)
        error.args = (error.message,)
        raise


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
    parameters = _knowing(secrets, address).mask_values(msgspec.to_builtins(query))
    return Gathered(entries=[entry], parameters=parameters)


def _file_of(below: str | None, name: str) -> str:
    """The path in the dataset. Raises UsageError."""
    path = folder_of(below) if below is not None else f"{name}{SUFFIX}"
    if not path.endswith(SUFFIX) or path.endswith(f"/{SUFFIX}") or path == SUFFIX:
        raise UsageError(f"--as {below}: expected a file that ends in {SUFFIX}", hint="for instance --as rows.parquet")
    return path


def _knowing(secrets: Secrets, address: Address) -> Secrets:
    return secrets.knowing_all(word for word in address.passwords if is_distinctive(word))
