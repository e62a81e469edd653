"""Unmodified programs under `whence run`: the configuration that their parser resolved is in the record."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from workplace import Workplace

PYTHON = sys.executable

ARGPARSE = """\
import argparse
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    args.run_name = f"lr{args.lr}"
    args.seed = 8
main()
"""

SUB_PARSERS = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--level", default="low")
commands = parser.add_subparsers()
train = commands.add_parser("train")
train.add_argument("--epochs", type=int, default=1)
args = parser.parse_args()
"""

TWO_STEPS = """\
import argparse, json
first = argparse.ArgumentParser(add_help=False)
first.add_argument("--config")
known, rest = first.parse_known_args()
parser = argparse.ArgumentParser(parents=[first])
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--depth", type=int, default=2)
parser.parse_args(rest, namespace=known)
"""

UNTOLD = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--steps", type=int)
parser.parse_args()
"""

INTERMIXED = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("words", nargs="*")
parser.parse_intermixed_args()
"""


@pytest.mark.parametrize("words", ["iter(['--lr', '7'])", "(w for w in ['--lr', '7'])", "map(str, ['--lr', '7'])"])
def test_words_that_can_be_looked_at_once_reach_the_parser(words: str, workplace: Workplace) -> None:
    workplace.script(
        "program.py",
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', type=float, default=3)\n"
        f"print(parser.parse_args({words}).lr)\n",
    )
    assert workplace.whence("run", "--", PYTHON, "program.py").ok().out == "7.0\n"


CLICK = """\
import click
@click.command()
@click.option("--lr", default=0.1)
@click.option("--depth", default=2, envvar="DEPTH")
@click.option("--pin", default="4711x", hide_input=True)
@click.argument("data")
def main(lr, depth, pin, data):
    pass
main()
"""

CLICK_GROUP = """\
import click
@click.group()
@click.option("--name", default="outer")
def main(name):
    pass
@main.command()
@click.option("--lr", default=0.1)
@click.option("--name", default="inner")
def train(lr, name):
    pass
main()
"""

TYPER = """\
import typer
from pathlib import Path
def main(data: Path, lr: float = 0.1, depth: int = typer.Option(2, envvar="DEPTH")):
    pass
typer.run(main)
"""

ABSL = """\
from absl import app, flags
flags.DEFINE_float("lr", 0.1, "rate")
flags.DEFINE_integer("depth", 2, "depth")
def main(argv):
    flags.FLAGS.depth = 5
app.run(main)
"""

FIRE = """\
import fire
def train(data, lr=0.1, depth=2):
    pass
fire.Fire(train)
"""

TYRO = """\
import dataclasses, tyro
@dataclasses.dataclass
class Optim:
    lr: float = 0.1
    nesterov: bool = False
@dataclasses.dataclass
class Config:
    optim: Optim
    depth: int = 2
tyro.cli(Config)
"""

JSONARGPARSE = """\
from jsonargparse import ArgumentParser
parser = ArgumentParser()
parser.add_argument("--optim.lr", type=float, default=0.1)
parser.add_argument("--depth", type=int, default=2)
parser.parse_args()
"""

SIMPLE_PARSING = """\
from dataclasses import dataclass
from simple_parsing import ArgumentParser
@dataclass
class Options:
    lr: float = 0.1
    depth: int = 2
parser = ArgumentParser()
parser.add_arguments(Options, dest="options")
parser.parse_args()
"""

SETTINGS = """\
from pydantic_settings import BaseSettings
class Settings(BaseSettings, cli_parse_args=True):
    lr: float = 0.1
    depth: int = 2
    width: int = 7
Settings()
"""

OMEGACONF = """\
from omegaconf import OmegaConf
config = OmegaConf.merge({"depth": 2}, OmegaConf.load("base.yaml"), OmegaConf.from_cli())
"""

GIN = """\
import gin, pathlib, sys
@gin.configurable
def train(lr=1, depth=2, name=None, other=4): pass
pathlib.Path("a.gin").write_text("train.lr = 0.1\\nrate = 3\\nscope/train.depth = %rate\\n")
words = [word.partition("=")[2] for word in sys.argv[1:]]
gin.parse_config_files_and_bindings(["a.gin"], words, finalize_config=False)
gin.parse_config("b/train.lr = 5")
gin.bind_parameter("train.lr", 0.5)
"""

