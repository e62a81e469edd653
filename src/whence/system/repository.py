"""Find the git repository of a folder by reading `.git`, without starting git (gitrepository-layout(5))."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from .files import read_regular


def find_worktree(start: Path) -> Path | None:
    """The nearest folder upwards that holds a `.git`: the root of the working tree, or nothing."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return None


def git_dir(worktree: Path) -> Path | None:
    """The repository behind a working tree's `.git`, which is a folder, or a file that points to one."""
    dot_git = worktree / ".git"
    if dot_git.is_dir():
        return dot_git
    target = _pointer(dot_git, "gitdir: ")
    return None if target is None else worktree / target


def main_worktree(worktree: Path) -> Path:
    """The working tree that a linked one belongs to; itself for any other (a submodule's too)."""
    own = git_dir(worktree)
    common = _pointer(own / "commondir", "") if own is not None else None
    if own is None or common is None:
        return worktree
    shared = (own / common).resolve()
    return shared.parent if shared.name == ".git" else worktree


def common_dir(worktree: Path) -> Path | None:
    """The folder that linked worktrees share, where `info/exclude` is read from."""
    own = git_dir(worktree)
    common = _pointer(own / "commondir", "") if own is not None else None
    return own if own is None or common is None else (own / common).resolve()


def exclude_from_git(worktree: Path, folder: Path) -> str | None:
    """Add the folder to `info/exclude`, once; the line, or nothing when it was there, or there is no place for it.

    Raises OSError where it cannot be added: the store's own .gitignore hides its contents as well.
    """
    common = common_dir(worktree)
    if common is None or not folder.is_relative_to(worktree) or not common.is_dir():
        return None
    line = "/" + folder.relative_to(worktree).as_posix() + "/"
    path = common / "info" / "exclude"
    before = read_regular(path) if path.exists() else b""
    if os.fsencode(line) in before.split(b"\n"):
        return None
    if not path.resolve().is_relative_to(common.resolve()):
        raise OSError(errno.EXDEV, f"{path} is a link that leads out of the repository")
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.write(b"\n" * (before[-1:] not in (b"", b"\n")) + os.fsencode(line) + b"\n")
    return line


def _pointer(path: Path, prefix: str) -> str | None:
    try:
        text = os.fsdecode(read_regular(path))
    except OSError:
        return None
    return text[len(prefix) :].strip() if text.startswith(prefix) else None
