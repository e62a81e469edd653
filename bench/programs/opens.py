"""`python opens.py`: what an open() costs, in microseconds: bare, observed, and under strace where it is installed.

For one, two and eight processes beside each other: the median round by the wall clock / the processor time of all that
took part, by open. The second is what a machine that has other things to do tells truly. `one processor` keeps caller
and answerer together, as the kernel does by itself where little else runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping

from whence.recorder.choosing import choose
from whence.recorder.observing import Observation, Observer, Watch, watch

OPENS = 2000
ROUNDS = 7

CALLER = f"""
import os, sys, time
for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    for _ in range({OPENS}):
        os.close(os.open(sys.argv[1], os.O_RDONLY))
    os.write(1, b"%.3f\\n" % ((time.perf_counter() - began) / {OPENS} * 1e6))
"""
BESIDE = """
import subprocess, sys
for one in [subprocess.Popen([sys.executable, "-c", *sys.argv[2:]]) for _ in range(int(sys.argv[1]))]:
    one.wait()
"""
PROCESSES = (1, 2, 8)
SET_SUBREAPER = 36

Way = Callable[[list[str]], None]


def bare(argv: list[str]) -> None:
    subprocess.run(argv, check=True)


def one_cpu(argv: list[str]) -> None:
    observed(["taskset", "-c", "0", *argv], cpu=0)


def straced(argv: list[str]) -> None:
    subprocess.run(["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=%file", "-o", "/dev/null", *argv], check=True)


def observed(argv: list[str], cpu: int | None = None) -> None:
    ended: list[Observation] = []
    watching = watch(Observer(choice=choose("seccomp", None), take=lambda records: None, ended=ended.append))
    if os.fork() == 0:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        watched = watching.part()
        if os.fork() == 0:
            if watched is not None and watched.go_under():
                os.execvp(argv[0], argv)
            os._exit(1)
        watching.close()
        os.wait()
        os._exit(0)
    watching.begin()
    while not watching.settled(float("inf")):
        watching.turn(_ready(watching))
    collect_orphans()
    watching.finish()
    if ended[0].mechanism != "seccomp" or ended[0].gaps:
        raise SystemExit(f"not observed: {ended[0]}")


def _ready(watch: Watch) -> Mapping[int, int]:
    poll = select.poll()
    for fd in watch.interest():
        poll.register(fd, select.POLLIN)
    until = watch.next(None)
    return dict(poll.poll(None if until == float("inf") else max(0.0, until - time.monotonic()) * 1000))


def measure(way: Way, processes: int, path: str, rounds: int) -> tuple[float, float]:
    """Microseconds of the median round, and seconds of processor time of all that took part."""
    with tempfile.TemporaryFile() as out:
        before = os.dup(1)
        os.dup2(out.fileno(), 1)  # What the callers print; the way may fork without a thought of it.
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            way([sys.executable, "-c", BESIDE, str(processes), CALLER, path, str(rounds)])
        finally:
            os.dup2(before, 1)
            os.close(before)
        collect_orphans()
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        out.seek(0)
        told = [float(word) for word in out.read().split()]
    cpu = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    return statistics.median(told) if told else 0.0, cpu


def collect_orphans() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def main() -> None:
    ctypes.CDLL(None).prctl(SET_SUBREAPER, 1, 0, 0, 0)
    ways: dict[str, Way] = {"bare": bare, "observed": observed, "observed, one processor": one_cpu}
    if shutil.which("strace"):
        ways["strace"] = straced
    print(f"Linux {os.uname().release}; processes: {PROCESSES}")
    with tempfile.NamedTemporaryFile() as file:
        for name, way in ways.items():
            cells: list[str] = []
            for count in PROCESSES:
                wall, cpu = measure(way, count, file.name, ROUNDS)
                _, base = measure(way, count, file.name, 0)
                cells.append(f"{wall:.1f} / {(cpu - base) / (count * ROUNDS * OPENS) * 1e6:.1f}")
            print(f"{name}: {'   '.join(cells)}")


main()
