"""The commits between two, as a repository of the user's has them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from ..records.comparison import Commit
from ..records.encoding import timestamp
from ..system.git import Git, GitError


class Between(msgspec.Struct, frozen=True, kw_only=True):
    """The commits that only one of two has behind it, newest first; or why they cannot be listed."""

    commits: list[Commit] | None = None
    because: str | None = None


def commits_between(first: str, second: str, folders: Iterable[Path], environ: Mapping[str, str]) -> Between:
    """From the first of the folders whose repository has both."""
    because = "no repository that has both commits is here any more"
    for folder in dict.fromkeys(folders):
        if not folder.is_dir():
            continue
        try:
            listing = Git(folder, _without_place(environ)).answer(*_WORDS, f"{first}...{second}", "--")
        except GitError as error:
            because = f"{folder}: {str(error).splitlines()[0]}"
            continue
        return Between(commits=[_commit(line) for line in os.fsdecode(listing).split("\0") if line])
    return Between(because=because)


_WORDS = ("log", "-z", "--left-right", "--encoding=UTF-8", "--no-color", "--format=%m%x09%H%x09%ct%x09%s")


def _without_place(environ: Mapping[str, str]) -> dict[str, str]:
    """What would make git look into another repository than the folder's."""
    return {name: value for name, value in environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE")}


def _commit(line: str) -> Commit:
    mark, identifier, seconds, subject = line.split("\t", 3)
    at = timestamp(int(seconds) * 1_000_000_000)
    return Commit(id=identifier, at=at, subject=subject, side="first" if mark == "<" else "second")
