"""Which program's configuration is the run's, and whose parser is not the program's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from pythons import oldest
from workplace import Workplace

PYTHON = sys.executable
OTHER = str(Path(sys.base_prefix) / "bin" / "python3")
"""The interpreter that the virtual environment was made from: nothing of ours is installed there."""

PARSE = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--{name}", type=int, default=1)
args, rest = parser.parse_known_args()
"""


def packages(workplace: Workplace) -> dict[str, str | None]:
    return {"PYTHONPATH": str(workplace.path / "lib/site-packages")}


def test_an_interpreter_without_whence_tells_as_well(workplace: Workplace) -> None:
    workplace.script("program.py", PARSE.format(name="lr") + "import sys; sys.stdout.write(sys.prefix)\n")
    record = workplace.record(OTHER, "program.py", "--lr", "5")
    assert record["config"]["values"] == {"lr": 5}


def test_the_oldest_python_of_this_machine_tells_as_well(workplace: Workplace) -> None:
    workplace.write("rows.csv", "1\n")
    workplace.write("helper.py")
    body = "import random, helper\nrandom.seed(3)\nopen('rows.csv').read()\nopen('out.csv', 'w').write('2')\n"
    workplace.script("program.py", PARSE.format(name="lr") + body)
    # As it is watched where no other way is left: by what runs inside it alone.
    record = workplace.record(oldest(), "program.py", "--lr", "5", options=("--observe", "python"))
    config = record["config"]
    assert (record["status"], record["observation"]["mechanism"]) == ("succeeded", "python")
    assert (config["values"], config["origins"]) == ({"lr": 5}, {"lr": "command_line"})
    assert [(seed["name"], seed["value"], seed["place"]) for seed in config["seeds"]] == [
        ("random.seed", 3, "program.py:6")
    ]
    assert [one["path"] for one in record["inputs"]] == ["rows.csv"]
    assert [one["path"] for one in record["artifacts"]] == ["out.csv"]


def test_a_parser_of_a_dependency_is_not_taken_for_the_programs(workplace: Workplace) -> None:
    workplace.write("lib/site-packages/dependency.py", PARSE.format(name="inner"))
    workplace.script("program.py", "import dependency\n" + PARSE.format(name="lr"))
    config = workplace.record(PYTHON, "program.py", "--lr", "5", env=packages(workplace))["config"]
    assert (config["values"], config["others"]) == ({"lr": 5}, [])


def test_a_parser_of_something_else_than_the_command_line_is_not_taken(workplace: Workplace) -> None:
    program = PARSE.format(name="lr") + "parser.parse_args(['--lr', '9'])\n"
    workplace.script("program.py", program)
    assert workplace.record(PYTHON, "program.py", "--lr", "5")["config"]["values"] == {"lr": 5}


def test_a_parser_that_is_asked_for_its_defaults_is_not_the_command_line(workplace: Workplace) -> None:
    program = PARSE.format(name="lr") + "defaults = parser.parse_args([])\n"
    workplace.script("program.py", program)
    config = workplace.record(PYTHON, "program.py", "--lr", "5")["config"]
    assert (config["values"], config["origins"]) == ({"lr": 5}, {"lr": "command_line"})


def test_a_parser_of_what_another_left_is_noted_though_that_is_nothing(workplace: Workplace) -> None:
    program = PARSE.format(name="lr") + (
        "second = argparse.ArgumentParser()\nsecond.add_argument('--depth', default=2)\nsecond.parse_args(rest)\n"
    )
    workplace.script("program.py", program)
    assert workplace.record(PYTHON, "program.py", "--lr", "5")["config"]["values"] == {"lr": 5, "depth": 2}


def test_a_test_runner_of_a_click_command_is_not_the_command_line(workplace: Workplace) -> None:
    program = (
        "import click\nfrom click.testing import CliRunner\n@click.group()\ndef main(): pass\n"
        "@main.command()\n@click.option('--lr', default=1)\ndef train(lr): pass\n"
        "CliRunner().invoke(main, ['train'])\n"
    )
    workplace.script("program.py", program)
    assert workplace.record(PYTHON, "program.py", "other")["config"]["values"] == {}


