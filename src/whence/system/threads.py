"""Threads beside the work, where the machine has room for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from ..handlers import let_pass

T = TypeVar("T")


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


def out_of_reach(leave: Callable[[], None], work: Callable[[], T]) -> T:
    """Do the work where no other thread of the process can close its descriptors, nor it theirs: in a thread that
    begins with `leave`, a `descriptors.table_leaver`. Raises what the work raises.

    Code that makes itself a daemon closes every descriptor; what it then opens has the numbers of ours, and a pipe to
    git that we close would be its file. The work must use nothing that was opened before, and leave nothing open.
    """
    results: list[T] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            leave()
            results.append(work())
        except BaseException as fault:  # noqa: BLE001  raised again in the thread that asked
            let_pass(fault)
            faults.append(fault)

    thread = begun(run, threading.current_thread().name)
    if thread is None:
        return work()
    thread.join()
    if faults:
        raise faults[0]
    return results[0]
