"""What is asked for when a dataset is made or added to, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

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


def knowing(secrets: Secrets, source: Source) -> Secrets:
    """With the passwords of the addresses, wherever they stand."""
    passwords = (word for url in (source.url or "", *source.paths) for word in passwords_of(url))
    return secrets.knowing_all(word for word in passwords if is_distinctive(word))
