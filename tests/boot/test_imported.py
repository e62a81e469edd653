"""Which installed distributions the Python programs of a command imported is in the record of the environment."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace

PYTHON = sys.executable


def imported(record: dict[str, Any]) -> dict[str, str] | None:
    told = record["environment"]["imported"]
    return None if told is None else {one["name"]: one["version"] for one in told}


def install(folder: Path, name: str, number: str, *files: str, record: bool = True, top: str = "") -> None:
    info = folder / f"{name}-{number}.dist-info"
    info.mkdir(parents=True)
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")
    if record:
        (info / "RECORD").write_text("".join(f"{file},sha256=x,0\n" for file in files))
    if top:
        (info / "top_level.txt").write_text(top)


def test_what_was_imported_is_marked_and_what_is_only_installed_is_not(workplace: Workplace) -> None:
    workplace.script("program.py", "import yaml, click\n")
    record = workplace.record(PYTHON, "program.py")
    assert imported(record) == {"pyyaml": version("pyyaml"), "click": version("click")}
    assert {"pyyaml", "click", "numpy"} < {one["name"] for one in record["environment"]["packages"]}


def test_a_distribution_is_known_by_what_it_lists(workplace: Workplace) -> None:
    folder = workplace.path / "lib/site-packages"
    install(folder, "Big_Name", "1.0", "other/__init__.py", "alone.py")
    install(folder, "alone", "9", "not_alone.py")
    install(folder, "space-one", "2.0", "space/one/__init__.py")
    install(folder, "space-two", "3.0", "space/two/__init__.py")
    install(folder, "debian_like", "4.0", "debmodule.py", record=False, top="debmodule\n")
    workplace.script("program.py", "import other, alone, space.one, debmodule\n")
    record = workplace.record(PYTHON, "program.py", env={"PYTHONPATH": str(folder)})
    assert imported(record) == {"big-name": "1.0", "space-one": "2.0", "debian-like": "4.0"}


def test_a_file_that_no_distribution_lists_is_said_to_be_missing(workplace: Workplace) -> None:
    workplace.write("lib/site-packages/stray.py")
    workplace.script("program.py", "import stray\n")
    record = workplace.record(PYTHON, "program.py", env={"PYTHONPATH": str(workplace.path / "lib/site-packages")})
    assert imported(record) == {}
    assert [one["because"] for one in record["missing"] if one["what"] == "environment.imported"] == [
        "no distribution lists 1 imported files: stray.py"
    ]


def test_every_program_of_the_command_counts_and_the_fingerprint_does_not_change(workplace: Workplace) -> None:
    workplace.script("a.py", "import yaml\n")
    workplace.script("b.py", "import click\n")
    first = workplace.record("sh", "-c", f"{PYTHON} a.py; {PYTHON} b.py")
    assert imported(first) == {"pyyaml": version("pyyaml"), "click": version("click")}
    fingerprints = {workplace.record(PYTHON, name)["environment"]["fingerprint"] for name in ("a.py", "b.py")}
    assert len(fingerprints) == 1


@pytest.mark.parametrize(
    ("command", "told"), [(["true"], None), ([PYTHON, "-c", "import os; os._exit(0)"], None), ([PYTHON, "a.py"], {})]
)
def test_that_nobody_told_is_not_that_nothing_was_imported(
    command: list[str], told: dict[str, str] | None, workplace: Workplace
) -> None:
    workplace.script("a.py", "import json\n")
    assert imported(workplace.record(*command)) == told


FINDERS = {
    "a path": ("edited.pth", "{project}/src\n", ""),
    "a path that holds what is not its own": ("edited.pth", "{project}/src\n{project}\n", "edited\n"),
    "a map": ("finder.py", "MAPPING: dict[str, str] = {{'edited': '{project}/src/edited'}}\n", ""),
    "calls": ("_impl.py", "F.map_module('edited', '{project}/src/edited/__init__.py')\n", ""),
    "nothing but its name": ("edited-0.1.dist-info/INSTALLER", "loader", ""),
}


@pytest.mark.parametrize(("file", "text", "top"), FINDERS.values(), ids=FINDERS)
@pytest.mark.parametrize(("program", "told"), [("import edited.part", {"edited": "0.1"}), ("import beside", {})])
def test_a_distribution_that_is_edited_in_place_counts_where_a_module_of_its_own_was_imported(
    file: str, text: str, top: str, program: str, told: dict[str, str], workplace: Workplace
) -> None:
    workplace.run([PYTHON, "-m", "venv", "--without-pip", "env"]).ok()
    site = next((workplace.path / "env/lib").iterdir()) / "site-packages"
    project = workplace.path.parent / "a project"
    for name in ("src/edited/__init__.py", "src/edited/part.py", "beside.py", "program.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    install(site, "edited", "0.1", record=False, top=top)
    (site / file).write_text(text.format(project=project))
    (site / "edited-0.1.dist-info/RECORD").write_text(f"{file},,\n")
    url = f"file://{str(project).replace(' ', '%20')}"
    (site / "edited-0.1.dist-info/direct_url.json").write_text(json.dumps({"url": url, "dir_info": {"editable": True}}))
    (project / "program.py").write_text(program)
    record = workplace.record("env/bin/python", f"{project}/program.py", env={"PYTHONPATH": f"{project}/src"})
    assert imported(record) == told


def test_the_libraries_below_numpy_are_named_as_they_were_loaded(workplace: Workplace) -> None:
    workplace.script("program.py", "import numpy\nnumpy.ones((2, 2)) @ numpy.ones((2, 2))\n")
    libraries = workplace.record(PYTHON, "program.py")["environment"]["libraries"]
    assert libraries["numpy.blas"].startswith("scipy-openblas ")
    assert libraries["libscipy_openblas64_"].startswith("libscipy_openblas64_-")


TORCH = {
    "torch/__init__.py": "from . import version\nfrom .backends import cudnn\n",
    "torch/version.py": "cuda = '12.4'\nhip = None\n",
    "torch/backends/__init__.py": "",
    "torch/backends/cudnn.py": "__cudnn_version = 90100\n",
}
"""Of the same API as far as it is read: the true one is too large for a test."""


def test_what_torch_knows_of_its_libraries_is_recorded(workplace: Workplace) -> None:
    for name, body in TORCH.items():
        workplace.write(f"lib/site-packages/{name}", body)
    workplace.script("program.py", "import torch\n")
    env = {"PYTHONPATH": str(workplace.path / "lib/site-packages")}
    libraries = workplace.record(PYTHON, "program.py", env=env)["environment"]["libraries"]
    assert {name: libraries.get(name) for name in ("torch.cuda", "torch.hip", "torch.cudnn")} == {
        "torch.cuda": "12.4",
        "torch.hip": None,
        "torch.cudnn": "90100",
    }
