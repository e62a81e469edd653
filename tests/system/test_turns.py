"""Turns: what is asked for in the midst of itself is done afterwards, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections import deque

import pytest

from whence.system.turns import Turns, in_midst


def test_what_is_asked_for_in_the_midst_of_a_turn_is_done_when_it_is_over() -> None:
    done: list[str] = []

    def work(waiting: deque[str]) -> None:
        while waiting:
            item = waiting.popleft()
            if item == "first":
                turns.take("from a handler")
            done.append(item)

    turns = Turns(work, rank=0)
    turns.take("first")
    turns.take("last")
    assert done == ["first", "from a handler", "last"]
    assert not in_midst()


def test_what_a_turn_leaves_when_it_raises_is_done_in_the_next() -> None:
    done: list[int] = []

    def work(waiting: deque[int]) -> None:
        while waiting:
            item = waiting.popleft()
            if item == 1:
                raise ValueError(item)
            done.append(item)

    turns = Turns(work, rank=0)
    with pytest.raises(ValueError, match="1"):
        turns.take(1, 2)
    turns.take(3)
    assert done == [2, 3]


def test_a_thread_in_the_midst_of_an_inner_turn_does_not_wait_for_an_outer_one() -> None:
    """Another thread has the outer one and waits for the inner one: each would wait for the other."""
    outer_is_held, inner_is_held = threading.Event(), threading.Event()
    done: list[str] = []

    def in_outer(waiting: deque[str]) -> None:
        while waiting:
            item = waiting.popleft()
            if item == "other thread":
                outer_is_held.set()
                inner_is_held.wait()
                inner.take("from outer")
            done.append(item)

    def in_inner(waiting: deque[str]) -> None:
        while waiting:
            item = waiting.popleft()
            if item == "main":
                inner_is_held.set()
                outer_is_held.wait()
                outer.take("from a handler")  # By a handler that interrupts the inner turn.
            done.append(item)

    outer, inner = Turns(in_outer, rank=0), Turns(in_inner, rank=1)
    other = threading.Thread(target=lambda: outer.take("other thread"), daemon=True)
    main = threading.Thread(target=lambda: inner.take("main"), daemon=True)
    for thread in (other, main):
        thread.start()
    for thread in (other, main):
        thread.join()
    assert sorted(done) == ["from a handler", "from outer", "main", "other thread"]


def test_other_threads_wait_until_theirs_is_done() -> None:
    done: list[int] = []

    def work(waiting: deque[int]) -> None:
        while waiting:
            done.append(waiting.popleft())

    turns = Turns(work, rank=0)

    def take(number: int) -> None:
        turns.take(number)
        assert number in done

    threads = [threading.Thread(target=take, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(50))
