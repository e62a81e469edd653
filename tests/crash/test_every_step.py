"""A writer that is killed after any single system call leaves a store that reads without fault and tells the truth."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from whence.errors import FormatError
from whence.records.encoding import timestamp
from whence.records.seal import ClosedBy
from whence.store.acts import all_acts
from whence.store.check import check_store
from whence.store.closing import close_lost_run
from whence.store.layout import Store, find_store, open_store
from whence.store.objects import object_path
from whence.store.run_list import run_ids
from whence.store.runs import LoadedRun, load_run
from whence.system.files import TEMPORARY

BY = ClosedBy(host="lab", pid=1, user="ada", evidence="test")


@dataclass(frozen=True)
class Crash:
    """What a killed writer left, and what it had finished before."""

    folder: Path
    done: Counter[str]
    synced: dict[str, int]


@pytest.fixture(scope="module")
def crashes(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Crash]:
    folder = tmp_path_factory.mktemp("crashes")
    environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath}
    subprocess.run([sys.executable, Path(__file__).parent / "steps.py", folder], env=environ, check=True)
    numbers = sorted(int(entry.name) for entry in folder.iterdir())[1:]
    assert len(numbers) > 60, "the writer does more than that"
    return [read_crash(folder / str(number)) for number in numbers]


def read_crash(folder: Path) -> Crash:
    entries = [json.loads(line) for line in (folder / "log").read_bytes().splitlines()]
    done = Counter(entry[1] for entry in entries if entry[0] == "done")
    return Crash(folder, done, {entry[1]: entry[2] for entry in entries if entry[0] == "synced"})


def opened(crash: Crash) -> Store | None:
    path = find_store(crash.folder)
    if path is None or not (path / "store.json").exists():
        assert not crash.done["store"]
        return None
    return open_store(path)


def loaded(store: Store, crash: Crash) -> LoadedRun | None:
    for run in run_ids(store):
        try:
            return load_run(store, run)
        except FormatError as error:
            assert "begins with no run.created" in error.message
    assert not crash.done["created"]
    return None


def expected_status(crash: Crash, run: LoadedRun) -> tuple[set[str], set[str | None]]:
    """The statuses and phases that are true at this point; the call after the last milestone may have gone through."""
    if crash.done["sealed"] or run.seal:
        return {"succeeded"}, {None}
    if crash.done["ended"]:
        return {"succeeded"}, {"finishing"}
    return {"lost", "succeeded"}, {None, "finishing"}


@pytest.mark.scenario("I1", "X10")
@pytest.mark.slow
def test_after_a_kill_at_any_call_readers_tell_the_truth(crashes: Sequence[Crash]) -> None:
    for crash in crashes:
        store = opened(crash)
        if store is None:
            continue
        assert check_store(store).damage == (), crash.folder
        run = loaded(store, crash)
        if run is None:
            continue
        statuses, phases = expected_status(crash, run)
        assert run.faults == () and run.record.status in statuses and run.record.phase in phases, crash.folder
        assert len(run.record.notes) >= crash.done["note"], crash.folder
        points = run.record.metrics.get("loss")
        assert (points.count if points else 0) >= crash.done["point"], crash.folder
        assert len(all_acts(store)) >= crash.done["act"]


@pytest.mark.scenario("I1", "I11")
@pytest.mark.slow
def test_no_file_is_half_written_after_a_kill_at_any_call(crashes: Sequence[Crash]) -> None:
    for crash in crashes:
        path = crash.folder / ".whence"
        whole = [*path.rglob("*.json"), *(p for p in path.glob("objects/*/*/*") if p.is_file())]
        for file in whole:
            if file.name.startswith(TEMPORARY):
                continue
            data = file.read_bytes()
            assert data and (file.suffix != ".json" or json.loads(data)), file


@pytest.mark.scenario("X10")
@pytest.mark.slow
def test_a_run_killed_at_any_call_can_be_closed_by_another_process(crashes: Sequence[Crash], tmp_path: Path) -> None:
    for crash in crashes:
        copy = tmp_path / crash.folder.name
        shutil.copytree(crash.folder, copy)
        store = opened(Crash(copy, crash.done, crash.synced))
        run = loaded(store, crash) if store else None
        if store is None or run is None:
            continue
        seal = close_lost_run(store, run.id, by=BY, at=timestamp(time.time_ns()))
        assert seal == close_lost_run(store, run.id, by=BY, at=timestamp(time.time_ns()))
        closed = load_run(store, run.id, refold=True)
        assert closed.seal_digest == seal and closed.record.phase is None
        assert closed.record.status == run.record.status and closed.record.ended
        assert check_store(store).damage == (), crash.folder


@pytest.mark.scenario("I1")
@pytest.mark.slow
@pytest.mark.parametrize("tail", ["cut", "zeros"])
def test_after_a_power_loss_at_any_call_what_was_flushed_is_there(
    crashes: Sequence[Crash], tmp_path: Path, tail: str
) -> None:
    """Names survive and bytes that were never flushed are gone, or are zeros: what file systems do at worst."""
    for crash in crashes:
        copy = tmp_path / crash.folder.name
        shutil.copytree(crash.folder, copy)
        lose_unsynced(crash, copy, tail)
        mark = copy / ".whence" / "store.json"
        if not mark.exists() or not crash.done["store"]:
            continue
        store = open_store(mark.parent)
        report = check_store(store)
        if not crash.done["started"]:
            continue
        [run_id] = run_ids(store)
        run = load_run(store, run_id)
        if crash.done["sealed"]:
            assert (run.record.status, run.record.phase) == ("succeeded", None)
            assert report.damage == (), crash.folder
            assert [object_path(store, a.digest).stat().st_size for a in run.record.artifacts if a.digest] == [700]
        else:
            assert run.record.started is not None
            assert run.record.status in ("lost", "succeeded"), crash.folder


def lose_unsynced(crash: Crash, copy: Path, tail: str) -> None:
    final = final_sizes(crash)
    for path in copy.rglob("*"):
        if not path.is_file() or path.name == "log":
            continue
        size, kept = path.stat().st_size, final.get(path.relative_to(copy), 0)
        if kept < size:
            path.chmod(0o644)
            with path.open("r+b") as stream:
                stream.truncate(kept)
                if tail == "zeros":
                    stream.truncate(size)


def final_sizes(crash: Crash) -> dict[Path, int]:
    """Flushed lengths by the name that the file has now: a temporary one was renamed after its flush."""
    by_inode: dict[tuple[int, int], int] = {}
    sizes: dict[Path, int] = {}
    for name, size in crash.synced.items():
        path = Path(name)
        if path.is_file():
            status = path.stat()
            by_inode[status.st_dev, status.st_ino] = max(size, by_inode.get((status.st_dev, status.st_ino), 0))
    # A synced temporary file has its bytes whole under its final name.
    temporary = {Path(name).parent: size for name, size in crash.synced.items() if TEMPORARY in name}
    for path in crash.folder.rglob("*"):
        if path.is_file():
            status = path.stat()
            sizes[path.relative_to(crash.folder)] = by_inode.get((status.st_dev, status.st_ino), 0)
            if path.suffix in (".json", "") and path.parent in temporary and not path.name.startswith("."):
                sizes[path.relative_to(crash.folder)] = status.st_size
    # An act in a run's folder is a link to the one that was flushed.
    acts = {path.name: size for path, size in sizes.items() if path.parts[1:2] == ("acts",)}
    return sizes | {path: acts[path.name] for path in sizes if path.parent.name == "acts" and path.name in acts}
