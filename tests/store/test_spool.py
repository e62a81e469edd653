"""A spooled run reaches the store, whoever is killed and however long the store does not take it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import stored

from whence.records.events import NoteAdded, RunSealed, RunStarted
from whence.store.check import check_store
from whence.store.forwarder import Forwarding, forward_until_done
from whence.store.journal import JournalWriter
from whence.store.layout import Store
from whence.store.network import needs_spool
from whence.store.points import PointsWriter, iterate
from whence.store.runs import load_run
from whence.store.spool import Spool, forward_leftovers, open_spool, write_in_spool
from whence.system.locks import alone, entered, lock_state
from whence.system.processes import identity

RECORDER = """
import sys, time
from pathlib import Path
import stored
from whence.records.events import RunStarted
from whence.store.journal import JournalWriter
from whence.store.layout import open_store
from whence.store.points import PointsWriter
from whence.store.spool import open_spool
from whence.system.processes import identity
store, run = open_store(Path(sys.argv[2])), sys.argv[3]
spool = open_spool(Path(sys.argv[1]), store, run)
writer = JournalWriter.create(spool.folder, "main", time.time_ns)
writer.append(stored.created(run))
writer.append(RunStarted(process=identity()))
points = PointsWriter.create(spool.folder, "main")
if sys.argv[4] == "forwarded":
    spool.ensure_forwarder(dict(PATH="/usr/bin:/bin"))
for step in range(1000):
    points.write({"loss": step / 2}, step, 1.0)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "local"


@pytest.fixture
def run() -> str:
    return stored.an_id()


def until(condition: Callable[[], bool]) -> None:
    """A net under the test: it fails after two minutes instead of hanging."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def forwarder_of(spool: Spool) -> int:
    """The process that forwards this spool."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"-c" in argv and os.fsencode(spool.place) in argv and b"whence.store.forwarder" in b" ".join(argv):
                return int(entry.name)
    raise AssertionError("no forwarder")


def in_store(store: Store, run: str, name: str) -> int:
    """The bytes of a file that have arrived."""
    path = store.run_folder(run) / name
    return path.stat().st_size if path.exists() else 0


@pytest.fixture
def recorder(store: Store, root: Path, run: str) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(mode: str) -> subprocess.Popen[bytes]:
        environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath}
        argv = [sys.executable, "-c", RECORDER, root, store.path, run, mode]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environ)
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def write_run(folder: Path, run: str) -> tuple[JournalWriter, PointsWriter]:
    writer = JournalWriter.create(folder, "main", time.time_ns)
    writer.append(stored.created(run))
    writer.append(RunStarted(process=identity()))
    return writer, PointsWriter.create(folder, "main")


def test_only_a_store_on_the_network_is_spooled_unless_policy_says_so(store: Store) -> None:
    assert [needs_spool(store, choice) for choice in ("auto", "always", "never")] == [False, True, False]


@pytest.mark.scenario("V2")
def test_a_spooled_run_is_in_the_store_with_its_seal_and_the_spool_is_gone(store: Store, root: Path, run: str) -> None:
    spool = open_spool(root, store, run)
    writer, points = write_run(spool.folder, run)
    assert spool.ensure_forwarder(os.environ)
    until(spool.is_forwarded)
    until(lambda: (store.run_folder(run) / "main.points.jsonl").exists())
    assert load_run(store, run).record.status == "running"
    points.write({"loss": 0.5}, 1, 1.0)
    writer.append(stored.ended())
    writer.append(RunSealed())
    sealed = stored.seal_folder(spool.folder, run)
    writer.close()
    points.close()
    until(lambda: not spool.place.exists())
    loaded = load_run(store, run)
    assert (loaded.record.status, loaded.seal_digest, loaded.late) == ("succeeded", sealed, [])
    assert loaded.record.metrics["loss"].count == 1
    assert check_store(store).damage == ()


