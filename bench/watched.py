"""What a command costs when it is watched: beside nothing, a library that is loaded first, strace and reprozip.

A figure is processor time of all that took part, less what the same way costs for the same program with nothing to do.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Cost, cost
from rows import Failed, Row, figure
from subjects import FLOOR, PROGRAMS, REPROZIP, SCIENCE, WHENCE

NOTES = """\
Processor time of the work, less what the same way costs for the same program with nothing to do; `whence` digests what
is read meanwhile, `preload` is a library that writes each path to a file, strace writes to `/dev/null`, reprozip
into its database (measured once; the last row would take it minutes).
"""

WAYS = ("none", "preload", "whence", "strace", "reprozip")
ONCE = ("reprozip",)
"""Measured once, and without a run before that does not count: a call costs it a millisecond, the rows minutes."""
PARTS = 40
"""Files of the program that make builds."""


@dataclass(frozen=True)
class Place:
    """A scratch folder with what the programs read, and how often each is run."""

    path: Path
    home: Path
    times: int

    def cost(self, way: str, command: Sequence[str]) -> Cost:
        cwd = self.path / "work"
        shutil.rmtree(cwd / ".whence/cache", ignore_errors=True)  # What is read is digested each time.
        environ = {**SCIENCE.environ(self.home), **_more(way, self.path)}
        done = cost([*_before(way, self.path), *command], cwd=cwd, environ=environ)
        if done.failed:
            raise Failed(f"{way}: codes {done.codes} from {' '.join(command)}\n{done.out[-2000:]}")
        return done

    def cpu(self, way: str, work: Sequence[str], nothing: Sequence[str]) -> float:
        """Median CPU seconds of the work."""
        if way not in ONCE:
            self.cost(way, work)
        times = 1 if way in ONCE else self.times
        pairs = [(self.cost(way, work).cpu, self.cost(way, nothing).cpu) for _ in range(times)]
        return statistics.median(whole - bare for whole, bare in pairs)


def _before(way: str, scratch: Path) -> list[str]:
    if way == "whence":
        return [str(WHENCE.bin / "whence"), "run", "--"]
    if way == "strace":
        return ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=%file", "-o", str(scratch / "strace.log")]
    if way == "reprozip":
        program = str(REPROZIP.bin / "reprozip")
        return [program, "trace", "-d", str(scratch / "traced"), "--overwrite", "--dont-identify-packages"]
    return []


def _more(way: str, scratch: Path) -> dict[str, str]:
    if way == "preload":
        return {"LD_PRELOAD": str(scratch / "preload.so"), "PRELOAD_LOG": str(scratch / "preload.log")}
    return {"REPROZIP_USAGE_STATS": "off"} if way == "reprozip" else {}


def make_place(scratch: Path, home: Path, times: int) -> Place:
    path = scratch / "watched"
    work = path / "work"
    (work / "files").mkdir(parents=True)
    for number in range(5000):
        (work / "files" / f"{number:04}.txt").write_text(f"{number}\n" * 20)
    (work / "batches.raw").write_bytes(os.urandom(4 << 20).replace(b"\x7f", b"\x00").replace(b"\xff", b"\x00"))
    _make_sources(work)
    shutil.copy(PROGRAMS / "watched.py", work)
    (work / ".gitignore").write_text("/files\n/many\n*.raw\n*.o\n*.log\n.whence\n")
    for git in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "begin"]):
        subprocess.run(["git", *git], cwd=work, env=FLOOR.environ(home), check=True)
    words = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(path / "preload.so"), str(PROGRAMS / "preload.c"), "-ldl"]
    subprocess.run(words, check=True)
    return Place(path, home, times)


def _make_sources(work: Path) -> None:
    (work / "part.h").write_text("#include <stdio.h>\n#include <stdlib.h>\n#include <math.h>\n")
    for number in range(PARTS):
        (work / f"part{number}.c").write_text(f'#include "part.h"\nint part{number}(void) {{ return {number}; }}\n')
    objects = " ".join(f"part{number}.o" for number in range(PARTS))
    (work / "Makefile").write_text(f"CC = gcc\nall: {objects}\nnothing:\n\t@true\n")


def _row(
    place: Place, what: str, unit: str, budget: str, show: Callable[[str], str], ways: Sequence[str] = WAYS
) -> Row:
    there = [way for way in ways if _is_there(way)]
    return Row(what, unit, budget, {way: figure(lambda way=way: show(way)) for way in there}, table="watched")


def _is_there(way: str) -> bool:
    program = (_before(way, Path()) or ["true"])[0]
    return shutil.which(program) is not None


def rows(place: Place) -> Iterator[Row]:
    """Each as soon as it is measured."""
    python = [str(SCIENCE.python), "watched.py"]
    base = [str(FLOOR.python), "watched.py"]

    def per(count: int, work: Sequence[str], nothing: Sequence[str]) -> Callable[[str], str]:
        return lambda way: f"{place.cpu(way, work, nothing) / count * 1e6:.1f}"

    def seconds(work: Sequence[str], nothing: Sequence[str]) -> Callable[[str], str]:
        return lambda way: f"{place.cpu(way, work, nothing):.3f}"

    for count, beside in ((1, "one process"), (2, "two beside each other"), (8, "eight")):
        work = [*base, "opens", "part.h", str(8000 // count), str(count)]
        yield _row(place, f"an open(), {beside}", "CPU us", "25", per(8000, work, [*base, "opens", "part.h", "0", "1"]))
    shell = ["sh", "-c"]
    compile_all = f"rm -f *.o; make -s -j{os.cpu_count()}"
    for what, budget, work, nothing in (
        ("200,000 preads", "as none", [*base, "preads", "part.h", "200000"], [*base, "preads", "part.h", "0"]),
        ("import of pandas, pyarrow and h5py", "x1.10 of none", [*python, "imports", "1"], [*python, "imports", "0"]),
        ("5,000 small files, read", "–", [*base, "files", "files", "5000"], [*base, "files", "files", "0"]),
        ("gcc, one file", "–", ["gcc", "-c", "part0.c"], ["gcc", "--version"]),
        (f"make -j, {PARTS} files", "–", [*shell, compile_all], [*shell, "make -s nothing"]),
        (
            "a training loop of 5,000 steps",
            "as none",
            [*python, "steps", "batches.raw", "5000"],
            [*python, "steps", "batches.raw", "0"],
        ),
    ):
        yield _row(place, what, "CPU s", budget, seconds(work, nothing))


MANY = 200_000


def row_many(place: Place) -> Row:
    """Very many files, read by eight workers: the one figure that is also memory."""
    folder = place.path / "work" / "many"
    for number in range(MANY):
        if number % 1000 == 0:
            (folder / f"{number // 1000:03}").mkdir(parents=True)
        (folder / f"{number // 1000:03}" / f"{number:06}").write_text(f"{number}\n")
    readers = ["sh", "-c", "find many -type f -print0 | xargs -0 -P8 -n500 cat > /dev/null"]

    def show(way: str) -> str:
        done = place.cost(way, readers)
        return f"{done.cpu:.1f} s, {done.peak / 1024:.0f} MiB"

    what = f"{MANY:,} files read by eight workers"
    row = _row(place, what, "CPU, peak memory of one process", "–", show, [way for way in WAYS if way not in ONCE])
    shutil.rmtree(folder)
    return row
