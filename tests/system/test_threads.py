"""Threads beside the work: a machine that has no room for one costs detail, never the work."""

from __future__ import annotations

import threading

import pytest

from whence.recorder.folding import Folding
from whence.system.threads import begun


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("no_room")
def test_a_thread_that_cannot_begin_is_nothing() -> None:
    assert begun(lambda: None, "a thread") is None


@pytest.mark.usefixtures("no_room")
def test_what_a_command_was_seen_to_do_is_folded_at_the_end_where_there_is_no_room_for_a_thread() -> None:
    folded: list[tuple[int, ...]] = []
    folding = Folding(folded.append)
    folding.add([(1,), (2,)])
    folding.add([(3,)])
    assert folding.finish() == 0
    assert folded == [(1,), (2,), (3,)]
