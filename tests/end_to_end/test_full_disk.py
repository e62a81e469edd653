"""A disk without room: the command runs, its code comes through, and the record says no more than is known."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from workplace import Done, Workplace

from whence.records.record import Loss, Record
from whence.rules.gap_findings import loss_findings

BEFORE_THE_START = """
import contextlib, os, sys
import whence.recorder.command as command
from whence.cli.main import main
from whence.errors import StoreError
from whence.records.events import NoteAdded

keep = command._keep

def keep_on_a_full_disk(*args, **how):
    with open("ballast", "wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while ballast.write(bytes(4096)):
            pass
    with contextlib.suppress(StoreError):
        while True:
            args[0].state(NoteAdded(text="to the end of the journal's last page"))
    keep(*args, **how)

command._keep = keep_on_a_full_disk
sys.exit(main(sys.argv[1:]))
"""
"""`whence ARGS…`, and the disk is full as soon as the start of the command cannot be called back."""


@pytest.fixture
def cramped(small_disk: Path, tmp_path: Path) -> Workplace:
    """A folder on a small disk, with a store; the home is elsewhere."""
    workplace = Workplace(small_disk, tmp_path / "home")
    workplace.whence("run", "--", "true").ok()
    return workplace


def on_a_full_disk(workplace: Workplace, *options: str, script: str) -> Done:
    return workplace.python("-c", BEFORE_THE_START, "run", "--name", "full", *options, "--", "sh", "-c", script)


def rows(page: str) -> dict[str, str]:
    found = (re.fullmatch(r"  (\S+(?: \S+)*)  +(.*)", line) for line in page.splitlines())
    return {row[1]: row[2] for row in reversed([*found]) if row}


@pytest.mark.scenario("I2")
@pytest.mark.parametrize("options", [(), ("--observe", "off")], ids=["watched", "not watched"])
def test_a_disk_that_is_full_before_the_start_costs_the_record_and_not_the_run(
    cramped: Workplace, options: tuple[str, ...]
) -> None:
    done = on_a_full_disk(cramped, *options, script="echo x; exit 7")
    assert (done.code, done.out) == (7, "x\n")
    assert "Traceback" not in done.err and "killed" not in done.err
    assert done.err.count("No space left on device; the run goes on") == 1
    assert "not sealed" in done.err
    (cramped.path / "ballast").unlink()
    unknown = "the recorder's process is gone; whether the command was started is not known"
    assert cramped.show("full")["evidence"] == unknown
    cramped.whence("doctor", "--close").ok()
    record = cramped.show("full")
    assert (record["status"], record["started"], record["exit_code"]) == ("lost", None, None)
    assert record["closed_by"]["evidence"] == unknown
    page = rows(cramped.whence("show", "full").ok().out)
    assert page["started"] == "not known"
    assert "never" not in str(cramped.whence("audit", "full").out)


def test_what_could_not_be_stated_in_time_is_stated_as_soon_as_there_is_room(cramped: Workplace) -> None:
    done = on_a_full_disk(cramped, script="sleep 0.5; rm ballast; exit 7")
    assert done.code == 7
    assert "not sealed" not in done.err
    record = cramped.show("full")
    assert (record["status"], record["exit_code"]) == ("failed", 7)
    assert started_late(cramped) == record["started"] < record["ended"]
    assert [loss["what"] for loss in record["losses"] if "run." in loss["what"]] == []
    cramped.whence("verify", "full").ok()


def started_late(workplace: Workplace) -> Any:

    journals = workplace.run_folders()[-1].glob("main*.jsonl")
    lines = [line for journal in journals for line in journal.read_bytes().splitlines()]
    started = next(json.loads(line) for line in lines if b'"kind":"run.started"' in line)
    assert started["occurred"] < started["at"]
    return started["occurred"]


def fill(folder: Path) -> None:
    with (folder / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while ballast.write(bytes(4096)):
            pass


@pytest.mark.scenario("I2")
def test_a_run_that_is_refused_for_lack_of_room_leaves_nothing(cramped: Workplace) -> None:
    before = cramped.run_folders()
    fill(cramped.path)
    done = cramped.whence("run", "--", "true")
    assert (done.code, "No space left on device" in done.err) == (125, True)
    assert cramped.run_folders() == before


@pytest.mark.parametrize("content", [b"", b'{"v":1,"seq":0,"at"'], ids=["empty", "half a line"])
def test_a_folder_that_never_became_a_run_is_no_run_to_any_reader(repository: Workplace, content: bytes) -> None:
    repository.whence("run", "--name", "good", "--", "true").ok()
    folder = repository.run_folders()[0]
    never = folder.with_name(folder.name[:-4] + "ffff")
    never.mkdir()
    (never / "main.jsonl").write_bytes(content)
    for words in (["log"], ["audit"], ["show", "@"], ["status"], ["du"], ["doctor"], ["verify"], ["doctor", "--close"]):
        done = repository.whence(*words)
        assert "cannot be read" not in done.err, words
        assert "unreadable" not in done.out, words
    assert repository.show("@")["name"] == "good"
    assert len(repository.whence("log", "--json").ok().json_lines()) == 1
    assert "never came to be" in repository.whence("verify").ok().out
    assert "never came to be" in repository.whence("doctor").ok().out


@pytest.mark.parametrize("because", ["No space left on device", "short write, 19 of 34 bytes"])
def test_the_cure_for_points_that_found_no_room_is_room(because: str) -> None:
    found = loss_findings(Record(id="x", status="succeeded", losses=[Loss(what="metric points", because=because)]))
    assert [finding.fix for finding in found] == ["free some space; then run again"]


REMOVES = "import shutil; shutil.rmtree('.whence')"


def test_of_a_store_that_was_removed_meanwhile_nobody_promises_a_cure(repository: Workplace) -> None:
    said = repository.whence("run", "--", "python", "-c", REMOVES).err
    assert "not sealed: " in said and "doctor --close" not in said
    assert "its folder was removed while it ran, and nothing of the record is left" in said
