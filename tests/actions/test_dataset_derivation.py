"""Derived versions, held against what their steps say of them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import stored

from whence.actions.dataset_derivation import SplitWish, check, keeping, make, plan_split
from whence.digests import digest_of
from whence.errors import FormatError
from whence.records.act import Actor
from whence.records.data import ManifestEntry
from whence.records.derivation import PartTake
from whence.store.dataset_references import Found, find_version
from whence.store.dataset_steps import Said, create, derive
from whence.store.layout import Store
from whence.store.manifests import read_manifest
from whence.store.speaker import Speaker

SPEAKER = Speaker(by=Actor(name="Ada", host="lab"), clock=time.time_ns, random=os.urandom)

WISH = SplitWish(parts=[PartTake(name="half", take="0.5")])


def entry(path: str) -> ManifestEntry:
    return ManifestEntry(path=path, kind="file", mode=0o644, size=1, digest=digest_of(path.encode()))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return stored.a_store(tmp_path / ".whence")


@pytest.fixture
def half(store: Store) -> Found:
    create(store, "all", [entry(name) for name in "abcdefgh"], Said(), SPEAKER)
    make(store, plan_split(store, find_version(store, "all"), WISH, keeping(store)), Said(), SPEAKER)
    return find_version(store, "all-half")


@pytest.mark.scenario("E6")
def test_a_version_whose_members_are_others_than_its_parameters_decide_differs(store: Store, half: Found) -> None:
    assert check(store, half).same
    members = read_manifest(store, half.made.manifest)
    stranger = entry("z")
    derive(store, "all-half", [*members[1:], stranger], Said(parameters=half.made.stated.step.parameters), SPEAKER)
    differs = check(store, find_version(store, "all-half"))
    assert (list(differs.added), list(differs.removed)) == ([members[0]], [stranger])


def test_an_algorithm_of_a_later_version_is_refused_and_not_guessed(store: Store, half: Found) -> None:
    parameters = {**half.made.stated.step.parameters, "algorithm": "whence-split/2"}
    derive(store, "all-half", read_manifest(store, half.made.manifest), Said(parameters=parameters), SPEAKER)
    with pytest.raises(FormatError) as refused:
        check(store, find_version(store, "all-half"))
    assert refused.value.message == (
        "all-half@0.1.1: cannot be derived again from all@0.1.0: found the algorithm whence-split/2, expected"
        " whence-split/1"
    )


def test_parameters_that_are_none_are_named_with_their_place(store: Store, half: Found) -> None:
    parameters = {**half.made.stated.step.parameters, "seed": "x"}
    derive(store, "all-half", read_manifest(store, half.made.manifest), Said(parameters=parameters), SPEAKER)
    with pytest.raises(FormatError, match=r"all-half@0\.1\.1: .*parameters\.seed"):
        check(store, find_version(store, "all-half"))


def test_a_split_that_was_cut_off_is_completed_by_the_same_words(store: Store, half: Found) -> None:
    source = find_version(store, "all")
    wish = SplitWish(parts=[PartTake(name="one", take="0.5"), PartTake(name="two", take="rest")])
    planned = plan_split(store, source, wish, keeping(store))
    make(store, planned[:1], Said(), SPEAKER)
    made = make(store, plan_split(store, source, wish, keeping(store)), Said(), SPEAKER)
    assert [(one.name, one.version, one.changes) for one in made] == [
        ("all-one", "0.1.0", False),
        ("all-two", "0.1.0", True),
    ]
