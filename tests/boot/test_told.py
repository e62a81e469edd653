"""What is told, on its way into the record: private until then, without secrets after, gone at the end."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from workplace import LIMIT, Workplace, kill, wait_until

PYTHON = sys.executable

PARSE = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--{name}", default="{value}")
args = parser.parse_args()
"""

SECRET = "correct-horse-battery-9"

HIDES = """\
import argparse, click, os
parser = argparse.ArgumentParser()
parser.add_argument("--api-token", default=os.environ["MY_VALUE"])
args = parser.parse_args([])
args.derived = "value " + args.api_token
@click.command()
@click.option("--pin", default="s3cret-pin-4711", hide_input=True)
def main(pin): pass
main([])
"""


def left_in(folder: Path) -> list[Path]:
    """What runs left behind in the folder that each of them has in the user's."""
    return list(folder.glob("*/*"))


def temporary(workplace: Workplace) -> Path:
    folder = workplace.home / "tmp"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.scenario("F6", "S23", "G4")
def test_no_secret_of_a_configuration_is_in_the_store_and_nothing_is_left_outside(workplace: Workplace) -> None:
    workplace.write("../program.py", HIDES)
    env = {"MY_VALUE": SECRET, "TMPDIR": str(temporary(workplace))}
    record = workplace.record(PYTHON, workplace.path.parent / "program.py", env=env)
    values = record["config"]["values"]
    assert values["api_token"].startswith("<secret keyed:")
    assert values["derived"].startswith("value <secret keyed:")
    assert values["pin"].startswith("<secret keyed:")
    for file in workplace.store.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert SECRET.encode() not in content, file
        assert b"s3cret-pin-4711" not in content, file
    assert left_in(temporary(workplace)) == []


def test_the_folder_is_the_users_alone(workplace: Workplace) -> None:
    program = (
        "import os, argparse; argparse.ArgumentParser().parse_args([]); f = os.environ['WHENCE_BOOT']\n"
        "def mode(path): return oct(os.stat(path).st_mode & 0o777)\n"
        "print(mode(f), [mode(os.path.join(f, n)) for n in os.listdir(f) if n != 'points'])"
    )
    done = workplace.whence("run", "--", "sh", "-c", f'umask 0; exec {PYTHON} -c "$1"', "sh", program).ok()
    assert done.out == "0o700 ['0o600']\n"


def test_the_folder_is_removed_when_the_recorder_was_killed(workplace: Workplace) -> None:
    env = {"TMPDIR": str(temporary(workplace))}
    workplace.script("program.py", PARSE.format(name="lr", value=1) + "import time; open('up', 'w'); time.sleep(1)\n")
    process = workplace.start_whence("run", "--", PYTHON, "program.py", env=env, stderr=-3)
    wait_until(lambda: (workplace.path / "up").exists(), what="the program")
    keeper = wait_until(lambda: children(process.pid), what="the recorder")[0]
    os.kill(keeper, 9)
    process.wait()
    assert left_in(temporary(workplace)) == []


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_folder_is_removed_when_the_front_was_killed(workplace: Workplace) -> None:
    env = {"TMPDIR": str(temporary(workplace))}
    workplace.script("program.py", PARSE.format(name="lr", value=1) + "import time; open('up', 'w'); time.sleep(1)\n")
    process = workplace.start_whence("run", "--", PYTHON, "program.py", env=env, stderr=-3)
    wait_until(lambda: (workplace.path / "up").exists(), what="the program")
    kill(process)
    wait_until(lambda: left_in(temporary(workplace)) == [], what="the folder's end")
    assert workplace.show()["config"]["values"] == {"lr": "1"}


WAITS = "import os, time\nopen('up', 'w')\nwhile not os.path.exists('go'): time.sleep(0.02)\n"


def told_so_far(workplace: Workplace) -> list[Any]:
    """What a living run's journal has by now of what programs told."""
    texts = [(folder / "main.jsonl").read_text() for folder in workplace.run_folders()]
    lines = [line for text in texts for line in text.rpartition("\n")[0].splitlines()]
    told = [json.loads(line) for line in lines if '"kind":"config.resolved"' in line]
    return [event for event in told if event["config"]["when"] == "during"]


def test_the_configuration_is_in_the_record_while_the_program_runs(workplace: Workplace) -> None:
    workplace.script("program.py", PARSE.format(name="lr", value=1) + WAITS)
    process = workplace.start_whence("run", "--", PYTHON, "program.py", stderr=-3)
    (line,) = wait_until(lambda: told_so_far(workplace), what="the configuration")
    assert line["config"]["values"] == workplace.show()["config"]["values"] == {"lr": "1"}
    workplace.write("go")
    assert process.wait(LIMIT) == 0
    assert workplace.show()["config"]["values"] == {"lr": "1"}
    assert len(told_so_far(workplace)) == 1


