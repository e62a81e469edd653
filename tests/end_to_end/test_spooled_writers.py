"""Ranks, workers and attached scripts of a run that is written to a spool: they use the spool of their host, too.

`spool=always` stands for a store on a network file system, and another cache folder for another host.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace, wait_until

SPOOLED = {"WHENCE_POLICY_SPOOL": "always"}

NOTHING_OF_THE_STORE_IS_OPEN = """
def check():
    links = ["/proc/self/fd/" + fd for fd in os.listdir("/proc/self/fd")]
    mine = [os.readlink(link) for link in links if os.path.lexists(link)]
    assert any(path.endswith(".jsonl") for path in mine), mine
    assert not [path for path in mine if ".whence" in path], mine
"""

WORKERS = {
    "os.fork": """
import os, whence
with whence.start() as run:
    whence.log(main=1)
    for i in range(3):
        if os.fork() == 0:
            whence.log({f"child{i}": i}); run.note(f"from {i}"); check()
            os._exit(0)
    assert [os.wait()[1] for _ in range(3)] == [0, 0, 0]
""",
    "spawn": """
import multiprocessing, os, whence
def work(i):
    whence.log({f"child{i}": i}); whence.note(f"from {i}"); check()
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with whence.start() as run:
        whence.log(main=1)
        jobs = [context.Process(target=work, args=(i,)) for i in range(3)]
        [j.start() for j in jobs]; [j.join() for j in jobs]
        assert [j.exitcode for j in jobs] == [0, 0, 0]
""",
    "a block in a script that the run starts": """
import os, subprocess, sys, whence
if len(sys.argv) > 1:
    with whence.start({"lr": 0.1}) as run:
        i = int(sys.argv[1])
        run.log({f"child{i}": i}); run.note(f"from {i}"); check()
else:
    with whence.start():
        whence.log(main=1)
        for i in range(3): subprocess.run([sys.executable, __file__, str(i)], check=True)
""",
}


@pytest.fixture
def place(workplace: Workplace) -> Iterator[Workplace]:
    """A workplace whose forwarders, which live on after their runs, are seen to their end."""
    yield workplace
    for pid in forwarders(workplace):
        os.kill(pid, signal.SIGKILL)


def forwarders(workplace: Workplace) -> list[int]:
    """The forwarders of this workplace's spools."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"whence.store.forwarder" in argv and os.fsencode(workplace.path.parent) in argv:
                found.append(int(entry.name))
    return found


def spools(workplace: Workplace, cache: Path | None = None) -> list[Path]:
    """The spools of runs that are not wholly in the store."""
    return sorted((cache or workplace.home / ".cache").glob("whence/spool/*/[0-9]*"))


def arrived(workplace: Workplace) -> dict[str, Any]:
    """The run's record when nothing of it is in a spool any more."""
    wait_until(lambda: workplace.run_folders() and not spools(workplace), what="the end of the forwarding")
    return workplace.show()


def job(workplace: Workplace, body: str, **env: str) -> subprocess.Popen[bytes]:
    """The body as `job.py`, running; it must print a line when it is ready."""
    workplace.write("job.py", body)
    started = workplace.start([sys.executable, "job.py"], env={**SPOOLED, **env}, stdout=subprocess.PIPE)
    assert started.stdout is not None and started.stdout.readline()
    return started


# What joins writes to the spool.


@pytest.mark.scenario("A9", "V2")
@pytest.mark.parametrize("case", WORKERS)
def test_a_worker_writes_to_the_spool_and_its_words_are_sealed_with_the_run(place: Workplace, case: str) -> None:
    place.write("job.py", NOTHING_OF_THE_STORE_IS_OPEN + WORKERS[case])
    place.python("job.py", env=SPOOLED).ok()
    record = arrived(place)
    assert len(place.run_folders()) == 1
    assert (record["status"], record["losses"], record["phase"]) == ("succeeded", [], None)
    assert set(record["metrics"]) == {"main", "child0", "child1", "child2"}
    assert {note["text"] for note in record["notes"]} == {"from 0", "from 1", "from 2"}
    checked = place.whence("verify", "--json").ok().json()
    assert checked["late"] == []


@pytest.mark.scenario("A9", "V2")
def test_a_script_under_whence_run_joins_before_anything_has_reached_the_store(place: Workplace) -> None:
    place.write("job.py", "import whence\nwith whence.start() as run: run.log(x=1)\nwhence.log(x=2)\n")
    place.whence("run", "--", sys.executable, "job.py", env=SPOOLED).ok()
    record = arrived(place)
    assert len(place.run_folders()) == 1
    assert record["metrics"]["x"]["count"] == 2
    assert place.whence("verify", "--json").ok().json()["late"] == []


