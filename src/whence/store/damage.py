"""What a check of the store can find."""

from __future__ import annotations

import msgspec


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was written."""

    where: str
    """The file's path inside the store, and `:<line>` where a line can be named."""
    what: str
    """What was found and what was expected."""
    runs: tuple[str, ...] = ()
    """The runs whose record rests on it."""
