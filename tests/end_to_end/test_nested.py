"""Runs inside a watched command: each record holds what its own command did, the outer one what all of them did."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from workplace import WHENCE, Workplace, wait_until

Record = dict[str, Any]
RUN = f"{WHENCE[0]} run"
VIA = "seccomp via outer"


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    """A repository with a few data files."""
    return workplace.repository(**{f"{name}.csv": f"{name}\n" for name in ("a", "b", "c", "d", "e")})


def read(record: Record) -> set[str]:
    return {item["path"] for item in record["inputs"] if item["role"] != "code"}


def written(record: Record) -> dict[str, str]:
    return {item["path"]: item["role"] for item in record["artifacts"]}


def named(place: Workplace, name: str) -> Record:
    return place.show(name)


def watched(record: Record) -> tuple[str, bool, list[str]]:
    seen = record["observation"]
    return seen["mechanism"], seen["complete"], seen["gaps"]


def test_an_inner_run_holds_its_own_files_and_the_outer_one_all(place: Workplace) -> None:
    place.write("inner.sh", "cat a.csv > x.csv\n")
    outer = place.record("sh", "-c", f"cat b.csv > y.csv; {RUN} --name inner -- sh inner.sh; cat c.csv > z.csv")
    inner = named(place, "inner")
    assert (read(inner), written(inner)) == ({"a.csv"}, {"x.csv": "output"})
    assert watched(inner) == (VIA, True, [])
    assert {Path(one["path"]).name for one in inner["programs"] if one["kind"] == "program"} == {"sh", "cat"}
    assert read(outer) == {"a.csv", "b.csv", "c.csv"}
    assert written(outer) == {"x.csv": "output", "y.csv": "output", "z.csv": "output"}
    assert outer["observation"]["mechanism"] == "seccomp"
    assert inner["parent"] == outer["id"]


def test_inner_runs_at_once_keep_apart(place: Workplace) -> None:
    names = ("a", "b", "c", "d")
    rules = [f"{name}.out:\n\t@{RUN} --name {name} -- sh -c 'cat {name}.csv e.csv > {name}.out'\n" for name in names]
    place.write("Makefile", f"all: {' '.join(f'{name}.out' for name in names)}\n" + "".join(rules))
    outer = place.record("make", "-j4")
    for name in names:
        inner = named(place, name)
        assert (read(inner), written(inner)) == ({f"{name}.csv", "e.csv"}, {f"{name}.out": "output"})
        assert watched(inner) == (VIA, True, [])
    assert read(outer) == {f"{name}.csv" for name in (*names, "e")}
    assert written(outer) == {f"{name}.out": "output" for name in names}


def test_three_deep_each_has_what_is_below_it(place: Workplace) -> None:
    deepest = f"cat c.csv > c.out; {RUN} --name third -- sh -c 'cat d.csv > d.out'"
    place.write("second.sh", deepest)
    outer = place.record("sh", "-c", f"cat b.csv > b.out; {RUN} --name second -- sh second.sh")
    second, third = named(place, "second"), named(place, "third")
    assert [read(one) for one in (outer, second, third)] == [
        {"b.csv", "c.csv", "d.csv"},
        {"c.csv", "d.csv"},
        {"d.csv"},
    ]
    assert [written(one).keys() for one in (second, third)] == [{"c.out", "d.out"}, {"d.out"}]
    assert (watched(second), watched(third)) == ((VIA, True, []), (VIA, True, []))


def test_an_inner_run_knows_what_its_command_wrote_over(place: Workplace) -> None:
    for name in ("x", "y"):
        place.write(f"{name}.out", f"{name} before")
    place.write("inner.sh", "echo 1 > x.out; echo 2 >> y.out\n")
    outer = place.record("sh", "-c", f"{RUN} --name inner -- sh inner.sh")
    for record in (outer, named(place, "inner")):
        found = {item["path"]: (item["digest_before"], item["before_by"]) for item in record["artifacts"]}
        said = {f"{n}.out": "sha256:" + hashlib.sha256(b"%s before" % n.encode()).hexdigest() for n in ("x", "y")}
        assert found == {name: (digest, "pre-image") for name, digest in said.items()}


ORPHAN = """
import os, sys, time
if os.fork() == 0:
    ours = os.getpid()
    if os.fork() == 0:
        os.setsid()
        while os.getppid() == ours: time.sleep(0.01)
        open('a.csv').read(); open('late.out', 'w').close()
        os._exit(0)
    os._exit(0)
