"""What a command took of the machine, from samples and from the kernel's word at its end."""

from __future__ import annotations

import os
import time

import pytest

from whence.recorder.ending import ENOUGH, Usage
from whence.recorder.parent import Ended

MIB = 1 << 20


def ended(peak: int) -> Ended:
    return Ended(status=0, at=1.0, cpu_user=0.0, cpu_system=0.0, peak=peak, floor=1024 * MIB, read=None, written=None)


@pytest.mark.parametrize("looks", range(ENOUGH + 1))
def test_memory_that_was_seen_once_or_twice_is_no_peak(looks: int) -> None:
    usage = Usage()
    for _ in range(looks):
        usage.look(os.getpid(), time.monotonic)
    found = usage.resources(ended(1024 * MIB), 1.0)
    measured = looks >= ENOUGH
    assert (found.peak_memory is not None, found.peak_memory_process is not None) == (measured, measured)


def test_the_kernels_peak_counts_where_it_is_not_our_own() -> None:
    usage = Usage()
    usage.look(os.getpid(), time.monotonic)
    found = usage.resources(ended(2048 * MIB), 1.0)
    assert (found.peak_memory, found.peak_memory_process) == (2048 * MIB, 2048 * MIB)
