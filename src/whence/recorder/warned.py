"""Warnings of ours in the user's code: each once a process, at the user's own line."""

from __future__ import annotations

import sys
import warnings

from ..handlers import let_pass

_warned: set[str] = set()


def warn_once(key: str, message: str) -> None:
    """A UserWarning, once for the key; never an exception, also where warnings are errors."""
    if key in _warned:
        return
    _warned.add(key)
    try:
        warnings.warn(message, UserWarning, stacklevel=_depth())
    except UserWarning:
        _write(message)
    except (OSError, ValueError) as error:
        let_pass(error)
        return  # stderr is closed: there is nobody to tell.


def _write(message: str) -> None:
    try:
        sys.stderr.write(f"whence: {message}\n")
    except (OSError, ValueError) as error:
        let_pass(error)


def _depth() -> int:
    """How far above us the user's code is."""
    depth, frame = 1, sys._getframe()  # pyright: ignore[reportPrivateUsage] -- the documented way is inspect, 10 ms
    package = __name__.partition(".")[0]
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == package:
        depth, frame = depth + 1, frame.f_back
    return depth - 1
