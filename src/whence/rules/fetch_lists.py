"""`fetch.txt` of a bag (RFC 8493, section 2.2.3): files of the payload that lie elsewhere, by address.

What a list names is asked for only where it is an address of another machine: no list may have files of this one read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, unquote

FETCH = "fetch.txt"

_HTTP = ("http", "https")

SCHEMES = (
    *_HTTP, "ftp", "ftps", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "hf", "sftp", "ssh", "hdfs",
    "webhdfs", "smb",
)  # fmt: skip
"""Those that lead to another machine."""

_LINE = re.compile(r"(\S+)[ \t]+([0-9]+|-)[ \t]+(.+)")

_RESERVED = ":/?[]@!$&'()*+,;=~"


class Wanted(NamedTuple):
    """A file of the payload that is not in the bag."""

    uri: str
    size: int | None
    path: str
    """In the bag, as it is written."""


def fetch_text(wanted: Iterable[Wanted]) -> bytes:
    """The lines of the list. Paths are those of `payload_names`, which need no escapes."""
    lines = (f"{one.uri} {'-' if one.size is None else one.size} {one.path}\n" for one in wanted)
    return "".join(lines).encode()


def read_fetch_text(data: bytes, where: str) -> list[Wanted]:
    """Raises ValueError that says what is wrong, where."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: found bytes that are not UTF-8, at {error.start}") from None
    found: list[Wanted] = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{where}:{number}: found a line that is not an address, a length and a path")
        size = None if match[2] == "-" else int(match[2])
        found.append(Wanted(match[1], size, match[3].removeprefix("./")))
    return found


def is_fetchable(address: str) -> bool:
    """Whether it leads to another machine, and to nothing behind it: fsspec chains addresses by `::`."""
    scheme, colon, rest = address.partition("://")
    return bool(colon and rest) and scheme.lower() in SCHEMES and "::" not in address


def uri_of(address: str) -> str:
    """An address of fsspec as a URI (RFC 3986). An address of HTTP is one already, but for what none may have in it."""
    kept = f"{_RESERVED}%#" if _is_http(address) else _RESERVED
    return quote(address, safe=kept, errors="surrogateescape")


def address_of(uri: str) -> str:
    """The address that a URI is for fsspec, which takes the keys of object stores as they are."""
    return uri if _is_http(uri) else unquote(uri, errors="surrogateescape")


def _is_http(address: str) -> bool:
    return address.partition("://")[0].lower() in _HTTP
