"""The bytes of a pack (docs/format.md, section 1): a `ustar` archive whose last member is an index of the others.

Everything here is about bytes at hand; `packs` reads and `pack_writer` writes them.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..digests import is_digest, sha256

BLOCK = 512
ROW = 48
DIGEST = 32
TAIL = 1088
"""So many bytes before the end of the file the 64 bytes begin that close the index."""

INDEX = b"index"

_ROW = struct.Struct("<32sQQ")
_TRAILER = struct.Struct("<16sQQ32s")
_MAGIC = b"whence-pack/1\n\0\0"
_END = bytes(2 * BLOCK)
_SUM = slice(148, 156)
_REST = b"0".ljust(101, b"\0") + b"ustar\00000".ljust(72, b"\0") + b"0000000\0" * 2 + bytes(167)
"""What follows the sum in every header: a regular file, no link, the form, no names of accounts, no device."""
_REST_SUM = sum(_REST) + 8 * ord(" ")
_WINDOW = 128
"""Rows to each side of where a digest should stand, were they spread evenly: in a pack of 30,000 it mostly does."""


class Member(NamedTuple):
    """Where an object's bytes are in a pack."""

    digest: bytes
    """32 bytes."""
    offset: int
    size: int

    @property
    def name(self) -> str:
        """Its digest as text."""
        return "sha256:" + self.digest.hex()


class Place(NamedTuple):
    """Where the rows of an index are in a pack, and what they must hash to."""

    rows: int
    """How many."""
    start: int
    digest: bytes


def member_name(digest: bytes) -> bytes:
    """`sha256/ab/cdef…`"""
    text = digest.hex()
    return f"sha256/{text[:2]}/{text[2:]}".encode()


def header(name: bytes, size: int, seconds: int) -> bytes:
    """The block before a member's bytes; the time is Unix seconds."""
    begin = b"%s0000444\0000000000\0000000000\0%011o\0%011o\0" % (name.ljust(100, b"\0"), size, seconds)
    return begin + b"%06o\0 " % (sum(begin) + _REST_SUM) + _REST


def padding(size: int) -> bytes:
    """The zeros that follow a member of that size."""
    return bytes(-size % BLOCK)


def index_member(members: Iterable[Member], at: int, seconds: int) -> bytes:
    """The last member with its header, which will stand at that offset, and the end of the archive."""
    rows = pack_rows(members)
    trailer = _TRAILER.pack(_MAGIC, len(rows) // ROW, at + BLOCK, sha256(rows).digest())
    body = rows + padding(len(rows) + len(trailer)) + trailer
    return header(INDEX, len(body), seconds) + body + _END


def read_trailer(data: bytes, size: int) -> Place | None:
    """Where the rows are, by the 64 bytes at `TAIL` before the end of a pack of that size; nothing if they are none."""
    if len(data) < _TRAILER.size:
        return None
    magic, count, start, digest = _TRAILER.unpack_from(data)
    sound = magic == _MAGIC and start + count * ROW <= size - TAIL
    return Place(count, start, digest) if sound else None


def are_rows(rows: bytes, place: Place) -> bool:
    """Whether the rows are those that were written."""
    return len(rows) == place.rows * ROW and sha256(rows).digest() == place.digest


def find_row(rows: Callable[[int, int], bytes], count: int, digest: bytes) -> Member | None:
    """The row of a digest; `rows` gives those from one number up to another, and is mostly asked once.

    Digests are spread evenly, so the first look is where this one should be; the next ones halve what is left.
    """
    low, high = 0, count
    guess = int.from_bytes(digest[:8], "big") * count >> 64
    while low < high:
        begin, end = max(low, guess - _WINDOW), min(high, guess + _WINDOW)
        window = rows(begin, end)
        if len(window) != (end - begin) * ROW:
            return None
        at = bisect_left(range(end - begin), digest, key=lambda row: window[row * ROW : row * ROW + 32])
        if at < end - begin:
            member = member_at(window, at)
            if member.digest == digest:
                return member
        if 0 < at < end - begin:
            return None
        low, high = (end, high) if at else (low, begin)
        guess = (low + high) // 2
    return None


def member_at(rows: bytes, number: int) -> Member:
    """One row."""
    return Member(*_ROW.unpack_from(rows, number * ROW))


def all_members(rows: bytes) -> Iterator[Member]:
    """Every row."""
    return (Member(*row) for row in _ROW.iter_unpack(rows))


def pack_rows(members: Iterable[Member]) -> bytes:
    """The rows as they stand in an index."""
    return b"".join([_ROW.pack(*member) for member in sorted(members)])


class Header(NamedTuple):
    """What stands before a member's bytes."""

    name: bytes
    size: int

    @property
    def digest(self) -> bytes | None:
        """The digest that the member is named by; nothing for the index."""
        scheme, _, rest = self.name.partition(b"/")
        text = rest.replace(b"/", b"", 1).decode("ascii", "replace")
        if scheme != b"sha256" or not is_digest("sha256:" + text):
            return None
        return bytes.fromhex(text)


def read_header(block: bytes) -> Header | None:
    """A member's header; nothing for what is none, or does not hold its own sum."""
    if len(block) != BLOCK or block[257:263] != b"ustar\0":
        return None
    try:
        said = int(block[_SUM].strip(b"\0 "), 8)
        size = int(block[124:136].strip(b"\0 "), 8)
    except ValueError:
        return None
    if said != sum(block) - sum(block[_SUM]) + 8 * ord(" "):
        return None
    return Header(block[:100].rstrip(b"\0"), size)


def walk(read: Callable[[int, int], bytes], size: int) -> Iterator[Member]:
    """The members by their headers alone, as far as they are whole; `read` gives so many bytes from an offset."""
    at = 0
    while at + BLOCK <= size:
        found = read_header(read(at, BLOCK))
        if found is None or at + BLOCK + found.size > size:
            return
        digest = found.digest
        if digest is not None:
            yield Member(digest, at + BLOCK, found.size)
        at += BLOCK + found.size + -found.size % BLOCK
