"""A signal before the command is there, or the block has begun: the run has its end and its seal, and says which."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}

STATUSES = {"SIGINT": "interrupted", "SIGTERM": "killed", "SIGHUP": "killed"}


@pytest.fixture
def place(repository: Workplace) -> Workplace:
    """Where the store is made already."""
    repository.record("true")
    return repository


def with_a_git_that_signals(place: Workplace, name: str) -> dict[str, str]:
    """An environment in which git, asked for its state, signals who asked, and does not end."""
    program = place.home / "bin" / "git"
    program.parent.mkdir()
    signals = f"kill -{signal.Signals[name].value} $PPID; exec sleep 600"
    program.write_text(f'#!/bin/sh\ncase "$*" in *--porcelain*) {signals};; esac\nexec {shutil.which("git")} "$@"\n')
    program.chmod(0o755)
    return {"PATH": os.pathsep.join([str(program.parent), place.environ["PATH"]])}


def the_end_of(place: Workplace, name: str) -> dict[str, Any]:
    """The record of the last of two runs, which a signal ended before it began."""
    assert len(place.run_folders()) == 2
    record = place.show()
    assert (record["status"], record["signal"], record["exit_code"]) == (STATUSES[name], name, None)
    assert record["seal"]
    place.whence("verify").ok()
    place.whence("doctor").ok()
    return record


@pytest.mark.parametrize("name", CODES)
def test_a_signal_while_a_launch_waits_for_a_program_ends_both_and_is_the_end_of_the_run(
    name: str, place: Workplace
) -> None:
    done = place.whence("run", "--", "touch", "ran", env=with_a_git_that_signals(place, name))
    record = the_end_of(place, name)
    said = f"whence: {name}: the command was not started; {record['id']} is recorded as {record['status']}\n"
    assert (done.code, done.out, done.err) == (CODES[name], "", said)
    assert (record["started"], (place.path / "ran").exists()) == (None, False)
    assert record["error"]["type"] == ("KeyboardInterrupt" if name == "SIGINT" else "signal")


AT = """
import os, signal, sys
from whence.actions import run
real = run.{step}
def step(*given, **named):
    if {after}:
        made = real(*given, **named)
        os.kill(os.getpid(), signal.{name})
        return made
    os.kill(os.getpid(), signal.{name})
    return real(*given, **named)
run.{step} = step
from whence.cli.main import script
script()
"""

STEPS = {
    "when the run is there": ("create", True, False),
    "when all is captured": ("capture", True, False),
    "when the command is got ready": ("make_boot_folder", True, True),
    "right before the forks": ("run_command", False, True),
}
"""The step, whether the signal comes after it, and whether the command gets it."""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("step", "after", "started"), STEPS.values(), ids=STEPS)
def test_a_signal_at_any_step_of_a_launch_is_the_end_of_the_run(
    step: str, after: bool, started: bool, name: str, place: Workplace
) -> None:
    script = AT.format(step=step, after=after, name=name)
    done = place.python("-c", script, "run", "--", "sleep", "600")
    record = the_end_of(place, name)
    assert (done.code, record["started"] is not None) == (CODES[name], started)


BLOCK = """
import whence
try:
    with whence.start():
        print("began")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("name", CODES)
def test_a_signal_while_a_block_is_captured_is_the_end_of_the_run_and_then_the_programs(
    name: str, place: Workplace
) -> None:
    job = place.write("job.py", BLOCK)
    done = place.python(job, env=with_a_git_that_signals(place, name))
    survived = (0, "interrupted\n", "")
    assert (done.code, done.out, done.err) == (survived if name == "SIGINT" else (-signal.Signals[name], "", ""))
    the_end_of(place, name)


WATCHED = """
import os, signal, whence
from whence.recorder import open_runs
start = open_runs.Watch.start
def signalled(watch):
    os.kill(os.getpid(), signal.SIGTERM)
    start(watch)
open_runs.Watch.start = signalled
with whence.start():
    signal.pause()
"""


def test_a_signal_right_before_a_block_is_watched_is_stated_as_its_end(place: Workplace) -> None:
    done = place.python("-c", WATCHED)
    assert done.code == -signal.SIGTERM
    the_end_of(place, "SIGTERM")


def test_a_launch_that_is_cut_short_reports_its_record(place: Workplace, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    environ = with_a_git_that_signals(place, "SIGINT")
    assert place.whence("run", "--record-json", told, "--", sys.executable, "-V", env=environ).code == 130
    assert b'"status":"interrupted"' in told.read_bytes()
