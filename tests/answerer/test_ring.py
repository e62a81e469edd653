"""The ring keeps its records in order, counts what it loses, and lets a successor go on."""

from __future__ import annotations

import os
import random

import pytest

from whence.answerer.ring import HEAD, PENDING_HEAD, SEQ, TAIL, Ring

RECORD = (1.5, 4321, "read", b"/a/path", b"", 0, (1, 2, 3, 4, 5, 6), False, "")


@pytest.mark.parametrize("checked", [False, True], ids=["ordered", "checked"])
def test_records_come_out_as_they_were_put_round_after_round(checked: bool) -> None:
    ring, chance = Ring(4096, checked=checked), random.Random(1)
    expected, taken = [], []
    for number in range(5000):
        record = (number, b"x" * chance.randrange(300))
        ring.put(record)
        expected.append((number, *record))
        if chance.random() < 0.3:
            taken += ring.take(chance.randrange(1, 9))
        while ring.words[HEAD] - ring.words[TAIL] > 3000:
            taken += ring.take(1)
    while more := ring.take():
        taken += more
    assert (taken, ring.lost) == (expected, 0)


def test_what_does_not_fit_is_counted_and_leaves_a_jump() -> None:
    ring = Ring(4096)
    for _ in range(100):
        ring.put(RECORD)
    first = ring.take()
    ring.put(RECORD)
    (after,) = ring.take()
    assert [one[0] for one in first] == list(range(len(first)))
    assert ring.lost == 100 - len(first) > 0
    assert (after[0], ring.seen) == (100, 101)


def test_bytes_that_are_not_there_yet_are_waited_for() -> None:
    ring = Ring(4096, checked=True)
    ring.put(RECORD)
    kept, ring._memory[4096 + 30] = ring._memory[4096 + 30], 0xEE
    assert ring.take() == []
    ring._memory[4096 + 30] = kept
    assert ring.take() == [(0, *RECORD)]


def test_a_successor_knows_whether_the_record_was_put() -> None:
    ring = Ring(4096)
    ring.put(RECORD, 7)
    assert ring.holds(7)
    assert not ring.holds(8)
    ring.words[SEQ] = 0  # Killed right before it counted.
    assert ring.holds(7)
    assert ring.words[SEQ] == 1
    ring.words[PENDING_HEAD] += 64  # Killed right before it was there.
    assert not ring.holds(7)


def test_a_reader_that_sleeps_is_woken_once() -> None:
    ring = Ring(4096)
    assert ring.sleep()
    ring.put(RECORD)
    ring.wake_reader()
    ring.wake_reader()
    assert os.eventfd_read(ring.wake) == 1
    assert not ring.sleep()
    ring.take()
    assert ring.sleep()
