"""What is remembered of a caller, and for how long: never the memory of a program that it no longer runs."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from whence.answerer.callers import LASTS, Caller, Callers
from whence.answerer.kin import Kin
from whence.answerer.ring import Ring
from whence.answerer.strangers import Strangers

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="no /proc")


def callers_at(now: float) -> Callers:
    ring = Ring(4096)
    return Callers(lambda: now, Kin(ring), Strangers(ring))


@pytest.fixture
def beside() -> Iterator[int]:
    """The number of another thread of ours."""
    begun, end = threading.Semaphore(0), threading.Event()
    thread = threading.Thread(target=lambda: (begun.release(), end.wait()))
    thread.start()
    begun.acquire()
    yield thread.native_id or 0
    end.set()
    thread.join()


def is_remembered(callers: Callers, thread: int, now: float) -> bool:
    return callers.get(thread, now) is callers.get(thread, now)


def test_nothing_is_remembered_of_a_process_while_a_thread_executes_a_program(beside: int) -> None:
    now = 100.0
    callers = callers_at(now)
    assert is_remembered(callers, os.getpid(), now)
    callers.forget_process(callers.get(beside, now))
    assert not is_remembered(callers, os.getpid(), now)
    assert is_remembered(callers, os.getppid(), now)
    assert is_remembered(callers, os.getpid(), now + LASTS)


def test_who_has_no_other_thread_to_call_meanwhile_is_remembered_at_once() -> None:
    callers = callers_at(100.0)
    callers.forget_process(callers.get(os.getpid(), 100.0))
    assert is_remembered(callers, os.getpid(), 100.0)


def test_memory_is_that_of_the_program_that_runs_now() -> None:
    """A child becomes another program under a descriptor that was opened before."""
    text = ctypes.create_string_buffer(b"/before")
    given, told = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.read(given[0], 1)
        os.dup2(given[0], 0)
        os.dup2(told[1], 1)
        os.execv("/bin/cat", ["cat", "/proc/self/maps", "-"])
    try:
        caller = Caller(child, 0.0)
        assert caller.path(ctypes.addressof(text)) == b"/before"
        os.write(given[1], b"!")
        place = int(os.read(told[0], 20).split(b"-")[0], 16)
        assert caller.read(place, 4) == b"\x7fELF"
        os.kill(child, signal.SIGKILL)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        with pytest.raises(OSError, match="No such process"):
            caller.read(place, 4)
        caller.close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for fd in (*given, *told):
            os.close(fd)
