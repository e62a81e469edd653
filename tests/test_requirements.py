"""The exported requirements are those of the lock, so that pip and uv install the same versions."""

from __future__ import annotations

import re
import tomllib

import pytest
from fences import ROOT

FILES = ["run.txt", "dev.txt"]


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_has_the_version_and_a_hash_of_the_lock(name: str) -> None:
    lock = {(p["name"], p.get("version")): p for p in tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]}
    text = (ROOT / "requirements" / name).read_text("utf-8")
    found = re.findall(r"^([\w.\-\[\]]+)==([^\s;\\]+)(.*?)(?=^[\w]|\Z)", text, flags=re.M | re.S)
    assert found
    for package, version, rest in found:
        key = (re.sub(r"\[.*\]", "", package), version)
        assert key in lock, f"{name}: {package}=={version}: export the lock again, see CONTRIBUTING.md"
        locked = lock[key]
        hashes = {file["hash"] for file in [*locked.get("wheels", []), locked.get("sdist", {})] if "hash" in file}
        assert set(re.findall(r"--hash=(\S+)", rest)) == hashes, f"{name}: {package}"


def test_the_exports_have_every_package_that_they_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=~!; ]", spec)[0].lower() for spec in needed}
    exported = re.findall(r"^([\w.\-]+)", (ROOT / "requirements/dev.txt").read_text("utf-8"), flags=re.M)
    assert names - set(exported) == set()
