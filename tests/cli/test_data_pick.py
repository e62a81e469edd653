"""Stores that went on apart and were merged by copying files: what is ambiguous then, and how one is picked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace


class Apart:
    """One dataset `cifar` that went on in two stores, each with a change of its own that it released as 0.2.0."""

    def __init__(self, place: Workplace, elsewhere: Path) -> None:
        self.place = place
        self.there = elsewhere / "there"

    def here(self, *words: str) -> Any:
        return self.place.whence("data", *words, "--json").ok().json()

    def elsewhere(self, *words: str) -> Any:
        done = self.place.whence("data", *words, "--json", env={"WHENCE_STORE": str(self.there)})
        return done.ok().json()

    def fork(self) -> None:
        shutil.copytree(self.place.store, self.there, symlinks=True, dirs_exist_ok=True)

    def merge(self) -> None:
        """Copy what the other store has and this one has not, as `cp -rn` does."""
        for path in self.there.rglob("*"):
            target = self.place.store / path.relative_to(self.there)
            if path.is_file() and "cache" not in path.parts and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)

    def show(self, word: str) -> Any:
        return self.here("show", word)

    def refused(self, *words: str) -> str:
        done = self.place.whence("data", *words)
        assert done.code == 3, done
        return done.err


@pytest.fixture
def apart(workplace: Workplace, tmp_path: Path) -> Apart:
    both = Apart(workplace, tmp_path)
    for name, content in {"first": "1", "mine": "2", "theirs": "3", "more": "4"}.items():
        workplace.write(f"{name}.txt", content)
    both.here("create", "cifar", "first.txt")
    both.fork()
    both.here("add", "cifar", "mine.txt")
    both.here("release", "minor", "cifar")
    both.elsewhere("add", "cifar", "theirs.txt")
    both.elsewhere("release", "minor", "cifar")
    return both


@pytest.mark.scenario("V8")
def test_one_pick_settles_the_newest_version_and_all_that_its_line_made(apart: Apart) -> None:
    mine, theirs = apart.show("cifar@0.2.0")["manifest"], apart.elsewhere("show", "cifar@0.2.0")["manifest"]
    pinned = apart.place.record("ls", "{data.cifar}", options=("--data", "cifar@0.2.0"))
    apart.merge()
    for words in (("show", "cifar"), ("show", "cifar@0.2.0"), ("show", "cifar@0.1.0.post1.dev1")):
        said = apart.refused(*words)
        assert mine in said and theirs in said if "post1" not in words[1] else "is ambiguous" in said
        assert "whence data pick cifar" in said
    assert apart.place.whence("data", "add", "cifar", "more.txt").code == 3, "nothing is changed before"

    done = apart.here("pick", "cifar", theirs[:20], "--because", "mine had wrong labels")
    assert (done["question"], done["version"], done["manifest"], done["over"]) == ("newest", "0.2.0", theirs, [mine])
    assert apart.show("cifar")["manifest"] == apart.show("cifar@0.2.0")["manifest"] == theirs
    assert apart.show("cifar@0.1.0.post1.dev1")["manifest"] == theirs
    assert apart.show(f"cifar@{mine}")["manifest"] == apart.show(f"cifar@{mine[:15]}")["manifest"] == mine
    apart.place.whence("run", "--data", f"old=cifar@{mine}", "--", "ls", "{data.old}/mine.txt").ok()
    assert apart.place.show(pinned["id"])["inputs"] == pinned["inputs"], "pins are untouched"
    log = apart.place.whence("data", "log", "cifar").ok().out
    assert "picked as the newest version" in log and "mine had wrong labels" in log and "another picked" in log
    assert apart.place.whence("verify").ok()

    again = apart.here("pick", "cifar", theirs)
    assert again["changes"] is False


def test_after_a_pick_the_dataset_goes_on_and_takes_no_version_twice(apart: Apart) -> None:
    apart.merge()
    theirs = apart.elsewhere("show", "cifar@0.2.0")["manifest"]
    apart.here("pick", "cifar", theirs)
    assert apart.here("add", "cifar", "more.txt")["version"] == "0.2.0.post1.dev1"
    released = apart.here("release", "patch", "cifar")
    assert (released["version"], released["base"]) == ("0.2.1", "0.2.0.post1.dev1")
    paths = [entry["path"] for entry in apart.here("show", "cifar", "--files")["entries"]]
    assert paths == ["first.txt", "more.txt", "theirs.txt"]
    assert apart.place.whence("verify").ok() and apart.place.whence("data", "verify").ok()

    apart.place.whence("data", "export", "cifar@0.2.1", "cifar.tar").ok()
    bag, fresh = apart.place.path / "cifar.tar", {"WHENCE_STORE": str(apart.there.with_name("fresh"))}
    apart.place.whence("run", "--", "true", env=fresh).ok()
    apart.place.whence("data", "import", bag, env=fresh).ok()
    shown = apart.place.whence("data", "show", "cifar@0.2.0", "--json", env=fresh).ok().json()
    assert shown["manifest"] == theirs, "its steps say which line it went on from"


def test_a_line_that_went_on_elsewhere_is_asked_about_again(apart: Apart) -> None:
    apart.merge()
    mine = apart.place.whence("data", "log", "cifar", "--json").ok().json_lines()
    theirs = apart.elsewhere("show", "cifar@0.2.0")["manifest"]
    apart.here("pick", "cifar", next(one["manifest"] for one in mine if one["manifest"] != theirs and one["released"]
                                     and one["version"] == "0.2.0"))  # fmt: skip
    apart.elsewhere("add", "cifar", "more.txt")
    apart.merge()
    assert "0.2.0.post1.dev1" in apart.refused("show", "cifar")
    assert apart.here("pick", "cifar", "0.2.0.post1.dev1")["heads"] == 1
    assert apart.show("cifar@0.2.0")["manifest"] == theirs


@pytest.mark.scenario("V8")
def test_picks_that_were_made_apart_and_contradict_leave_it_ambiguous_until_another(apart: Apart) -> None:
    mine, theirs = apart.show("cifar@0.2.0")["manifest"], apart.elsewhere("show", "cifar@0.2.0")["manifest"]
    apart.merge()
    shutil.rmtree(apart.there)
    apart.fork()
    apart.here("pick", "cifar", mine)
    apart.here("add", "cifar", "more.txt")
    apart.elsewhere("pick", "cifar", theirs)
    assert apart.elsewhere("show", "cifar")["manifest"] == theirs
    apart.merge()
    assert "it was picked differently by" in apart.refused("show", "cifar")
    assert "is ambiguous" in apart.refused("show", "cifar@0.2.0")
    apart.here("pick", "cifar", theirs)
    assert apart.show("cifar")["manifest"] == theirs
    assert "does not count" in apart.place.whence("data", "log", "cifar").ok().out
    apart.here("pick", "cifar", "0.2.0.post1.dev1")
    assert apart.show("cifar@0.2.0")["manifest"] == mine, "nobody is bound by what was said before"


def test_one_version_can_be_picked_whatever_is_the_newest(apart: Apart) -> None:
    mine, theirs = apart.show("cifar@0.2.0")["manifest"], apart.elsewhere("show", "cifar@0.2.0")["manifest"]
    apart.merge()
    apart.here("pick", "cifar", mine)
    done = apart.here("pick", "cifar@0.1.0.post1.dev1", theirs)
    assert (done["question"], done["changes"]) == ("version", True)
    assert apart.show("cifar@0.1.0.post1.dev1")["manifest"] == theirs
    assert apart.show("cifar@0.2.0")["manifest"] == mine
    script = "import whence; print(whence.open().dataset('cifar').pick({!r}, (0, 2, 0), because='no').changes)"
    apart.place.write("pick.py", script.format(theirs))
    assert apart.place.python("pick.py").ok().out == "True\n"
    assert apart.show("cifar@0.2.0")["manifest"] == theirs


@pytest.mark.scenario("V8")
def test_of_two_datasets_of_one_name_one_is_picked_by_its_id(workplace: Workplace, tmp_path: Path) -> None:
    both = Apart(workplace, tmp_path)
    workplace.write("one.txt", "1")
    mine = both.here("create", "cifar", "one.txt")["id"]
    workplace.whence("run", "--", "true", env={"WHENCE_STORE": str(both.there)}).ok()
    workplace.write("two.txt", "2")
    theirs = both.elsewhere("create", "cifar", "two.txt")["id"]
    both.merge()
    said = both.refused("show", "cifar@0.1.0")
    assert mine in said and theirs in said and "`whence data pick cifar" in said
    assert both.here("pick", "cifar", theirs)["question"] == "name"
    assert both.show("cifar")["id"] == both.show("cifar@0.1.0")["id"] == theirs
    assert both.show(mine)["id"] == mine, "the other one is named by its id"
    both.here("pick", "cifar@0.1.0", mine)
    assert (both.show("cifar")["id"], both.show("cifar@0.1.0")["id"]) == (theirs, mine)
    assert workplace.whence("verify").ok()


REFUSED = [
    (("cifar", "sha256:0000"), 2, "8 to 64 hexadecimal digits"),
    (("cifar", "sha256:00000000"), 3, "is nothing that it may mean, expected one"),
    (("cifar", "0.2.0"), 3, "is 2 of what it may mean, expected one"),
    (("cifar@0.1.0", "sha256:00000000"), 2, "there is nothing to pick: one is meant"),
    (("cifar@0.9.0", "sha256:00000000"), 3, "has no version 0.9.0"),
    (("cifar@sha256:00000000", "0.2.0"), 2, "is one content, expected NAME or NAME@VERSION"),
    (("cifer", "0.2.0"), 3, "no dataset cifer"),
]


def test_what_cannot_be_picked_is_said_and_nothing_is_written(apart: Apart) -> None:
    apart.merge()
    before = sorted(apart.place.store.rglob("*.json"))
    for words, code, said in REFUSED:
        done = apart.place.whence("data", "pick", *words)
        assert (done.code, said in done.err) == (code, True), done.err
    assert sorted(apart.place.store.rglob("*.json")) == before


def test_a_content_that_no_version_has_is_named_with_a_way_out(apart: Apart) -> None:
    assert "no version has this content" in apart.refused("show", "cifar@sha256:" + "0" * 64)
    check = apart.place.whence("data", "check", "cifar@sha256:00000000", "--json")
    assert check.json()["pins"][0]["reasons"][0]["code"] == "version_not_found"