@pytest.mark.scenario("X10", "X12")
@pytest.mark.slow
def test_a_killed_recorder_loses_nothing_and_reads_as_lost(store: Store, root: Path, run: str, recorder) -> None:
    process = recorder("forwarded")
    process.kill()
    spool = open_spool(root, store, run).place
    until(lambda: not spool.exists())
    loaded = load_run(store, run)
    assert loaded.record.status == "lost"
    assert loaded.record.metrics["loss"].count == 1000


@pytest.mark.scenario("X12")
@pytest.mark.slow
def test_a_killed_forwarder_is_replaced(store: Store, root: Path, run: str, recorder) -> None:
    process = recorder("forwarded")
    spool = open_spool(root, store, run)
    until(lambda: in_store(store, run, "main.points.jsonl"))
    os.kill(forwarder_of(spool), signal.SIGKILL)
    until(lambda: not spool.is_forwarded())
    assert load_run(store, run).record.status in ("running", "created")
    assert spool.ensure_forwarder(os.environ)
    process.kill()
    until(lambda: not spool.place.exists())
    assert load_run(store, run).record.metrics["loss"].count == 1000


@pytest.mark.scenario("X12")
@pytest.mark.slow
def test_what_recorder_and_forwarder_left_behind_is_forwarded_by_the_next(store, root, run, recorder) -> None:
    process = recorder("alone")
    assert forward_leftovers(root, store) == [], "a living recorder keeps its spool"
    process.kill()
    process.wait()
    assert forward_leftovers(root, store) == [run]
    assert forward_leftovers(root, store) == []
    loaded = load_run(store, run)
    assert (loaded.record.status, loaded.record.metrics["loss"].count) == ("lost", 1000)


@pytest.mark.scenario("X12")
@pytest.mark.slow
def test_a_store_that_vanishes_for_a_while_neither_stops_nor_loses_the_run(store: Store, root: Path, run: str) -> None:
    spool = open_spool(root, store, run)
    writer, points = write_run(spool.folder, run)
    assert spool.ensure_forwarder(os.environ)
    until(lambda: (store.run_folder(run) / "main.points.jsonl").exists())
    away = store.runs.parent / "away"
    store.runs.rename(away)
    store.runs.write_text("in the way")
    for step in range(100):
        points.write({"loss": 1.0}, step, 1.0)
        writer.append(NoteAdded(text=f"note {step}"))
    time.sleep(2.5)
    store.runs.unlink()
    away.rename(store.runs)
    writer.append(stored.ended())
    writer.append(RunSealed())
    stored.seal_folder(spool.folder, run)
    writer.close()
    points.close()
    until(lambda: not spool.place.exists())
    loaded = load_run(store, run)
    assert loaded.record.metrics["loss"].count == 100 and len(loaded.record.notes) == 100
    assert check_store(store).damage == ()


def test_forwarding_again_changes_nothing(store: Store, root: Path, run: str) -> None:
    spool = open_spool(root, store, run)
    writer, points = write_run(spool.folder, run)
    for _ in range(3):
        Forwarding(spool.place).forward()
        points.write({"a": 1.0}, 1, 1.0)
    Forwarding(spool.place).forward()
    for name in ("main.jsonl", "main.points.jsonl"):
        assert (store.run_folder(run) / name).read_bytes() == (spool.folder / name).read_bytes()
    assert len(list(iterate((store.run_folder(run) / "main.points.jsonl").read_bytes()))) == 3
    writer.close()
    points.close()


# Several writers.