CASES: dict[str, tuple[str, list[str], dict[str, Any], dict[str, str]]] = {
    "argparse": (
        ARGPARSE,
        ["--lr", "0.5", "a.txt"],
        {"lr": 0.5, "seed": 8, "verbose": False, "files": ["a.txt"], "run_name": "lr0.5"},
        {"lr": "command_line", "seed": "generated", "verbose": "default", "files": "command_line",
         "run_name": "generated"},
    ),
    "argparse, nothing given": (
        ARGPARSE,
        [],
        {"lr": 0.1, "seed": 8, "verbose": False, "files": [], "run_name": "lr0.1"},
        {"lr": "default", "seed": "generated", "verbose": "default", "files": "default", "run_name": "generated"},
    ),
    "sub-parsers": (
        SUB_PARSERS,
        ["train", "--epochs", "4"],
        {"level": "low", "epochs": 4},
        {"level": "default", "epochs": "command_line"},
    ),
    "parse_known_args, then the rest": (
        TWO_STEPS,
        ["--config", "c.json", "--lr", "0.5"],
        {"config": "c.json", "lr": 0.5, "depth": 2},
        {"config": "command_line", "lr": "command_line", "depth": "default"},
    ),
    "intermixed": (
        INTERMIXED,
        ["a", "--lr", "0.5", "b"],
        {"lr": 0.5, "words": ["a", "b"]},
        {"lr": "command_line", "words": "command_line"},
    ),
    "click": (
        CLICK,
        ["--lr", "0.5", "data.csv"],
        {"lr": 0.5, "depth": 9, "data": "data.csv"},
        {"lr": "command_line", "depth": "environment", "pin": "default", "data": "command_line"},
    ),
    "click group": (
        CLICK_GROUP,
        ["train", "--lr", "0.5"],
        {"name": "outer", "lr": 0.5, "train": {"name": "inner"}},
        {"name": "default", "lr": "command_line", "train.name": "default"},
    ),
    "typer": (
        TYPER,
        ["--lr", "0.5", "data.csv"],
        {"lr": 0.5, "depth": 9, "data": "data.csv"},
        {"lr": "command_line", "depth": "environment", "data": "command_line"},
    ),
    "absl": (
        ABSL,
        ["--lr", "0.5"],
        {"lr": 0.5, "depth": 5},
        {"lr": "command_line", "depth": "generated"},
    ),
    "fire": (
        FIRE,
        ["data.csv", "--lr", "0.5"],
        {"data": "data.csv", "lr": 0.5, "depth": 2},
        {"data": "command_line", "lr": "command_line", "depth": "default"},
    ),
    "tyro": (
        TYRO,
        ["--optim.lr", "0.5", "--optim.nesterov"],
        {"optim": {"lr": 0.5, "nesterov": True}, "depth": 2},
        {"optim.lr": "command_line", "optim.nesterov": "command_line", "depth": "default"},
    ),
    "jsonargparse": (
        JSONARGPARSE,
        ["--optim.lr", "0.5"],
        {"optim": {"lr": 0.5}, "depth": 2},
        {"optim.lr": "command_line", "depth": "default"},
    ),
    "simple-parsing": (
        SIMPLE_PARSING,
        ["--lr", "0.5"],
        {"options": {"lr": 0.5, "depth": 2}},
        {"options.lr": "command_line", "options.depth": "default"},
    ),
    "pydantic-settings": (
        SETTINGS,
        ["--lr", "0.5"],
        {"lr": 0.5, "depth": 9, "width": 7},
        {"lr": "command_line", "depth": "environment", "width": "default"},
    ),
    "OmegaConf": (
        OMEGACONF,
        ["optim.lr=0.5"],
        {"depth": 2, "optim": {"lr": 0.5, "momentum": 0.9}},
        {"depth": "default", "optim.lr": "command_line", "optim.momentum": "file"},
    ),
    "gin": (
        GIN,
        ["--gin=train.name='x'"],
        {"train": {"lr": 0.5, "name": "x"}, "rate": 3, "scope/train": {"depth": "%rate"}, "b/train": {"lr": 5}},
        {
            "train.lr": "generated",
            "train.name": "command_line",
            "rate": "file",
            "scope/train.depth": "file",
            "b/train.lr": "declared",
        },
    ),
}  # fmt: skip
"""By its name: a program, its arguments, the values in the record, and their origins."""


@pytest.mark.scenario("F3", "F8", "G7")
@pytest.mark.parametrize("case", CASES)
def test_what_a_parser_resolved_is_recorded_with_the_origin_of_each_value(case: str, workplace: Workplace) -> None:
    program, arguments, values, origins = CASES[case]
    workplace.write("base.yaml", "optim:\n  lr: 0.1\n  momentum: 0.9\n")
    workplace.script("program.py", program)
    record = workplace.record(PYTHON, "program.py", *arguments, env={"DEPTH": "9"})
    assert (record["status"], [m for m in record["missing"] if m["what"].startswith("config")]) == ("succeeded", [])
    config = record["config"]
    hidden = config["values"].pop("pin", "<secret keyed:")
    assert hidden.startswith("<secret keyed:")
    assert config["values"] == values
    assert config["origins"] == origins


def test_the_chosen_command_is_a_choice(workplace: Workplace) -> None:
    workplace.script("sub.py", SUB_PARSERS)
    workplace.script("group.py", CLICK_GROUP)
    assert workplace.record(PYTHON, "sub.py", "train")["config"]["choices"] == {"command": "train"}
    assert workplace.record(PYTHON, "group.py", "train")["config"]["choices"] == {"command": "train"}


def test_what_was_declared_is_found_and_shown_beside_the_default_that_differs(workplace: Workplace) -> None:
    workplace.script("program.py", UNTOLD)
    workplace.script("fit.toml", "steps = 100\n")
    workplace.whence(
        "run", "--config", "fit.toml", "--param", "lr=0.9", "--", PYTHON, "program.py", "--config", "fit.toml"
    ).ok()
    shown = [" ".join(line.split()) for line in workplace.whence("show", "@").ok().out.splitlines()]
    at = shown.index("steps 100 (file) [launch]")
    assert shown[at + 1] == "but the program resolved null (default) [during]"
    assert "lr 0.9 (command_line) [launch]" in shown
    assert "config fit.toml (command_line) [during]" in shown
    assert len(workplace.whence("log", "--json", "config.steps = 100 and config.lr = 0.9").ok().out.splitlines()) == 1
    assert "config.lr the program resolved another value than was declared: 0.1 (default)" in " ".join(shown)