def test_code_that_parses_in_a_loop_is_told_of_so_often_and_then_it_is_said(workplace: Workplace) -> None:
    program = PARSE.format(name="lr") + "for _ in range(1500): parser.parse_args()\n"
    workplace.script("program.py", program)
    record = workplace.record(PYTHON, "program.py", "--lr", "5")
    assert record["config"]["values"] == {"lr": 5}
    (because,) = [one["because"] for one in record["missing"] if one["what"] == "config (parsers)"]
    assert because == "it could not be noted inside the program: more than 1000 times"


def test_code_beside_the_script_is_the_programs_own(workplace: Workplace) -> None:
    workplace.write("project/options.py", "def parse():\n    " + PARSE.format(name="lr").replace("\n", "\n    "))
    workplace.script("program.py", "from project.options import parse\nparse()\n")
    assert workplace.record(PYTHON, "program.py", "--lr", "5")["config"]["values"] == {"lr": 5}


def test_an_installed_program_is_the_runs_where_nothing_else_parses(workplace: Workplace) -> None:
    workplace.write("lib/site-packages/tool/__main__.py", PARSE.format(name="lr"))
    workplace.write("lib/site-packages/tool/__init__.py", "")
    config = workplace.record(PYTHON, "-m", "tool", "--lr", "5", env=packages(workplace))["config"]
    assert config["values"] == {"lr": 5}


@pytest.mark.scenario("A9")
def test_a_launchers_options_stand_beside_those_of_the_program_that_it_starts(workplace: Workplace) -> None:
    launcher = PARSE.format(name="workers") + "import subprocess, sys\n" + (
        "for rank in range(args.workers): subprocess.run([sys.executable, *rest], check=True)\n"
    )  # fmt: skip
    workplace.write("lib/site-packages/launcher/__main__.py", launcher)
    workplace.write("lib/site-packages/launcher/__init__.py", "")
    workplace.script("train.py", PARSE.format(name="lr"))
    command = [PYTHON, "-m", "launcher", "--workers", "3", "train.py", "--lr", "5"]
    config = workplace.record(*command, env=packages(workplace))["config"]
    assert config["values"] == {"lr": 5}
    assert [(other["program"], other["values"], other["times"]) for other in config["others"]] == [
        ("__main__.py", {"workers": 3}, 1)
    ]


def test_the_first_program_of_a_script_is_the_runs_and_the_next_stand_beside_it(workplace: Workplace) -> None:
    workplace.script("prepare.py", PARSE.format(name="rows"))
    workplace.script("train.py", PARSE.format(name="lr"))
    workplace.write("all.sh", f"{PYTHON} prepare.py --rows 9\nfor lr in 1 2 2; do {PYTHON} train.py --lr $lr; done\n")
    config = workplace.record("sh", "all.sh")["config"]
    assert config["values"] == {"rows": 9}
    assert [(other["program"], other["values"], other["times"]) for other in config["others"]] == [
        ("train.py", {"lr": 1}, 1),
        ("train.py", {"lr": 2}, 2),
    ]


def test_the_command_itself_comes_before_what_it_starts_first(workplace: Workplace) -> None:
    workplace.script("child.py", PARSE.format(name="inner"))
    start = "import subprocess, sys\nsubprocess.run([sys.executable, 'child.py'], check=True)\n"
    workplace.script("program.py", start + PARSE.format(name="lr"))
    config = workplace.record(PYTHON, "program.py", "--lr", "5")["config"]
    assert config["values"] == {"lr": 5}
    assert [other["values"] for other in config["others"]] == [{"inner": 1}]


def test_workers_that_parse_the_same_add_nothing(workplace: Workplace) -> None:
    body = PARSE.format(name="lr") + (
        "import multiprocessing\ndef work(n): return n\n"
        "if __name__ == '__main__':\n"
        "    for how in ('spawn', 'fork'):\n"
        "        with multiprocessing.get_context(how).Pool(2) as pool: print(pool.map(work, range(4)))\n"
    )
    workplace.script("program.py", body)
    record = workplace.record(PYTHON, "program.py", "--lr", "5")
    assert (record["status"], record["config"]["values"], record["config"]["others"]) == ("succeeded", {"lr": 5}, [])


