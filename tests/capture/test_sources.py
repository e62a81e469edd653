"""Which of an interpreter's modules came from files of the user's own."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
import zipimport
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from whence.capture.sources import Installation, Loaded, installation, loaded_sources

INSTALLED = installation(
    ["/env", "/usr"],
    "/usr/lib/python3.11",
    ["/work", "/env/lib/python3.11/site-packages", "/apps/numpy/lib/python3.11/site-packages", "/vendor/lib"],
    "lib64",
)


def module(file: object = None, **names: Any) -> ModuleType:
    made = ModuleType("m")
    vars(made).update({"__file__": file} if file is not None else {}, **names)
    return made


def listed(modules: Mapping[str, object], installed: Installation = INSTALLED) -> list[str]:
    return [one.path for one in loaded_sources(modules, installed, cwd="/work", known=set())]


DESCRIBED = {
    "the standard library": "/usr/lib/python3.11/json/__init__.py",
    "its compiled part on another path": "/usr/lib64/python3.11/lib-dynload/_x.so",
    "its archive": "/usr/lib64/python311.zip/os.py",
    "an installed package": "/env/lib/python3.11/site-packages/numpy/core.py",
    "a package folder on PYTHONPATH": "/apps/numpy/lib/python3.11/site-packages/numpy.py",
    "a console script": "/env/bin/pytest",
}

OWN = {
    "a script": "/work/train.py",
    "a folder on PYTHONPATH": "/vendor/lib/tools.py",
    "another environment's packages that are not on the path": "/other/lib/python3.11/site-packages/x.py",
    "an editable install": "/home/ada/project/src/lib.py",
    "a compiled module": "/work/fast.cpython-311-x86_64-linux-gnu.so",
    "a name that only begins like the library's": "/usr/lib/python3.11-mine/x.py",
}


@pytest.mark.parametrize("kind", DESCRIBED)
def test_what_the_environment_describes_is_passed_over(kind: str) -> None:
    assert listed({"m": module(DESCRIBED[kind])}) == []


@pytest.mark.parametrize("kind", OWN)
def test_a_file_of_the_users_own_is_listed(kind: str) -> None:
    assert listed({"m": module(OWN[kind])}) == [OWN[kind]]


def test_modules_without_a_file_are_passed_over() -> None:
    namespace = module(__path__=["/work/namespace"])
    odd = [module(), namespace, module(""), module(3), module("<string>"), module("<frozen x>"), None, 7, object()]
    assert listed({str(number): one for number, one in enumerate(odd)}) == []


@pytest.mark.parametrize("odd", ["x\0y.py", "\ud800.py", "d/" * 3000, b"x.py", 7], ids=repr)
def test_a_module_whose_file_no_path_could_name_costs_no_other(odd: object, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.touch()
    assert listed({"odd": module(odd), "own": module(str(own))}) == [str(own)]


def test_a_file_is_listed_once_under_the_name_that_was_loaded_first() -> None:
    modules = {"__main__": module("/work/a.py"), "__mp_main__": module("/work/a.py"), "a": module("a.py")}
    assert list(loaded_sources(modules, INSTALLED, cwd="/work", known=set())) == [Loaded("__main__", "/work/a.py")]


def test_of_a_cached_module_it_is_the_source_and_of_one_without_source_the_compiled_file() -> None:
    cached, alone = module("/work/__pycache__/a.cpython-311.pyc"), module("/work/b.pyc")
    assert listed({"a": cached, "b": alone}) == ["/work/a.py", "/work/b.pyc"]


def test_a_link_stands_for_the_file_that_it_leads_to(tmp_path: Path) -> None:
    target = tmp_path / "real.py"
    target.write_text("")
    (tmp_path / "link.py").symlink_to(target)
    assert listed({"link": module(str(tmp_path / "link.py"))}) == [str(target)]
    assert listed({"link": module(str(tmp_path / "link.py"))}, Installation((f"{tmp_path}/real",))) == []


def test_of_a_module_in_an_archive_it_is_the_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("inner.py", "x = 1\n")
    found = zipimport.zipimporter(str(tmp_path / "code.zip")).find_spec("inner")
    assert found is not None
    assert listed({"inner": importlib.util.module_from_spec(found)}) == [str(tmp_path / "code.zip")]


class Eager(ModuleType):
    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")


def test_no_module_is_asked_for_anything(tmp_path: Path) -> None:
    """Packages that load lazily import when an attribute is read."""
    (tmp_path / "slow.py").write_text("raise SystemExit\n")
    spec = importlib.util.spec_from_file_location("slow", tmp_path / "slow.py")
    assert spec is not None and spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lazy)
    assert listed({"lazy": lazy, "eager": Eager("eager")}) == []


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    known: set[str] = set()
    modules = {"a": module("/work/a.py")}
    assert len(list(loaded_sources(modules, INSTALLED, cwd="/work", known=known))) == 1
    modules["b"] = module("/work/b.py")
    assert [one.module for one in loaded_sources(modules, INSTALLED, cwd="/work", known=known)] == ["b"]


def test_all_modules_of_this_process_can_be_looked_at() -> None:
    everything = installation([], "/nowhere/python3.11", [], "lib")
    assert len(listed(sys.modules.copy(), everything)) > 50
