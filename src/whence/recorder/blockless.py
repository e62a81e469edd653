"""Runs of another process in which this one speaks without a block of its own: joined once, until the process ends."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..store.layout import Store
from ..store.spools import Spools
from . import attach
from .attach import Outer
from .guests import guests
from .handle import Run
from .request import Surroundings

_joined: dict[tuple[int, str], Run | None] = {}
"""By process, as a forked child joins for itself: the run, or nothing for one that was found to be over."""


def join_lazily(
    outer: Outer, spools: Callable[[], Spools | None], surroundings: Callable[[Store], Surroundings]
) -> Run | None:
    """The run of another process, for a word said without a block; nothing when it is over. Asked once a process."""
    key = (os.getpid(), outer.id)
    if key not in _joined:
        store = attach.living_store(outer, spools())
        _joined[key] = None if store is None else Run(guests.session(surroundings(store), outer.id, None), "guest")
    return _joined[key]
