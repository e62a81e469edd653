"""A Python program that is looked into and watched: both tell of it, and neither tells of the other."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from workplace import LIMIT, Workplace

from whence.recorder.boot_folder import SITE

PROGRAM = """\
import argparse, local_model
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--data", default="table.csv")
args = parser.parse_args()
open("out.txt", "w").write(open(args.data).read())
"""


@pytest.fixture
def project(workplace: Workplace) -> Workplace:
    workplace.repository(**{".gitignore": "local_*.py\n", "table.csv": "1,2\n"})
    workplace.write("local_model.py", "depth = 3\n")
    return workplace


def test_values_with_origins_and_files_that_were_read_and_nothing_of_ours(project: Workplace, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    project.write("program.py", PROGRAM)
    record = project.record(sys.executable, "program.py", "--lr", "5", env={"TMPDIR": str(folder)})
    config = record["config"]
    assert (config["values"], config["origins"]) == (
        {"lr": 5.0, "data": "table.csv"},
        {"lr": "command_line", "data": "default"},
    )
    assert [(one["path"], one["how"]) for one in record["inputs"]] == [("table.csv", "observed")]
    assert [one["path"] for one in record["artifacts"]] == ["out.txt"]
    files = record["observation"]["files"]
    assert (record["observation"]["complete"], files["code"], files["input"], files["output"]) == (True, 2, 1, 1)
    assert "intermediate" not in files, "what programs told is none"
    for ours in (f"whence-boot-{os.getuid()}", str(SITE.parent)):
        assert ours not in json.dumps(record)


def test_a_source_that_was_opened_and_told_is_listed_once(project: Workplace) -> None:
    project.write("program.py", PROGRAM)
    code = project.record(sys.executable, "program.py")["code"]
    assert [(one["writer"], one["by"]) for one in code["observed_by"]] == [("main", "programs"), ("main", "opens")]
    [source] = code["outside_snapshot"]
    assert (source["path"], source["module"], source["kept"]) == ("local_model.py", "local_model", True)


@pytest.mark.parametrize("policy", ["observe=off", "observe_python=off"])
def test_policy_leaves_no_trace_in_the_program(project: Workplace, policy: str) -> None:
    project.write("program.py", "import os\n" + PROGRAM + "open('env.txt', 'w').write(repr(dict(os.environ)))\n")
    record = project.record(sys.executable, "program.py", "--lr", "5", options=("--policy", policy))
    told = (project.path / "env.txt").read_text()
    assert "WHENCE_BOOT" not in told and "/boot/site" not in told
    assert record["config"]["values"] == {}
    assert "programs" not in [one["by"] for one in record["code"]["observed_by"]]


def test_what_a_killed_run_left_is_removed_by_the_next_and_what_a_living_one_holds_is_not(
    project: Workplace, tmp_path: Path
) -> None:
    place = tmp_path / "t"
    place.mkdir()
    script = "import time; print('ready', flush=True); time.sleep(600)"
    living = project.start_whence("run", "--", sys.executable, "-c", script, stdout=-1, env={"TMPDIR": str(place)})
    assert living.stdout and living.stdout.readline() == b"ready\n"
    mine = place / f"whence-boot-{os.getuid()}"
    [held] = mine.iterdir()
    left = mine / "left"
    left.mkdir()
    (left / "1.jsonl").write_text("{}\n")
    for folder in (held, left):
        os.utime(folder, (0, 0))
    project.record("true", env={"TMPDIR": str(place)})
    assert [*mine.iterdir()] == [held]
    living.send_signal(signal.SIGTERM)
    living.wait(LIMIT)
    assert [*mine.iterdir()] == []
