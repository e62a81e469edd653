"""Threads beside the work: a machine that has no room for one costs detail, never the work."""

from __future__ import annotations

import os
import threading

import pytest

from whence.recorder.folding import Folding
from whence.system.apart import apart
from whence.system.descriptors import table_leaver
from whence.system.threads import begun, out_of_reach


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("no_room")
def test_a_thread_that_cannot_begin_is_nothing() -> None:
    assert begun(lambda: None, "a thread") is None


def test_what_is_done_out_of_reach_is_not_met_by_who_closes_descriptors() -> None:
    leave, mine = table_leaver(), os.dup(2)
    opened, closed = threading.Event(), threading.Event()

    def work() -> bytes:
        ours = os.dup2(os.open("/proc/version", os.O_RDONLY), mine)
        opened.set()
        closed.wait()
        return os.read(ours, 5)

    def close_mine() -> None:
        opened.wait()
        os.close(mine)
        closed.set()

    other = threading.Thread(target=close_mine)
    other.start()
    assert out_of_reach(leave, work) == b"Linux"
    other.join()


def test_saying_whose_a_thread_is_closes_no_number_that_may_be_the_programs_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[int] = []
    monkeypatch.setattr(os, "close", closed.append)
    with apart:
        pass
    assert closed == []


def test_what_fails_out_of_reach_fails_in_the_thread_that_asked() -> None:
    with pytest.raises(FileNotFoundError):
        out_of_reach(table_leaver(), lambda: os.open("/nowhere", os.O_RDONLY))


@pytest.mark.usefixtures("no_room")
def test_where_there_is_no_room_out_of_reach_is_here() -> None:
    assert out_of_reach(table_leaver(), lambda: 1) == 1


@pytest.mark.usefixtures("no_room")
def test_what_a_command_was_seen_to_do_is_folded_at_the_end_where_there_is_no_room_for_a_thread() -> None:
    folded: list[tuple[int, ...]] = []
    folding = Folding(folded.append)
    folding.add([(1,), (2,)])
    folding.add([(3,)])
    assert folding.finish() == 0
    assert folded == [(1,), (2,), (3,)]
