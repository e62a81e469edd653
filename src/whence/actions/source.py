"""What is asked for when a dataset is made or added to, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import UsageError
from ..records.data import ManifestEntry
from ..rules.addresses import Scalar, passwords_of
from ..rules.secret_literals import is_distinctive
from ..rules.secrets import Secrets


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: paths and addresses, or a query and the database that it is for."""

    paths: Sequence[str] = ()
    below: str | None = None
    """The folder in the dataset that files go to; the file that rows are frozen to."""
    reference: bool = False
    sql: str | None = None
    url: str | None = None
    parameters: Mapping[str, Scalar] = {}


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the store then."""

    entries: Sequence[ManifestEntry]
    parameters: dict[str, Any] = {}
    """Where it came from, for the step."""
    left_out: list[str] = []
    """Each `.git` that was not taken."""


def check_source(source: Source) -> None:
    """Whether the words go together, before anything is made or asked. Raises UsageError."""
    if source.sql is None:
        _refuse_query_words(source)
    elif source.paths or source.reference:
        found = "--reference" if source.reference else repr(source.paths[0])
        raise UsageError(
            f"found {found} and --sql, expected one of them",
            hint="a query is always frozen: its rows are in no file that could be referred to",
        )
    elif source.url is None:
        raise UsageError("found --sql and no database", hint="for instance --from sqlite:///measurements.db")


def _refuse_query_words(source: Source) -> None:
    if source.url is not None or source.parameters:
        word = "--from" if source.url is not None else "--parameter"
        raise UsageError(f"found {word} and no query", hint="--sql QUERY --from URL freezes what a query gives")
    if not source.paths:
        raise UsageError("found nothing to take", hint="expected files or folders, or --sql QUERY --from URL")


def knowing(secrets: Secrets, source: Source) -> Secrets:
    """With the passwords of the addresses, wherever they stand."""
    passwords = (word for url in (source.url or "", *source.paths) for word in passwords_of(url))
    return secrets.knowing_all(word for word in passwords if is_distinctive(word))
