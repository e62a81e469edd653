"""Whether pins can be had: every reason by its name, without reading data."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bags import data
from workplace import Workplace

from whence.actions.pin_check import PinReport


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """`cifar` of two releases, `labels`, and a run; tests of the module share it, and add no more than runs."""
    folder = tmp_path_factory.mktemp("lab")
    workplace = Workplace(folder / "work", folder / "home")
    workplace.write("cifar/a.csv", "a\n")
    workplace.write("cifar/large", b"x" * 300_000)
    data(workplace, "create", "cifar", "cifar")
    workplace.write("cifar/b.csv", "b\n")
    data(workplace, "add", "cifar", "cifar")
    data(workplace, "release", "minor", "cifar")
    data(workplace, "create", "labels", "cifar/a.csv")
    workplace.record("sh", "-c", "echo model > model.bin", options=("--output", "model.bin", "--name", "train"))
    return workplace


@pytest.fixture
def own(lab: Workplace, tmp_path: Path) -> Workplace:
    """A copy of it."""
    shutil.copytree(lab.path, tmp_path / "own")
    return Workplace(tmp_path / "own", tmp_path / "home")


def check(place: Workplace, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """The code, and each pin."""
    done = place.whence("data", "check", *words, "--json")
    assert done.code in (0, 1), done.err
    assert done.json()["resolves"] == (done.code == 0)
    return done.code, done.json()["pins"]


def codes(pin: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in pin["reasons"]]


@pytest.mark.scenario("C17")
def test_pins_that_can_be_had_are_named_with_what_they_are(lab: Workplace) -> None:
    code, (train, labels) = check(lab, "train=cifar@0.1.0", "labels")
    version = data(lab, "show", "cifar@0.1.0")
    assert code == 0
    assert (train["name"], train["dataset"], train["dataset_id"]) == ("train", "cifar", version["id"])
    assert (train["version"], train["manifest"], train["files"]) == ("0.1.0", version["manifest"], 2)
    assert (train["floating"], train["reasons"], labels["floating"]) == (False, [], True)


NOT_DATASETS = {
    "a run by its name": ("x=train", "run"),
    "an artifact": ("x=train:model.bin", "artifact"),
    "a digest": ("x=sha256:" + "0" * 64, "artifact"),
    "a folder": ("x=./cifar", "folder"),
    "a file": ("x=./cifar/a.csv", "file"),
}


@pytest.mark.scenario("C17")
@pytest.mark.parametrize("case", NOT_DATASETS)
def test_what_is_something_else_is_named_with_its_kind(case: str, lab: Workplace) -> None:
    word, kind = NOT_DATASETS[case]
    code, (pin,) = check(lab, word)
    assert (code, pin["resolves"], codes(pin), pin["reasons"][0]["kind"]) == (1, False, ["not_a_dataset"], kind)
    run = lab.show()["id"]
    assert check(lab, f"x={run}")[1][0]["reasons"][0]["kind"] == "run"


REASONS = {
    "no such dataset": (["cifer@0.1.0"], ["dataset_not_found"], ["cifar"]),
    "no such version": (["cifar@7.0.0"], ["version_not_found"], ["0.1.0", "0.1.0.post1.dev1", "0.2.0"]),
    "no version at all": (["cifar@latest"], ["malformed"], []),
    "no word of data": (["a b=cifar"], ["malformed"], []),
    "one name twice": (["a=cifar@0.1.0", "a=labels"], ["name_conflict"], []),
    "one variable twice": (["a-b=cifar@0.1.0", "a_b=labels"], ["name_conflict"], []),
}


@pytest.mark.scenario("C17")
@pytest.mark.parametrize("case", REASONS)
def test_what_a_run_would_refuse_has_a_reason_and_the_run_does_refuse_it(case: str, lab: Workplace) -> None:
    words, reasons, available = REASONS[case]
    code, pins = check(lab, *words)
    assert (code, codes(pins[-1]), pins[-1]["reasons"][0]["available"]) == (1, reasons, available)
    options = [option for word in words for option in ("--data", word)]
    assert lab.whence("run", *options, "--", "true").code in (2, 125)


@pytest.mark.scenario("C17", "C5")
def test_what_a_run_would_warn_of_is_a_warning(lab: Workplace) -> None:
    code, (_, same, other) = check(lab, "a=cifar@0.1.0", "b=cifar@0.1.0", "c=cifar@0.2.0")
    assert (code, same["resolves"], codes(same)) == (0, True, ["duplicate"])
    assert codes(other) == ["version_conflict", "version_conflict"]
    assert all(reason["warning"] for reason in (*same["reasons"], *other["reasons"]))


@pytest.mark.scenario("C17")
def test_a_name_of_two_datasets_is_ambiguous(own: Workplace, tmp_path: Path) -> None:
    there = Workplace(tmp_path / "there", tmp_path / "home there")
    there.write("x", "x")
    other = data(there, "create", "cifar", "x")["id"]
    data(there, "export", "cifar", "bag")
    data(own, "import", there.path / "bag")
    code, (pin,) = check(own, "cifar@0.1.0")
    assert (code, codes(pin), len(pin["reasons"][0]["available"])) == (1, ["ambiguous"], 2)
    assert check(own, f"x={other}@0.1.0", "cifar@0.2.0")[0] == 0


@pytest.mark.scenario("C17", "C18")
def test_missing_bytes_are_counted_and_no_content_is_read(own: Workplace) -> None:
    (large,) = [path for path in own.store.glob("objects/sha256/*/*") if path.stat().st_size == 300_000]
    large.chmod(0o644)
    large.write_bytes(b"y" * 300_000)
    assert check(own, "cifar@0.1.0")[0] == 0, "what lies in an object is a question of `verify`"
    large.unlink()
    code, (pin,) = check(own, "cifar@0.1.0")
    (reason,) = pin["reasons"]
    assert (code, reason["code"], reason["files"], reason["size"]) == (1, "missing", 1, 300_000)
    assert "'large'" in reason["message"]
    assert not os.path.isdir(own.store / "cache/data"), "nothing was laid out"


@pytest.mark.scenario("C17")
def test_the_report_reads_back(lab: Workplace) -> None:
    done = lab.whence("data", "check", "cifar@7.0.0", "a=cifar@0.1.0", "b=cifar@0.1.0", "x=train", "--json")
    report = msgspec.json.decode(done.out, type=PinReport)
    assert json.loads(msgspec.json.encode(report)) == done.json()


def test_the_report_for_people_has_the_same_reasons(lab: Workplace) -> None:
    done = lab.whence("data", "check", "cifar@7.0.0", "labels", "x=train")
    lines = done.out.splitlines()
    assert done.code == 1
    assert lines[:2] == ["refused   cifar@7.0.0", "  version_not_found: dataset cifar: has no version 7.0.0"]
    assert "resolves  labels  labels@0.1.0, 1 file, 2 B; no fixed version was named: it is the current release" in lines
    assert "  not_a_dataset: train: is a run, expected a dataset" in lines
