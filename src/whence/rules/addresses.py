"""Addresses of databases (`sqlite:///file.db`, `postgresql://host/database`) and of files (`s3://bucket/key`)."""

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

    def __str__(self) -> str:
        return without_credentials(self.url)


def passwords_of(url: str) -> list[str]:
    """What in an address opens it, as it is written and as it is meant; nothing in a path."""
    before, _, options = url.partition("://")[2].partition("?")
    found = [before.rpartition("@")[0].partition(":")[2], *_PASSWORD.findall(f"?{options}")]
    return sorted({text for word in found if word for text in (word, unquote(word))})


def name_of_url(url: str) -> str:
    """The last part of its path."""
    return url.partition("://")[2].partition("?")[0].rstrip("/").rpartition("/")[2]


_NAMES = ("s3", "sftp", "ssh", "hdfs", "abfs", "abfss", "gs", "smb")
"""Schemes in which what stands alone before `@` opens nothing: a container, or who asks."""


def without_password(url: str) -> str:
    """An address of files as it may be kept: the way to read them again, and nothing that lets one in. A path stays."""
    scheme, colon, rest = url.partition("://")
    if not colon:
        return url
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    name, _, password = user.partition(":")
    keep = f"{name}@" if at and not password and scheme.lower() in _NAMES else ""
    return f"{scheme}://{keep}{host}{slash}{path}"


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
