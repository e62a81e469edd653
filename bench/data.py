"""Measures the bytes of data sets beside a floor and `git add`, and prints the table; run by hand.

    python bench/data.py [--files 10000] [--big MIB] [--times 3]

Figures are medians of CPU seconds, and of wall seconds in brackets, over those of a program that only opens the store.
It runs with the interpreter that it is started with, which must have whence installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measure import Cost, adopt_orphans, cost
from rows import Row

PROGRAM = Path(__file__).parent / "programs" / "on_data.py"
FLOOR = Path(__file__).parent / "programs" / "floor.py"
FILE_SIZE = 8192
SETTLE = 3.0
"""Seconds between writing data and its first digest: caches rightly refuse what has just changed."""


@dataclass
class Place:
    """A folder with `data` in it, and what was measured there."""

    path: Path
    base: Cost
    figures: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def whence(self, row: str, *words: str) -> str:
        done = self.run([sys.executable, PROGRAM, *words])
        self._note(f"{row}/whence", done.cpu - self.base.cpu, done.wall - self.base.wall)
        return done.out.strip()

    def other(self, row: str, name: str, *commands: Sequence[str | Path]) -> None:
        done = [self.run(command) for command in commands]
        self._note(f"{row}/{name}", sum(cost.cpu for cost in done), sum(cost.wall for cost in done))

    def _note(self, key: str, cpu: float, wall: float) -> None:
        self.figures.setdefault(key, []).append((cpu, wall))

    def run(self, argv: Sequence[str | Path]) -> Cost:
        done = cost(argv, cwd=self.path, environ={"PATH": os.environ["PATH"], "HOME": str(self.path)})
        if done.failed:
            raise SystemExit(f"{argv}: {done.out}")
        return done


SMALL = {
    "first": "files of 8 KiB added",
    "again": "again, unchanged",
    "changed": "again, 1 % changed",
    "get": "given back into a new folder",
    "there": "again, all there",
}
BIG = {"big": "one large file added", "big again": "again, unchanged", "big get": "given back"}


def small(place: Place, files: int) -> None:
    for number in range(files):
        (place.path / f"data/{number // 100}").mkdir(parents=True, exist_ok=True)
        (place.path / f"data/{number // 100}/{number}").write_bytes(os.urandom(FILE_SIZE))
    time.sleep(SETTLE)
    place.other("first", "floor", [sys.executable, FLOOR, "pack", "data"])
    place.other("again", "floor", [sys.executable, FLOOR, "stats", "data"])
    for name in ("first", "again"):
        place.whence(name, "add", "data")
    place.other("first", "git", ["git", "init", "-q"], ["git", "add", "data"])
    place.other("again", "git", ["git", "add", "data"])
    for number in range(0, files, 100):
        (place.path / f"data/{number // 100}/{number}").write_bytes(os.urandom(FILE_SIZE))
    manifest = place.whence("changed", "add", "data")
    place.other("changed", "git", ["git", "add", "data"])
    place.other("get", "floor", ["cp", "-r", "data", "copied"])
    place.whence("get", "get", manifest, "given")
    time.sleep(SETTLE)
    place.run([sys.executable, PROGRAM, "get", manifest, "given"])  # What was just written is read once more.
    place.other("there", "floor", [sys.executable, FLOOR, "stats", "given"])
    place.whence("there", "get", manifest, "given")


def big(place: Place, size: int) -> None:
    with (place.path / "big").open("wb") as file:
        for _ in range(size):
            file.write(os.urandom(1 << 20))
    time.sleep(SETTLE)
    place.other("big", "floor", ["cp", "--reflink=never", "big", "copied"], ["sha256sum", "big"])
    (place.path / "copied").unlink()
    place.whence("big", "add", "big")
    manifest = place.whence("big again", "add", "big")
    place.other("big get", "floor", ["cp", "--reflink=never", "big", "copied"], ["sha256sum", "big"])
    place.whence("big get", "get", manifest, "given")


def measured(work: Callable[[Place], None], times: int) -> dict[str, list[tuple[float, float]]]:
    figures: dict[str, list[tuple[float, float]]] = {}
    for _ in range(times):
        path = Path(tempfile.mkdtemp(prefix="whence-data-"))
        try:
            base = Place(path, Cost(0, 0, (0,), "")).run([sys.executable, PROGRAM, "nothing"])
            base = Place(path, base).run([sys.executable, PROGRAM, "nothing"])
            work(Place(path, base, figures))
        finally:
            shutil.rmtree(path)
    return figures


def row(name: str, what: str, figures: dict[str, list[tuple[float, float]]]) -> Row:
    found = {key.partition("/")[2]: values for key, values in figures.items() if key.partition("/")[0] == name}
    shown = {tool: " (".join(f"{statistics.median(part):.2f}" for part in zip(*values, strict=True)) + ")"
             for tool, values in found.items()}  # fmt: skip
    return Row(what, "CPU (wall) s", "", shown)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--big", type=int, default=2048, help="MiB; 0 leaves it out")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    adopt_orphans()
    figures = measured(lambda place: small(place, options.files), options.times)
    rows = [row(name, what, figures) for name, what in SMALL.items()]
    if options.big:
        figures = measured(lambda place: big(place, options.big), options.times)
        rows += [row(name, what, figures) for name, what in BIG.items()]
    tools = ("floor", "whence", "git")
    print(f"{options.files} files of 8 KiB, one of {options.big} MiB; load {os.getloadavg()[0]:.1f}\n")
    print(f"| what | {' | '.join(tools)} |\n|---|{'---|' * len(tools)}")
    for line in rows:
        print(f"| {line.what} | {' | '.join(line.figures.get(tool, '–') for tool in tools)} |")


if __name__ == "__main__":
    main()
