"""What is asked of very many runs, and what it costs: the index fed, questions warm and cold, beside plain SQLite.

    python bench/asking.py [--runs 10000,100000] [--store FOLDER]

A store of that many runs is made first, through the real record format (`runs.py`), and left in FOLDER if one is named.
Milliseconds are CPU time, medians; a cold command is a process of its own with the start of its interpreter. The floor
is one table of the same 35 values a run, clustered by (key, value, run).
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import runs
from measure import cost
from whence.index.sqlite import SqliteIndex
from whence.rules.query import All, parse
from whence.store.layout import open_store

WHENCE = Path(sys.executable).with_name("whence")
TOP = 50
TIMES = 15
NEW = 100

QUESTIONS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "top 50 by filter and sort": ("metrics.acc > 0.5 and config.lr = 0.1", ("metrics", "acc"), True),
    "top 50 by two filters and another sort": ("tags.kind = train and metrics.m3 < 0", ("metrics", "m4"), False),
    "top 50 of a rare value": ("config.p3 = 0.5", ("metrics", "acc"), True),
    "the latest 50": ("", (), False),
    "the latest 50 that failed": ("status = failed", (), False),
    "the latest 50 by a word in their texts": ("text ~ overfit", (), False),
    "the latest 50 with a version of a package": ("env.packages.torch < 2.5", (), False),
}
"""The query, the field that is sorted by, and whether it falls."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=lambda text: [int(part) for part in text.split(",")], default=[10_000, 100_000])
    parser.add_argument("--store", type=Path, help="a folder for stores, which are made where they are not there")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="whence-asking-") as scratch:
        measured = [_measured(told.store or Path(scratch), count) for count in told.runs]
    head = ["what", "unit", *(f"{count:,} runs" for count in told.runs)]
    print("\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head)]))
    for (what, unit), _ in measured[0].items():
        print(f"| {what} | {unit} | {' | '.join(figures[what, unit] for figures in measured)} |")


Figures = dict[tuple[str, str], str]


def _measured(folder: Path, count: int) -> Figures:
    place = folder / f"{count}"
    store = open_store(place / ".whence") if place.exists() else runs.make(place / ".whence", count)
    path = store.cache / "index.sqlite"
    index = SqliteIndex(store, path)
    began = time.process_time()
    fed = index.rebuild()
    spent = time.process_time() - began
    index.close()
    found: Figures = {
        (
            "the index fed, of nothing",
            "runs/s CPU, bytes a run",
        ): f"{fed.read / spent:.0f}, {path.stat().st_size / fed.read:.0f}"
    }
    index = SqliteIndex(store, path)
    index.feed()
    for what, (query, sort, falling) in QUESTIONS.items():
        asked = parse(query)
        found[what, "ms"] = _ms(lambda q=asked, s=sort, f=falling: list(index.runs(q, sort=s, falling=f, limit=TOP)))
    run = next(index.runs(All()))
    found["by id", "ms"] = _ms(lambda: index.kin(run))
    found["by the end of the id", "ms"] = _ms(lambda: index.with_tail(run[-8:]))
    found["runs by status", "ms"] = _ms(lambda: index.statuses(All()))
    found["a look that finds nothing new", "ms"] = _ms(index.feed)
    index.close()
    top = ("log", "metrics.acc > 0.5 and config.lr = 0.1", "--sort", "-metrics.acc", "--limit", str(TOP), "--json")
    found["`log`, top 50 by filter and sort, cold", "ms"] = _command(place, *top)
    found["`log`, the latest 50, cold", "ms"] = _command(place, "log", "--limit", str(TOP), "--json")
    before = float(_command(place, "log", "--limit", str(TOP), "--json"))
    maker = runs.Maker(store, NEW, seed=2)
    for number in range(NEW):
        maker.run(number)
    after = float(_command(place, "log", "--limit", str(TOP), "--json", times=1))
    found[f"`log` after {NEW} new runs", "ms more"] = f"{after - before:.0f}"
    found["floor: plain SQLite, fed", "runs/s CPU"], found["floor: top 50 by filter and sort", "ms"] = _floor(count)
    return found


def _ms(ask: Callable[[], Any]) -> str:
    taken: list[float] = []
    for _ in range(TIMES):
        began = time.process_time()
        ask()
        taken.append(time.process_time() - began)
    return f"{statistics.median(taken) * 1000:.2f}"


def _command(place: Path, *words: str, times: int = 5) -> str:
    environ = {**os.environ, "HOME": str(place), "WHENCE_STORE": str(place / ".whence")}
    taken = [cost([str(WHENCE), *words], cwd=place, environ=environ) for _ in range(times)]
    assert not any(one.failed for one in taken), taken[0].out[-2000:]
    return f"{statistics.median(one.cpu for one in taken) * 1000:.0f}"


def _floor(count: int) -> tuple[str, str]:
    connection = sqlite3.connect("")
    connection.execute(
        "CREATE TABLE facts (key INTEGER, value, run INTEGER, PRIMARY KEY (key, value, run)) WITHOUT ROWID"
    )
    choose = random.Random(1)
    rows = ((key, choose.random(), run) for run in range(count) for key in range(35))
    began = time.process_time()
    connection.executemany("INSERT INTO facts VALUES (?, ?, ?)", rows)
    fed = time.process_time() - began
    asked = "SELECT run FROM facts WHERE key = 1 AND value > 0.5 ORDER BY value DESC LIMIT 50"
    return f"{count / fed:.0f}", _ms(lambda: connection.execute(asked).fetchall())


if __name__ == "__main__":
    main()
