"""Signals that would end this process, held while something of ours must not be left half done.

An interrupt in the middle of an import leaves modules half made: the import of msgspec swallows it, and its next use is
a segmentation fault. One in the middle of a launch leaves a run that nobody ends. So a signal is only noted, and is
acted upon where nothing is half done: at the next `check`, else at the end of the block, as if it came then.

Only those that nobody handles are held, and only in the main thread: it alone runs handlers, and may set them.
"""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from types import FrameType
    from typing import Any
else:
    import _signal  # `signal` makes enumerations of it, which costs a millisecond.

NUMBERS = (int(_signal.SIGINT), int(_signal.SIGTERM), int(_signal.SIGHUP))


class Signalled(BaseException):
    """A signal other than SIGINT ends this process. Where nobody catches it before the end of the block, it does so."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def number_of(cut: KeyboardInterrupt | Signalled) -> int:
    """The signal that an exception stands for."""
    return cut.number if isinstance(cut, Signalled) else int(_signal.SIGINT)


class HeldSignals:
    """`with held: …`: may be entered again inside."""

    def __init__(self) -> None:
        self._depth = 0
        self._before: dict[int, Any] = {}
        self._noted: list[int] = []
        self._raised: int | None = None
        """What `check` has raised in this block: it raises one."""
        self._deferred = False

    def __enter__(self) -> None:
        if _in_main_thread():
            if self._depth == 0:
                self._take()
            self._depth += 1

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not self._depth or not _in_main_thread():
            return
        self._depth -= 1
        if not self._depth:
            if isinstance(error, Signalled):
                self._noted.insert(0, error.number)
            self.let_go()

    def check(self) -> None:
        """Act on what came: raises KeyboardInterrupt or `Signalled`, once. For a place where nothing is half done."""
        if self._noted and not self._deferred and _in_main_thread():
            self._deferred = True
            self._raised = self._noted.pop(0)
            if self._raised == _signal.SIGINT:
                raise KeyboardInterrupt
            raise Signalled(self._raised)

    def defer(self) -> None:
        """From here on `check` raises nothing: what comes waits for the end of the block."""
        self._deferred = True

    def let_go(self) -> None:
        """End the block before its time. What came is sent once more, to whoever handles it now."""
        self._depth = 0
        try:
            for number in reversed(NUMBERS):  # SIGINT last: it may rise from there on.
                if number in self._before and _signal.getsignal(number) == self._note:
                    _signal.signal(number, self._before[number])
        finally:
            noted, self._noted, self._before = self._noted, [], {}
            for number in sorted(noted, reverse=True):
                os.kill(os.getpid(), number)

    def handler(self, number: int) -> Any:
        """Who handles a signal, as if none were held."""
        found = _signal.getsignal(number)
        return self._before[number] if found == self._note else found

    def _take(self) -> None:
        self._deferred, self._raised = False, None
        for number in NUMBERS:
            found = _signal.getsignal(number)
            if found in (_signal.SIG_DFL, _signal.default_int_handler):
                self._before[number] = found
                _signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number != self._raised and number not in self._noted:
            self._noted.append(number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


held = HeldSignals()
