"""Processes of `whence run` killed one by one and all at once, at random moments, hundreds of times.

Whatever is killed: nothing of ours stays behind, no reader is told more than is known, and the run can be closed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from workplace import LIMIT, Workplace, wait_until

SEED = int(os.environ.get("WHENCE_TEST_SEED", "0"))
KILLS = int(os.environ.get("WHENCE_TEST_KILLS", "400"))
AT_ONCE = 6
MARK = "TEST_OF_RANDOM_KILLS"
"""A variable that every process of a run inherits: what still has it is still there."""

ROLES = ("front", "keeper", "parent", "witness", "command", "group", "anyone", "all")
MOMENTS = ("launching", "created", "started", "printing", "ended", "sealing")

COMMAND = """
i=0
while [ $i -lt 20 ]; do echo line $i; echo error $i >&2; sleep 0.01; i=$((i+1)); done
(sleep 0.05; echo later) &
[ $1 = 0 ] && : > "$2"
exit $1
"""


@dataclass
class Tried:
    """One run that was hit."""

    name: str
    role: str
    moment: str
    code: int
    succeeded: Path
    """There if the command came to its end, and its code was 0."""
    printed: Path
    ran: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.role} killed while {self.moment}, code {self.code}"


@dataclass
class Process:
    """A line of /proc."""

    pid: int
    parent: int
    group: int


def processes(mark: str) -> Iterator[Process]:
    """Every living process that inherited the mark."""
    wanted = f"{MARK}={mark}".encode()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if wanted not in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                continue
            words = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if words[0] not in "ZX":
            yield Process(int(entry), int(words[1]), int(words[2]))


def victims(role: str, front: int, mark: str) -> list[int]:
    """Who plays this role now; nobody if it is not there yet, or no more."""
    alive = list(processes(mark))
    keeper = [p.pid for p in alive if p.parent == front and p.group == p.pid != front]
    parent = [p.pid for p in alive if p.parent in keeper and p.group in keeper]
    command = [p.pid for p in alive if p.parent in parent]
    witness = [p.pid for p in alive if p.parent == front and p.pid not in keeper]
    by_role = {"front": [front], "keeper": keeper, "parent": parent, "witness": witness, "command": command}
    if role == "anyone":
        return [random.choice(alive).pid] if alive else []
    if role == "all":
        return [p.pid for p in alive]
    return by_role[role]


def hit(role: str, process: subprocess.Popen[bytes], mark: str) -> None:
    try:
        if role == "group":
            os.killpg(process.pid, signal.SIGKILL)
            return
        for pid in victims(role, process.pid, mark):
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # It was faster.


def journal(store: Path, name: str) -> bytes:
    """The journal of the run with this name; empty before it is there."""
    wanted = f'"name":"{name}"'.encode()
    for path in store.glob("runs/*/*/main.jsonl"):
        content = path.read_bytes()
        if wanted in content:
            return content
    return b""


def await_moment(moment: str, tried: Tried, process: subprocess.Popen[bytes], store: Path) -> None:
    """Wait for the fact that the moment is called by, or for the end."""
    facts: dict[str, Callable[[], bool]] = {
        "launching": lambda: True,
        "created": lambda: bool(journal(store, tried.name)),
        "started": lambda: b'"run.started"' in journal(store, tried.name),
        "printing": lambda: b"line 5" in tried.printed.read_bytes(),
        "ended": lambda: b"line 19" in tried.printed.read_bytes(),
        "sealing": lambda: b'"run.ended"' in journal(store, tried.name),
    }
    wait_until(lambda: facts[moment]() or process.poll() is not None, what=moment)


def try_one(workplace: Workplace, number: int) -> Tried:
    chance = random.Random(SEED * 100_000 + number)
    name = f"kill-{SEED}-{number}"
    folder = workplace.path.parent
    tried = Tried(
        name=name,
        role=ROLES[number % len(ROLES)],
        moment=chance.choice(MOMENTS),
        code=chance.choice((0, 3)),
        succeeded=folder / f"{name}.succeeded",
        printed=folder / f"{name}.printed",
    )
    with tried.printed.open("wb") as sink, subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=sink) as reader:
        process = workplace.start_whence(
            "run", "--name", name, "--", "sh", "-c", COMMAND, "sh", str(tried.code), tried.succeeded,
            stdout=reader.stdin, stderr=subprocess.DEVNULL if chance.random() < 0.5 else reader.stdin,
            env={MARK: name},
        )  # fmt: skip
        assert reader.stdin
        reader.stdin.close()
        await_moment(tried.moment, tried, process, workplace.store)
        time.sleep(chance.random() * (0.25 if tried.moment == "launching" else 0.03))
        hit(tried.role, process, name)
        process.wait(timeout=LIMIT)
    # The reader has ended: whoever held our outputs is gone, or has let go of them.
    wait_until(lambda: not list(processes(name)), what=f"the end of every process ({tried})")
    tried.ran = bool(journal(workplace.store, name))
    return tried


@pytest.mark.slow
@pytest.mark.scenario("X10", "I1")
def test_whoever_is_killed_nothing_stays_behind_and_the_record_tells_the_truth(repository: Workplace) -> None:
    repository.whence("run", "--", "true").ok()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tries = list(pool.map(lambda number: try_one(repository, number), range(KILLS)))
    before = records(repository)
    for tried in tries:
        check(tried, before.get(tried.name))
    repository.whence("doctor", "--close")
    after = records(repository)
    for name, record in after.items():
        assert record["status"] == before[name]["status"], name
    for folder in repository.run_folders():
        if (folder / "main.jsonl").exists() and (folder / "main.jsonl").read_bytes():
            assert (folder / "seal.json").exists(), folder
    repository.whence("verify").ok()


def records(workplace: Workplace) -> dict[str, Any]:
    """The records of all runs by name, as another process reads them."""
    lines = workplace.whence("log", "--limit", "100000", "--json").ok().out.splitlines()
    return {line["name"]: line for line in map(json.loads, lines)}


def check(tried: Tried, record: dict[str, Any] | None) -> None:
    """No reader is told more than happened."""
    if record is None:
        assert not tried.ran, tried
        return
    assert record["status"] not in ("created", "running"), (tried, record)
    if record["status"] == "succeeded":
        assert tried.succeeded.exists(), tried
    if record["status"] == "failed" and record["exit_code"] is not None:
        assert record["exit_code"] in (3, 125), (tried, record)
    if tried.code and record["status"] == "succeeded":
        pytest.fail(str(tried))
