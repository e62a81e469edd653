"""`store.json`: what marks a folder as a store."""

from .base import Struct

FORMAT = "whence-store/1"


class Place(Struct, frozen=True, kw_only=True):
    format: str
    id: str
    created: str
    check: str | None = None
    """Digest of the file's bytes before `,"check":`, always the last field."""
