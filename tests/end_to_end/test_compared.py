"""The example's fit, run again and again with one thing otherwise each time: `whence diff` names that thing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from fences import ROOT
from workplace import Workplace

FIT = "examples/co2/fit.py"
DATA = "examples/co2/co2_monthly.csv"
CONFIG = "examples/co2/fit.toml"
OPTIONS = ("--input", DATA, "--config", CONFIG)
STEPS = ("--steps", "3")

Change = Callable[[Workplace], dict[str, str]]
"""Makes one thing otherwise; gives what is added to the environment of the run."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A repository with the example and one run of it, `base`, that saw a package and an accelerator."""
    folder = tmp_path_factory.mktemp("compared")
    place = Workplace(folder / "work", folder / "home")
    shutil.copytree(ROOT / "examples", place.path / "examples", ignore=shutil.ignore_patterns("out", "__pycache__"))
    shutil.copy(ROOT / ".gitignore", place.path / ".gitignore")
    place.write(FIT, (place.path / FIT).read_text().replace("import argparse\n", "import argparse\nimport tabular\n"))
    place.repository()
    _surroundings(place, "one", package="1.0", driver="6.7.0")
    _surroundings(place, "other package", package="1.1", driver="6.7.0")
    _surroundings(place, "other driver", package="1.0", driver="6.8.5")
    record(place, "base", around(place, "one"))
    return place


def _surroundings(place: Workplace, name: str, *, package: str, driver: str) -> None:
    """Beside the repository: a distribution to be imported, and a program that names a device and its driver."""
    folder = place.home / "around" / name
    info = folder / "packages" / f"tabular-{package}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tabular\nVersion: {package}\n")
    (info / "RECORD").write_text(f"tabular.py,,\ntabular-{package}.dist-info/METADATA,,\n")
    (folder / "packages" / "tabular.py").write_text(f"__version__ = {package!r}\n")
    told = {"card0": {"Card Series": "Instinct MI300X", "Unique ID": "0x1"}, "system": {"Driver version": driver}}
    program = folder / "bin" / "rocm-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
    program.chmod(0o755)


def around(place: Workplace, name: str) -> dict[str, str]:
    folder = place.home / "around" / name
    return {
        "PYTHONPATH": str(folder / "packages"),
        "PATH": f"{folder / 'bin'}:{place.environ['PATH']}",
    }


def record(place: Workplace, name: str, env: dict[str, str], *words: str) -> dict[str, Any]:
    place.whence("run", "--name", name, *OPTIONS, "--", "python", FIT, *STEPS, *words, env=env).ok()
    return place.show(name)


def compared(place: Workplace, *words: str) -> dict[str, Any]:
    return place.whence("diff", *words, "--explain", "--json").ok().json()


def differing(found: dict[str, Any], part: str) -> dict[str, Any]:
    return {one["what"]: one["values"] for one in found["parts"][part]["differs"]}


def _edit(place: Workplace) -> dict[str, str]:
    place.write(FIT, (place.path / FIT).read_text().replace("\n@dataclass", "\nPRECISE = True\n\n\n@dataclass", 1))
    place.write("examples/co2/notes.txt", "tried it precisely\n")
    return around(place, "one")


def _value(place: Workplace) -> dict[str, str]:
    place.write(CONFIG, (place.path / CONFIG).read_text().replace("degree = 2", "degree = 1"))
    return around(place, "one")


def _data(place: Workplace) -> dict[str, str]:
    lines = (place.path / DATA).read_text().splitlines(keepends=True)
    place.write(DATA, "".join(lines[:-12]))
    return around(place, "one")


def _package(place: Workplace) -> dict[str, str]:
    return around(place, "other package")


def _driver(place: Workplace) -> dict[str, str]:
    return around(place, "other driver")


CHANGES: dict[str, tuple[Change, str, str, str, tuple[str, ...]]] = {
    "an edited file and an uncommitted one": (
        _edit, "code", "code.id", "another program ran",
        ("+PRECISE = True", "+tried it precisely", "dirty                         false -> true"),
    ),
    "another configuration value": (
        _value, "config", "config.values.degree", "another configuration", ("2 (file) -> 1 (file)",),
    ),
    "other data": (_data, "data", f'inputs."{DATA}"', "other data were read", (f"inputs {DATA}  sha256:",)),
    "another package": (
        _package, "environment", "environment.packages.tabular", "other packages", ("packages.tabular", "1.0 -> 1.1"),
    ),
    "another driver": (
        _driver, "environment", "environment.drivers.amdgpu", "another driver", ("drivers.amdgpu", "6.7.0 -> 6.8.5"),
    ),
}  # fmt: skip
"""What is made otherwise, the part that it is in, the fact that it is told as, the cause that it is, and words of the
page."""


@pytest.mark.scenario("Y1", "G5", "Y11")
@pytest.mark.parametrize("case", CHANGES)
def test_each_change_between_two_runs_shows_and_is_a_cause(case: str, clone: Workplace) -> None:
    change, part, fact, because, words = CHANGES[case]
    try:
        record(clone, case, change(clone))
    finally:
        clone.git("checkout", "-q", ".")
        clone.git("clean", "-fdq")
    found = compared(clone, "base", case)
    assert fact in differing(found, part)
    assert {name for name, one in found["parts"].items() if one["differs"]} <= {part, "code", "environment", "results"}
    told = {cause["because"]: cause["likelihood"] for cause in found["explanation"]["causes"]}
    assert found["explanation"]["results"] == "same" or told[because] in ("likely", "possible")
    page = clone.whence("diff", "base", case).ok().out
    assert [text for text in words if text not in page] == []


READ_BOTH = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--data")
folder = pathlib.Path(parser.parse_args().data)
rate = pathlib.Path("fit.toml").read_text()
json.dump([rate, (folder / "x.csv").read_text()], open("out.json", "w"))
"""


@pytest.mark.scenario("Y1", "R5")
def test_an_edited_file_of_configuration_and_a_new_row_are_causes_of_their_kind_and_no_other_program(
    workplace: Workplace,
) -> None:
    """Nothing names `fit.toml` to whence, and the rows are read from a pinned copy of a folder in the repository."""
    place = workplace.repository(**{"fit.py": READ_BOTH, "fit.toml": "lr = 0.1\n", "rows/x.csv": "a\n1\n"})
    command = ("--data", "train=train@newest", "--", "python", "fit.py", "--data", "{data.train}")
    place.whence("data", "create", "train", "rows").ok()
    place.whence("run", "--name", "first", *command).ok()
    place.write("fit.toml", "lr = 0.4\n")
    place.whence("run", "--name", "edited", *command).ok()
    place.write("rows/x.csv", "a\n1\n2\n")
    place.whence("data", "add", "train", "rows").ok()
    place.whence("run", "--name", "row", *command).ok()

    def decisive(*runs: str) -> list[tuple[str, str, list[str]]]:
        causes = compared(place, *runs)["explanation"]["causes"]
        named = ((cause["likelihood"], cause["part"], cause["files"] or cause["what"]) for cause in causes)
        return [cause for cause in named if cause[1] in ("code", "config", "data")]

    assert decisive("first", "edited") == [
        ("likely", "config", ['config.files."fit.toml"']),
        ("possible", "code", ["fit.toml"]),
    ]
    assert decisive("edited", "row") == [("likely", "data", ["inputs.train"]), ("possible", "code", ["rows/x.csv"])]
