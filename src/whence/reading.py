"""Reading a store from Python: `whence.open()`. Apart from `inside`, so that recording a run does not pay for it."""

from __future__ import annotations

import os
import time

from .actions.store_view import StoreView
from .errors import UsageError
from .recorder.warned import warn_once
from .store.layout import open_store
from .store.speaker import Speaker
from .wiring import actor, existing_store, find_index, load_policy, secrets_of, setting, store_policy


def open(path: str | os.PathLike[str] | None = None) -> StoreView:
    """The store for reading, and for notes and tags: of the path, or the one that runs of this folder go to.

    Raises StoreError when there is none.
    """
    where = setting()
    named = None if path is None else where.cwd / path
    store = existing_store(where, store_policy(where, wrong=_warn)) if named is None else open_store(named)
    return StoreView(
        store,
        cwd=where.cwd,
        speaker=Speaker(by=actor(where), clock=time.time_ns, random=os.urandom),
        environ=where.environ,
        index=lambda: find_index(where, store, say=_say),
        # Asked for when something is said: what is only read depends on no policy.
        secrets=lambda: secrets_of(where, load_policy(where, wrong=_warn)),
    )


def _say(message: str) -> None:
    warn_once(message, message)


def _warn(error: UsageError) -> None:
    warn_once(error.message, f"{error.message}; it does not count here")
