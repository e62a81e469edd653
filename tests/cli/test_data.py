"""Datasets from the command line: each release the same bytes for ever, whatever happens to the dataset later."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def shown(place: Workplace, version: str) -> Any:
    return place.whence("data", "show", version, "--json").ok().json()


@pytest.fixture
def cifar(workplace: Workplace) -> Workplace:
    """A dataset `cifar` of a folder with five files, released as 0.1.0."""
    for number in range(5):
        workplace.write(f"cifar/class{number % 2}/{number}.png", f"picture {number}")
    workplace.whence("data", "create", "cifar", "cifar", "--description", "ten classes").ok()
    return workplace


@pytest.mark.scenario("D1", "D8", "D13", "U1")
def test_a_new_dataset_is_released_with_who_made_it_and_when(cifar: Workplace) -> None:
    (only,) = cifar.whence("data", "log", "cifar", "--json").ok().json_lines()
    assert (only["version"], only["released"], only["files"], only["operation"]) == ("0.1.0", True, 5, "create")
    assert only["by"]["user"] and only["at"].endswith("Z")
    (listed,) = cifar.whence("data", "list", "--json").ok().json_lines()
    assert (listed["name"], listed["version"], listed["description"]) == ("cifar", "0.1.0", "ten classes")


@pytest.mark.scenario("S7", "C1", "D12")
def test_a_release_gives_the_same_bytes_whatever_happened_to_the_dataset_since(cifar: Workplace) -> None:
    before, manifest = files(cifar.path / "cifar"), shown(cifar, "cifar@0.1.0")["manifest"]
    for number in (5, 6, 7):
        cifar.write(f"cifar/class0/{number}.png", "added")
    cifar.write("cifar/class0/0.png", "replaced")
    cifar.whence("data", "add", "cifar", "cifar").ok()
    cifar.whence("data", "remove", "cifar", "class1/1.png", "class1/3.png").ok()
    cifar.whence("data", "release", "major", "cifar").ok()
    shutil.rmtree(cifar.path / "cifar")
    shutil.rmtree(cifar.path / ".whence/cache")
    cifar.whence("data", "get", "cifar@0.1.0", "again").ok()
    assert files(cifar.path / "again") == before
    assert shown(cifar, "cifar@0.1.0")["manifest"] == manifest
    cifar.whence("data", "get", "cifar", "now").ok()
    assert sorted(files(cifar.path / "now")) == [f"class0/{number}.png" for number in (0, 2, 4, 5, 6, 7)]


@pytest.mark.scenario("D2", "D3", "D4")
def test_versions_stand_in_their_order_and_nothing_new_makes_none(cifar: Workplace) -> None:
    assert "nothing changes" in cifar.whence("data", "add", "cifar", "cifar").ok().err
    refused = cifar.whence("data", "release", "patch", "cifar")
    assert (refused.code, refused.err.splitlines()[0]) == (
        2,
        "whence: cifar: there is nothing to release: 0.1.0 is the newest version",
    )
    cifar.write("cifar/new.png", "new")
    cifar.whence("data", "add", "cifar", "cifar").ok()
    cifar.whence("data", "release", "minor", "cifar").ok()
    cifar.whence("data", "remove", "cifar", "class*").ok()
    log = cifar.whence("data", "log", "cifar", "--json").ok().json_lines()
    assert [one["version"] for one in log] == ["0.1.0", "0.1.0.post1.dev1", "0.2.0", "0.2.0.post1.dev1"]
    assert [one["released"] for one in log] == [True, False, True, False]


@pytest.mark.scenario("D9", "D10")
def test_differences_see_every_kind_of_change_and_are_the_same_the_other_way_round(cifar: Workplace) -> None:
    cifar.write("cifar/new.png", "new")
    cifar.write("cifar/class0/0.png", "PICTURE 0")
    (cifar.path / "cifar/class0/2.png").chmod(0o755)
    (cifar.path / "cifar/class1/1.png").unlink()
    seen = cifar.whence("data", "status", "cifar", "cifar", "--json")
    assert (seen.code, seen.json()["removed"]) == (1, ["class1/1.png"])
    cifar.whence("data", "add", "cifar", "cifar").ok()
    cifar.whence("data", "remove", "cifar", "class1/1.png").ok()
    newest = "cifar@0.1.0.post1.dev2"
    there = cifar.whence("data", "diff", "cifar@0.1.0", newest, "--json")
    back = cifar.whence("data", "diff", newest, "cifar@0.1.0", "--json").json()
    assert (there.code, there.json()["added"], there.json()["removed"]) == (1, ["new.png"], ["class1/1.png"])
    assert [one["path"] for one in there.json()["changed"]] == ["class0/0.png", "class0/2.png"]
    assert (back["added"], back["removed"]) == (["class1/1.png"], ["new.png"])
    same = cifar.whence("data", "diff", newest, newest, "--json").ok().json()
    assert same["same"] and not same["added"]
    unknown = cifar.whence("data", "diff", "cifar@0.1.0", "cifar@9.0.0")
    assert (unknown.code, "has no version 9.0.0" in unknown.err) == (3, True)


@pytest.mark.scenario("D7")
def test_of_two_releases_at_once_one_is_made_and_the_other_is_told(cifar: Workplace) -> None:
    cifar.write("cifar/new.png", "new")
    cifar.whence("data", "add", "cifar", "cifar").ok()
    both = [
        cifar.start_whence("data", "release", level, "cifar", stderr=subprocess.PIPE) for level in ("patch", "major")
    ]
    codes = sorted((process.wait(), process.communicate()[1]) for process in both)
    assert [code for code, _ in codes] == [0, 2]
    assert b"was not released: " in codes[1][1] or b"there is nothing to release" in codes[1][1]
    log = cifar.whence("data", "log", "cifar", "--json").ok().json_lines()
    assert len([one for one in log if one["released"]]) == 2


BAD = {
    "a name with a slash": (["data", "create", "a/b", "cifar"], 2, "dataset 'a/b': found '/' in it"),
    "a name that is taken": (["data", "create", "cifar", "cifar"], 2, "dataset cifar: there is one already"),
    "a source that is not there": (["data", "create", "b", "nope"], 3, "nope: is not there, expected"),
    "an empty path": (["data", "create", "b", ""], 2, "found an empty path"),
    "a folder in the store": (["data", "get", "cifar@0.1.0", ".whence/mine"], 2, "found a folder in the store"),
    "no such dataset": (["data", "log", "cifra"], 3, "no dataset cifra"),
    "no version at all": (["data", "show", "cifar@latest"], 2, "version 'latest': expected three numbers"),
    "a version where a dataset is meant": (["data", "log", "cifar@0.1.0"], 2, "expected a dataset, found a version"),
    "a level that is none": (["data", "release", "cifar", "patch"], 2, "found 'cifar', expected patch, minor or major"),
    "an ending of another archive": (["data", "export", "cifar@0.1.0", "c.tar.xz"], 2, "expected an ending of .tar.gz"),
    "a file in place of a folder": (["data", "get", "cifar", "cifar/class0/0.png"], 1, "is a file, expected a folder"),
    "something in the way": (["data", "get", "cifar", "cifar/class0"], 1, "with --replace what the store holds"),
    "two folders to be like": (
        ["data", "add", "cifar", "cifar", "cifar", "--delete"],
        2,
        "expected one folder with it",
    ),
    "a name that is nearly one": (["run", "--data", "cifra", "--", "true"], 125, "; did you mean cifar"),
    "a file that is no archive": (["data", "import", "cifar/class0/0.png"], 1, "is no folder, tar or zip"),
    "a folder of a store": (["data", "add", "cifar", "cifar", "--as", "x/.whence/y"], 2, "lies in a store"),
    "a dataset in a folder of a store": (["data", "create", "b", "cifar", "--as", ".whence"], 2, "lies in a store"),
    "nothing that is meant": (["data", "remove", "cifar", "nope"], 3, "found nothing that 'nope' means"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_named_and_nothing_is_made(case: str, cifar: Workplace) -> None:
    words, code, message = BAD[case]
    before = cifar.whence("data", "log", "cifar", "--json").ok().out
    done = cifar.whence(*words)
    assert (done.code, message in done.err, "Traceback" in done.err) == (code, True, False), done.err
    assert cifar.whence("data", "log", "cifar", "--json").ok().out == before
    assert len(cifar.whence("data", "list", "--json").ok().json_lines()) == 1


@pytest.mark.scenario("D3")
def test_what_changes_nothing_names_the_newest_version_and_keeps_what_is_said_of_the_dataset(cifar: Workplace) -> None:
    cifar.write("cifar/new.png", "new")
    first = cifar.whence("data", "add", "cifar", "cifar", "--json").ok().json()
    again = cifar.whence("data", "add", "cifar", "cifar", "--description", "eleven", "--json").ok().json()
    assert (first["version"], first["made"]) == ("0.1.0.post1.dev1", True)
    assert (again["version"], again["made"]) == ("0.1.0.post1.dev1", False)
    assert shown(cifar, "cifar")["description"] == "eleven"
    said = cifar.whence("data", "add", "cifar", "cifar", "--because", "unheard").ok().err
    assert "nothing changes, so no version was made, and the reason is kept nowhere" in said
    cifar.whence("data", "describe", "cifar", "twelve").ok()
    assert "that is its description already" in cifar.whence("data", "describe", "cifar", "twelve").ok().err
    assert (shown(cifar, "cifar")["description"], len(list(cifar.store.glob("datasets/*/acts/*.json")))) == (
        "twelve",
        2,
    )
    cifar.whence("data", "release", "patch", "cifar", "--description", "thirteen").ok()
    assert shown(cifar, "cifar")["description"] == "thirteen"
    assert cifar.whence("verify").ok().code == 0


@pytest.mark.scenario("D3")
def test_a_developing_version_says_what_became_of_it_and_is_named_as_the_newest(cifar: Workplace) -> None:
    cifar.write("cifar/new.png", "new")
    cifar.whence("data", "add", "cifar", "cifar").ok()
    newest = cifar.whence("data", "show", "cifar@newest").ok().out
    assert "0.1.0.post1.dev1, developing: no release has its content" in newest
    assert (
        "newest    0.1.0.post1.dev1: `whence data show cifar@newest`" in cifar.whence("data", "show", "cifar").ok().out
    )
    cifar.whence("data", "release", "minor", "cifar").ok()
    after = shown(cifar, "cifar@0.1.0.post1.dev1")
    assert (after["released_as"], after["newest"], after["released"]) == ("0.2.0", "0.2.0", False)
    diff = cifar.whence("data", "diff", "cifar@0.1.0", "cifar")
    assert "cifar: no fixed version was named; 0.2.0 is the current release" in diff.err


@pytest.mark.scenario("D3")
def test_a_dataset_is_made_what_a_folder_is_only_where_that_is_asked_for(cifar: Workplace) -> None:
    (cifar.path / "cifar/class0/0.png").unlink()
    cifar.write("cifar/class1/1.png", "PICTURE 1")
    seen = cifar.whence("data", "status", "cifar", "cifar")
    assert (seen.code, seen.out) == (1, "~ class1/1.png  9 B, other bytes\n- class0/0.png  9 B\n")
    assert "`whence data add cifar cifar` removes nothing; with --delete it does" in seen.err
    made = cifar.whence("data", "add", "cifar", "cifar", "--delete", "--json").ok().json()
    assert (made["changed"], made["removed"]) == (1, 1)
    assert cifar.whence("data", "status", "cifar", "cifar").code == 0, "held against what was just added"
    assert cifar.whence("data", "status", "cifar@0.1.0", "cifar").code == 1
    cifar.write("one/x.png", "x")
    cifar.whence("data", "add", "cifar", "one", "--as", "class0", "--delete").ok()
    listed = cifar.whence("data", "show", "cifar@newest", "--files", "--json").ok().json()["entries"]
    assert [entry["path"] for entry in listed] == ["class0/x.png", "class1/1.png", "class1/3.png"]


@pytest.mark.scenario("S23")
def test_a_repository_in_a_folder_is_left_out_and_links_are_counted(cifar: Workplace) -> None:
    cifar.write("cifar/.git/config", "[remote]\nurl = https://user:token@example.org/\n")
    cifar.write("cifar/sub/.git", "gitdir: ../elsewhere\n")
    (cifar.path / "cifar/link").symlink_to("class0")
    done = cifar.whence("data", "create", "all", "cifar").ok()
    assert "cifar/.git: left out" in done.err and "cifar/sub/.git: left out" in done.err
    page = cifar.whence("data", "show", "all", "--files", "--json").ok().json()
    assert [entry["path"] for entry in page["entries"] if "git" in entry["path"] or "sub" in entry["path"]] == ["sub"]
    assert (page["files"], page["here"]["files"]) == (6, 6)
    assert cifar.whence("data", "status", "all", "cifar").code == 0
    assert cifar.whence("data", "get", "all", "cifar").ok().code == 0, "a repository in it is not in the way"
    cifar.whence("data", "add", "all", "cifar/.git", "--as", ".git").ok()
    assert shown(cifar, "all@newest")["files"] == 7, "named itself it is taken"


def test_words_that_cannot_be_meant_make_no_store(workplace: Workplace) -> None:
    for words in (("create", "x"), ("create", "a/b", "x"), ("import", "nope.tar")):
        done = workplace.whence("data", *words)
        assert done.code in (2, 3) and done.err.startswith("whence: ") and not workplace.store.exists()
    assert "`whence data create NAME PATH` makes one" in workplace.whence("data", "list").err


@pytest.mark.scenario("X3")
def test_the_store_holds_no_link_to_what_was_added(cifar: Workplace) -> None:
    cifar.write("cifar/class0/0.png", "written in place")
    cifar.whence("data", "get", "cifar", "again").ok()
    assert (cifar.path / "again/class0/0.png").read_text() == "picture 0"
    assert cifar.whence("verify").ok().code == 0


@pytest.mark.scenario("D12")
@pytest.mark.parametrize("what", ["step", "manifest"])
def test_a_version_that_was_edited_by_hand_is_named(what: str, cifar: Workplace) -> None:
    assert cifar.whence("verify").ok().code == 0
    manifest = shown(cifar, "cifar")["manifest"].removeprefix("sha256:")
    (step,) = cifar.store.glob("datasets/*/steps/0/*.json")
    edits = {
        "step": (step, b'"create"', b'"import"'),
        "manifest": (cifar.store / "objects/sha256" / manifest[:2] / manifest[2:], b"0.png", b"O.png"),
    }
    path, before, after = edits[what]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(before, after))
    done = cifar.whence("verify")
    assert (done.code, path.name in done.out) == (1, True)


# Datasets in datasets.


@pytest.fixture
def study(cifar: Workplace) -> Workplace:
    """`study` with the part `cifar@0.1.0`, and `paper` with the part `study@0.2.0`."""
    cifar.write("notes.txt", "about it")
    for words in (
        ("create", "study", "notes.txt"),
        ("nest", "study", "cifar@0.1.0", "--as", "raw/pictures"),
        ("release", "minor", "study"),
        ("create", "paper", "notes.txt"),
        ("nest", "paper", "study@0.2.0"),
    ):
        cifar.whence("data", *words).ok()
    return cifar


def parts(page: Any, key: str = "all_parts") -> list[tuple[str, str, str]]:
    return [(part["folder"], part["dataset"], part["version"]) for part in page[key]]


@pytest.mark.scenario("E10", "E11", "U1")
def test_a_version_freezes_the_versions_of_its_parts_and_shows_them_both_ways(study: Workplace) -> None:
    study.write("cifar/class0/9.png", "later")
    study.whence("data", "add", "cifar", "cifar").ok()
    study.whence("data", "release", "major", "cifar").ok()
    inner, outer = ("raw/pictures", "cifar", "0.1.0"), ("study", "study", "0.2.0")
    assert parts(shown(study, "study@0.2.0")) == [inner]
    assert parts(shown(study, "paper@0.1.0.post1.dev1")) == [outer, ("study/raw/pictures", "cifar", "0.1.0")]
    assert ("raw/pictures", "study", "0.2.0") in parts(shown(study, "cifar@0.1.0"), "contained_in")
    assert ("study/raw/pictures", "paper", "0.1.0.post1.dev1") in parts(shown(study, "cifar@0.1.0"), "contained_in")
    assert parts(shown(study, "cifar@1.0.0"), "contained_in") == []
    study.whence("data", "get", "paper@0.1.0.post1.dev1", "out").ok()
    assert len(files(study.path / "out/study/raw/pictures")) == 5
    assert "part of   study@0.2.0  raw/pictures/" in study.whence("data", "show", "cifar@0.1.0").ok().out


@pytest.mark.scenario("E10")
def test_a_dataset_cannot_lie_in_itself(study: Workplace) -> None:
    for part, way in (("cifar@0.1.0", "cifar > cifar"), ("paper@0.1.0.post1.dev1", "cifar > paper > study > cifar")):
        refused = study.whence("data", "nest", "cifar", part)
        assert refused.code == 2 and way in refused.err


@pytest.mark.scenario("E11")
def test_a_part_is_replaced_by_a_newer_version_and_ends_when_a_file_of_it_changes(study: Workplace) -> None:
    study.write("cifar/class0/9.png", "later")
    study.whence("data", "add", "cifar", "cifar").ok()
    study.whence("data", "nest", "study", "cifar@0.1.0.post1.dev1", "--as", "raw/pictures").ok()
    assert parts(shown(study, "study@0.2.0.post1.dev1")) == [("raw/pictures", "cifar", "0.1.0.post1.dev1")]
    assert (
        "nothing changes"
        in study.whence("data", "nest", "study", "cifar@0.1.0.post1.dev1", "--as", "raw/pictures").ok().err
    )
    removed = study.whence("data", "remove", "study", "raw/pictures/class0/9.png").ok()
    assert "raw/pictures/ is not cifar@0.1.0.post1.dev1 as a part any more" in removed.err
    assert parts(shown(study, "study@0.2.0.post1.dev2")) == [], "that is no content of a version of cifar by itself"
    assert parts(shown(study, "study@0.2.0")) == [("raw/pictures", "cifar", "0.1.0")]


def test_a_part_goes_where_the_folder_says_and_nowhere_else(study: Workplace) -> None:
    assert study.whence("data", "nest", "study", "cifar@0.1.0", "--as", "../out").code == 2
    assert study.whence("data", "nest", "study", "nothing@0.1.0").code == 3
