"""What was removed from the history of a dataset is named, whichever of its files that was; a name means no less."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import stored

from whence.digests import digest_of
from whence.errors import FormatError, StoreError, UnresolvedError, UsageError
from whence.records.act import Actor
from whence.records.data import ManifestEntry
from whence.store.check import check_store
from whence.store.checking import Check
from whence.store.dataset_changes import addition
from whence.store.dataset_check import check_versions
from whence.store.dataset_references import find_version
from whence.store.dataset_steps import Said, change, create
from whence.store.dataset_uses import all_versions
from whence.store.datasets import load_history
from whence.store.layout import Store
from whence.store.objects import object_path, put_bytes
from whence.store.speaker import Speaker

SPEAKER = Speaker(by=Actor(name="Ada"), clock=time.time_ns, random=os.urandom)


def entry(path: str) -> ManifestEntry:
    return ManifestEntry(path=path, kind="file", mode=0o644, size=1, digest=digest_of(path.encode()))


def kept(store: Store, path: str) -> ManifestEntry:
    """With its bytes in the store."""
    put_bytes(store, path.encode())
    return entry(path)


class Made:
    """A dataset `ds` with three steps, and where its files lie."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.id = create(store, "ds", [kept(store, "a")], Said(), SPEAKER).history.id
        for path in ("b", "c"):
            change(store, self.id, "add", addition([kept(store, path)]), Said(), SPEAKER)
        self.folder = store.datasets / self.id
        self.claim = store.datasets / "names/ds" / f"{self.id}.json"

    def step(self, number: int) -> Path:
        (file,) = (self.folder / "steps" / str(number)).iterdir()
        return file

    def act(self, number: int) -> Path:
        return next(self.store.acts.rglob(self.step(number).name))

    def found(self) -> list[str]:
        """Where the damage is, in words of this class."""
        where = [damage.where for damage in check_store(self.store).damage]
        return [one.replace(self.id, "ID").rpartition("/0")[0] or one.replace(self.id, "ID") for one in where]


@pytest.fixture
def made(store: Store) -> Made:
    made = Made(store)
    assert (check_store(store).damage, check_store(store).notes) == ((), ())
    return made


def with_act(made: Made, number: int) -> None:
    made.act(number).unlink()
    shutil.rmtree(made.step(number).parent)


def emptied(made: Made) -> None:
    made.act(2).unlink()
    made.step(2).unlink()


def without_acts(made: Made) -> None:
    with_act(made, 1)
    made.act(2).unlink()


REMOVED: dict[str, tuple[Callable[[Made], object], list[str]]] = {
    "the newest step": (lambda made: made.step(2).unlink(), ["datasets/ID/steps/2"]),
    "a step in the midst": (lambda made: made.step(1).unlink(), ["datasets/ID/steps/1"]),
    "the first step": (lambda made: made.step(0).unlink(), ["datasets/ID/steps/0"]),
    "all steps": (
        lambda made: shutil.rmtree(made.folder / "steps"),
        ["datasets/ID/steps/0", "datasets/ID/steps/1", "datasets/ID/steps/2"],
    ),
    "all of it": (
        lambda made: shutil.rmtree(made.folder),
        ["datasets/ID/steps/0", "datasets/ID/steps/1", "datasets/ID/steps/2"],
    ),
    "a step with its act": (lambda made: with_act(made, 1), ["datasets/ID/steps/1"]),
    "a step with its act, and the act of the next": (without_acts, ["datasets/ID/steps/1"]),
    "the newest step with its act, but for its folder": (emptied, ["datasets/ID/steps/2"]),
}


@pytest.mark.scenario("D12", "L4")
@pytest.mark.parametrize("what", REMOVED)
def test_what_was_removed_of_the_steps_is_named(what: str, made: Made) -> None:
    remove, expected = REMOVED[what]
    remove(made)
    assert made.found() == expected


def test_a_step_that_is_gone_is_named_with_the_act_that_holds_it(made: Made) -> None:
    act, step = made.act(2), made.step(2)
    step.unlink()
    (damage,) = check_store(made.store).damage
    assert damage.what == (
        "not there, expected the step of version 0.1.0.post1.dev2 of ds; copy it from "
        f"{act.relative_to(made.store.path)}"
    )
    shutil.copyfile(act, step)
    assert made.found() == []


def test_the_first_step_is_read_from_the_name_where_it_is_gone(made: Made) -> None:
    made.step(0).unlink()
    history = load_history(made.store, made.id)
    assert history is not None and len(history.versions) == 3


def test_an_act_of_a_step_that_is_gone_is_a_note(made: Made) -> None:
    made.act(1).unlink()
    report = check_store(made.store)
    assert report.damage == ()
    place = made.step(1).relative_to(made.store.path)
    assert f"{place}: is not in acts/, which lists all acts" in report.notes


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])


def folder_in_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


CLAIMS: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:50]),
    "emptied": lambda path: path.write_bytes(b""),
    "a folder": folder_in_place,
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "removed": lambda path: path.unlink(),
    "removed with its folder": lambda path: shutil.rmtree(path.parent),
}


@pytest.mark.scenario("D12", "L4")
@pytest.mark.parametrize("how", CLAIMS)
def test_a_damaged_claim_of_a_name_is_named_and_frees_no_name(how: str, made: Made) -> None:
    CLAIMS[how](made.claim)
    (damage,) = check_store(made.store).damage
    assert damage.where == f"datasets/names/ds/{made.id}.json"
    assert str(find_version(made.store, "ds@0.1.0.post1.dev2")) == "ds@0.1.0.post1.dev2"
    with pytest.raises(UsageError, match=f"there is one already, {made.id}"):
        create(made.store, "ds", [entry("z")], Said(), SPEAKER)


