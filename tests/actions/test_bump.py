"""Naming the next version: a tag, pushed, in one step or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from workplace import Workplace

from whence.actions.bump import bump, next_version
from whence.errors import WhenceError

NEXT = {
    "none": ([], "patch", (None, "v0.1.0")),
    "others": (["release", "v1", "v1.2", "1.2.3rc1", "v01.2.3"], "major", (None, "v0.1.0")),
    "patch": (["v0.1.0", "v0.1.9", "v0.1.10"], "patch", ("v0.1.10", "v0.1.11")),
    "minor": (["v0.9.3", "v0.10.1"], "minor", ("v0.10.1", "v0.11.0")),
    "major": (["1.2.3"], "major", ("1.2.3", "2.0.0")),
}


@pytest.mark.scenario("S19")
@pytest.mark.parametrize("case", NEXT)
def test_the_next_version_follows_the_highest_with_its_prefix(case: str) -> None:
    tags, part, expected = NEXT[case]
    assert next_version(tags, part) == expected


@pytest.mark.scenario("S19")
def test_without_a_remote_the_tag_is_made_and_that_is_said(repository: Workplace) -> None:
    done = bump(repository.path, "patch", repository.environ)
    assert (done.previous, done.tag, done.remote, done.done) == (None, "v0.1.0", None, True)
    assert repository.git("rev-parse", "v0.1.0^{commit}") == repository.git("rev-parse", "HEAD") == done.commit


@pytest.mark.scenario("S19")
def test_the_tag_is_pushed_and_tags_of_others_are_fetched_first(repository: Workplace, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    repository.git("clone", "-q", "--bare", str(repository.path), str(remote))
    repository.git("remote", "add", "origin", str(remote))
    repository.git("--git-dir", str(remote), "tag", "v2.0.0")
    repository.commit("more")
    done = bump(repository.path, "minor", repository.environ)
    assert (done.previous, done.tag, done.remote) == ("v2.0.0", "v2.1.0", "origin")
    assert "v2.1.0" in repository.git("--git-dir", str(remote), "tag").split()


@pytest.mark.scenario("S19")
def test_a_dirty_folder_is_refused(repository: Workplace) -> None:
    repository.write("train.py", "changed\n")
    with pytest.raises(WhenceError) as caught:
        bump(repository.path, "patch", repository.environ)
    assert caught.value.message == f"{repository.path}: found uncommitted changes: train.py"
    assert repository.git("tag") == ""


def test_a_plan_changes_nothing(repository: Workplace, tmp_path: Path) -> None:
    repository.git("remote", "add", "origin", str(tmp_path / "not-there"))
    done = bump(repository.path, "patch", repository.environ, plan=True)
    assert (done.tag, done.done) == ("v0.1.0", False)
    assert repository.git("tag") == ""


def test_a_tag_that_cannot_be_pushed_is_taken_back(repository: Workplace, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    repository.git("clone", "-q", "--bare", str(repository.path), str(remote))
    repository.git("remote", "add", "origin", str(remote))
    (remote / "hooks/pre-receive").write_text("#!/bin/sh\nexit 1\n")
    (remote / "hooks/pre-receive").chmod(0o755)
    with pytest.raises(WhenceError, match="git push ended with code 1"):
        bump(repository.path, "patch", repository.environ)
    assert repository.git("tag") == ""


def test_a_folder_without_a_commit_is_refused(workplace: Workplace) -> None:
    with pytest.raises(WhenceError, match="found no commit to tag") as without:
        bump(workplace.path, "patch", workplace.environ)
    assert without.value.hint == "git init, and commit: a version names a commit"
    workplace.git("init", "-q")
    with pytest.raises(WhenceError, match="found no commit to tag") as empty:
        bump(workplace.path, "patch", workplace.environ)
    assert (empty.value.hint, empty.value.code) == ("commit first", 1)


def test_a_commit_that_has_the_newest_version_gets_no_second_one(repository: Workplace) -> None:
    bump(repository.path, "patch", repository.environ)
    done = repository.whence("bump", "minor")
    assert done.code == 1
    assert "is version v0.1.0 already, the newest there is" in done.err
    assert repository.whence("bump", "minor", "--plan").code == 1
    assert repository.git("tag") == "v0.1.0"
    repository.commit("more")
    assert bump(repository.path, "patch", repository.environ).tag == "v0.1.1"


def test_a_renamed_file_is_named_as_it_was_and_as_it_is(repository: Workplace) -> None:
    repository.git("mv", "train.py", "fit.py")
    repository.write("notes/a b.txt", "new\n")
    with pytest.raises(WhenceError) as caught:
        bump(repository.path, "patch", repository.environ)
    assert caught.value.message == f"{repository.path}: found uncommitted changes: train.py -> fit.py, notes/a b.txt"


def test_results_of_runs_and_what_policy_excludes_are_no_change_of_the_code(repository: Workplace) -> None:
    repository.write("out/fig.txt", "old\n")
    repository.commit("a figure")
    repository.record("sh", "-c", "echo new > out/fig.txt; echo more > out/more.txt", options=("--output", "out"))
    repository.write("notes/today.txt", "\n")
    assert "uncommitted changes: notes/today.txt\n" in repository.whence("bump", "patch").err
    repository.whence("bump", "patch", env={"WHENCE_POLICY_CODE_EXCLUDE": "notes/"}).ok()
    assert repository.git("tag") == "v0.1.0"
