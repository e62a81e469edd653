"""Measures whence beside a floor and beside peers, in one run, and writes bench/RESULTS.md.

    python bench/run.py [--rows import,help,…] [--peers sacred,wandb,mlflow,dvc,roar] [--times 7] [--big MIB]

Figures are CPU time of the whole process tree, background processes included, as medians; wall time where it says so.
Needs Linux, gcc, make and a network for the first installation of the peers; takes some fifteen minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import datasets
import watched
from measure import Cost, adopt_orphans, cost, median
from rows import Failed, Row, figure, ms, ratio
from subjects import FLOOR, PEERS, PROGRAMS, REQUIREMENTS, ROOT, WATCHING, WHENCE, Subject, install

FILES, FILE_SIZE = 10_000, 8192
SETTLE = 3.0
"""Seconds between writing data and the first hash: caches rightly refuse what has just changed."""


@dataclass(frozen=True)
class Bench:
    """What the rows need: which peers, how often, and a scratch folder."""

    peers: tuple[str, ...]
    times: int
    big: int
    """MiB of the big file."""
    scratch: Path

    def only(self, *names: str) -> list[Subject]:
        return [Subject(name) for name in names if name in self.peers]

    @contextmanager
    def folder(self, *, git: bool = True) -> Iterable[Path]:
        """A folder with the small programs of the benchmark, as a clean repository: their code is what is captured."""
        path = Path(tempfile.mkdtemp(dir=self.scratch))
        for program in PROGRAMS.glob("*.py"):
            shutil.copy(program, path)
        if git:
            (path / "train.py").write_text("print('trained')\n")
            (path / ".gitignore").write_text("/data\n/small\n")
            for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "begin"]):
                subprocess.run(["git", *words], cwd=path, env=FLOOR.environ(self.scratch / "home"), check=True)
        yield path
        shutil.rmtree(path, ignore_errors=True)

    def cost(
        self, subject: Subject, argv: list[str], cwd: Path, *, ok: tuple[int, ...] = (0,), copies: int = 1
    ) -> Cost:
        done = cost(argv, cwd=cwd, environ=subject.environ(self.scratch / "home"), copies=copies)
        if not set(done.codes) <= set(ok):
            raise Failed(f"{subject.name}: codes {done.codes} from {' '.join(argv)}\n{done.out[-2000:]}")
        return done

    def cpu(self, subject: Subject, argv: list[str], cwd: Path, *, times: int | None = None) -> float:
        """Median CPU seconds of a command that can be repeated."""
        return median(lambda: self.cost(subject, argv, cwd).cpu, times or self.times)


# Start-up


def row_import(bench: Bench) -> Row:
    def over_python(subject: Subject) -> str:
        with bench.folder(git=False) as cwd:
            bare = bench.cpu(subject, [str(subject.python), "-c", "pass"], cwd)
            return ms(bench.cpu(subject, [str(subject.python), "-c", f"import {subject.name}"], cwd) - bare)

    with bench.folder(git=False) as cwd:
        figures = {"floor": f"0 (python: {ms(bench.cpu(FLOOR, [str(FLOOR.python), '-c', 'pass'], cwd))})"}
    for subject in [WHENCE, *bench.only("sacred", "wandb", "mlflow", "dvc")]:
        figures[subject.name] = figure(lambda s=subject: over_python(s))
    return Row("`import`", "CPU ms over python", "15", figures)


def row_help(bench: Bench) -> Row:
    def helped(subject: Subject) -> str:
        with bench.folder(git=False) as cwd:
            return ms(bench.cpu(subject, [str(subject.bin / subject.name), "--help"], cwd))

    with bench.folder(git=False) as cwd:
        figures = {"floor": ms(bench.cpu(FLOOR, [str(FLOOR.python), "-c", "pass"], cwd))}
    for subject in [WHENCE, *bench.only("wandb", "mlflow", "dvc", "roar")]:
        figures[subject.name] = figure(lambda s=subject: helped(s))
    return Row("`--help`", "CPU ms", "50", figures)


# One run


def row_trivial(bench: Bench) -> Row:
    with bench.folder() as cwd:
        plain = bench.cpu(FLOOR, FLOOR.program("trivial"), cwd)
    figures = {"floor": f"0 (the script: {ms(plain)})"}
    for subject in [WHENCE, *bench.only("sacred", "wandb", "mlflow")]:
        with bench.folder() as cwd:
            figures[subject.name] = figure(lambda s=subject: ms(bench.cpu(s, s.program("trivial"), cwd) - plain))
    return Row("a trivial run, recorded in process", "CPU ms over the plain script", "60", figures)


WRAPPERS: dict[str, tuple[list[list[str]], list[str]]] = {
    "whence": ([], ["whence", "run", "--observe", "off", "--", "true"]),
    "dvc": (
        [["dvc", "init", "-q"], ["dvc", "stage", "add", "-q", "-n", "noop", "true"], ["git", "add", "."],
         ["git", "commit", "-q", "-m", "dvc"]],
        ["dvc", "repro", "-q", "-f"],
    ),
    "roar": (
        [["roar", "init", "-y"], ["git", "add", "."], ["git", "commit", "-q", "-m", "roar"]],
        ["roar", "run", "true"],
    ),
}  # fmt: skip
"""How a no-op command is recorded: preparation, then the command."""


OBSERVED: tuple[list[list[str]], list[str]] = ([], ["whence", "run", "--", "true"])


def wrapped(bench: Bench, subject: Subject, way: tuple[list[list[str]], list[str]], cwd: Path) -> float:
    prepare, command = way
    for words in prepare:
        bench.cost(subject, _located(subject, words), cwd)
    return bench.cpu(subject, _located(subject, command), cwd)


def _located(subject: Subject, words: list[str]) -> list[str]:
    program = subject.bin / words[0]
    return [str(program) if program.exists() else words[0], *words[1:]]


def rows_wrapper(bench: Bench) -> list[Row]:
    with bench.folder() as cwd:
        plain = bench.cpu(FLOOR, ["/bin/true"], cwd)
    figures = {"floor": ms(plain)}
    for subject in [WHENCE, *bench.only("dvc", "roar")]:
        with bench.folder() as cwd:
            figures[subject.name] = figure(lambda s=subject: ms(wrapped(bench, s, WRAPPERS[s.name], cwd)))
    with bench.folder() as cwd:
        observed = {"floor": ms(plain), "whence": figure(lambda: ms(wrapped(bench, WHENCE, OBSERVED, cwd)))}
    return [
        Row("`run -- true` in a clean small repository", "CPU ms", "90", figures),
        Row("the same, observed", "CPU ms", "120", observed),
    ]


# Metric points

POINTS = {"floor": 400_000, "whence": 400_000, "sacred": 50_000, "wandb": 50_000, "mlflow": 500}


def row_points(bench: Bench) -> Row:
    def rate(subject: Subject) -> str:
        count = POINTS[subject.name]
        speeds, kept = [], ""
        for _ in range(3):
            with bench.folder() as cwd:
                bench.cost(subject, subject.program("points", 1), cwd, ok=(-9,))
                one = bench.cost(subject, subject.program("points", 1), cwd, ok=(-9,)).cpu
            with bench.folder() as cwd:
                whole = bench.cost(subject, subject.program("points", count), cwd, ok=(-9,)).cpu
                kept = kept_points(bench, subject, cwd, count)
            speeds.append(count / max(whole - one, 1e-6))
        return f"{sorted(speeds)[1]:,.0f}, {kept}"

    figures = {s.name: figure(lambda s=s: rate(s)) for s in [FLOOR, WHENCE, *bench.only("sacred", "wandb", "mlflow")]}
    return Row("metric points, then SIGKILL", "points a CPU second, kept", "1,000,000, 100 %", figures)


def kept_points(bench: Bench, subject: Subject, cwd: Path, count: int) -> str:
    if subject.name == "floor":
        kept = (cwd / "points.jsonl").read_bytes().count(b"\n")
    elif subject.name == "whence":
        record = json.loads(bench.cost(subject, [str(subject.bin / "whence"), "show", "@", "--json"], cwd).out)
        kept = record["metrics"]["loss"]["count"]
    elif subject.name == "wandb":
        return "not counted"
    else:
        kept = int(bench.cost(subject, subject.program("count_points"), cwd, ok=(0,)).out.split()[-1])
    return f"{100 * kept / count:.0f} %"


# Many at once


def row_many(bench: Bench) -> Row:
    def rate(subject: Subject) -> str:
        rates, lost = [], 0
        for _ in range(3):
            with bench.folder() as cwd:
                codes = tuple(range(256))
                done = bench.cost(subject, subject.program("many", 20), cwd, ok=codes, copies=16)
                kept = kept_runs(bench, subject, cwd)
                lost = max(lost, 320 - kept)
                rates.append(kept / done.wall)
        return f"{sorted(rates)[1]:.1f}, {lost} lost"

    figures = {s.name: figure(lambda s=s: rate(s)) for s in [FLOOR, WHENCE, *bench.only("sacred", "wandb", "mlflow")]}
    return Row("16 processes x 20 runs into one new store", "runs a second (wall)", "100, 0 lost", figures)


def kept_runs(bench: Bench, subject: Subject, cwd: Path) -> int:
    if subject.name == "floor":
        return len(list(cwd.glob("runs/*/seal.json")))
    if subject.name == "whence":
        listing = bench.cost(subject, [str(subject.bin / "whence"), "log", "--json", "--limit", "1000"], cwd).out
        return sum(json.loads(line)["status"] == "succeeded" for line in listing.splitlines() if line.startswith("{"))
    return int(bench.cost(subject, subject.program("count_runs"), cwd).out.split()[-1])


# Data


def make_files(folder: Path) -> None:
    folder.mkdir()
    for n in range(FILES):
        (folder / f"{n:05}.bin").write_bytes(os.urandom(FILE_SIZE))


def make_big(path: Path, size: int) -> None:
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for n in range(size):
            file.write(n.to_bytes(8, "big") + block[8:])


def recording(subject: Subject, name: str) -> list[str]:
    """A command that records the data `name`."""
    if subject.name == "whence":
        return [str(subject.bin / "whence"), "run", "--input", name, "--", "true"]
    if subject.name == "dvc":
        return [str(subject.bin / "dvc"), "add", "-q", name]
    return subject.program("data", name)


def first_and_again(bench: Bench, subject: Subject, make: Callable[[Path], None], times: int) -> tuple[float, float]:
    """CPU seconds of the first and of the second recording of new data, over the recording of one small file."""
    firsts, agains = [], []
    for _ in range(times):
        with bench.folder() as cwd:
            if subject.name == "dvc":
                bench.cost(subject, [str(subject.bin / "dvc"), "init", "-q"], cwd)
            (cwd / "small").write_bytes(b"small")
            make(cwd / "data")
            time.sleep(SETTLE)
            bench.cost(subject, recording(subject, "small"), cwd)
            base = bench.cost(subject, recording(subject, "small"), cwd).cpu
            firsts.append(bench.cost(subject, recording(subject, "data"), cwd).cpu - base)
            agains.append(bench.cost(subject, recording(subject, "data"), cwd).cpu - base)
    return sorted(firsts)[times // 2], sorted(agains)[times // 2]


def data_rows(
    bench: Bench, what: str, make: Callable[[Path], None], floors: tuple[float, float], budgets: tuple[str, str]
):
    first, again = {"floor": f"{floors[0]:.2f} s"}, {"floor": f"{floors[1]:.3f} s"}
    for subject in [WHENCE, *bench.only("dvc", "mlflow", "wandb")]:
        try:
            times = first_and_again(bench, subject, make, 3 if subject is WHENCE else 1)
            first[subject.name] = f"{times[0]:.2f} s {ratio(times[0], floors[0])}"
            again[subject.name] = f"{times[1]:.3f} s"
        except Failed as failure:
            print(failure, flush=True)
            first[subject.name] = again[subject.name] = "failed"
    return [
        Row(f"{what}, first", "CPU over a small file", budgets[0], first),
        Row(f"{what}, again unchanged", "CPU over a small file", budgets[1], again),
    ]


def rows_folder(bench: Bench) -> list[Row]:
    with bench.folder(git=False) as cwd:
        make_files(cwd / "data")
        bare = bench.cpu(FLOOR, FLOOR.program("trivial"), cwd)
        floors = tuple(bench.cpu(FLOOR, FLOOR.program(verb, "data"), cwd) - bare for verb in ("first", "again"))
    what = f"a folder of {FILES:,} x {FILE_SIZE // 1024} KiB"
    return data_rows(bench, what, make_files, (floors[0], floors[1]), ("0.8 s", "0.15 s"))


def rows_big(bench: Bench) -> list[Row]:
    with bench.folder(git=False) as cwd:
        make_big(cwd / "data", bench.big)
        tool = bench.cpu(FLOOR, ["sha256sum", "data"], cwd, times=3)
        bare = bench.cpu(FLOOR, FLOOR.program("trivial"), cwd)
        floor = bench.cpu(FLOOR, FLOOR.program("first", "data"), cwd, times=3) - bare
    make = lambda path: make_big(path, bench.big)  # noqa: E731  a table entry
    budget = f"{tool * 1.05:.2f} s (x1.05 of sha256sum)"
    return data_rows(bench, f"a file of {bench.big / 1024:g} GiB", make, (floor, 0.0), (budget, "0.06 s"))


# Being watched


def rows_watched(bench: Bench) -> Iterator[Row]:
    for name in WATCHING:
        install(name)
    place = watched.make_place(bench.scratch, bench.scratch / "home", bench.times)
    yield from watched.rows(place)
    yield watched.row_many(place)


# Datasets


def rows_datasets(bench: Bench) -> Iterator[Row]:
    dvc = next(iter(bench.only("dvc")), None)
    return datasets.rows(bench.scratch, bench.scratch / "home", dvc, bench.times, bench.big)


ROWS: dict[str, Callable[[Bench], Row | Iterable[Row]]] = {
    "import": row_import,
    "help": row_help,
    "trivial": row_trivial,
    "wrapper": rows_wrapper,
    "points": row_points,
    "many": row_many,
    "folder": rows_folder,
    "big": rows_big,
    "watched": rows_watched,
    "datasets": rows_datasets,
}


# Report


def report(rows: list[Row], bench: Bench) -> str:
    versions = ", ".join(spec for peer in bench.peers for spec in REQUIREMENTS[peer][:1])
    sources = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD:src"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return f"""# Results

