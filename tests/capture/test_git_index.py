"""The index that is read without git is the one that git lists; what is not certain is left to git."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest
from workplace import Workplace

from whence.capture.git_index import read_index
from whence.capture.git_listings import parse_index

EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def _plain(place: Workplace) -> None:
    place.write("a/deep/folder/file.txt", "x")
    os.symlink("train.py", place.path / "link")
    os.chmod(place.write("tool", "#!/bin/sh\n"), 0o755)
    for length in range(1, 20):
        place.write("n" * length)
    place.git("add", ".")


def _hidden(place: Workplace) -> None:
    place.git("update-index", "--assume-unchanged", "train.py")


def _intended(place: Workplace) -> None:
    place.write("later.py", "x")
    place.git("add", "--intent-to-add", "later.py")


def _conflict(place: Workplace) -> None:
    rows = [f"100644 {EMPTY_BLOB} {stage}\tfought.py" for stage in (1, 2, 3)]
    place.git("update-index", "--index-info", input="\n".join(rows).encode() + b"\n")


def _nested(place: Workplace) -> None:
    commit = place.git("rev-parse", "HEAD").strip()
    place.git("update-index", "--add", "--cacheinfo", f"160000,{commit},nested")


def _odd_names(place: Workplace) -> None:
    long = "/".join(["d" * 250] * 18)
    names = [b"new\nline", b"latin-\xe9", long.encode(), b"tab\t"]
    rows = b"".join(b"100644 %s 0\t%s\0" % (EMPTY_BLOB.encode(), name) for name in names)
    place.git("update-index", "-z", "--index-info", input=rows)


def _nothing(place: Workplace) -> None:
    place.git("rm", "-q", "--cached", "train.py")


READ: dict[str, Callable[[Workplace], None]] = {
    "files, links and programs": _plain,
    "a path that git was told not to look at": _hidden,
    "a file that is to be added": _intended,
    "a path in conflict": _conflict,
    "a repository in the repository": _nested,
    "names of any bytes and any length": _odd_names,
    "nothing at all": _nothing,
}


@pytest.mark.parametrize("case", READ)
def test_the_index_is_read_as_git_lists_it(case: str, workplace: Workplace) -> None:
    workplace.repository(**{"train.py": "x"})
    READ[case](workplace)
    listed = workplace.run(["git", "ls-files", "-s", "-v", "-z"]).ok().out
    data = (workplace.path / ".git/index").read_bytes()
    assert read_index(data) == parse_index(os.fsencode(listed))


LEFT_TO_GIT: dict[str, list[list[str]]] = {
    "paths that share their beginnings (version 4)": [["update-index", "--index-version", "4"]],
    "a split index": [["update-index", "--split-index"]],
    "a path that a sparse checkout leaves out": [["update-index", "--skip-worktree", "train.py"]],
}


@pytest.mark.parametrize("case", LEFT_TO_GIT)
def test_what_is_not_certain_is_left_to_git(case: str, workplace: Workplace) -> None:
    workplace.repository(**{"train.py": "x", "other.py": "y"})
    assert read_index((workplace.path / ".git/index").read_bytes()) is not None
    for words in LEFT_TO_GIT[case]:
        workplace.git(*words)
    assert read_index((workplace.path / ".git/index").read_bytes()) is None


def test_an_index_that_is_damaged_is_left_to_git(workplace: Workplace) -> None:
    workplace.repository(**{"train.py": "x", "other.py": "y"})
    data = (workplace.path / ".git/index").read_bytes()
    assert all(read_index(data[:length]) is None for length in range(len(data)))
    assert read_index(b"LOCK" + data[4:]) is None


def test_a_run_in_a_small_repository_does_not_ask_git_for_the_index(workplace: Workplace) -> None:
    workplace.repository(**{"train.py": "import whence\nwith whence.start(): pass\n"})
    workplace.python("train.py").ok()
    workplace.python("train.py", env={"PATH": _noted(workplace)}).ok()
    asked = (workplace.home / "asked").read_text()
    assert "status --porcelain" in asked
    assert "ls-files" not in asked


def _noted(place: Workplace) -> str:
    """A PATH whose git notes what it is asked."""
    program = place.home / "bin/git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> "{place.home}/asked"\nexec "{shutil.which("git")}" "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{place.environ['PATH']}"
