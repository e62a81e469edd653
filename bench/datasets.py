"""What datasets cost: added, added again, changed, given back and pinned, beside the operating system, git and dvc."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measure import Cost, cost
from rows import Failed, Row
from subjects import FLOOR, FREEZING, PROGRAMS, WHENCE, Subject, install

FILES, FILE_SIZE = 10_000, 8192
MANY = 200_000
ROWS = 10_000_000
SETTLE = 3.0
"""Seconds between writing data and its first digest: caches rightly refuse what has just changed."""

NOTES = """\
CPU seconds, and wall seconds in brackets, of whole commands with the start of their interpreter. The floor reads,
hashes and writes each file into one, or looks at each with stat; of the large file it is `cp` and `sha256sum`, of what
is given back `cp -r`, of a table DuckDB's own COPY, and a loop of sqlite3 and pyarrow that is told the types. git
hashes with SHA-1 and compresses: it is not given the large file, which takes it minutes. datalad is left out: it needs
git-annex, which PyPI does not have.
"""

TOOLS = ("floor", "whence", "git", "dvc")


@dataclass
class Place:
    """A folder with `data` in it, and what was measured there: seconds by row and tool, as (CPU, wall)."""

    path: Path
    home: Path
    dvc: Subject | None
    figures: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)

    def measure(self, row: str, tool: str, *commands: Sequence[str]) -> list[Cost]:
        done = [self.run(tool, command) for command in commands]
        times = sum(one.cpu for one in done), sum(one.wall for one in done)
        self.figures.setdefault((row, tool), []).append(times)
        return done

    def run(self, tool: str, command: Sequence[str]) -> Cost:
        subject = {"whence": WHENCE, "dvc": self.dvc}.get(tool) or FLOOR
        program = str(subject.bin / command[0]) if command[0] in ("whence", "dvc", "python") else command[0]
        done = cost([program, *command[1:]], cwd=self.path, environ=subject.environ(self.home))
        if done.failed and command[:3] != ("whence", "data", "diff"):
            raise Failed(f"{' '.join(command)}: {done.out[-2000:]}")
        return done

    def floor(self, row: str, *commands: Sequence[str]) -> None:
        self.measure(row, "floor", *commands)

    def whence(self, row: str, *words: str) -> None:
        self.measure(row, "whence", ("whence", *words))

    def others(self, row: str, path: str, *, begin: bool = False) -> None:
        """The same with git and dvc."""
        git = (("git", "init", "-q", "-b", "main"),) if begin else ()
        self.measure(row, "git", *git, ("git", "add", path))
        self.with_dvc(row, path, begin=begin)

    def with_dvc(self, row: str, path: str, *, begin: bool = False) -> None:
        if self.dvc is not None:
            if begin:
                self.run("dvc", ("dvc", "init", "-q", "--no-scm", "-f"))
            self.measure(row, "dvc", ("dvc", "add", "-q", path))


SMALL = {
    "first": f"{FILES:,} files of {FILE_SIZE // 1024} KiB added",
    "again": "again, unchanged",
    "changed": "again, 1 % changed",
    "get": "given back into a new folder",
    "there": "again, all there",
    "pinned": "pinned by a run of `true`, laid out by an earlier one",
    "unpinned": "the same without a pin",
}
BIG = {"big": "added", "big again": "again, unchanged", "big get": "given back"}


def _small(place: Place) -> None:
    for number in range(FILES):
        _write(place.path / f"data/{number // 100}/{number}")
    time.sleep(SETTLE)
    (place.path / "floor.py").write_bytes((PROGRAMS / "floor.py").read_bytes())
    place.floor("first", ("python", "floor.py", "pack", "data"))
    place.floor("again", ("python", "floor.py", "stats", "data"))
    place.whence("first", "data", "create", "set", "data")
    place.whence("again", "data", "add", "set", "data")
    for row in ("first", "again"):
        place.others(row, "data", begin=row == "first")
    for number in range(0, FILES, 100):
        _write(place.path / f"data/{number // 100}/{number}")
    place.whence("changed", "data", "add", "set", "data")
    place.others("changed", "data")
    place.floor("get", ("cp", "-r", "data", "copied"))
    place.whence("get", "data", "get", "set@0.1.0", "given")
    time.sleep(SETTLE)
    place.run("whence", ("whence", "data", "get", "set@0.1.0", "given"))  # What was just written is read once more.
    place.floor("there", ("python", "floor.py", "stats", "given"))
    place.whence("there", "data", "get", "set@0.1.0", "given")
    shutil.rmtree(place.path / ".git")  # The snapshot of the code is another row's.
    for name in ("data", "given", "copied", ".dvc"):
        shutil.rmtree(place.path / name, ignore_errors=True)
    pinned = ("run", "--data", "set@0.1.0", "--", "true")
    place.run("whence", ("whence", *pinned))
    time.sleep(SETTLE)
    place.run("whence", ("whence", *pinned))
    place.whence("pinned", *pinned)
    place.whence("unpinned", "run", "--", "true")


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(FILE_SIZE))


def _big(size: int) -> Callable[[Place], None]:
    def work(place: Place) -> None:
        with (place.path / "big").open("wb") as file:
            for _ in range(size):
                file.write(os.urandom(1 << 20))
        time.sleep(SETTLE)
        place.floor("big", ("cp", "--reflink=never", "big", "copied"), ("sha256sum", "big"))
        (place.path / "copied").unlink()
        place.whence("big", "data", "create", "set", "big")
        place.whence("big again", "data", "add", "set", "big")
        for row in ("big", "big again"):
            place.with_dvc(row, "big", begin=row == "big")
        place.floor("big get", ("cp", "--reflink=never", "big", "copied"), ("sha256sum", "big"))
        (place.path / "copied").unlink()
        place.whence("big get", "data", "get", "set@0.1.0", "given")

    return work


def rows(scratch: Path, home: Path, dvc: Subject | None, times: int, big: int) -> Iterator[Row]:
    small = _measured(_small, scratch, home, dvc, times)
    yield from (_row(key, what, small) for key, what in SMALL.items())
    large = _measured(_big(big), scratch, home, dvc, times)
    size = f"a file of {big / 1024:g} GiB"
    yield from (_row(key, f"{size} {what}" if key == "big" else what, large) for key, what in BIG.items())
    yield _memory(scratch, home)
    install("tables", fresh=True)
    yield from (_frozen(kind, scratch, home) for kind in ("duckdb", "sqlite"))


def _measured(
    work: Callable[[Place], None], scratch: Path, home: Path, dvc: Subject | None, times: int
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    place = Place(scratch, home, dvc)
    for _ in range(times):
        place.path = Path(tempfile.mkdtemp(dir=scratch))
        work(place)
        shutil.rmtree(place.path)
    return place.figures


def _row(key: str, what: str, figures: dict[tuple[str, str], list[tuple[float, float]]]) -> Row:
    shown = {
        tool: "{:.2f} ({:.2f})".format(*(statistics.median(part) for part in zip(*values, strict=True)))
        for (row, tool), values in figures.items()
        if row == key
    }
    return Row(what, "CPU (wall) s", "", shown, "datasets")


def _memory(scratch: Path, home: Path) -> Row:
    """What adding takes, at two sizes: flat if the second is no more than the first."""
    peaks: list[str] = []
    for files in (FILES, MANY):
        place = Place(Path(tempfile.mkdtemp(dir=scratch)), home, None)
        for number in range(files):
            path = place.path / f"data/{number // 500}/{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%d" % number)
        time.sleep(SETTLE)
        (done,) = place.measure("memory", "whence", ("whence", "data", "create", "set", "data"))
        peaks.append(f"{done.peak / 1024:.0f} MiB")
        shutil.rmtree(place.path)
    return Row(f"memory to add {FILES:,} and {MANY:,} files", "peak", "flat", {"whence": ", ".join(peaks)}, "datasets")


def _frozen(kind: str, scratch: Path, home: Path) -> Row:
    """A table of very many rows, frozen to Parquet. Measured once."""
    place = Path(tempfile.mkdtemp(dir=scratch))
    (place / "tables.py").write_bytes((PROGRAMS / "tables.py").read_bytes())

    def done(program: str, *words: str) -> str:
        found = cost([str(FREEZING.bin / program), *words], cwd=place, environ=FREEZING.environ(home))
        if found.failed:
            raise Failed(f"{program} {' '.join(words)}: {found.out[-2000:]}")
        return f"{found.cpu:.1f} ({found.wall:.1f}), {found.peak / 1024:.0f} MiB"

    done("python", "tables.py", f"make-{kind}", str(ROWS))
    figures = {
        "floor": done("python", "tables.py", kind),
        "whence": done(
            "whence", "data", "create", kind, "--sql", "SELECT * FROM t", "--from", f"{kind}:///table.{kind}"
        ),
    }
    shutil.rmtree(place)
    return Row(f"a table of {ROWS:,} rows in {kind}, frozen", "CPU (wall) s, peak", "", figures, "datasets")
