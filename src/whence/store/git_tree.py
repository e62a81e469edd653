"""`code.git_tree`: what git itself would commit for a folder, computed in a scratch index.

Nothing of the user's is written: their index is copied, and no blob is stored (`--info-only`). The trees are computed
here: `git write-tree` would freshen the times of objects that the user's repository holds, and without a view of them
would write every tree anew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..rules.git_objects import Blob, build_trees, path_bytes
from ..rules.snapshot import Plan
from ..system.files import make_folders
from ..system.git import Git, GitError


def git_tree(plan: Plan, scratch: Path, environ: Mapping[str, str]) -> str:
    """`git add -A` and `git write-tree`, without either's traces. Raises GitError when that cannot be truthful."""
    if plan.filters:
        raise GitError(f"files under the filter {plan.filters[0]!r} differ from the commit, and filters are never run")
    make_folders(scratch / "objects")
    try:
        return _compute(plan, scratch, environ)
    finally:
        _remove(scratch)


def _compute(plan: Plan, scratch: Path, environ: Mapping[str, str]) -> str:
    index = os.fspath(scratch / "index")
    if plan.index is not None and os.path.exists(plan.index):
        # With its time: a file changed in the second in which the index was written is only found by that.
        _copy_with_time(plan.index, index)
    place = {"GIT_DIR": plan.git_dir or "", "GIT_WORK_TREE": plan.root, "GIT_INDEX_FILE": index}
    git = Git(plan.root, environ, filters=plan.all_filters, extra=place)
    paths = b"\0".join(map(path_bytes, plan.git_changes or ())) + b"\0"
    git.answer("update-index", "--info-only", "--add", "--remove", "--replace", "-z", "--stdin", stdin=paths)
    listing = os.fsdecode(git.answer("ls-files", "-s", "-z")).split("\0")[:-1]
    if listing and len(listing[0].split(" ", 2)[1]) != 40:
        return _write_tree(git, scratch)
    return build_trees(_listed(line) for line in listing)[0]


def _listed(line: str) -> Blob:
    facts, _, path = line.partition("\t")
    return Blob(path, int(facts[:6], 8), facts[7:47])


def _write_tree(git: Git, scratch: Path) -> str:
    """For a repository of SHA-256 objects: git computes, and writes where nothing of the user's is in view."""
    alone = git.with_environ({"GIT_OBJECT_DIRECTORY": os.fspath(scratch / "objects")})
    return alone.answer("write-tree", "--missing-ok").decode().strip()


def _copy_with_time(source: str, dest: str) -> None:
    stat = os.stat(source)
    Path(dest).write_bytes(Path(source).read_bytes())
    os.utime(dest, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _remove(folder: Path) -> None:
    """The scratch folder with all that is in it."""
    for root, folders, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(f"{root}/{name}")
        for name in folders:
            os.rmdir(f"{root}/{name}")
    os.rmdir(folder)
