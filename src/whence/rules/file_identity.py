"""What a file system tells of a file that says which bytes it has, before any is read.

An entity tag is *strong* (RFC 9110, section 8.8.1) when it changes with every byte; a weak one begins with `W/`. A
version is what an object store calls one content of an object.
"""

from __future__ import annotations

from ..records.source import RemoteFile


def is_told(etag: str | None, version: str | None) -> bool:
    """Whether it says which bytes the file has. Size and time do not: what changed within a second has the same."""
    return version is not None or (etag is not None and not etag.startswith("W/"))


def is_same(before: RemoteFile, size: int | None, etag: str | None, version: str | None) -> bool:
    """Whether a file has the bytes that it had. Everything that both tell has to agree, too."""
    told = is_told(before.etag, before.version) and is_told(etag, version)
    return told and (before.etag, before.version) == (etag, version) and size in (None, before.size)
