"""Who says an act, and what an act takes from the world."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..records.act import Actor


class Speaker(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks, when, and where identifiers come from."""

    by: Actor
    clock: Callable[[], int]
    """Unix nanoseconds."""
    random: Callable[[int], bytes]
