"""A command under observation, with a recording that only notes what was seen."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import straced

SUPERVISE = Path(__file__).parent / "supervise.py"


class Seen(NamedTuple):
    seq: int
    at: float
    pid: int
    op: str
    path: bytes
    other: bytes
    flags: int
    identity: list[int] | None
    late: bool
    because: str
    replaced: list[int] | None = None
    preimage: str | None = None
    """Its digest, where it was copied."""
    real: bytes = b""
    """The path without links; empty where it is not known."""
    real_other: bytes = b""

    @property
    def kind(self) -> str:
        return "open" if self.op in ("read", "write", "update", "create") else self.op

    @property
    def paths(self) -> list[bytes]:
        """Those that the call named."""
        return [self.path, self.other] if self.other and self.op != "execute" else [self.path]


@dataclass
class Observed:
    """Runs commands in `work` and reads what was seen of them."""

    folder: Path
    work: Path
    environ: dict[str, str] = field(default_factory=lambda: {**os.environ, "OBSERVE": "auto"})

    def argv(self, *command: str) -> list[str]:
        return [sys.executable, str(SUPERVISE), str(self.folder), *command]

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        self.forget()
        options = {"stdin": subprocess.DEVNULL, "cwd": self.work, "env": self.environ, "timeout": 120, **options}
        return subprocess.run(self.argv(*command), capture_output=True, check=False, **options)

    def start(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """In a session of its own: the kernel may hang up the process group of one that is stopped."""
        self.forget()
        options = {"stdin": subprocess.DEVNULL, "cwd": self.work, "env": self.environ, **options}
        options = {"start_new_session": True, **options}
        return subprocess.Popen(self.argv(*command), **options)

    def close(self) -> None:
        """Kill what a test has left; whoever has our folder among its arguments is ours."""
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if os.fsencode(self.folder.parent) in (place / "cmdline").read_bytes():
                    os.kill(int(place.name), signal.SIGKILL)
            except OSError:
                continue

    def run_patched(self, patch: str, *command: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command under a recorder of which something is changed: lines that see its module `supervise`."""
        self.forget()
        script = self.folder.parent / "patched.py"
        script.write_text(f"import sys; sys.path.insert(0, {str(SUPERVISE.parent)!r})\nimport supervise\n{patch}\n")
        with script.open("a") as file:
            file.write("sys.exit(supervise.main())\n")
        argv = [sys.executable, str(script), str(self.folder), *command]
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            cwd=self.work,
            env=self.environ,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def forget(self) -> None:
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    @property
    def seen(self) -> list[Seen]:
        """The calls."""
        return [one for one in self.all if one.op != "preimage"]

    @property
    def preimages(self) -> list[Seen]:
        return [one for one in self.all if one.op == "preimage"]

    @property
    def all(self) -> list[Seen]:
        try:
            lines = (self.folder / "seen.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [_seen(json.loads(line)) for line in lines]

    @property
    def observation(self) -> dict[str, Any]:
        events = (json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines())
        return next(event for event in events if event["kind"] == "observed")

    def of(self, path: Path | bytes | str) -> list[Seen]:
        """The records that name this path."""
        wanted = os.fsencode(path)
        return [one for one in self.seen if wanted in (one.path, one.other)]

    def ops(self, path: Path | bytes | str) -> list[str]:
        return [one.op for one in self.of(path)]

    def against_strace(self, *command: str) -> list[straced.Call]:
        """Run the command under strace under us: both must tell the same. Gives what strace told."""
        log = self.folder.parent / "strace.log"
        done = self.run(*straced.argv(log, *command))
        assert self.observation["mechanism"] == "seccomp", (self.observation, done)
        assert b"Traceback" not in done.stderr
        calls = straced.calls(log, self.work)
        truth = Counter((call.kind, *call.paths) for call in calls if call.told)
        ours = [one for one in self.seen if one.pid not in (0, self._strace)]
        told = Counter((one.kind, *one.paths) for one in ours if one.op != "connect")
        assert told == truth
        there = {(one.kind, one.path) for one in ours if one.identity or one.op == "create"}
        assert {(call.kind, call.paths[0]) for call in calls if call.told and call.done} <= there
        return calls

    @property
    def _strace(self) -> int:
        return next(one.pid for one in self.seen if one.op == "execute" and one.path.endswith(b"/strace"))


def _seen(words: list[Any]) -> Seen:
    path, other = os.fsencode(words[4]), os.fsencode(words[5])
    told, more = [*words[:4], path, other, *words[6:11]], words[11:]
    if words[3] == "preimage":
        return Seen(*told, *more)
    places = zip(("real", "real_other"), (path, other), more, strict=False)
    return Seen(*told, **{name: named if real == "=" else os.fsencode(real) for name, named, real in places})


@dataclass
class Watchers:
    """The processes that answer for a command, as /proc shows them."""

    folder: Path

    def pids(self) -> dict[str, int]:
        """`answerer` and `standby`, where they are there: both hold the listener, and one waits for the other."""
        found: dict[str, int] = {}
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if os.fsencode(self.folder) not in (place / "cmdline").read_bytes():
                    continue
                held = [os.readlink(fd) for fd in (place / "fd").iterdir()]
            except OSError:
                continue
            if any("seccomp" in link for link in held):
                found["standby" if any("pidfd" in link for link in held) else "answerer"] = int(place.name)
        return found


def wait_for(condition: Any, seconds: float = 300) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
    return found


def kill(pid: int) -> None:
    """And see it dead: a signal takes its time, and two that are killed at once are another story."""
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: state(pid) in ("Z", "X", ""))


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
