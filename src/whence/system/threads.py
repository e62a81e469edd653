"""Threads beside the work, where the machine has room for them."""

from __future__ import annotations

import threading
from collections.abc import Callable


def begun(work: Callable[[], None], name: str) -> threading.Thread | None:
    """A thread that has begun the work; nothing where a limit on processes or memory forbids one.

    The work is then for the caller to do, or to leave.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError):
        return None
    return thread
