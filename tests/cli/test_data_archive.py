"""Versions as archives: what is exported any program can check, and what is imported is the same version."""

from __future__ import annotations

import os
from pathlib import Path

import bags
import pytest
from bags import FORMS, data, make_odd
from workplace import Workplace


@pytest.fixture
def cifar(workplace: Workplace) -> Workplace:
    """A dataset of two releases and a developing version, with names and kinds of every sort."""
    make_odd(workplace.path / "cifar")
    data(workplace, "create", "cifar", "cifar", "--description", "ten\nclasses")
    workplace.write("cifar/more.csv", "more\n")
    data(workplace, "add", "cifar", "cifar")
    data(workplace, "release", "minor", "cifar")
    workplace.write("cifar/last.csv", "last\n")
    data(workplace, "add", "cifar", "cifar")
    return workplace


@pytest.mark.scenario("S12")
@pytest.mark.parametrize("form", FORMS)
def test_an_exported_version_is_a_bag_that_every_program_accepts(form: str, cifar: Workplace, tmp_path: Path) -> None:
    done = data(cifar, "export", "cifar@0.2.0", form)
    version = data(cifar, "show", "cifar@0.2.0")
    assert (done["id"], done["version"], done["manifest"]) == (version["id"], "0.2.0", version["manifest"])
    assert (done["files"], done["renamed"]) == (10, 5)
    bag = cifar.path / form
    root = bag if bag.is_dir() else bags.unpacked(bag, tmp_path / "there")
    payload = bags.check_bag(root)
    assert len(payload) == 10 and "data/plain.csv" in payload
    if form != "bag.zip":  # Python's zipfile unpacks no modes.
        assert os.access(root / "data/plain.csv", os.X_OK) and not os.access(root / "data/more.csv", os.X_OK)
    info = (root / "bag-info.txt").read_text("utf-8").splitlines()
    assert "External-Identifier: cifar@0.2.0" in info and f"External-Identifier: urn:uuid:{version['id']}" in info
    assert "External-Description: ten classes" in info
    assert len(list((root / "whence/steps").iterdir())) == 3, "the steps up to the version, and no later one"


def test_the_same_version_makes_the_same_file(cifar: Workplace) -> None:
    for folder in ("one", "two"):
        (cifar.path / folder).mkdir()
        for form in FORMS[1:]:
            data(cifar, "export", "cifar@0.2.0", f"{folder}/{form}")
    for form in FORMS[1:]:
        assert (cifar.path / "one" / form).read_bytes() == (cifar.path / "two" / form).read_bytes(), form


def test_a_version_without_a_file_is_a_bag(workplace: Workplace) -> None:
    (workplace.path / "nothing").mkdir()
    data(workplace, "create", "none", "nothing")
    for form in ("bag", "bag.tar"):
        assert data(workplace, "export", "none", form)["files"] == 0
    assert bags.check_bag(workplace.path / "bag") == bags.check_bag(
        bags.unpacked(workplace.path / "bag.tar", workplace.path / "there")
    ) == {}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_overwritten_and_nothing_stays_of_what_fails(form: str, cifar: Workplace) -> None:
    cifar.write(form, "mine")
    refused = cifar.whence("data", "export", "cifar@0.2.0", form)
    assert (refused.code, "is there, expected nothing" in refused.err) == (1, True)
    assert (cifar.path / form).read_text() == "mine"
    lost = cifar.whence("data", "export", "cifar@0.2.0", f"nowhere/{form}")
    assert (lost.code, "expected a folder at" in lost.err) == (2, True)
    before = sorted(os.listdir(cifar.path))
    for path in (*cifar.store.rglob("packs/*.tar"), *(cifar.store / "objects").rglob("*")):
        if path.is_file() and b"more\n" in path.read_bytes():
            path.chmod(0o644)
            path.write_bytes(path.read_bytes().replace(b"more\n", b"less\n"))
    (cifar.path / form).unlink()
    before.remove(form)
    damaged = cifar.whence("data", "export", "cifar@0.2.0", form)
    assert damaged.code in (3, 4) and "Traceback" not in damaged.err and "ignored" not in damaged.err
    assert sorted(os.listdir(cifar.path)) == before


@pytest.mark.parametrize("form", ["far", "far.tar"])
def test_bytes_that_are_only_referred_to_come_from_where_they_lie(
    form: str, workplace: Workplace, tmp_path: Path
) -> None:
    make_odd(workplace.path / "ref")
    data(workplace, "create", "far", "ref", "--reference")
    done = data(workplace, "export", "far", form)
    assert (done["files"], done["fetched"], done["listed"]) == (9, 9, 0)
    bag = workplace.path / form
    root = bag if bag.is_dir() else bags.unpacked(bag, tmp_path / "there")
    assert len(bags.check_bag(root)) == 9
    assert os.access(root / "data/plain.csv", os.X_OK)
    (workplace.path / "ref/plain.csv").write_text("other")
    refused = workplace.whence("data", "export", "far", "again.tar")
    assert (refused.code, "ref/plain.csv (on " in refused.err and "holds other bytes now" in refused.err) == (3, True)
    assert not [path for path in os.listdir(workplace.path) if "again" in path or path.startswith(".tmp")]
