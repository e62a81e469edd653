"""The index follows the store, whatever happened to it: grown or rebuilt, it answers the same."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whence.ids import day_of
from whence.index import feeding, sqlite_tables
from whence.index.sqlite import SqliteIndex
from whence.records.act import Act, Actor, Subject
from whence.records.encoding import timestamp
from whence.records.events import NoteAdded, RunStarted, TagSet
from whence.rules.query import All, parse
from whence.store.acts import write_act
from whence.store.layout import Store
from whence.system.processes import identity

OCTOBER = datetime(2026, 10, 5, 12, tzinfo=UTC).timestamp()


def answers(index: SqliteIndex) -> dict[str, Any]:
    """Whatever the tables hold, without the numbers that they gave themselves."""
    index.feed()
    connection = index._opened()

    def rows(statement: str) -> list[Any]:
        return sorted(connection.execute(statement).fetchall(), key=repr)

    return {
        "runs": rows("SELECT id, state, why, name, status, parent, rerun_of, relation FROM runs"),
        "facts": rows(
            "SELECT runs.id, keys.name, facts.value FROM facts JOIN keys ON keys.key = facts.key"
            " JOIN runs ON runs.run = facts.run"
        ),
        "texts": rows("SELECT runs.id, text FROM texts JOIN runs ON runs.run = texts.rowid"),
        "used": rows("SELECT runs.id, used.at, used.name, used.digest FROM used JOIN runs USING (run)"),
        "acts": rows("SELECT id, run, bad FROM acts"),
        "fields": index.fields(),
        "listed": list(index.runs(All())),
    }


class History:
    """A store to which things happen."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.runs: list[str] = []
        self.going: list[str] = []
        self.acts: list[Path] = []

    def make(self, old: bool = False) -> None:
        run = stored.an_id(OCTOBER + len(self.runs)) if old else stored.an_id()
        self.runs.append(stored.a_sealed_run(self.store, TagSet(tags={"n": str(len(self.runs))}), run=run))

    def begin(self) -> None:
        run = stored.an_id()
        writer = stored.open_writer(self.store, run)
        writer.append(stored.created(run))
        writer.append(RunStarted(process=identity()))
        writer.close()
        self.going.append(run)

    def empty(self) -> None:
        self.store.run_folder(stored.an_id()).mkdir(parents=True)

    def end(self) -> None:
        if self.going:
            run = self.going.pop()
            writer = stored.JournalWriter.create(self.store.run_folder(run), "rank-1", time.time_ns)
            writer.append(NoteAdded(text="said late"))
            writer.close()
            stored.seal(self.store, run)
            self.runs.append(run)

    def say(self, kind: str = "tag") -> None:
        if self.runs:
            act = Act(
                id=stored.an_id(),
                kind=kind,
                at=timestamp(time.time_ns()),
                subject=Subject(run=self.runs[len(self.acts) % len(self.runs)]),
                by=Actor(user="ada"),
                body={"set": {"n": f"said {len(self.acts)}"}},
            )
            write_act(self.store, act)
            self.acts.append(self.store.acts / day_of(act.id) / f"{act.id}.json")

    def unsay(self) -> None:
        if self.acts:
            path = self.acts.pop()
            path.unlink(missing_ok=True)
            for link in self.store.runs.rglob(path.name):
                link.unlink()

    def remove(self) -> None:
        if self.runs:
            shutil.rmtree(self.store.run_folder(self.runs.pop(0)), ignore_errors=True)

    def archive(self) -> None:
        month = self.store.runs / "2026-10.zip"
        folders = sorted(self.store.runs.glob("2026-10-*/*"))
        if folders and not month.exists():
            with zipfile.ZipFile(month, "w", zipfile.ZIP_STORED) as target:
                for file in sorted(file for folder in folders for file in folder.rglob("*") if file.is_file()):
                    target.write(file, file.relative_to(self.store.runs))
            for folder in folders:
                shutil.rmtree(folder)

    def damage(self) -> None:
        if self.runs and (folder := self.store.run_folder(self.runs[-1])).is_dir():
            for name in ("record.json", "seal.json", "main.jsonl"):
                (folder / name).write_bytes(b"{}\n")


STEPS: dict[str, Callable[[History], None]] = {
    "a run": History.make,
    "an old run": lambda history: history.make(old=True),
    "a run begins": History.begin,
    "a folder that is no run": History.empty,
    "a run ends": History.end,
    "a tag": History.say,
    "a later version's act": lambda history: history.say("retire"),
    "an act is taken away": History.unsay,
    "a run is removed": History.remove,
    "a month is archived": History.archive,
}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.booleans()), min_size=2, max_size=12))
def test_any_history_grown_answers_as_rebuilt(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, bool]]
) -> None:
    store = stored.a_store(tmp_path_factory.mktemp("work") / ".whence")
    told = History(store)
    grown = SqliteIndex(store, store.cache / "index.sqlite")
    for step, asked in history:
        STEPS[step](told)
        if asked:
            grown.feed()
    rebuilt = SqliteIndex(store, None)
    assert answers(grown) == answers(rebuilt)
    for index in (grown, rebuilt):
        index.close()


@pytest.fixture
def history(store: Store) -> History:
    return History(store)


def test_a_sealed_run_is_read_once(store: Store, index: SqliteIndex, history: History) -> None:
    history.make()
    history.begin()
    assert index.feed().read == 2
    assert index.feed().read == 1, "the one that goes on"
    history.end()
    assert index.feed().read == 1
    assert index.feed().read == 0
    history.say()
    assert index.feed().read == 1, "the one that the act is about"
    assert list(index.runs(parse("tags.n = 'said 0'"))) == [history.runs[0]]


