"""Which run a process belongs to: the one that `WHENCE_RUN` names, while it lives."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from whence.ids import new_id
from whence.recorder.attach import Outer, find_outer, goes_on, join, named, spooled_name, writer_name
from whence.records.events import NoteAdded, RunCreated, RunEnded
from whence.records.run import Host, Process, Rank, User
from whence.rules.policy import resolve
from whence.store.journal import JournalWriter
from whence.store.layout import Store, create_store
from whence.store.spools import Spools
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


@pytest.mark.parametrize("size", [100, (1 << 20) - 1, 3 << 20])
def test_an_end_is_found_wherever_it_stands_in_a_long_journal(store: Store, size: int) -> None:
    journal = begun(store)
    journal.append(NoteAdded(text="x" * size))
    journal.append(NoteAdded(text="between"))
    assert goes_on(store, journal.path.parent.name)
    journal.append(RunEnded(status="failed"))
    journal.append(NoteAdded(text="y" * size))
    assert not goes_on(store, journal.path.parent.name)


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


def test_workers_of_two_hosts_or_containers_never_have_one_name() -> None:
    process = Process(pid=12, start=345, boot_id="a", pid_namespace="1")
    others = [Process(pid=12, start=345, boot_id=boot, pid_namespace=space) for boot, space in (("b", "1"), ("a", "2"))]
    names = {spooled_name(one) for one in (process, *others)}
    assert len(names) == 3 and all(name.startswith("worker-12-345-h") for name in names)


def test_a_rank_takes_a_name_that_is_free_in_the_store(store: Store, tmp_path: Path) -> None:
    """Each of two hosts has a spool in which the name is free."""
    run = begun(store).path.parent.name
    policy = resolve(flags=["spool=always"], environ={}, file={})
    names: list[str] = []
    for host in ("one", "two"):
        spools = Spools(root=tmp_path / host, environ={})
        rank = join(
            store,
            policy,
            run,
            identity(),
            rank=Rank(rank=3),
            argv=[],
            spools=spools,
            clock=time.time_ns,
            say=print,
            mask=str,
        )
        names.append(rank.writer)
        rank.close()
    assert names == ["rank-3", "rank-3b"]
