"""The one content identity: `sha256:` and 64 lower-case hexadecimal digits, of the bytes. And the hashing behind it.

Loading OpenSSL, as `hashlib` does, costs a launch what the interpreter's own code needs for a quarter of a megabyte,
and most launches hash twenty kilobytes. So a process begins with the interpreter's own, and goes over to OpenSSL, which
is many times as fast, when it has hashed that much, or when the program has loaded it anyway.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

from .handlers import let_pass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _hashlib import HASH

BEFORE_OPENSSL = 256 << 10
"""Bytes that a process hashes before it is worth loading OpenSSL."""

BLOCK = 64
"""Bytes that SHA-256 works on at a time (FIPS 180-4)."""

_HEX = frozenset("0123456789abcdef")


def digest_of(content: bytes | memoryview) -> str:
    """The digest of the bytes."""
    return "sha256:" + sha256(content).hexdigest()


def is_digest(text: str) -> bool:
    """Whether the text is a full digest."""
    return len(text) == 71 and text.startswith("sha256:") and _HEX.issuperset(text[7:])


def keyed_digest(key: bytes, content: bytes) -> bytes:
    """HMAC with SHA-256 (RFC 2104); the module `hmac` loads OpenSSL."""
    block = (key if len(key) <= BLOCK else sha256(key).digest()).ljust(BLOCK, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in block) + content)
    return sha256(bytes(byte ^ 0x5C for byte in block) + inner.digest()).digest()


def sha256(content: bytes | bytearray | memoryview = b"", *, more: int = 0) -> HASH:
    """A hash that has begun with the content; `more` is about how many bytes will follow."""
    return _chosen("sha256", _OWN_SHA256, len(content) + more)(content)


def sha1(content: bytes | bytearray | memoryview = b"", *, more: int = 0) -> HASH:
    """The same with SHA-1, which names git's objects and secures nothing."""
    return _chosen("sha1", _OWN_SHA1, len(content) + more)(content, usedforsecurity=False)


_Maker = Callable[..., "HASH"]

_hashed = 0
"""Bytes, in this process."""


def _chosen(name: str, own: _Maker | None, size: int) -> _Maker:
    global _hashed
    _hashed += size
    if own is not None and _hashed <= BEFORE_OPENSSL and "hashlib" not in sys.modules:
        return own
    try:
        import hashlib

        return getattr(hashlib, name)
    except (ImportError, OSError, AttributeError) as error:
        let_pass(error)
        # In the midst of a run: no descriptor is left to read it with, or Python has been upgraded, or a signal handler
        # has come in the midst of this very import.
        if own is None:
            raise
        return own


def _own(name: str, *places: str) -> _Maker | None:
    """The interpreter's own; some distributors leave it out."""
    for place in places:
        try:
            return getattr(import_module(place), name)
        except (ImportError, AttributeError):
            continue
    return None


_OWN_SHA256 = _own("sha256", "_sha2", "_sha256")
"""`_sha2` since Python 3.12."""

_OWN_SHA1 = _own("sha1", "_sha1")
