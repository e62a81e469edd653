"""Exceptions that a signal handler of the user's raised while code of ours was at work.

Python runs a handler between any two steps of the main thread, so what it raises (a time limit, a test's timeout)
comes up inside whatever we were doing. It is the user's, and none of our `except` clauses may keep it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType
    from typing import Any

_TAKES_MORE = 4
"""Of a code's flags: `*args`, which stands behind the arguments that have names."""


def let_pass(error: BaseException) -> None:
    """Raise it again if a handler raised it: the first word of an `except` that would answer a fault of ours."""
    if came_from_handler(error):
        raise error


def came_from_handler(error: BaseException) -> bool:
    """Whether a signal handler (or a trace function) raised it, by the frames that it came through.

    Who interrupts is handed the frame that was interrupted, which is then the one below its own; what is called by name
    has no way to be handed the frame of its caller. Where a handler has dropped that argument, it is known by its code.
    """
    entry = error.__traceback__
    if entry is None or entry.tb_next is None:
        return False
    installed = {*_installed()}
    while entry.tb_next is not None:
        frame, below = entry.tb_next.tb_frame, entry.tb_frame
        if frame.f_code in installed or any(one is below for one in _arguments(frame)):
            return True
        entry = entry.tb_next
    return False


def _arguments(frame: FrameType) -> Iterator[object]:
    code, given = frame.f_code, frame.f_locals
    names = code.co_argcount + code.co_kwonlyargcount
    for name in code.co_varnames[:names]:
        yield given.get(name)
    if code.co_flags & _TAKES_MORE:
        yield from given.get(code.co_varnames[names], ())


def _installed() -> Iterator[CodeType]:
    """The code of the handlers that are set now, within what wraps it."""
    from importlib import import_module  # where an exception came, not in every command

    # `signal` is built upon it, and makes a member of an enumeration of each answer: 400 us for all of them.
    signals = import_module("_signal")
    for number in range(1, signals.NSIG):
        handler: Any = signals.getsignal(number)
        if not callable(handler):
            continue
        for within in ("func", "__func__", "__wrapped__"):
            handler = getattr(handler, within, handler)
        code = getattr(handler, "__code__", None)
        if code is not None:
            yield code