os.wait()
while not os.path.exists('late.out'): time.sleep(0.01)
"""


def test_what_an_orphan_of_the_inner_command_does_is_the_inner_runs(place: Workplace) -> None:
    place.script("orphan.py", ORPHAN)
    place.record("sh", "-c", f"{RUN} --name inner -- python orphan.py")
    inner = named(place, "inner")
    assert (read(inner), written(inner)) == ({"a.csv"}, {"late.out": "output"})
    assert watched(inner) == (VIA, True, [])


def test_what_outlives_the_inner_command_is_said(place: Workplace) -> None:
    script = "(setsid sh -c 'echo $$ > pid; exec sleep 600' >/dev/null 2>&1 &); while [ ! -s pid ]; do sleep 0.01; done"
    place.write("leave.sh", script)
    try:
        place.whence("run", "--", "sh", "-c", f"{RUN} --name inner -- sh leave.sh").ok()
    finally:
        os.kill(int((place.path / "pid").read_text()), signal.SIGKILL)
    assert watched(named(place, "inner")) == (VIA, False, ["descendants outlived the command"])


def test_when_the_outer_recorder_is_killed_the_inner_run_goes_on_and_says_so(place: Workplace) -> None:
    waiting = "cat a.csv > x.csv; echo > ready; while [ ! -e go ]; do sleep 0.01; done; cat b.csv > y.csv"
    place.write("inner.sh", waiting)
    outer = place.start_whence("run", "--", "sh", "-c", f"{RUN} --name inner -- sh inner.sh; echo end > end")
    wait_until((place.path / "ready").exists, what="the inner command runs")
    keeper = next(pid for pid in children(outer.pid) if os.getpgid(pid) == pid)
    os.kill(keeper, signal.SIGKILL)
    place.write("go")
    outer.wait()
    wait_until((place.path / "end").exists, what="the outer command goes on")
    inner = named(place, "inner")
    assert (inner["status"], (place.path / "y.csv").read_text()) == ("succeeded", "b\n")
    assert watched(inner) == (VIA, False, ["the run around this one, which watched it, ended first or was killed"])


def test_when_the_process_above_the_inner_command_is_killed_that_is_said(place: Workplace) -> None:
    place.write("inner.sh", "cat a.csv; echo $PPID > above; while [ ! -e go ]; do sleep 0.01; done; cat b.csv")
    outer = place.start_whence("run", "--", "sh", "-c", f"{RUN} --name inner -- sh inner.sh; true")
    wait_until(lambda: (place.path / "above").read_text(), what="the inner command runs")
    os.kill(int((place.path / "above").read_text()), signal.SIGKILL)
    place.write("go")
    assert outer.wait() == 0
    wait_until(lambda: named(place, "inner")["seal"], what="the inner recorder, for which nobody waits, is done")
    said = "the process above the command was killed: what started after that was not told"
    assert watched(named(place, "inner")) == (VIA, False, [said])


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_where_the_name_came_but_not_the_watching_a_run_watches_by_itself(place: Workplace) -> None:
    """As in the job of a batch system on this machine, to which the environment was handed."""
    place.write("wait.sh", "echo $WHENCE_WATCH > name; echo > ready; while [ ! -e go ]; do sleep 0.01; done")
    outer = place.start_whence("run", "--", "sh", "wait.sh")
    wait_until((place.path / "ready").exists, what="the command runs")
    there = {"WHENCE_WATCH": (place.path / "name").read_text().strip()}
    assert there["WHENCE_WATCH"]
    record = place.record("cat", "a.csv", env=there)
    place.write("go")
    assert outer.wait() == 0
    assert (watched(record), read(record)) == (("seccomp", True, []), {"a.csv"})


def test_a_name_of_nobody_changes_nothing(place: Workplace) -> None:
    record = place.record("cat", "a.csv", env={"WHENCE_WATCH": "whence-0-nobody"})
    assert (watched(record), read(record)) == (("seccomp", True, []), {"a.csv"})


def test_an_inner_run_that_is_not_watched_is_no_part_of_what_the_outer_command_read(place: Workplace) -> None:
    """What our own processes open to capture and to digest is nobody's input."""
    inner = f"{RUN} --name inner --policy observe=off --input e.csv --output x.csv -- sh -c 'echo 1 > x.csv'"
    outer = place.record("sh", "-c", inner)
    assert (read(outer), written(outer)) == (set(), {"x.csv": "output"})
    assert named(place, "inner")["observation"]["mechanism"] == "declared"


def test_a_block_inside_a_watched_command_is_part_of_that_run(place: Workplace) -> None:
    place.script(
        "s.py", "import whence\nwith whence.start() as run:\n    run.log(loss=float(len(open('a.csv').read())))\n"
    )
    record = place.record("python", "s.py")
    assert (read(record), record["metrics"]["loss"]["last"], len(place.run_folders())) == ({"a.csv"}, 2.0, 1)
