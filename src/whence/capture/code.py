"""The code that is about to run: what version control says, what was started, and the plan of the exact snapshot.

Nothing is copied here; `store.snapshots` carries the plan out. The user's repository is only read.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..records.base import Missing
from ..records.code import Entry
from ..rules.declared import declared_code
from ..rules.snapshot import without_refused
from ..system.git import GitError
from ..system.repository import find_worktree
from .captured_code import CapturedCode, Judge, no_result
from .checkout import checkout_code
from .entry import missing_digest, resolve_entry
from .folder import folder_code
from .repository import Head, read_head, read_repository


def capture_code(
    cwd: Path,
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    entry: Entry | None = None,
    home: Path | None = None,
    store: Path | None = None,
    is_result: Judge = no_result,
    code_exclude: Sequence[str] = (),
    untracked_limit: int = 10 << 20,
    declared_url: str | None = None,
    declared_commit: str | None = None,
) -> CapturedCode:
    """Look at the code of a command (or of `entry`, for code that runs in this process).

    `is_result` tells the absolute paths that earlier runs recorded as outputs. Costs about five calls of
    git, of 2 ms each in a small repository. Never raises for the state of the world: that is in `missing`.
    """
    started = entry or resolve_entry(argv, cwd, environ)
    where = _home_of_code(cwd, started, environ)
    view = read_repository(where, environ)
    missing = [undigested] if (undigested := missing_digest(started)) else []
    if isinstance(view, Missing):
        head = read_head(where, environ)
        missing.append(msgspec.structs.replace(view, what="code.dirty") if head.commit else view)
        root = find_worktree(head.root)
        ignored = frozenset[str]() if root is None else _ignored(head.root, root, environ, missing)
        captured = _of_package(_with_head(head, started, home, store, ignored), started, argv, cwd, environ)
    elif view is None:
        captured = _of_package(folder_code(where, started, home, store), started, argv, cwd, environ)
    else:
        captured = checkout_code(
            view, where, started, store=store, is_result=is_result, code_exclude=code_exclude, environ=environ,
            untracked_limit=untracked_limit,
        )  # fmt: skip
    declared = declared_code(captured.code, declared_url, declared_commit)
    code = msgspec.structs.replace(captured.code, declared=declared)
    plan = captured.plan and without_refused(captured.plan, functools.partial(_size, captured.plan.root))
    return CapturedCode(code=code, plan=plan, missing=(*missing, *captured.missing))


def _size(root: str, path: str) -> int:
    try:
        return os.lstat(f"{root}/{path}").st_size
    except OSError:
        return 0


def _home_of_code(cwd: Path, entry: Entry, environ: Mapping[str, str]) -> Path:
    """The folder whose code runs: the working folder, unless the script lies in another project."""
    if "GIT_DIR" in environ or entry.path is None or entry.kind not in ("file", "notebook", "function"):
        return cwd
    folder = Path(entry.path).parent
    own = find_worktree(folder)
    root = find_worktree(cwd)
    inside = root or cwd
    if folder == inside or inside in folder.parents or (own is not None and own == root):
        return cwd
    return folder if own is not None or root is None else cwd


def _ignored(folder: Path, root: Path, environ: Mapping[str, str], missing: list[Missing]) -> frozenset[str]:
    """What git ignores below the folder, relative to it, in a working tree whose repository is broken."""
    from .ignored import ignored_paths  # Few repositories are broken.

    try:
        paths = ignored_paths(root, environ)
    except (GitError, OSError) as error:
        because = f"which files git ignores is not known, so they are in the snapshot too: {error}"
        missing.append(Missing(what="code.tree", because=because))
        return frozenset()
    inside = os.path.relpath(os.path.realpath(folder), os.path.realpath(root)) + "/"
    return paths if inside == "./" else frozenset(p.removeprefix(inside) for p in paths if p.startswith(inside))


def _with_head(
    head: Head, entry: Entry, home: Path | None, store: Path | None, ignored: frozenset[str]
) -> CapturedCode:
    """A repository that git cannot compare with its commit: the folder as it is, not known to be clean."""
    captured = folder_code(head.root, entry, home, store, ignored)
    code = msgspec.structs.replace(
        captured.code, vcs="git", commit=head.commit, branch=head.branch, remotes=head.remotes, dirty=None
    )
    return msgspec.structs.replace(captured, code=code)


def _of_package(
    captured: CapturedCode, entry: Entry, argv: Sequence[str], cwd: Path, environ: Mapping[str, str]
) -> CapturedCode:
    """Of an installed program the folder says too little: its distribution is part of the identity."""
    if captured.code.entry and captured.code.entry.path and not os.path.isabs(captured.code.entry.path):
        return captured  # The folder holds what was started.
    from .distribution import find_distribution  # with `csv` and the search for an interpreter

    found, missing = find_distribution(entry, argv, cwd, environ)
    code = captured.code
    if found is not None:
        version_from = f"{found.name}-{found.version}.dist-info"
        code = msgspec.structs.replace(
            code, vcs="package", id=found.id, version=found.version, version_from=version_from
        )
    return CapturedCode(code=code, plan=captured.plan, missing=(*captured.missing, *missing))
