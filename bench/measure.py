"""CPU and wall time of a program with everything that it started, also what it left running in the background."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): orphans below this process become its children, so that their times can be collected."""

PATIENCE = 60.0
"""Seconds to wait for what a program left running; a daemon that stays for longer is ended."""


@dataclass(frozen=True)
class Cost:
    """Seconds; `cpu` is user and system time of the whole tree."""

    cpu: float
    wall: float
    codes: tuple[int, ...]
    out: str
    peak: int = 0
    """KiB of memory, of the process that had most."""

    @property
    def failed(self) -> bool:
        return any(self.codes)


def adopt_orphans() -> None:
    """Call once, before measuring."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def cost(
    argv: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str], copies: int = 1, stdin: bytes = b""
) -> Cost:
    """Run a program, or several copies side by side, to the end of everything that they started."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        told.write(stdin)
        told.seek(0)
        begun = time.perf_counter()
        started = [
            subprocess.Popen(list(map(os.fspath, argv)), cwd=cwd, env=environ, stdin=told, stdout=out, stderr=out)
            for _ in range(copies)
        ]
        cpu, codes, peak = _wait([process.pid for process in started])
        wall = time.perf_counter() - begun
        for process, code in zip(started, codes, strict=True):
            process.returncode = code
        left, most = _collect_orphans()
        out.seek(0)
        return Cost(cpu + left, wall, tuple(codes), out.read().decode("utf-8", "replace"), max(peak, most))


def _wait(pids: Sequence[int]) -> tuple[float, list[int], int]:
    waited = [os.wait4(pid, 0) for pid in pids]
    cpu = sum(u.ru_utime + u.ru_stime for _, _, u in waited)
    return cpu, [os.waitstatus_to_exitcode(s) for _, s, _ in waited], max(u.ru_maxrss for _, _, u in waited)


def _collect_orphans() -> tuple[float, int]:
    """CPU seconds and most KiB of what was left behind, once it has ended."""
    cpu, peak, deadline = 0.0, 0, time.monotonic() + PATIENCE
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
            cpu += usage.ru_utime + usage.ru_stime if pid else 0.0
            peak = max(peak, usage.ru_maxrss if pid else 0)
            if not pid:
                time.sleep(0.01)
            if time.monotonic() > deadline:
                _end_children()
    return cpu, peak


def _end_children() -> None:
    for pid in Path("/proc/thread-self/children").read_text().split():
        os.kill(int(pid), signal.SIGKILL)


def median(measure: Callable[[], float], times: int, *, warm: int = 1) -> float:
    """Of `times` measurements, after `warm` that do not count (bytecode is compiled, pages are cached)."""
    for _ in range(warm):
        measure()
    return statistics.median(measure() for _ in range(times))