def test_the_configuration_of_a_run_whose_recorder_was_killed_is_in_its_record(workplace: Workplace) -> None:
    workplace.script("program.py", PARSE.format(name="lr", value=1) + WAITS)
    process = workplace.start_whence("run", "--", PYTHON, "program.py", stderr=-3)
    wait_until(lambda: told_so_far(workplace), what="the configuration")
    os.kill(wait_until(lambda: children(process.pid), what="the recorder")[0], 9)
    workplace.write("go")
    process.wait(LIMIT)
    record = workplace.show()
    assert (record["config"]["values"], record["config"]["origins"]) == ({"lr": "1"}, {"lr": "default"})
    assert record["closed_by"] is not None


def test_what_was_computed_before_the_first_metric_is_told_then(workplace: Workplace) -> None:
    body = PARSE.format(name="lr", value=1) + (
        "args.steps = 30\nimport whence\nwhence.log({'loss': 1.0})\n"
        "import glob, os\n(file,) = glob.glob(os.environ['WHENCE_BOOT'] + '/*.jsonl')\n"
        "assert '\"steps\": 30' in open(file).read()\nargs.lr = 2\n"
    )
    workplace.script("program.py", body)
    record = workplace.record(PYTHON, "program.py")
    assert (record["status"], record["config"]["values"]) == ("succeeded", {"lr": 2, "steps": 30})
    assert record["config"]["origins"] == {"lr": "generated", "steps": "generated"}


def test_a_relative_folder_for_temporary_files_is_found_from_everywhere(workplace: Workplace) -> None:
    (workplace.path / "tt").mkdir()
    workplace.script("program.py", "import os; os.chdir('/')\n" + PARSE.format(name="lr", value=1))
    record = workplace.record(PYTHON, "program.py", env={"TMPDIR": "tt"})
    assert record["config"]["values"] == {"lr": "1"}


@pytest.mark.parametrize("options", [["--policy", "observe_python=off"]])
def test_policy_turns_it_off(options: list[str], workplace: Workplace) -> None:
    workplace.script("program.py", PARSE.format(name="lr", value=1) + "import os; print(*sorted(os.environ))\n")
    done = workplace.whence("run", *options, "--", PYTHON, "program.py").ok()
    assert not {"WHENCE_BOOT", "PYTHONPATH"} & set(done.out.split())
    assert workplace.show()["config"]["values"] == {}


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_an_interpreter_that_is_not_reached_is_said_to_be_missing(flag: str, workplace: Workplace) -> None:
    workplace.script("program.py", PARSE.format(name="lr", value=1))
    missing = workplace.record(PYTHON, flag, "program.py")["missing"]
    assert [entry["because"] for entry in missing if entry["what"] == "config"] == [
        "the interpreter was started with -I, -E or -S, is older than 3.8, or got another environment"
    ]


def test_a_program_that_is_no_python_is_missing_nothing(workplace: Workplace) -> None:
    assert [m for m in workplace.record("true")["missing"] if m["what"].startswith("config")] == []


def test_a_folder_that_cannot_be_made_is_said_and_the_command_runs(workplace: Workplace) -> None:
    workplace.script("program.py", PARSE.format(name="lr", value=1))
    record = workplace.record(PYTHON, "program.py", env={"TMPDIR": str(workplace.path / "not-there")})
    assert record["status"] == "succeeded"
    (because,) = [entry["because"] for entry in record["missing"] if entry["what"] == "config"]
    assert because.endswith("No such file or directory")


def test_what_a_dying_process_wrote_half_is_said_to_be_lost(workplace: Workplace) -> None:
    body = PARSE.format(name="lr", value=1) + (
        "import glob, os\n(file,) = glob.glob(os.environ['WHENCE_BOOT'] + '/*.jsonl')\n"
        'with open(file, \'ab\') as stream: stream.write(b\'{"note":"parsed","by\')\n'
        "os.kill(os.getpid(), 9)\n"
    )
    workplace.script("program.py", body)
    record = workplace.record(PYTHON, "program.py")
    assert record["config"]["values"] == {"lr": "1"}
    assert [loss["what"] for loss in record["losses"]] == ["what a program told"]


def test_the_mode_of_the_folder_does_not_depend_on_the_umask(workplace: Workplace) -> None:
    env = {"TMPDIR": str(temporary(workplace))}
    body = "import os, stat; print(oct(stat.S_IMODE(os.stat(os.environ['WHENCE_BOOT']).st_mode)))"
    assert workplace.whence("run", "--", PYTHON, "-c", body, env=env).ok().out == f"{oct(stat.S_IRWXU)}\n"
