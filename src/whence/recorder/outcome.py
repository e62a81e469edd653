"""How a block ended, in the words of the format: from the exception that left it, or the signal that ended it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from ..handlers import let_pass
from ..records.events import RunEnded
from ..records.run import Error, Resources
from ..system.processes import PEAK_UNIT
from ..system.tree import transferred

BlockStatus = Literal["succeeded", "failed", "interrupted", "killed"]

TRACEBACK_LIMIT = 1 << 20
"""Characters of a traceback that are kept, half from each end."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a block."""

    status: BlockStatus
    exit_code: int | None = None
    signal: str | None = None
    error: Error | None = None

    def event(self, used: Resources) -> RunEnded:
        """The event of the run's end."""
        return RunEnded(
            status=self.status,
            exit_code=self.exit_code,
            signal=self.signal,
            error=self.error,
            duration=used.wall,
            resources=used,
        )


SUCCEEDED = Ending(status="succeeded")


def left_by(error: BaseException | None, mask: Callable[[str], str]) -> Ending:
    """The ending of a block that an exception left, or nothing did. `mask` hides secrets in texts."""
    if error is None:
        return SUCCEEDED
    if isinstance(error, SystemExit):
        return _exited(error, mask)
    if isinstance(error, KeyboardInterrupt):
        return Ending(status="interrupted", signal="SIGINT", error=described(error, mask))
    return Ending(status="failed", error=described(error, mask))


def _exited(error: SystemExit, mask: Callable[[str], str]) -> Ending:
    """As the interpreter takes it: nothing is 0, a number itself, anything else is printed and 1."""
    code = error.code
    if code is None or code == 0:
        return Ending(status="succeeded", exit_code=0)
    number = code & 0xFF if isinstance(code, int) else 1
    return Ending(status="failed", exit_code=number, error=described(error, mask))


def ended_by(number: int) -> Ending:
    """The ending of a process that a signal ends."""
    name = signal.Signals(number).name
    return Ending(status="killed", signal=name, error=Error(type="signal", message=f"ended by {name}"))


def unfinished() -> Ending:
    """The ending of a run that was still open when the interpreter left: its exit code cannot be seen from inside."""
    message = "the interpreter exited before the run was finished; how it exited is not known"
    return Ending(status="failed", error=Error(type="unfinished", message=message))


def last_error() -> BaseException | None:
    """The exception that ends this interpreter, where it shows one; at a prompt it is an old one and says nothing."""
    interactive = hasattr(sys, "ps1") or "ipykernel" in sys.modules
    error = getattr(sys, "last_value", None)
    return None if interactive or not isinstance(error, BaseException) else error


def described(error: BaseException, mask: Callable[[str], str]) -> Error:
    """Type, message and traceback of an exception, with its causes."""
    return Error(type=_type_name(type(error)), message=mask(_message(error)), traceback=mask(_traceback(error)))


def _type_name(kind: type[BaseException]) -> str:
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as fault:  # noqa: BLE001 - the user's own __str__ may raise anything
        let_pass(fault)
        return f"<its text could not be had: {type(fault).__name__}>"


def _traceback(error: BaseException) -> str:
    # traceback pulls in linecache and tokenize: only a failed run pays for them.
    import traceback

    try:
        text = "".join(traceback.format_exception(error))
    except Exception as fault:  # noqa: BLE001 - as in `_message`
        let_pass(fault)
        return f"<could not be printed: {type(fault).__name__}>"
    if len(text) <= TRACEBACK_LIMIT:
        return text
    half = TRACEBACK_LIMIT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What this process and its ended children had used at one moment."""

    monotonic: float
    user: float
    system: float
    read: int | None
    written: int | None

    @classmethod
    def now(cls) -> Usage:
        times = os.times()
        read, written = transferred(os.getpid()) or (None, None)
        return cls(
            monotonic=time.monotonic(),
            user=times.user + times.children_user,
            system=times.system + times.children_system,
            read=read,
            written=written,
        )


def used_since(before: Usage) -> Resources:
    """The resources from then to now; the largest memory is that of the process's whole life."""
    import resource

    after = Usage.now()
    return Resources(
        wall=after.monotonic - before.monotonic,
        cpu_user=after.user - before.user,
        cpu_system=after.system - before.system,
        peak_memory_process=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT,
        read_bytes=_difference(before.read, after.read),
        written_bytes=_difference(before.written, after.written),
    )


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before
