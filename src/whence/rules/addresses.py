"""Addresses of databases: `sqlite:///file.db`, `duckdb://`, `postgresql://host/database`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from urllib.parse import unquote

import msgspec

from ..errors import UsageError
from .remotes import without_credentials

_PASSWORD = re.compile(r"[?&](?:ssl)?password=([^&#]*)")

Scalar = str | int | float | bool | None


class Address(msgspec.Struct, frozen=True):
    """Where a database is."""

    scheme: str
    """In lower case."""
    rest: str
    """What follows `://`. Of a server it may hold a password."""

    @property
    def url(self) -> str:
        """All of it, with what opens the database."""
        return f"{self.scheme}://{self.rest}"

    @property
    def path(self) -> str:
        """The file of a database that is one: three slashes and a path relative to where one is, or four; empty
        where none is named. Raises UsageError."""
        if self.rest and not self.rest.startswith("/"):
            raise UsageError(
                f"{self}: found {self.rest.partition('/')[0]!r} where a host would be, expected a file",
                hint=f"{self.scheme}:///file.db is one where you are, {self.scheme}:////data/file.db one from the root",
            )
        return self.rest[1:]

    @property
    def passwords(self) -> list[str]:
        """What in it opens the database, as it is written and as it is meant."""
        before, _, options = self.rest.partition("?")
        found = [before.rpartition("@")[0].partition(":")[2], *_PASSWORD.findall(f"?{options}")]
        return sorted({text for word in found if word for text in (word, unquote(word))})

    def __str__(self) -> str:
        return without_credentials(self.url)


def read_address(text: str, schemes: Sequence[str]) -> Address:
    """Raises UsageError, which does not repeat what may be a password."""
    scheme, colon, rest = text.partition("://")
    known = scheme.lower() in schemes
    if not colon or not known:
        found = f"{scheme}://" if colon and scheme.isalnum() else "something else"
        expected = ", ".join(f"{one}://" for one in schemes)
        raise UsageError(
            f"--from: found {found}, expected one of {expected}", hint="for instance --from sqlite:///measurements.db"
        )
    return Address(scheme.lower(), rest)


def read_parameters(words: Sequence[str]) -> dict[str, Scalar]:
    """`K=V` words. A value is what JSON says it is (`5`, `0.5`, `true`, `null`, `"5"`), else a text. Raises
    UsageError."""
    read: dict[str, Scalar] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"parameter {name!r}: expected NAME=VALUE, the name of letters, digits and `_`")
        if name in read:
            raise UsageError(f"parameter {name!r}: found it twice")
        read[name] = _scalar(value)
    return read


def _scalar(text: str) -> Scalar:
    try:
        value = msgspec.json.decode(text.encode("utf-8", "surrogateescape"))
    except msgspec.DecodeError:
        return text
    plain = value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else text
