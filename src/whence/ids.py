"""Identifiers of runs, acts and stores: UUID version 7 (RFC 9562, section 5.7), in lower case with hyphens.

The first 48 bits are Unix milliseconds, so identifiers sort by time of creation; the rest is random. A short form
is therefore a part of the *tail*: the head of two runs started together is the same.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

SHORTEST_TAIL = 4
"""A tail shorter than this is not taken as a reference."""


def new_id(milliseconds: int, random: bytes) -> str:
    """The identifier for a Unix time in milliseconds and ten random bytes."""
    tail = int.from_bytes(random[:10], "big")
    number = (
        (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | (tail >> 68 & 0xFFF) << 64 | 2 << 62 | tail & (1 << 62) - 1
    )
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_id(text: str) -> bool:
    """Whether the text is a full identifier."""
    return _SHAPE.fullmatch(text) is not None


def created_at(identifier: str) -> datetime:
    """The time of creation that an identifier carries, in UTC, to the millisecond."""
    return datetime.fromtimestamp(int(identifier[:8] + identifier[9:13], 16) / 1000, UTC)


def day_of(identifier: str) -> str:
    """The name of the day folder that an identifier belongs to: its UTC date, `2026-11-21`."""
    return created_at(identifier).strftime("%Y-%m-%d")


def short(identifier: str) -> str:
    """The eight last characters, for people; the store tells when they are not unique."""
    return identifier[-8:]
