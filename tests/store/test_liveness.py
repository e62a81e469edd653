"""Real writers, really killed, suspended and copied: what a reader then sees."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stored

from whence.errors import StoreError
from whence.records.encoding import timestamp
from whence.records.events import RunSealed, RunStarted
from whence.records.run import Process
from whence.records.seal import ClosedBy
from whence.store.check import check_store
from whence.store.closing import close_lost_run
from whence.store.layout import Store, open_store
from whence.store.points import PointsWriter
from whence.store.runs import load_run
from whence.system.processes import identity

BY = ClosedBy(host="lab", pid=1, user="ada", evidence="test")

RECORDER = """
import os, subprocess, sys, time
from pathlib import Path
import stored
from whence.records.events import RunStarted
from whence.store.layout import open_store
from whence.system.processes import identity
store, run = open_store(Path(sys.argv[1])), sys.argv[2]
writer = stored.open_writer(store, run)
writer.append(stored.created(run))
command = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
writer.append(RunStarted(process=identity(command.pid)))
print(command.pid, flush=True)
if sys.argv[3] == "exec":
    os.execvp("sleep", ["sleep", "600"])
time.sleep(600)
"""

Start = Callable[[str], tuple[subprocess.Popen[bytes], int]]


@pytest.fixture
def run() -> str:
    return stored.an_id()


@pytest.fixture
def recorder(store: Store, run: str) -> Iterator[Start]:
    """Starts a recorder with a command; both are ended after the test."""
    started: list[tuple[subprocess.Popen[bytes], int]] = []

    def start(mode: str = "plain") -> tuple[subprocess.Popen[bytes], int]:
        environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ["PATH"]}
        argv = [sys.executable, "-c", RECORDER, store.path, run, mode]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environ)
        assert process.stdout is not None
        started.append((process, int(process.stdout.readline())))
        return started[-1]

    yield start
    for process, command in started:
        process.kill()
        process.communicate()
        try:
            os.kill(command, signal.SIGKILL)
        except ProcessLookupError:
            continue


def gone(pid: int) -> None:
    """Wait until the kernel has let the process go."""
    while identity(pid).start is not None:
        time.sleep(0.005)


def close(store: Store, run: str) -> str:
    return close_lost_run(store, run, by=BY, at=timestamp(time.time_ns()))


@pytest.mark.scenario("X10")
def test_a_living_run_reads_as_running(store: Store, run: str, recorder: Start) -> None:
    recorder("plain")
    record = load_run(store, run).record
    assert (record.status, record.phase, record.evidence) == ("running", None, "the recorder holds its lock")
    with pytest.raises(StoreError, match="not proven dead"):
        close(store, run)


@pytest.mark.scenario("X10")
def test_recorder_and_command_killed_reads_as_lost_at_once(store: Store, run: str, recorder: Start) -> None:
    process, command = recorder("plain")
    process.kill()
    os.kill(command, signal.SIGKILL)
    process.wait()
    gone(command)
    record = load_run(store, run).record
    assert (record.status, record.phase) == ("lost", None)
    close(store, run)
    record = load_run(store, run).record
    assert (record.status, record.closed_by) == ("lost", BY) and record.ended


@pytest.mark.scenario("X10")
def test_a_command_without_its_recorder_is_unsupervised(store: Store, run: str, recorder: Start) -> None:
    process, command = recorder("plain")
    process.kill()
    process.wait()
    record = load_run(store, run).record
    assert (record.status, record.phase) == ("running", "unsupervised")
    os.kill(command, signal.SIGKILL)
    gone(command)
    assert load_run(store, run).record.status == "lost"


def test_a_recorder_that_became_another_program_is_unsupervised(store: Store, run: str, recorder: Start) -> None:
    process, _ = recorder("exec")
    while load_run(store, run).record.phase is None:
        assert process.poll() is None
        time.sleep(0.01)
    assert load_run(store, run).record.phase == "unsupervised"


def test_a_suspended_recorder_is_not_dead(store: Store, run: str, recorder: Start) -> None:
    process, _ = recorder("plain")
    process.send_signal(signal.SIGSTOP)
    old = time.time() - 725
    os.utime(store.run_folder(run) / "main.jsonl", (old, old))
    record = load_run(store, run).record
    assert (record.status, record.phase) == ("running", "silent")
    assert record.evidence is not None and record.evidence.startswith("silent for 12 min, but the recorder")
    process.send_signal(signal.SIGCONT)


def foreign_run(store: Store, silence: float) -> str:
    """A run of another host, whose lock and process cannot be seen from here."""
    run = stored.an_id()
    writer = stored.open_writer(store, run)
    process = Process(pid=1, start=1, boot_id="another", pid_namespace="another", host="elsewhere")
    writer.append(stored.created(run, process))
    writer.append(RunStarted(process=process))
    writer.close()
    then = time.time() - silence
    os.utime(writer.path, (then, then))
    return run


@pytest.mark.scenario("X10")
def test_a_run_of_another_host_is_lost_after_a_day_and_never_closed_for_that(store: Store) -> None:
    for silence, status, phase in ((1, "running", None), (725, "running", "silent"), (90_000, "lost", None)):
        run = foreign_run(store, silence)
        record = load_run(store, run).record
        assert (record.status, record.phase) == (status, phase)
        assert record.evidence is not None and "elsewhere" in record.evidence
        with pytest.raises(StoreError, match="not proven dead"):
            close(store, run)


def test_a_clock_that_is_ahead_kills_nobody(store: Store) -> None:
    run = foreign_run(store, -7200)
    assert load_run(store, run).record.status == "running"


def test_a_copied_store_leaves_no_lock_and_no_file_behind(store: Store, run: str, tmp_path: Path) -> None:
    foreign_run(store, 5)
    shutil.copytree(store.path, tmp_path / "copy")
    copy = open_store(tmp_path / "copy")
    before = sorted(copy.path.rglob("*"))
    check_store(copy)
    assert sorted(copy.path.rglob("*")) == before


RACE = """
import sys, time
from pathlib import Path
from whence.records.encoding import timestamp
from whence.records.seal import ClosedBy
from whence.store.closing import close_lost_run
from whence.store.layout import open_store
store = open_store(Path(sys.argv[1]))
while not Path(sys.argv[3]).exists():
    pass
