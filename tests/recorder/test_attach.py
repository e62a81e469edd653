"""Which run a process belongs to: the one that `WHENCE_RUN` names, while it lives."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from whence.ids import new_id
from whence.recorder.attach import Outer, find_outer, goes_on, named, writer_name
from whence.records.events import NoteAdded, RunCreated, RunEnded
from whence.records.run import Host, Process, Rank, User
from whence.store.journal import JournalWriter
from whence.store.layout import Store, create_store
from whence.system.processes import identity

RUN = new_id(1_800_000_000_000, bytes(10))

NAMES: dict[str, tuple[str, Outer | None]] = {
    "a run": (f"{RUN}@/data/.whence", Outer(id=RUN, path=Path("/data/.whence"))),
    "a store with an @ in its path": (f"{RUN}@/a@b/.whence", Outer(id=RUN, path=Path("/a@b/.whence"))),
    "nothing": ("", None),
    "no store": (RUN, None),
    "a relative store": (f"{RUN}@.whence", None),
    "no identifier": ("latest@/data/.whence", None),
}


@pytest.mark.parametrize("case", NAMES)
def test_the_variable_names_a_run_or_nothing(case: str) -> None:
    value, expected = NAMES[case]
    assert find_outer({"WHENCE_RUN": value}) == expected


def test_what_is_named_is_found() -> None:
    assert find_outer({"WHENCE_RUN": named(RUN, Path("/x/.whence"))}) == Outer(id=RUN, path=Path("/x/.whence"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return create_store(tmp_path / ".whence", now_ns=time.time_ns(), random=os.urandom(10))


def begun(store: Store) -> JournalWriter:
    run = new_id(time.time_ns() // 1_000_000, os.urandom(10))
    folder = store.run_folder(run)
    folder.mkdir(parents=True)
    journal = JournalWriter.create(folder, "main", time.time_ns)
    journal.append(
        RunCreated(
            id=run,
            command=[],
            cwd="/",
            mode="block",
            host=Host(name="lab"),
            user=User(),
            process=identity(),
            recorder="t",
        )
    )
    return journal


def test_a_run_goes_on_while_its_writer_lives(store: Store) -> None:
    journal = begun(store)
    assert goes_on(store, journal.path.parent.name)
    journal.append(NoteAdded(text='{"kind":"run.ended"}'))
    assert goes_on(store, journal.path.parent.name)


def test_a_run_that_has_ended_does_not_go_on(store: Store) -> None:
    journal = begun(store)
    journal.append(RunEnded(status="failed"))
    assert not goes_on(store, journal.path.parent.name)


def test_a_run_that_never_began_does_not_go_on(store: Store) -> None:
    assert not goes_on(store, RUN)


def test_writers_are_named_so_that_none_is_taken_for_a_continuation() -> None:
    process = Process(pid=12, start=345)
    assert writer_name(process, None) == "worker-12-345"
    assert writer_name(process, Rank(rank=3)) == "rank-3"
