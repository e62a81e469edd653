"""`whence log`, seen from outside."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess

import pytest
from workplace import Workplace, wait_until

KEYS = {
    "id", "name", "status", "outcome", "standing", "started", "ended", "command", "exit_code", "code", "environment",
    "parent", "rerun_of",
}  # fmt: skip


@pytest.mark.scenario("L8", "P5")
def test_a_line_a_run_newest_first(lab) -> None:
    rows = lab.place.whence("log", "--json").ok().json_lines()
    assert [row["id"] for row in rows] == [lab.dirty, lab.bad, lab.good]
    assert all(set(row) >= KEYS for row in rows)
    assert all(set(row["code"]) >= {"commit", "tree", "dirty"} for row in rows)
    assert [row["status"] for row in rows] == ["succeeded", "failed", "succeeded"]
    assert [row["exit_code"] for row in rows] == [0, 3, 0]


def test_every_key_of_a_line_is_one_of_the_record(lab) -> None:
    row = lab.place.whence("log", "--json", "--limit", "1").ok().json()
    record = lab.place.show()

    def within(part, whole) -> None:
        for key, value in part.items():
            assert key in whole, key
            if isinstance(value, dict) and key not in ("tags", "metrics"):
                within(value, whole[key])

    within(row, record)


def test_a_command_with_a_newline_takes_one_line(lab) -> None:
    lines = lab.place.whence("log").ok().out.splitlines()
    assert len(lines) == 4
    assert lines[2].endswith("python train.py '3\\n'")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--limit", "2"], ["dirty", "bad"]),
        (["--limit", "0"], ["dirty", "bad", "good"]),
        (["status = failed"], ["bad"]),
        (["status", "=", "failed"], ["bad"]),
        (["--status", "failed"], ["bad"]),
        (["config.lr = 0.1 and exit_code = 0"], ["dirty", "good"]),
        (["tags.set = b"], []),
        (["name exists and not status = failed"], ["good"]),
        (["command ~ 'train.py 0'"], ["dirty", "good"]),
        (["--original"], ["dirty", "bad", "good"]),
        (["--reruns-of", "good"], []),
    ],
)
def test_runs_are_chosen(words: list[str], found: list[str], lab) -> None:
    rows = lab.place.whence("log", "--json", *words).ok().json_lines()
    assert [row["id"] for row in rows] == [getattr(lab, name) for name in found]


def test_a_run_is_found_by_the_commit_that_is_printed_and_by_the_digest(lab) -> None:
    shown = lab.place.whence("log", "--status", "failed", "--columns", "code.commit,data.data.csv").ok()
    _, commit, digest = shown.out.splitlines()[1].split()
    assert re.fullmatch("sha256:[0-9a-f]{7}", digest)
    for query in (f"code.commit = {commit[:7]}", f"data.data.csv = {digest}", f"inputs = {digest[7:]}"):
        assert len(lab.place.whence("log", query, "--json").ok().json_lines()) == 3, query


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--group", "status"], "found --group 2 times, expected one field"),
        (["--sort", "-config.lr"], "found --group with --sort, expected it alone"),
        (["--columns", "name", "--limit", "1"], "found --group with --columns and --limit, expected it alone"),
    ],
)
def test_what_a_group_cannot_go_with_is_refused(words: list[str], said: str, lab) -> None:
    done = lab.place.whence("log", "--group", "config.lr", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"whence: {said}")


def test_the_data_of_each_run_is_shown_by_its_version(workplace: Workplace) -> None:
    workplace.write("points/a.csv", "1\n")
    workplace.whence("data", "create", "points", "points").ok()
    for name in ("train", "points"):
        workplace.record("touch", "out.txt", options=("--data", f"{name}=points@0.1.0", "--output", "out.txt"))

    def rows(*words: str) -> list[dict[str, object]]:
        return workplace.whence("log", *words, "--json").ok().json_lines()

    [second, first] = rows("--columns", "data.train,inputs,artifacts,command")
    assert (second["inputs.train"], first["inputs.train"]) == (None, "points@0.1.0")
    assert (first["inputs"], first["artifacts"], first["command"]) == ("points@0.1.0", "out.txt", "touch out.txt")
    groups = [(group["value"], group["runs"]) for group in rows("--group", "inputs")]
    assert groups == [("points@0.1.0", 2)]
    assert [(group["value"], group["runs"]) for group in rows("--group", "data.train")] == [
        ("points@0.1.0", 1),
        (None, 1),
    ]
    assert [row["id"] for row in rows("data.train = points")] == [first["id"]]
    assert [row["id"] for row in rows("inputs = points")] == [second["id"], first["id"]]
    assert workplace.whence("log", "--group", "data.train").ok().out.splitlines()[1].startswith("points@0.1.0  1 ")


@pytest.mark.scenario("S30")
def test_one_status_or_several_give_the_answers_of_the_query(lab) -> None:
    def ids(*words: str) -> list[str]:
        return [row["id"] for row in lab.place.whence("log", "--json", *words).ok().json_lines()]

    assert ids("--status", "failed") == ids("status = failed")
    assert ids("--status", "failed", "--status", "succeeded") == ids("status in (failed, succeeded)")


@pytest.mark.scenario("S25")
def test_the_dirty_runs_are_exactly_those_that_were_dirty(lab) -> None:
    rows = lab.place.whence("log", "--json", "code.dirty = true").ok().json_lines()
    assert [row["id"] for row in rows] == [lab.dirty]


@pytest.mark.scenario("U4")
def test_the_counts_are_those_of_a_walk_over_the_files(lab) -> None:
    walked = {}
    for path in lab.place.store.glob("runs/*/*/seal.json"):
        seal = json.loads(path.read_bytes())
        walked[seal["run"]] = seal["status"]
    rows = lab.place.whence("log", "--json").ok().json_lines()
    assert {row["id"]: row["status"] for row in rows} == walked


def test_following_prints_runs_as_they_start_and_end(workplace: Workplace) -> None:
    workplace.whence("run", "--name", "first", "--", "true").ok()
    follower = workplace.start_whence("log", "-f", "--json", stdout=subprocess.PIPE)
    assert follower.stdout is not None
    assert json.loads(follower.stdout.readline())["name"] == "first"
    workplace.whence("run", "--name", "second", "--", "sleep", "1.5").ok()
    states = []
    while not states or states[-1]["status"] != "succeeded" or states[-1]["phase"]:
        states.append(json.loads(follower.stdout.readline()))
    assert {state["name"] for state in states} == {"second"}
    assert "running" in [state["status"] for state in states]
    follower.send_signal(signal.SIGTERM)
    follower.wait(60)
    follower.stdout.close()


def test_following_on_a_terminal_keeps_to_the_columns_of_the_list(workplace: Workplace) -> None:
    ours, theirs = pty.openpty()
    workplace.repository(**{"train.py": "print()\n"})
    workplace.record("true")
    follower = workplace.start_whence("log", "-f", stdout=theirs, env={"COLUMNS": "80", "NO_COLOR": "1"})
    os.close(theirs)
    with os.fdopen(ours, encoding="utf-8", newline="") as screen:

        def shown() -> str:
            return screen.readline().rstrip("\r\n")

        heading, first = shown(), shown()
        assert heading.split() == ["run", "created", "status", "took", "code", "command"]
        workplace.whence("run", "--", "sh", "-c", "exit 3")
        while "failed 3" not in (row := shown()):
            # What is there to see in between depends on when it is looked at.
            assert row.endswith("  sh -c 'exit 3'")
        assert row.index("sh -c") == first.index("true") == heading.index("command")
        assert row.index("failed 3") == first.index("succeeded") == heading.index("status")
        workplace.whence("run", "--name", "first", "--", "true").ok()
        while not (again := shown()).startswith("run "):
            assert again.endswith("  sh -c 'exit 3'")
        assert again.split() == ["run", "created", "status", "took", "code", "name", "command"]
        named = shown()
        assert named.index("first") == again.index("name") and named.endswith("  true")
        assert named.index("true") == again.index("command")
        follower.send_signal(signal.SIGTERM)
        follower.wait(60)


@pytest.mark.scenario("V5")
def test_a_store_that_may_only_be_read_is_listed(workplace: Workplace) -> None:
    workplace.whence("run", "--", "true").ok()
    before = workplace.whence("log").ok().out
    workplace.run(["chmod", "-R", "a-w", workplace.store]).ok()
    try:
        assert workplace.whence("log").ok().out == before
        workplace.whence("show").ok()
    finally:
        workplace.run(["chmod", "-R", "u+w", workplace.store]).ok()


def test_a_damaged_run_does_not_hide_the_others(workplace: Workplace) -> None:
    workplace.whence("run", "--name", "sound", "--", "true").ok()
    workplace.whence("run", "--name", "torn", "--", "true").ok()
    torn = workplace.run_folders()[1]
    for path in torn.iterdir():
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"{")
    done = workplace.whence("log", "--json").ok()
    assert [row["name"] for row in done.json_lines()] == ["sound"]
    assert f"run {torn.name} cannot be read" in done.err


def test_a_living_run_is_listed_as_running(workplace: Workplace) -> None:
    process = workplace.start_whence("run", "--", "sleep", "60")
    wait_until(
        lambda: "running" in workplace.whence("log").out and workplace.show()["status"] == "running",
        what="the run to be seen running",
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    row = workplace.whence("log", "--json").ok().json()
    assert (row["status"], row["signal"]) == ("killed", "SIGTERM")


def test_the_calls_of_two_recorded_functions_do_not_look_alike(workplace: Workplace) -> None:
    body = "import whence\n@whence.record\ndef fit(): pass\n@whence.record\ndef test(): pass\nfit()\ntest()\n"
    workplace.script("deco.py", body)
    workplace.python("deco.py").ok()
    rows = workplace.whence("log").ok().out.splitlines()[1:]
    assert [row.rpartition("  ")[2] for row in rows] == ["test()", "fit()"]
    assert re.search(r"entry +function deco\.py __main__\.test\(\)", workplace.whence("show", "@").ok().out)


def test_without_git_two_runs_of_the_same_code_look_the_same(workplace: Workplace) -> None:
    workplace.script("job.py", "import sys; open('out.txt', 'w').write(sys.argv[1])\n")
    for word in ("one", "two"):
        workplace.record("python", "job.py", word, options=("--output", "out.txt"))
    one, two = workplace.whence("log", "--json").ok().json_lines()
    assert one["code"]["tree"] != two["code"]["tree"]
    code = workplace.show()["code"]["id"].removeprefix("git-tree:")[:7]
    _, *lines = workplace.whence("log").ok().out.splitlines()
    assert [code in line for line in lines] == [True, True]


def test_a_status_with_a_signal_keeps_the_columns(workplace: Workplace) -> None:
    workplace.record("sh", "-c", "kill -INT $$")
    heading, line = workplace.whence("log").ok().out.splitlines()
    assert "interrupted SIGINT" in line
    assert line[heading.index("command") :].startswith("sh -c")
