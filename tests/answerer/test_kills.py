"""Whoever is killed: no open fails, no command hangs, and the record says what was not seen."""

from __future__ import annotations

import errno
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from observed import kill, state, wait_for

from whence.recorder.observing import PASSED_BY
from whence.recorder.target import tells_of_others

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


COPY = "for i in $(seq 40); do cat file > out.$i || exit 9; done; echo done > end; exit 4"


def written(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def above(pid: int) -> list[int]:
    """The command's parent and on up to the front, each one of ours."""
    found: list[int] = []
    while b"supervise.py" in Path(f"/proc/{parent_of(pid)}/cmdline").read_bytes():
        pid = parent_of(pid)
        found.append(pid)
    return found


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("who", ["parent", "answerer", "standby", "keeper", "front"])
def test_whoever_is_killed_the_command_does_what_it_would(observed: Any, who: str) -> None:
    (observed.work / "file").write_text("content")
    script = f"echo $$ > started; while [ ! -e go ]; do sleep 0.01; done; {COPY}"
    process = observed.start("sh", "-c", script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command = int(wait_for(lambda: written(observed.work / "started")))
    ours = dict(zip(("parent", "answerer", "standby", "keeper", "front"), above(command), strict=True))
    kill(ours[who])
    (observed.work / "go").touch()
    code = process.wait(60)
    wait_for((observed.work / "end").exists)
    assert sorted(path.read_text() for path in observed.work.glob("out.*")) == ["content"] * 40
    assert code == {"front": -9, "parent": 4 if tells_of_others() else 70}.get(who, 4)
    if who in ("answerer", "standby", "front"):
        wait_for(lambda: b'"finished"' in (observed.folder / "events.jsonl").read_bytes())
        assert {one.path for one in observed.seen} >= {os.fsencode(observed.work / f"out.{n}") for n in range(1, 41)}
        assert observed.observation["gaps"] == {"answerer": ["answerer died"], "standby": ["standby died"]}.get(who, [])


@pytest.mark.parametrize("both", [("parent", "keeper"), ("keeper", "parent")], ids=" then ".join)
@pytest.mark.parametrize("apart", [0, 0.3])
def test_parent_and_keeper_killed_the_command_goes_on_and_the_front_ends(
    observed: Any, both: tuple[str, str], apart: float
) -> None:
    (observed.work / "file").write_text("content")
    script = f"echo $$ > started; while [ ! -e go ]; do sleep 0.01; done; {COPY}"
    process = observed.start("sh", "-c", script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command = int(wait_for(lambda: written(observed.work / "started")))
    ours = dict(zip(("parent", "answerer", "standby", "keeper", "front"), above(command), strict=True))
    for who in both:
        os.kill(ours[who], signal.SIGKILL)
        time.sleep(apart)
    (observed.work / "go").touch()
    assert process.wait(60) == (4 if tells_of_others() else 70)
    assert (observed.work / "end").exists()


@pytest.mark.parametrize("after", [n * 0.015 for n in range(12)])
@pytest.mark.parametrize("who", ["answerer", "standby", "parent", "keeper"])
def test_killed_at_any_moment_of_the_start_the_command_runs(observed: Any, who: str, after: float) -> None:
    (observed.work / "file").write_text("content")
    process = observed.start("sh", "-c", COPY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ours = wait_for(lambda: beginning(process.pid, who))
    time.sleep(after)
    os.kill(ours, signal.SIGKILL)
    code = process.wait(60)
    wait_for((observed.work / "end").exists)
    assert code == 4 or (who == "parent" and code == 70 and not tells_of_others())


PATCH = """
import os, signal
from whence.recorder import command, listening, parent
from whence.answerer import standby
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
class Dying:
    def __getattr__(self, name): return getattr(os, name)
    def fork(self):
        self.fork = die
        return os.fork()
first = lambda real, *, at=-1: lambda *given: die() if given[at] else real(*given)
"""
EARLY = {
    "keeper": "command._keep = die",
    "standby": "listening.part = die",
    "answerer": "standby.os = Dying()",
    "parent": "parent._start = first(parent._start)",
    "parent and command": """
def go_under(self):
    os.kill(os.getppid(), signal.SIGKILL)
    die()
listening.Listened.go_under = go_under
""",
}


@pytest.mark.parametrize("who", [*EARLY])
def test_with_all_killed_that_were_to_start_the_command_it_is_started_again(observed: Any, who: str) -> None:
    done = observed.run_patched(PATCH + EARLY[who], "sh", "-c", "echo once >> runs; echo out; exit 4")
    assert ((observed.work / "runs").read_text(), done.stdout, done.returncode) == ("once\n", b"out\n", 4)
    assert who == "keeper" or observed.observation["mechanism"] == "none"
    assert who == "keeper" or PASSED_BY in observed.observation["because"]


def test_a_command_that_nobody_lives_to_start_is_said_to_be_never_started(observed: Any) -> None:
    done = observed.run_patched(f"{PATCH}parent._start = die", "sh", "-c", "echo once >> runs")
    assert (done.returncode, (observed.work / "runs").exists()) == (70, False)
    assert b"it was never started" in done.stderr
    assert b'"type":"never_started"' in (observed.folder / "events.jsonl").read_bytes()


def test_a_standby_that_dies_before_it_stands_by_is_replaced_and_named(observed: Any) -> None:
    patch = f"{PATCH}standby._stand_by_first = die"
    assert observed.run_patched(patch, "sh", "-c", "exit 4").returncode == 4
    assert observed.observation["gaps"] == ["standby died"]


def test_with_the_parent_killed_as_the_command_is_executed_it_runs_once(observed: Any) -> None:
    patch = """
execute = parent._execute
def last(*given):
    os.kill(os.getppid(), signal.SIGKILL)
    execute(*given)
parent._execute = last
"""
    done = observed.run_patched(PATCH + patch, "sh", "-c", "echo once >> runs; sleep 1; echo end >> runs; exit 5")
    assert done.returncode == (5 if tells_of_others() else 70)
    assert (observed.work / "runs").read_text() == "once\nend\n"
    assert b'"kind":"run.started"' in (observed.folder / "events.jsonl").read_bytes()


def beginning(front: int, who: str) -> int | None:
    """Those below the front by their place, from the moment of the fork."""
    try:
        below = front
        for _ in range({"keeper": 1, "standby": 2, "answerer": 3, "parent": 4}[who]):
            children = [int(n) for n in Path(f"/proc/{below}/task/{below}/children").read_text().split()]
            below = next(pid for pid in children if os.getpgid(pid) != os.getpgid(front))
    except (OSError, StopIteration):
        return None
    return below


OPENS_INTERRUPTED = """
import ctypes, os, signal, time
libc = ctypes.CDLL(None, use_errno=True)
signal.signal(signal.SIGUSR1, lambda *_: None)
print(os.getpid(), flush=True)
while not os.path.exists('go'): time.sleep(0.01)
fd = libc.open(b'file', os.O_RDONLY)
print(fd < 0 and ctypes.get_errno(), flush=True)
while not os.path.exists('end'): time.sleep(0.01)
"""


def test_an_open_that_a_signal_interrupts_before_it_is_seen_is_counted(observed: Any, watchers: Any) -> None:
    (observed.work / "file").write_text("content")
    process = observed.start(sys.executable, "-c", OPENS_INTERRUPTED, stdout=subprocess.PIPE)
    command = int(process.stdout.readline())
    answerer = wait_for(watchers.pids)["answerer"]
    os.kill(answerer, signal.SIGSTOP)
    wait_for(lambda: state(answerer) == "T")
    (observed.work / "go").touch()
    wait_for(lambda: b"seccomp" in Path(f"/proc/{command}/wchan").read_bytes())
    os.kill(command, signal.SIGUSR1)
    assert int(process.stdout.readline()) == errno.EINTR
    os.kill(answerer, signal.SIGCONT)
    wait_for(lambda: state(answerer) == "S")
    (observed.work / "end").touch()
    assert process.communicate(timeout=60) == (b"", None)
    assert (observed.observation["interrupted"], observed.observation["gaps"]) == (1, [])


def test_what_outlives_the_command_is_answered_until_its_own_end(observed: Any, watchers: Any) -> None:
    (observed.work / "file").write_text("content")
    script = "(while [ ! -e go ]; do sleep 0.01; done; cat file > late; echo done > end) & exit 3"
    process = observed.start("sh", "-c", script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.wait(60) == 3
    assert observed.observation["gaps"] == ["descendants outlived the command"]
    assert set(watchers.pids()) == {"answerer", "standby"}
    (observed.work / "go").touch()
    wait_for((observed.work / "end").exists)
    assert (observed.work / "late").read_text() == "content"
    wait_for(lambda: not watchers.pids())


def test_the_command_inherits_nothing_of_ours(observed: Any) -> None:
    done = observed.run("sh", "-c", "ls -l /proc/$$/fd; grep -c . /proc/$$/status; ps -o ppid= -p $$ >/dev/null")
    links = [line.rpartition(b" -> ")[2] for line in done.stdout.splitlines() if b" -> " in line]
    assert len(links) == 3
    assert not [link for link in links if b"socket" in link or b"anon_inode" in link]


def test_a_ring_that_is_full_keeps_nobody_waiting_and_is_said(observed: Any) -> None:
    (observed.work / "file").write_text("content")
    patch = """
import time
from whence.answerer import ring
from whence.recorder import listening
listening.Ring = lambda: ring.Ring(4096)
supervise.Notes.take = lambda self, records: time.sleep(0.2)
"""
    done = observed.run_patched(patch, sys.executable, "-c", "for n in range(3000): open('file').close()")
    told = observed.observation
    assert done.returncode == 0
    assert told["lost"] > 2000
    assert told["gaps"] == [f"calls that were not noted: {told['lost']}"]


def test_a_fault_of_ours_costs_one_record_and_is_said(observed: Any) -> None:
    (observed.work / "file").write_text("content")
    patch = """
from whence.answerer.places import World
def look(self, path, now, *, follow=True, look=World.look):
    assert not path.endswith(b"poison"), "bitter"
    return look(self, path, now, follow=follow)
World.look = look
"""
    done = observed.run_patched(patch, "sh", "-c", "cat file; echo x > poison; cat file; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"contentcontent", b"")
    assert observed.ops(observed.work / "file") == ["read", "read"]
    assert (observed.work / "poison").read_text() == "x\n"
    told = observed.observation
    assert told["lost"] == 1
    assert "fault AssertionError: bitter" in told["gaps"]


def test_on_a_kernel_that_does_not_tell_the_end_it_is_asked_for(observed: Any, watchers: Any) -> None:
    (observed.work / "file").write_text("content")
    patch = "from whence.answerer import answer\nanswer.tells_of_the_end = lambda release: False"
    assert observed.run_patched(patch, "cat", "file").stdout == b"content"
    assert (observed.ops(observed.work / "file"), observed.observation["gaps"]) == (["read"], [])
    wait_for(lambda: not watchers.pids())
