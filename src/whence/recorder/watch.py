"""A thread beside the open runs of this process: their heartbeat, and what is done when a signal ends the process.

SIGTERM and SIGHUP end a Python process without a word. Where nobody handles them, a run states its end first and the
process then dies of the same signal, so that whoever waits for it sees no difference. All of it happens in this
thread: the main thread may be deep in a C call, or inside our own writing of a line. A handler that the user has set,
or sets later, wins.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from ..system.apart import apart
from ..system.descriptors import Owned, high
from ..system.held_signals import held
from .recording import HEARTBEAT
from .warned import warn_once

ENDING = (signal.SIGTERM, signal.SIGHUP)

WAIT = 2.0
"""Seconds that the main thread stands still for the end to be stated, and that it then has to die in."""

_STOP = b"\0"
_PACKAGE = __name__.partition(".")[0]


class Watch:
    """One for the process, while a run is open. `beat` is called every 60 s, `end` with a signal's number."""

    def __init__(self, beat: Callable[[], None], end: Callable[[int], None]) -> None:
        self._beat = beat
        self._end = end
        self._pid = os.getpid()
        self._read, self._write = (Owned(high(fd)) for fd in os.pipe())
        os.set_blocking(self._write.fd, False)
        self._over = threading.Event()
        self._before_wakeup: int | None = None
        self._taken: list[signal.Signals] = []
        self._stated = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="whence", daemon=True)

    def start(self) -> None:
        """Begin, and take the signals that nobody handles, if this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._take()
        self._thread.start()

    def _take(self) -> None:
        self._taken = [number for number in ENDING if held.handler(number) == signal.SIG_DFL]
        for number in self._taken:
            signal.signal(number, self._on_signal)
        if self._taken:
            before = signal.set_wakeup_fd(self._write.fd, warn_on_full_buffer=False)
            if before != -1:
                signal.set_wakeup_fd(before)
            else:
                self._before_wakeup = before

    def stop(self) -> None:
        """Give back what was taken and end the thread. In a fork's child only the former."""
        self._give_back()
        if self._pid != os.getpid():
            self._close()
        elif threading.current_thread() is not self._thread:
            self._over.set()
            if not self._tell(_STOP):
                return  # The program closed what it did not open: the thread ends with the process.
            self._thread.join(WAIT)
            if not self._thread.is_alive():
                self._close()

    def _close(self) -> None:
        self._read.close()
        self._write.close()

    def _tell(self, what: bytes) -> bool:
        """Write to the thread; false where the program closed the way to it."""
        try:
            return self._write.is_ours and os.write(self._write.fd, what) > 0
        except OSError:
            return False

    def _give_back(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            # Only the main thread may set handlers; ours pass the signal on when no run is open.
            return
        if self._before_wakeup is not None:
            now = signal.set_wakeup_fd(-1)
            if now not in (self._write.fd, -1):
                signal.set_wakeup_fd(now)
            self._before_wakeup = None
        for number in self._taken:
            if self._is_ours(number):
                signal.signal(number, signal.SIG_DFL)
        self._taken = []

    def _is_ours(self, number: int) -> bool:
        return signal.getsignal(number) == self._on_signal

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """In the main thread: hand over, and once the end is stated, die of the signal."""
        if self._pid == os.getpid() and self._thread.is_alive() and not self._stated.is_set():
            told = self._tell(bytes([number]))
            # Inside our own code this thread may hold the lock that the end needs: go on, the signal comes again.
            if told and (_in_our_code(frame) or not self._stated.wait(WAIT)):
                return
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _watch(self) -> None:
        with apart:
            self._wait()

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._read.fd, select.POLLIN)
        while True:
            ready = poll.poll(HEARTBEAT * 1000)
            if not self._read.is_ours:
                self._only_beat()
                return
            if not ready:
                self._beat()
                continue
            for number in os.read(self._read.fd, 64):
                if number == _STOP[0]:
                    return
                if number in ENDING and self._is_ours(number):
                    self._finish(number)
                    return

    def _only_beat(self) -> None:
        """Nothing can be heard any more."""
        warn_once("", "the program closed descriptors of whence: a signal that ends it will not be in the record")
        while not self._over.wait(HEARTBEAT):
            self._beat()

    def _finish(self, number: int) -> None:
        try:
            self._end(number)
        finally:
            self._stated.set()
            os.kill(self._pid, number)
            time.sleep(WAIT)
            _die(number)


def _in_our_code(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE:
            return True
        frame = frame.f_back
    return False


def _die(number: int) -> None:
    """The main thread is deep in a C call and cannot reset the handler: C can, from here."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.signal.restype = ctypes.c_void_p
    libc.signal(number, None)
    os.kill(os.getpid(), number)
