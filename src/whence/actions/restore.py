"""Write the exact code of a run into a folder, or print its difference to the commit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..errors import StoreError, UsageError
from ..records.code import Code, DirtyPath, LeftOut, OutsideSource
from ..store.layout import Store
from ..store.runs import load_run
from ..store.trees import Trees


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    path: Path | None
    """Nothing when it was a plan for no folder."""
    tree: str
    files: int
    left_out: tuple[LeftOut, ...]
    """Files that were there at the launch and are not in the snapshot."""
    outside: tuple[OutsideSource, ...]
    """Sources that ran and are not in the snapshot as they ran."""


def restore(
    store: Store, run_id: str, dest: Path | None, environ: Mapping[str, str], *, plan: bool = False
) -> Restored:
    """Write the run's tree into a new or empty folder; with `plan`, or no folder, only say what would be written.

    Raises UsageError for a folder that holds something, StoreError when the tree is not (wholly) in the store. No
    other folder is touched, whatever the tree says.
    """
    code = _code_of(store, run_id)
    tree = code.tree or ""
    trees = Trees(store, environ)
    if dest is not None:
        _refuse_occupied(dest)
    if plan or dest is None:
        files = len(trees.files(tree))
    else:
        _make(dest)
        files = trees.restore(tree, dest)
    return Restored(
        path=dest, tree=tree, files=files, left_out=tuple(code.files_left_out), outside=tuple(code.outside_snapshot)
    )


def _code_of(store: Store, run_id: str) -> Code:
    code = load_run(store, run_id).record.code
    if code is None or code.tree is None:
        raise StoreError(
            f"run {run_id}: found no snapshot of its code", hint="whence show says what is missing, and why"
        )
    return code


def _make(dest: Path) -> None:
    try:
        os.makedirs(dest, exist_ok=True)
    except OSError as error:
        message = f"{dest}: cannot be made a folder: {error.strerror}"
        raise UsageError(message, hint="name a folder where you may write") from None


def _refuse_occupied(dest: Path) -> None:
    try:
        names = os.listdir(dest)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise UsageError(f"{dest}: found a file, expected a new or empty folder") from None
    if names:
        raise UsageError(
            f"{dest}: found {len(names)} entries in it, expected a new or empty folder",
            hint="name a folder that is not there yet; restore never changes existing files",
        )


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between a commit and the code that ran, and what of that difference it cannot have."""

    content: bytes
    left_out: tuple[LeftOut, ...] = ()
    nested: tuple[DirtyPath, ...] = ()
    """What differed in submodules and other nested repositories: their commits are not kept, so there is nothing to
    compare with."""
    outside: tuple[OutsideSource, ...] = ()


def patch(store: Store, run_id: str, environ: Mapping[str, str]) -> Patch:
    """The difference between the run's commit and the code that ran, for `git apply` in a fresh clone.

    Empty when the folder was clean. Raises StoreError when the commit's own tree was not kept.
    """
    code = _code_of(store, run_id)
    if code.vcs != "git" or code.commit is None:
        raise UsageError(f"run {run_id}: found no commit to compare with", hint="restore the whole tree instead")
    trees = Trees(store, environ)
    base = trees.base_of(run_id)
    if base is None:
        if not code.dirty_paths:
            return Patch(content=b"", left_out=tuple(code.files_left_out), outside=tuple(code.outside_snapshot))
        raise StoreError(f"run {run_id}: the tree of its commit was not kept", hint="restore the whole tree instead")
    nested = [dirty for dirty in code.dirty_paths if _is_nested(dirty, code)]
    paths: list[str] = []
    for dirty in code.dirty_paths:
        if not _is_nested(dirty, code):
            paths += [dirty.path] if dirty.before is None else [dirty.before, dirty.path]
    return Patch(
        content=trees.patch(base, code.tree or "", paths),
        left_out=tuple(code.files_left_out),
        nested=tuple(nested),
        outside=tuple(code.outside_snapshot),
    )


def _is_nested(dirty: DirtyPath, code: Code) -> bool:
    return dirty.state == "submodule" or dirty.path.startswith(tuple(f"{one.path}/" for one in code.submodules))
