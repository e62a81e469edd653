"""Asking git without a trace: what is switched off, and what a repository of ours does not see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from codeworld import fingerprint
from workplace import Workplace

from whence.store.code_repository import create_code_repository
from whence.system.git import Git, GitError, StoreGit


def test_a_question_leaves_the_repository_as_it_was(repository: Workplace) -> None:
    os.utime(repository.path / "train.py")
    before = fingerprint(repository.path)
    assert Git(repository.path, repository.environ).answer("status", "--porcelain") == b""
    assert fingerprint(repository.path) == before


def test_a_filter_with_any_name_can_be_switched_off(repository: Workplace) -> None:
    name, trace = "odd = na.me", repository.path.parent / "trace"
    repository.git("config", f"filter.{name}.clean", f"touch {trace}; cat")
    repository.git("config", "filter.plain.clean", f"touch {trace}; cat")
    repository.write(".gitattributes", "*.py filter=plain\n")
    git = Git(repository.path, repository.environ).without_filters([name, "plain"])
    git.answer("hash-object", "train.py")
    assert not trace.exists()
    repository.git("hash-object", "train.py")
    assert trace.exists()


def test_settings_that_the_user_gives_by_environment_still_count(repository: Workplace) -> None:
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.abbrev", "GIT_CONFIG_VALUE_0": "12"}
    git = Git(repository.path, {**repository.environ, **given}).without_filters(["x"])
    assert len(git.answer("rev-parse", "--short", "HEAD").strip()) == 12


def test_what_git_says_is_the_error(workplace: Workplace) -> None:
    with pytest.raises(GitError, match="not a git repository"):
        Git(workplace.path, workplace.environ).answer("status")


def test_a_machine_without_git_is_an_answer_too(workplace: Workplace) -> None:
    with pytest.raises(GitError, match="no such program"):
        Git(workplace.path, {"PATH": str(workplace.path)}).answer("status")


def test_our_repository_sees_nothing_of_the_users_settings(repository: Workplace, tmp_path: Path) -> None:
    create_code_repository(tmp_path / "code.git")
    repository.environ["GIT_DIR"] = str(repository.path / ".git")
    repository.environ["GIT_WORK_TREE"] = str(repository.path)
    git = StoreGit(tmp_path / "code.git", repository.environ)
    assert b"user.name" not in git.answer("config", "--list")
    assert git.answer("rev-parse", "--absolute-git-dir").strip() == os.fsencode(tmp_path / "code.git")


@pytest.mark.parametrize("name", ["plain", "with:colon", 'with"quote', 'with:both"'])
def test_objects_can_be_borrowed_from_a_folder_of_any_name(workplace: Workplace, tmp_path: Path, name: str) -> None:
    lender = Workplace(tmp_path / name, workplace.home).repository(a="1\n")
    create_code_repository(tmp_path / "code.git")
    git = StoreGit(tmp_path / "code.git", workplace.environ)
    commit = lender.git("rev-parse", "HEAD")
    assert not git.ask("cat-file", "-e", commit).ok
    assert git.borrowing([f"{lender.path}/.git/objects"]).ask("cat-file", "-e", commit).ok
