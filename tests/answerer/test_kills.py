"""Whoever is killed: no open fails, no command hangs, and the record says what was not seen."""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from observed import wait_for

OPENING = Path(__file__).parent.parent / "support" / "opening.py"
PROCESSES = 4


def counts(folder: Path) -> list[int]:
    try:
        return list(struct.unpack("4Q", (folder / "counts").read_bytes()[:32]))
    except (OSError, struct.error):
        return [0] * PROCESSES


def goes_on(folder: Path) -> None:
    """Every process opens another file."""
    before = counts(folder)
    wait_for(lambda: all(now > then for now, then in zip(counts(folder), before, strict=True)))


def kill(pid: int) -> None:
    """And see it dead: a signal takes its time, and two that are killed at once are another story."""
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: state(pid) in ("Z", "X", ""))


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def kill_in_turn(observed: Any, watchers: Any, times: int) -> subprocess.Popen[bytes]:
    chance = random.Random(times)
    process = observed.start(
        sys.executable, str(OPENING), str(PROCESSES), str(observed.work), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    goes_on(observed.work)
    for number in range(times):
        both = wait_for(lambda: pids if len(pids := watchers.pids()) == 2 else None)
        kill(both[("answerer", "standby")[number % 2]])
        if chance.random() < 0.5:
            goes_on(observed.work)
    goes_on(observed.work)
    return process


def ends_well(observed: Any, process: subprocess.Popen[bytes]) -> None:
    (observed.work / "stop").touch()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"ok\n" * PROCESSES, b"")


def test_answerer_and_standby_killed_in_turn_under_load_cost_no_open(observed: Any, watchers: Any) -> None:
    ends_well(observed, kill_in_turn(observed, watchers, 20))
    gaps = observed.observation["gaps"]
    assert {"answerer died", "standby died"} <= set(gaps)
    assert observed.observation["mechanism"] == "seccomp"
    wait_for(lambda: not watchers.pids())


@pytest.mark.slow
def test_five_hundred_kills_cost_no_open(observed: Any, watchers: Any) -> None:
    ends_well(observed, kill_in_turn(observed, watchers, 500))
