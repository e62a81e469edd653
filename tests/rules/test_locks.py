"""Lock files are read as their tools wrote them, and disagreements are named one by one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from whence.records.environment import Package
from whence.rules.locks import Format, compare, format_of, read_lock, without_credentials

UV = b"""version = 1

[[package]]
name = "demo"
version = "0.1.0"
source = { editable = "." }
dependencies = [
    { name = "numpy" },
    { name = "colorama", marker = "sys_platform == 'win32'" },
]

[package.optional-dependencies]
plot = [
    { name = "matplotlib" },
]

[[package]]
name = "colorama"
version = "0.4.6"
source = { registry = "https://index.example/simple" }

[[package]]
name = "matplotlib"
version = "3.9.0"

[[package]]
name = "numpy"
version = "2.1.0"
"""

POETRY = b"""[[package]]
name = "Ruamel.YAML"
version = "0.18.6"
description = "says version = 1"
optional = false
groups = ["main"]

[package.dependencies]
version = "1"

[[package]]
name = "pytest"
version = "8.0.0"
optional = false
groups = ["dev"]

[[package]]
name = "pywin32"
version = "306"
optional = false
groups = ["main"]
markers = "platform_system == \\"Windows\\""
"""

PDM = b"""[metadata]
strategy = ["inherit_metadata"]

[[package]]
name = "httpx"
version = "0.27.0"
groups = ["default"]

[[package]]
name = "tzdata"
version = "2024.1"
groups = ["default"]
marker = "sys_platform == \\"win32\\""
"""

REQUIREMENTS = b"""--index-url https://index.example/simple
numpy==2.1.0 \\
    --hash=sha256:aa
colorama[x]==0.4.6 ; sys_platform == "win32" \\
    --hash=sha256:bb
"""

PYLOCK = b"""lock-version = "1.0"
[[packages]]
name = "numpy"
version = "2.1.0"
[[packages]]
name = "pytest"
version = "8.0.0"
marker = "'dev' in dependency_groups"
"""

PIPFILE = b"""{"default": {"numpy": {"version": "==2.1.0"}, "w": {"version": "==1", "markers": "os_name == 'nt'"}},
"develop": {"pytest": {"version": "==8.0.0"}}}"""

CONDA_LOCK = b"""version: 1
metadata:
  platforms:
  - linux-64
package:
- name: numpy
  version: 2.1.0
  manager: conda
  platform: linux-64
  dependencies:
    python: '>=3.12'
  category: main
  optional: false
- name: numpy
  version: 2.0.0
  manager: conda
  platform: osx-64
  category: main
  optional: false
"""

PIXI = b"""version: 6
environments:
  default:
    packages:
      linux-64:
      - conda: https://conda.example/conda-forge/linux-64/numpy-2.1.0-py312h1_0.conda
packages:
- conda: https://conda.example/conda-forge/linux-64/numpy-2.1.0-py312h1_0.conda
  sha256: aa
- conda: https://conda.example/conda-forge/osx-64/numpy-2.0.0-py312h1_0.conda
  sha256: bb
- pypi: https://index.example/httpx-0.27.0-py3-none-any.whl
  name: httpx
  version: 0.27.0
"""

READ: dict[Format, tuple[bytes, dict[str, str], set[str]]] = {
    "uv": (UV, {"demo": "0.1.0", "colorama": "0.4.6", "matplotlib": "3.9.0", "numpy": "2.1.0"}, {"numpy"}),
    "poetry": (POETRY, {"ruamel-yaml": "0.18.6", "pytest": "8.0.0", "pywin32": "306"}, {"ruamel-yaml"}),
    "pdm": (PDM, {"httpx": "0.27.0", "tzdata": "2024.1"}, {"httpx"}),
    "requirements": (REQUIREMENTS, {"numpy": "2.1.0", "colorama": "0.4.6"}, {"numpy"}),
    "pylock": (PYLOCK, {"numpy": "2.1.0", "pytest": "8.0.0"}, {"numpy"}),
    "pipfile": (PIPFILE, {"numpy": "2.1.0", "w": "1", "pytest": "8.0.0"}, {"numpy"}),
    "conda": (CONDA_LOCK, {"numpy": "2.1.0"}, {"numpy"}),
    "pixi": (PIXI, {"numpy": "2.1.0", "httpx": "0.27.0"}, set()),
}


@pytest.mark.parametrize("kind", READ)
def test_every_format_gives_its_versions_and_what_it_needs_without_a_condition(kind: Format) -> None:
    text, versions, needed = READ[kind]
    locked = read_lock(kind, text, "linux-64")
    assert {name: next(iter(found)) for name, found in locked.versions.items()} == versions
    assert locked.needed == needed


def test_the_scan_agrees_with_a_toml_parser_on_this_projects_lock() -> None:
    text = (Path(__file__).parents[2] / "uv.lock").read_bytes()
    expected: dict[str, set[str]] = {}
    for package in tomllib.loads(text.decode())["package"]:
        if "version" in package:
            expected.setdefault(package["name"], set()).add(package["version"])
    assert read_lock("uv", text, "linux-64").versions == expected


def test_the_scan_finds_the_unconditional_dependencies_that_a_toml_parser_finds() -> None:
    text = (Path(__file__).parents[2] / "uv.lock").read_bytes()
    packages = {package["name"]: package for package in tomllib.loads(text.decode())["package"]}
    expected: set[str] = set()
    queue = ["whence"]
    while queue:
        for dependency in packages[queue.pop()].get("dependencies", []):
            if "marker" not in dependency and dependency["name"] not in expected:
                expected.add(dependency["name"])
                queue.append(dependency["name"])
    assert read_lock("uv", text, "linux-64").needed == expected


def _installed(**versions: str) -> list[Package]:
    return [Package(name=name, version=version, source="index") for name, version in versions.items()]


COMPARED = {
    "the locked set agrees": (_installed(numpy="2.1.0"), [], []),
    "another version is named": (_installed(numpy="2.0.2"), ["numpy: locked 2.1.0, installed 2.0.2"], []),
    "a needed package that is absent is named": ([], ["numpy: locked 2.1.0, not installed"], []),
    "a package outside the lock is told apart": (_installed(numpy="2.1.0", extra="1.0"), [], ["extra==1.0"]),
    "pip itself is nobody's dependency": (_installed(numpy="2.1.0", pip="24.0"), [], []),
    "a local build of the locked version agrees": (_installed(numpy="2.1.0+cu121"), [], []),
    "a trailing zero is the same version": (_installed(numpy="2.1"), [], []),
}


@pytest.mark.scenario("G3", "S22")
@pytest.mark.parametrize("case", COMPARED)
def test_a_lock_is_held_against_what_is_installed(case: str) -> None:
    installed, mismatches, unlocked = COMPARED[case]
    agreement = compare(read_lock("uv", UV, "linux-64"), installed)
    assert (agreement.mismatches, agreement.unlocked) == (mismatches, unlocked)


def test_credentials_in_the_urls_of_a_lock_are_taken_out() -> None:
    text = b"--index-url https://ada:hunter2@index.example/simple\nnumpy==2.1.0 --hash=sha256:aa\n"
    assert without_credentials(text) == text.replace(b"ada:hunter2@", b"")
    assert without_credentials(UV) is UV


def test_lock_files_are_known_by_name() -> None:
    names = ["uv.lock", "pylock.dev.toml", "requirements-dev.txt", "Cargo.lock", "requirements.in", "conda-lock.yml"]
    assert [format_of(name) for name in names] == ["uv", "pylock", "requirements", None, None, "conda"]