def test_of_many_writers_that_come_at_once_one_starts_the_forwarder(
    store: Store, root: Path, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import whence.store.spool as module

    started: list[int] = []
    everybody = threading.Barrier(16)
    really_spawn = module._spawn

    def spawn(place: Path, environ: Mapping[str, str], lock: int) -> bool:
        started.append(1)
        return really_spawn(place, environ, lock)

    monkeypatch.setattr(module, "_spawn", spawn)
    spool = open_spool(root, store, run)
    writer, points = write_run(spool.folder, run)

    def come() -> None:
        everybody.wait()
        assert spool.ensure_forwarder(os.environ)

    threads = [threading.Thread(target=come) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spool.is_forwarded() and started == [1]
    writer.close()
    points.close()
    until(lambda: not spool.place.exists())


def test_a_writer_that_comes_while_the_spool_is_removed_gets_a_new_one(store: Store, root: Path, run: str) -> None:
    spool = open_spool(root, store, run)
    made: list[JournalWriter] = []

    def come() -> None:
        made.append(
            write_in_spool(root, store, run, lambda here: JournalWriter.create(here, "rank-1", time.time_ns))[1]
        )

    writer = threading.Thread(target=come)
    with alone(spool.place) as is_alone:
        assert is_alone
        writer.start()
        gone = spool.place.rename(root / "gone")
    writer.join()
    assert made[0].path == spool.folder / "rank-1.jsonl"
    assert made[0].path.exists() and not (gone / "files" / "rank-1.jsonl").exists()
    made[0].close()


def test_a_spool_is_not_removed_while_a_writer_is_coming(store: Store, root: Path, run: str) -> None:
    spool = open_spool(root, store, run)
    forwarding = Forwarding(spool.place)
    forwarding.forward()
    with entered(spool.place):
        assert not forwarding.remove()
    assert forwarding.remove()
    assert list(spool.place.parent.iterdir()) == []


def test_the_store_shows_each_writer_of_a_spool_for_itself(store: Store, root: Path, run: str) -> None:
    spool = open_spool(root, store, run)
    main, points = write_run(spool.folder, run)
    rank = JournalWriter.create(spool.folder, "rank-1", time.time_ns)
    rank.append(NoteAdded(text="here"))
    forwarding = Forwarding(spool.place)

    def shown() -> list[str]:
        forwarding.forward()
        return [lock_state(store.run_folder(run) / name) for name in ("main.jsonl", "rank-1.jsonl")]

    assert shown() == ["held", "held"]
    main.close()
    points.close()
    assert [shown(), shown()] == [["free", "held"]] * 2
    assert not forwarding.remove()
    rank.close()
    assert shown() == ["free", "free"]
    assert forwarding.remove()


def test_what_a_killed_command_printed_is_joined_though_a_worker_goes_on(store: Store, root: Path, run: str) -> None:
    spool = open_spool(root, store, run)
    main, points = write_run(spool.folder, run)
    rank = JournalWriter.create(spool.folder, "rank-1", time.time_ns)
    (spool.folder / "output.log").write_bytes(b"a" * 8)
    (spool.folder / ".tmp-output.log-20").write_bytes(b"z" * 8)
    forwarding = Forwarding(spool.place)
    forwarding.forward()
    assert (store.run_folder(run) / "output.log").read_bytes() == b"a" * 8
    main.close()
    points.close()
    forwarding.forward()
    joined = b"aaaa\n[whence: 20 bytes left out here]\nzzzz"
    assert (store.run_folder(run) / "output.log").read_bytes() == joined
    rank.close()
    forwarding.close()


def test_a_forwarder_that_was_killed_leaves_nothing_that_a_living_writer_must_wait_for(store, root, run) -> None:
    spool = open_spool(root, store, run)
    main, points = write_run(spool.folder, run)
    points.close()
    assert forward_leftovers(root, store) == []
    assert in_store(store, run, "main.jsonl") == main.path.stat().st_size
    main.close()
    assert forward_leftovers(root, store) == [run]


def test_a_spool_that_was_half_removed_is_swept_up_by_the_next_forwarder(store: Store, root: Path, run: str) -> None:
    half = root / store.id / ".tmp-1-00"
    (half / "files").mkdir(parents=True)
    (half / "files" / "main.jsonl").write_bytes(b"")
    forward_until_done(open_spool(root, store, run).place)
    assert list((root / store.id).iterdir()) == []