def test_a_program_that_becomes_another_by_exec_is_told_of_twice(workplace: Workplace) -> None:
    workplace.script("second.py", PARSE.format(name="lr"))
    body = PARSE.format(name="stage") + "import os, sys\nos.execv(sys.executable, [sys.executable, 'second.py'])\n"
    workplace.script("first.py", body)
    config = workplace.record(PYTHON, "first.py", "--stage", "2")["config"]
    assert config["values"] == {"stage": 2}
    assert [other["values"] for other in config["others"]] == [{"lr": 1}]


def test_parsers_in_threads_and_forked_children_are_told(workplace: Workplace) -> None:
    body = (
        "import os, threading\ndef parse(name):\n    import argparse\n"
        "    parser = argparse.ArgumentParser()\n    parser.add_argument(name, default=1)\n    parser.parse_args()\n"
        "threads = [threading.Thread(target=parse, args=(f'--t{n}',)) for n in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "if os.fork() == 0:\n    parse('--child')\n    os._exit(0)\n"
        "os.wait()\n"
    )
    workplace.script("program.py", body)
    config = workplace.record(PYTHON, "program.py")["config"]
    assert config["values"] == {f"t{number}": 1 for number in range(4)}
    assert [other["values"] for other in config["others"]] == [{"child": 1}]


@pytest.mark.scenario("S3")
def test_what_was_resolved_is_recorded_though_the_program_is_killed_right_after(workplace: Workplace) -> None:
    workplace.script("program.py", PARSE.format(name="lr") + "import os\nos.kill(os.getpid(), 9)\n")
    record = workplace.record(PYTHON, "program.py", "--lr", "5")
    assert (record["status"], record["config"]["values"]) == ("killed", {"lr": 5})


def test_what_a_script_says_itself_wins(workplace: Workplace) -> None:
    body = PARSE.format(name="lr") + "import whence\nwith whence.start(config={'lr': 7, 'extra': 1}): pass\n"
    workplace.script("program.py", body)
    config = workplace.record(PYTHON, "program.py", "--lr", "5")["config"]
    assert config["values"] == {"lr": 7, "extra": 1}
    assert config["origins"] == {"lr": "declared", "extra": "declared"}


def test_what_a_script_hands_on_keeps_the_origins_that_its_parser_knew(workplace: Workplace) -> None:
    body = PARSE.format(name="lr") + "import whence\nwith whence.start(config=args, params={'a.b': 1}): pass\n"
    workplace.script("program.py", body)
    config = workplace.record(PYTHON, "program.py", "--lr", "5")["config"]
    assert config["values"] == {"lr": 5, "a": {"b": 1}}
    assert config["origins"] == {"lr": "command_line", "a.b": "declared"}


def test_others_and_places_of_seeds_are_shown(workplace: Workplace) -> None:
    workplace.script("prepare.py", PARSE.format(name="rows") + "import random\nrandom.seed(3)\n")
    workplace.script("train.py", PARSE.format(name="lr"))
    workplace.write("all.sh", f"{PYTHON} prepare.py\n{PYTHON} train.py\n{PYTHON} train.py\n")
    workplace.record("sh", "all.sh")
    shown = workplace.whence("show", "@").ok().out
    assert "random.seed = 3 (set at prepare.py:6)" in shown
    assert 'train.py {"lr":1}, 2 times' in shown


def test_a_run_inside_a_run_records_its_own_and_is_no_program_of_the_outer_one(workplace: Workplace) -> None:
    workplace.script("program.py", PARSE.format(name="lr"))
    whence = str(Path(sys.executable).with_name("whence"))
    outer = workplace.record(whence, "run", "--name", "inner", "--", PYTHON, "program.py", "--lr", "5")
    inner = workplace.show("inner")
    assert (outer["config"]["values"], outer["config"]["others"]) == ({}, [])
    assert inner["config"]["values"] == {"lr": 5}
    variables = inner["environment"]["variables"]
    assert "whence" not in os.pathsep.join(str(value) for name, value in variables.items() if name == "PYTHONPATH")