def test_a_settled_folder_is_not_listed_again(
    store: Store, index: SqliteIndex, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    real = feeding.runs_of_day
    monkeypatch.setattr(feeding, "runs_of_day", lambda store, day: listed.append(day) or real(store, day))
    history.make()
    index.feed()
    assert len(listed) == 1
    index.feed()
    assert len(listed) == 2, "it had just changed"
    monkeypatch.setattr(feeding, "RACY", 0)
    index.feed()
    assert len(listed) == 2
    history.make()
    index.feed()
    assert len(listed) == 3


def test_a_run_that_cannot_be_read_is_named_and_tried_again(store: Store, index: SqliteIndex, history: History) -> None:
    history.make()
    whole = shutil.copytree(store.run_folder(history.runs[0]), store.path.parent / "whole")
    history.damage()
    assert list(index.feed().unreadable) == history.runs
    assert list(index.runs(All())) == []
    shutil.copytree(whole, store.run_folder(history.runs[0]), dirs_exist_ok=True)
    assert not index.feed().unreadable
    assert list(index.runs(All())) == history.runs


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "no database": lambda path: path.write_bytes(b"no database at all" * 1000),
    "an empty file": lambda path: path.write_bytes(b""),
    "a page of something else": lambda path: path.write_bytes(
        path.read_bytes()[:4096] + bytes(4096) + b"x" * (path.stat().st_size - 8192)
    ),
    "half of it": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "tables of another version": lambda path: _do(path, "PRAGMA user_version = 99"),
    "tables of another program": lambda path: _do(path, "PRAGMA application_id = 5"),
    "a table that is not there": lambda path: _do(path, "DROP TABLE facts"),
}


def _do(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_made_anew(store: Store, history: History, damage: str) -> None:
    history.make()
    index = SqliteIndex(store, store.cache / "index.sqlite")
    index.feed()
    index.close()
    DAMAGES[damage](store.cache / "index.sqlite")
    index = SqliteIndex(store, store.cache / "index.sqlite")
    index.feed()
    assert list(index.runs(parse("metrics.loss = 0.25"))) == history.runs
    assert index.path is not None
    index.close()


def test_where_none_can_be_kept_a_temporary_one_answers(store: Store, history: History, tmp_path: Path) -> None:
    history.make()
    (tmp_path / "a folder").mkdir()
    said: list[str] = []
    index = SqliteIndex(store, tmp_path / "a folder", say=said.append)
    index.feed()
    assert list(index.runs(All())) == history.runs
    assert len(said) == 1 and said[0].endswith("answered from a temporary index, which is slower")
    index.close()


def test_a_full_disk_is_answered_from_a_temporary_one(store: Store, history: History, small_disk: Path) -> None:
    for _ in range(3):
        history.make()
    (small_disk / "filled").write_bytes(bytes(1_900_000))
    index = SqliteIndex(store, small_disk / "index.sqlite")
    index.feed()
    assert list(index.runs(parse("metrics.loss = 0.25"))) == history.runs[::-1]
    index.close()


def test_two_askers_and_ten_writers_at_once_lose_nothing(store: Store, history: History) -> None:
    path = store.cache / "index.sqlite"
    seen: list[list[int]] = [[], []]
    stop = threading.Event()

    def ask(number: int) -> None:
        index = SqliteIndex(store, path)
        while not stop.is_set():
            index.feed()
            seen[number].append(len(list(index.runs(All()))))
        index.close()

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for asker in askers:
        asker.start()
    for _ in range(10):
        history.make()
    stop.set()
    for asker in askers:
        asker.join()
    assert all(counts == sorted(counts) for counts in seen), "what was seen once stays"
    index = SqliteIndex(store, path)
    index.feed()
    assert list(index.runs(All())) == history.runs[::-1]
    index.close()


def test_a_process_that_dies_while_it_feeds_leaves_a_sound_index(store: Store, history: History) -> None:
    for _ in range(5):
        history.make()
    program = (
        "import sys, os; from pathlib import Path; from whence.store.layout import open_store\n"
        "from whence.index import feeding, sqlite\n"
        "feeding.BATCH = 2; real = feeding.read_run; count = []\n"
        "def read(*given):\n"
        "    count.append(1)\n"
        "    os._exit(9) if len(count) == 4 else None\n"
        "    return real(*given)\n"
        "feeding.read_run = read\n"
        "store = open_store(Path(sys.argv[1])); sqlite.SqliteIndex(store, store.cache / 'index.sqlite').feed()\n"
    )
    done = subprocess.run([sys.executable, "-c", program, store.path], check=False)
    assert done.returncode == 9
    index = SqliteIndex(store, store.cache / "index.sqlite")
    assert index.feed().read == 3, "two were written before"
    assert list(index.runs(All())) == history.runs[::-1]
    index.close()


def test_an_act_that_another_asker_saw_first_is_not_lost(store: Store, index: SqliteIndex, history: History) -> None:
    """One asker reads a run, another sees an act about it and is done, and then the first writes what it has read."""
    history.make()
    other = SqliteIndex(store, store.cache / "index.sqlite")
    real = feeding.read_run

    def read(*given: Any) -> Any:
        record = real(*given)
        if not history.acts:
            history.say()
            other.feed()
        return record

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "read_run", read)
        index.feed()
    index.feed()
    assert list(index.runs(parse("tags.n = 'said 0'"))) == history.runs
    other.close()


def test_the_tables_say_their_version() -> None:
    connection = sqlite_tables.open_tables("")
    assert connection.execute("PRAGMA user_version").fetchone() == (sqlite_tables.VERSION,)
    connection.close()