Written by `python bench/run.py` on {time.strftime("%Y-%m-%d", time.gmtime())}, whence with the sources of the git
tree {sources.stdout.strip()}. {machine()}. Peers: {versions}.

Medians of {bench.times} (points, processes and hashing of 3, the peers' hashing once) of user and system time of the
whole process tree, background processes included. “–” is not applicable, “failed” that the tool did not do the work.

{_table(_in_table(rows, ""), ["floor", "whence", *bench.peers])}

{NOTES}{_further("Being watched", _in_table(rows, "watched"), watched.WAYS, watched.NOTES)}\
{_further("Datasets", _in_table(rows, "datasets"), datasets.TOOLS, datasets.NOTES)}"""


def _in_table(rows: list[Row], name: str) -> list[Row]:
    return [row for row in rows if row.table == name]


def _further(title: str, rows: list[Row], tools: Iterable[str], notes: str) -> str:
    """A table of its own, where its rows were asked for."""
    return f"\n## {title}\n\n{_table(rows, tools)}\n\n{notes}" if rows else ""


def _table(rows: Iterable[Row], tools: Iterable[str]) -> str:
    head = ["what", "unit", "budget", *tools]
    lines = [head, ["---"] * len(head)]
    lines += [[r.what, r.unit, r.budget, *(r.figures.get(tool, "–") for tool in tools)] for r in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


NOTES = """\
The floor of a row is the same work with nothing but the operating system: bare python, the plain script, `true`,
`write(2)` a step, three small files a run, scandir with stat, sha256 by hashlib. dvc copies what it
adds, mlflow copies and does not hash, wandb hashes with MD5 and copies; whence hashes with SHA-256 and, as
inputs are by default, copies nothing.
"""


def machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine()
    )
    return f"{os.cpu_count()} processors ({model}), Linux {platform.release()}, CPython {platform.python_version()}"


def _cpuinfo() -> list[str]:
    return Path("/proc/cpuinfo").read_text().splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=lambda text: text.split(","), default=list(ROWS), metavar="ROW,…")
    parser.add_argument(
        "--peers", type=lambda text: [p for p in text.split(",") if p], default=list(PEERS), metavar="PEER,…"
    )
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--big", type=int, default=2048, metavar="MIB")
    parser.add_argument("--out", type=Path, default=ROOT / "bench/RESULTS.md")
    told = parser.parse_args()
    install("whence", fresh=True)
    for peer in told.peers:
        install(peer)
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="whence-bench-") as scratch:
        bench = Bench(tuple(told.peers), told.times, told.big, Path(scratch))
        (bench.scratch / "home").mkdir()
        rows: list[Row] = []
        for name in told.rows:
            made = ROWS[name](bench)
            for row in [made] if isinstance(made, Row) else made:
                print(f"{row.what} ({row.unit}; budget {row.budget}): {row.figures}", flush=True)
                rows.append(row)
    told.out.write_text(report(rows, bench), "utf-8")


if __name__ == "__main__":
    main()
