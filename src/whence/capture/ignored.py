"""What git ignores in a folder whose own repository is broken: asked of an empty repository that is made for it.

To an empty one every file is untracked, so what the ignore rules match is ignored, also what had been tracked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from ..system.files import read_regular
from ..system.git import Git
from ..system.repository import common_dir
from .repository import without_local


def ignored_paths(worktree: Path, environ: Mapping[str, str]) -> frozenset[str]:
    """Relative to the top of the working tree; a folder that is ignored as a whole ends in a slash.

    Rules are those of `.gitignore` files, of the repository's `info/exclude`, and of the user's own settings.
    Raises GitError, OSError.
    """
    with TemporaryDirectory(prefix="whence-") as folder:
        empty = Path(folder)
        _make_empty(empty, _excluded(worktree))
        git = Git(worktree, without_local(environ), extra={"GIT_DIR": folder, "GIT_WORK_TREE": os.fspath(worktree)})
        listing = git.answer("status", "--porcelain", "-z", "--untracked-files=all", "--ignored=matching", seconds=10)
    return frozenset(os.fsdecode(line[3:]) for line in listing.split(b"\0") if line.startswith(b"!! "))


def _make_empty(folder: Path, exclude: bytes) -> None:
    """A repository without a commit (gitrepository-layout(5))."""
    for name in ("objects", "refs", "info"):
        (folder / name).mkdir()
    (folder / "HEAD").write_bytes(b"ref: refs/heads/none\n")
    (folder / "info" / "exclude").write_bytes(exclude)


def _excluded(worktree: Path) -> bytes:
    own = common_dir(worktree)
    try:
        return read_regular(own / "info" / "exclude") if own is not None else b""
    except OSError:
        return b""