def test_a_worker_follows_main_into_its_spool_whatever_its_own_policy_says(place: Workplace) -> None:
    place.write("job.py", "import whence\nwhence.log(x=2)\n")
    place.whence("run", "--policy", "spool=always", "--", sys.executable, "job.py").ok()
    assert arrived(place)["metrics"]["x"]["count"] == 1
    assert len(place.run_folders()) == 1
    assert place.whence("verify", "--json").ok().json()["late"] == []


@pytest.mark.scenario("V2")
def test_the_line_for_a_script_is_there_though_the_store_has_nothing_yet(place: Workplace) -> None:
    told = place.home / "told.json"
    place.whence("run", "--record-json", told, "--", "true", env=SPOOLED).ok()
    line = json.loads(told.read_bytes())
    assert (line["status"], line["exit_code"]) == ("succeeded", 0)
    assert arrived(place)["id"] == line["id"]


# Ranks.


RANKED = """
import os, time, whence
with whence.start({"lr": 0.1}) as run:
    rank = int(os.environ["RANK"])
    run.log({f"rank{rank}": rank})
    open(f"done{rank}", "w").close()
    while not all(os.path.exists(f"done{i}") for i in range(3)): time.sleep(0.01)
"""


def ranks(workplace: Workplace, *hosts: dict[str, str]) -> list[int]:
    """The ranks of one job, each with the variables of its host; rank 0 begins last."""
    workplace.write("job.py", RANKED)
    common = {"WORLD_SIZE": str(len(hosts)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", **SPOOLED}
    jobs = [
        workplace.start([sys.executable, "job.py"], env={**common, **host, "RANK": str(rank)})
        for rank, host in reversed([*enumerate(hosts)])
    ]
    return [started.wait(120) for started in jobs]


@pytest.mark.scenario("V2")
def test_ranks_on_one_host_share_a_spool_and_its_forwarder(place: Workplace) -> None:
    for _ in range(2):
        for name in place.path.glob("done*"):
            name.unlink()
        assert ranks(place, {}, {}, {}) == [0, 0, 0]
    wait_until(lambda: not spools(place), what="the end of the forwarding")
    first, second = (place.show(folder.name) for folder in place.run_folders())
    assert second["parent"] == first["id"]
    for record in (first, second):
        assert set(record["metrics"]) == {"rank0", "rank1", "rank2"}
        assert [writer["name"] for writer in record["writers"]] == ["main", "rank-1", "rank-2"]
        assert (record["status"], record["losses"]) == ("succeeded", [])
    assert place.whence("verify", "--json").ok().json()["late"] == []


@pytest.mark.scenario("V2")
def test_the_seal_covers_what_ranks_on_other_hosts_wrote_to_spools_of_their_own(place: Workplace) -> None:
    caches = [place.home / f"node{number}" for number in range(3)]
    assert ranks(place, *({"XDG_CACHE_HOME": str(cache)} for cache in caches)) == [0, 0, 0]
    wait_until(lambda: not any(spools(place, cache) for cache in caches), what="the end of the forwarding")
    record = place.show()
    assert set(record["metrics"]) == {"rank0", "rank1", "rank2"}
    assert [writer["name"] for writer in record["writers"]] == ["main", "rank-1", "rank-2"]
    assert (record["status"], record["losses"]) == ("succeeded", [])
    assert place.whence("verify", "--json").ok().json()["late"] == []


# The store stalls, and kills.


@pytest.mark.scenario("X12")
def test_a_worker_waits_for_nothing_while_the_store_does_not_answer(place: Workplace) -> None:
    """The forwarder is stopped and the store is gone: whoever touches it would fail, or wait for ever."""
    os.mkfifo(place.path / "gate")
    started = job(
        place,
        """
import os, whence
def step(name):
    for i in range(1000): whence.log({name: i}, step=i)
    whence.note(name)
with whence.start() as run:
    whence.log(main=0)
    if not (worker := os.fork()):
        step("before")
        print("begun", flush=True)
        open('gate').readline()
        step("first")
        if not (own := os.fork()):
            step("second")
            os._exit(0)
        status = os.waitpid(own, 0)[1]
        print("done", status, flush=True)
        os._exit(0)
    os.waitpid(worker, 0)
    open('gate').readline()
""",
    )
    assert started.stdout is not None
    wait_until(lambda: len(forwarders(place)) == 1, what="the forwarder")
    [forwarder] = forwarders(place)
    wait_until(lambda: b"before" in all_lines(place), what="the first lines in the store")
    os.kill(forwarder, signal.SIGSTOP)
    away = place.store.rename(place.path.parent / "away")
    (place.path / "gate").write_text("go\n")
    assert started.stdout.readline() == b"done 0\n"
    assert not place.store.exists()
    away.rename(place.store)
    os.kill(forwarder, signal.SIGCONT)
    (place.path / "gate").write_text("go\n")
    assert started.wait(60) == 0
    record = arrived(place)
    assert {name: metric["count"] for name, metric in record["metrics"].items()} == {
        "main": 1,
        "before": 1000,
        "first": 1000,
        "second": 1000,
    }
    assert record["losses"] == []
    assert place.whence("verify", "--json").ok().json()["late"] == []


def all_lines(workplace: Workplace) -> bytes:
    """What has arrived in the journals of all writers."""
    return b"".join(path.read_bytes() for folder in workplace.run_folders() for path in folder.glob("*.jsonl"))


LEFT_BY_A_WORKER = """
import os, sys, time, whence
with whence.start() as run:
    whence.log(main=0)
    if not (worker := os.fork()):
        for i in range(1000): run.log(worker=i)
        print(os.getpid(), flush=True)
        time.sleep(600)
    open("main.pid", "w").write(str(os.getpid()))
    os.waitpid(worker, 0)
    while not os.path.exists("go on"): time.sleep(0.01)
"""


def worker_of(started: subprocess.Popen[bytes], workplace: Workplace) -> int:
    """The worker, which `job` waited for."""
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    [pid] = [int(child) for child in children]
    assert pid not in forwarders(workplace)
    return pid


@pytest.mark.scenario("X10", "X12")
def test_the_lines_of_a_killed_worker_are_forwarded_by_whoever_is_left(place: Workplace) -> None:
    started = job(place, LEFT_BY_A_WORKER)
    worker = worker_of(started, place)
    for pid in (*forwarders(place), worker):
        os.kill(pid, signal.SIGKILL)
    place.write("go on", "")
    assert started.wait(60) == 0
    record = arrived(place)
    assert (record["status"], record["metrics"]["worker"]["count"]) == ("succeeded", 1000)
    assert place.whence("verify", "--json").ok().json()["late"] == []


@pytest.mark.scenario("X10", "X12")
@pytest.mark.parametrize("next_one", ["doctor", "the next run"])
def test_where_everybody_was_killed_the_next_one_forwards_their_lines(place: Workplace, next_one: str) -> None:
    started = job(place, LEFT_BY_A_WORKER)
    wait_until(place.run_folders, what="the run in the store")
    for pid in (*forwarders(place), worker_of(started, place), started.pid):
        os.kill(pid, signal.SIGKILL)
    started.wait()
    [spool] = spools(place)
    if next_one == "doctor":
        place.whence("doctor", "--close").ok()
    else:
        place.whence("run", "--", "true", env=SPOOLED).ok()
    wait_until(lambda: not spool.exists(), what="the end of the forwarding")
    record = place.show(spool.name)
    assert (record["status"], record["metrics"]["worker"]["count"]) == ("lost", 1000)
    assert place.whence("verify").code == 0


@pytest.mark.scenario("X10")
def test_a_killed_main_reads_as_lost_while_a_worker_still_writes_to_the_spool(place: Workplace) -> None:
    started = job(place, LEFT_BY_A_WORKER)
    worker = worker_of(started, place)
    wait_until(lambda: place.run_folders() and place.show()["status"] == "running", what="the run in the store")
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    wait_until(lambda: place.show()["status"] == "lost", what="the loss")
    assert spools(place), "the worker goes on"
    os.kill(worker, signal.SIGKILL)
    assert arrived(place)["metrics"]["worker"]["count"] == 1000


@pytest.mark.scenario("X12")
def test_what_a_worker_says_after_the_seal_is_late_and_not_lost(place: Workplace) -> None:
    started = job(
        place,
        """
import os, time, whence
with whence.start() as run:
    if not os.fork():
        run.log(worker=0)
        print("begun", flush=True)
        while not os.path.exists("go on"): time.sleep(0.01)
        run.log(worker=1); run.note("after the end")
        os._exit(0)
    while not os.path.exists("end"): time.sleep(0.01)
""",
    )
    place.write("end", "")
    assert started.wait(60) == 0
    [folder] = wait_until(place.run_folders, what="the run in the store")
    wait_until((folder / "seal.json").exists, what="the seal in the store")
    assert place.whence("verify", "--json").ok().json()["late"] == []
    place.write("go on", "")
    record = arrived(place)
    assert (record["status"], record["metrics"]["worker"]["count"], record["notes"]) == ("succeeded", 1, [])
    late = place.whence("verify", "--json").ok().json()["late"]
    assert len(late) == 2 and all("worker-" in name for name in late), late
    assert b"after the end" in all_lines(place)