def test_a_claim_under_another_name_is_named(made: Made) -> None:
    made.claim.parent.rename(made.claim.parent.with_name("other"))
    assert made.found() == ["datasets/names/ds/ID.json", "datasets/names/other/ID.json"]


def test_a_name_of_two_datasets_is_ambiguous_though_one_claim_is_gone(made: Made, tmp_path: Path) -> None:
    other = Made(stored.a_store(tmp_path / "other"))
    shutil.copytree(other.folder, made.store.datasets / other.id)
    shutil.copyfile(other.claim, made.claim.with_name(other.claim.name))
    made.claim.unlink()
    with pytest.raises(UnresolvedError) as refused:
        find_version(made.store, "ds@0.1.0")
    assert refused.value.message == "ds@0.1.0: 2 datasets have this name, expected one"


# Steps made by hand, each with a check of its own


def everywhere(made: Made) -> list[str]:
    """What the check of the store finds, which is what that of the datasets finds."""
    whole, datasets = check_store(made.store), Check(made.store)
    check_versions(datasets, list(all_versions(made.store)), everything=True)
    assert {damage.what for damage in whole.damage} == {damage.what for damage in datasets.damage}
    return [damage.what for damage in whole.damage]


RUN = stored.an_id()

FORGED: dict[str, tuple[dict[str, object], str]] = {
    "files": ({"files": 999}, "found 999 files of 3 bytes, expected 3 of 3: its manifest"),
    "a run": ({"run": RUN}, f"found the run {RUN}, which is not in the store"),
    "a version": ({"version": "0.1.0"}, "version: found 0.1.0, expected no release after the operation add"),
    "no version": ({"version": "1.x"}, "version '1.x': expected three numbers, for instance 2.1.0, or "),
}


@pytest.mark.scenario("D12")
@pytest.mark.parametrize("what", FORGED)
def test_a_step_that_was_forged_is_named_by_what_it_contradicts(what: str, made: Made) -> None:
    fields, expected = FORGED[what]
    stored.forge(made.step(2), **fields)
    assert any(expected in found for found in everywhere(made))


@pytest.mark.scenario("D12")
def test_a_part_is_held_against_the_dataset_that_it_is_a_version_of(made: Made) -> None:
    part = {"folder": "x", "dataset": "ds", "dataset_id": made.id, "version": "0.1.0", "manifest": digest_of(b"no")}
    for wrong, expected in (
        ({}, "but ds@0.1.0.post1.dev2 has as a part ds@0.1.0 of"),
        ({"dataset": "no"}, "found the name ds, but ds@0.1.0.post1.dev2 has as a part no@0.1.0"),
        ({"version": "9.0.0"}, "found no version 9.0.0, but ds@0.1.0.post1.dev2 has as a part ds@9.0.0"),
    ):
        stored.forge(made.step(2), parts=[{**part, **wrong}])
        assert [expected in found for found in everywhere(made)] == [True]


def test_bytes_that_are_lost_are_damage_and_nothing_that_expired_is(made: Made) -> None:
    object_path(made.store, digest_of(b"a")).unlink()
    found = [damage.where for damage in check_store(made.store).damage]
    assert found == ["objects of ds@0.1.0", "objects of ds@0.1.0.post1.dev1", "objects of ds@0.1.0.post1.dev2"]
    assert everywhere(made)[0] == "a is not there (1 bytes), expected in the store: no act says that it expired"


@pytest.mark.scenario("L4")
def test_the_newest_step_or_all_that_is_gone_is_found_by_the_check_of_datasets_too(made: Made) -> None:
    shutil.rmtree(made.step(2).parent)
    assert everywhere(made)[0].startswith("not there, expected the step of version 0.1.0.post1.dev2 of ds; copy it")
    shutil.rmtree(made.folder)
    assert len(everywhere(made)) == 3


def test_a_step_in_the_folder_of_another_is_named_with_what_to_do(made: Made) -> None:
    shutil.copytree(made.step(0).parent, made.folder / "steps/3")
    expected = "found the step 0, expected the step 3; move it out of the store, or to its own folder"
    assert everywhere(made) == [expected]
    with pytest.raises(StoreError, match="found the step 0, expected the step 3; move it out"):
        change(made.store, made.id, "add", addition([entry("z")]), Said(), SPEAKER)
    shutil.rmtree(made.folder / "steps/3")
    assert change(made.store, made.id, "add", addition([entry("z")]), Said(), SPEAKER) is not None


@pytest.mark.parametrize("how", ["removed", "edited"])
def test_a_damaged_step_in_the_midst_is_not_called_a_merge(how: str, made: Made) -> None:
    flip(made.step(1)) if how == "edited" else shutil.rmtree(made.step(1).parent)
    with pytest.raises(FormatError) as refused:
        change(made.store, made.id, "add", addition([entry("z")]), Said(), SPEAKER)
    assert refused.value.message == (
        "dataset ds: the step before 0.1.0.post1.dev2 is not there, or was changed,"
        " so what its newest version is cannot be told"
    )
    assert str(find_version(made.store, "ds@0.1.0.post1.dev2")) == "ds@0.1.0.post1.dev2"
