"""A folder of its own for one test: home, environment, git, and whence run as a user runs it, in its own process.

Nothing in here imports whence: a scenario counts when it is seen from outside.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 300
"""Seconds after which a program is taken to hang. A net under the tests, never the thing under test."""

KEPT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "COVERAGE_PROCESS_START")
"""What programs under test inherit from whoever runs the tests; the rest is set here or absent."""

Arg = str | bytes | Path


@dataclass(frozen=True)
class Done:
    """How a program ended. `out` and `err` are text with undecodable bytes escaped as Python does for file names."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)

    def json_lines(self) -> list[Any]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    def ok(self) -> Done:
        """Itself, if the code is 0; otherwise an assertion that shows what was printed."""
        assert self.code == 0, f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"
        return self


class Workplace:
    """`path` is the folder that commands run in, `home` an empty home, `environ` what programs are given."""

    def __init__(self, path: Path, home: Path) -> None:
        self.path = path
        self.home = home
        path.mkdir(parents=True, exist_ok=True)
        home.mkdir(parents=True, exist_ok=True)
        self.environ = clean_environ(home)
        self._started: list[subprocess.Popen[bytes]] = []

    # Files

    def write(self, name: str | Path, content: str | bytes = "") -> Path:
        """Write a file below the folder, with the folders that it needs."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def script(self, name: str, body: str) -> Path:
        """A Python program below the folder, without `import whence` unless the body says so."""
        return self.write(name, body)

    @property
    def store(self) -> Path:
        """Where the store is after the first run."""
        return self.path / ".whence"

    def run_folders(self) -> list[Path]:
        """The folders of all runs, oldest first by identifier."""
        return sorted(self.store.glob("runs/*/*"), key=lambda folder: folder.name)

    # Programs

    def run(
        self,
        argv: Sequence[Arg],
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        input: str | bytes | None = None,
        timeout: float = LIMIT,
    ) -> Done:
        """Run a program to its end. In `env`, nothing as a value removes the variable. Input is closed if not given."""
        done = subprocess.run(
            [os.fspath(a) for a in argv],
            cwd=cwd or self.path,
            env=self._with(env),
            input=input.encode() if isinstance(input, str) else input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))

    def start(
        self, argv: Sequence[Arg], *, env: Mapping[str, str | None] | None = None, cwd: Path | None = None, **popen: Any
    ) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own and leave it running; `close` ends what a test did not end."""
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("start_new_session", True)
        words = [os.fspath(a) for a in argv]
        process = subprocess.Popen(words, cwd=cwd or self.path, env=self._with(env), **popen)
        self._started.append(process)
        return process

    def close(self) -> None:
        """Kill the programs that are still running, with what they started in their sessions."""
        for process in self._started:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.kill()
            process.wait(LIMIT)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def whence(self, *args: Arg, **how: Any) -> Done:
        """`whence ARGS…`, by the interpreter that runs the tests."""
        return self.run([*WHENCE, *args], **how)

    def start_whence(self, *args: Arg, **how: Any) -> subprocess.Popen[bytes]:
        """`whence ARGS…`, left running."""
        return self.start([*WHENCE, *args], **how)

    def record(self, *command: Arg, options: Sequence[Arg] = (), **how: Any) -> dict[str, Any]:
        """Run a command under `whence run`; its record as `whence show --json` prints it afterwards."""
        told = self.home / f"told-{time.monotonic_ns()}"
        self.whence("run", "--record-json", told, *options, "--", *command, **how)
        line = json.loads(told.read_bytes())
        told.unlink()
        return self.show(line["id"])

    def show(self, run: str = "@") -> dict[str, Any]:
        """The record of a run, read back by another process."""
        return self.whence("show", run, "--json").ok().json()

    def python(self, *args: Arg, **how: Any) -> Done:
        """The interpreter that runs the tests, which can `import whence`."""
        return self.run([sys.executable, *args], **how)

    def git(self, *args: Arg, **how: Any) -> str:
        """What git prints, without the last newline; an assertion if it fails."""
        return self.run(["git", *args], **how).ok().out.removesuffix("\n")

    def repository(self, **files: str) -> Workplace:
        """Make the folder a git repository with one commit of `files` (or of what is there)."""
        self.git("init", "-q", "-b", "main")
        for name, content in files.items():
            self.write(name, content)
        self.commit("begin")
        return self

    def commit(self, message: str = "change") -> str:
        """Commit everything; the commit's id."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def _with(self, env: Mapping[str, str | None] | None) -> dict[str, str]:
        merged: dict[str, str | None] = {**self.environ, **(env or {})}
        return {name: value for name, value in merged.items() if value is not None}


WHENCE = (str(Path(sys.executable).with_name("whence")),)
"""The installed program; `python -m` would put the test's folder on the import path."""


def clean_environ(home: Path) -> dict[str, str]:
    """An environment without settings of ours, of git, or of the user; `whence` and `python` are first on PATH."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    scripts = str(Path(sys.executable).parent)
    return {
        "LANG": "C.UTF-8",
        **kept,
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)]),
        "HOME": str(home),
        "USER": "tester",
        "LOGNAME": "tester",
        "GIT_CONFIG_GLOBAL": str(_git_configuration(home)),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "NO_COLOR": "1",
    }


def _git_configuration(home: Path) -> Path:
    path = home / ".gitconfig"
    if not path.exists():
        path.write_text("[user]\n\tname = Tester\n\temail = tester@example.org\n[init]\n\tdefaultBranch = main\n")
    return path


def wait_until(true: Callable[[], Any], *, what: str, limit: float = LIMIT) -> Any:
    """Wait for a fact of the outside world; its value. `what` is named when it never comes.

    A file that is not there yet, or was renamed while `true` looked at it, is a fact that has not come.
    """
    deadline = time.monotonic() + limit
    while not (value := _unless_missing(true)):
        assert time.monotonic() < deadline, f"waited {limit:.0f} s in vain for: {what}"
        time.sleep(0.02)
    return value


def _unless_missing(true: Callable[[], Any]) -> Any:
    try:
        return true()
    except FileNotFoundError:
        return None


def kill(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> int:
    """Send a signal to a program that a test started and wait for its end; the code as `Popen` gives it."""
    process.send_signal(number)
    return process.wait(LIMIT)