by = ClosedBy(host=sys.argv[4], pid=1, user=None, evidence="race")
print(close_lost_run(store, sys.argv[2], by=by, at=timestamp(time.time_ns())))
"""


@pytest.mark.scenario("I10")
@pytest.mark.slow
def test_of_two_closers_one_wins_and_both_know_its_seal(store: Store, tmp_path: Path) -> None:
    for number in range(5):
        run = stored.an_id()
        writer = stored.open_writer(store, run)
        writer.append(
            stored.created(run, Process(pid=1, start=1, boot_id="then", pid_namespace="x", host=os.uname().nodename))
        )
        writer.close()
        go = tmp_path / str(number)
        argv = [sys.executable, "-c", RACE, str(store.path), run, str(go)]
        closers = [subprocess.Popen([*argv, f"host-{n}"], stdout=subprocess.PIPE, text=True) for n in range(3)]
        time.sleep(0.3)
        go.touch()
        seals = {closer.communicate()[0].strip() for closer in closers}
        assert seals == {load_run(store, run).seal_digest}
    assert check_store(store).damage == ()


def a_dead_run(store: Store) -> str:
    """One whose writer ended its journal and died before the seal, with its record written."""
    run = stored.an_id()
    writer = stored.open_writer(store, run)
    dead = Process(pid=1, start=1, boot_id="then", pid_namespace="x", host=os.uname().nodename)
    for event in (stored.created(run, dead), RunStarted(process=dead), stored.ended(), RunSealed()):
        writer.append(event)
    writer.close()
    (store.run_folder(run) / "record.json").write_bytes(stored.record_of(store.run_folder(run)))
    return run


@pytest.mark.parametrize("draft", ["forged", "empty", "gone", "of the writer"])
def test_a_record_without_a_seal_is_a_draft_that_the_closer_folds_anew(store: Store, draft: str) -> None:
    run = a_dead_run(store)
    path = store.run_folder(run) / "record.json"
    match draft:
        case "forged":
            text = path.read_text().replace('"exit_code":0', '"exit_code":7')
            path.write_text(text.replace('"status":"succeeded"', '"status":"failed"'))
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case _:
            pass
    close(store, run)
    record = load_run(store, run).record
    assert (record.status, record.exit_code) == ("succeeded", 0)
    assert check_store(store).damage == ()


def test_what_a_worker_added_since_the_record_is_in_the_one_that_is_sealed(store: Store) -> None:
    run = a_dead_run(store)
    log = PointsWriter.create(store.run_folder(run), "main")
    log.write({"loss": 0.125}, 2, 1795243231.12)
    log.close()
    close(store, run)
    assert load_run(store, run).record.metrics["loss"].min == 0.125
    assert check_store(store).damage == ()
