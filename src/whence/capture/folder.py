"""The code of a folder that no version control looks after: its files.

Folders that hold installed or derived things are not entered, and neither is the store. The walk is bounded: by
number of files here, by bytes when they are read. In a home folder or at the root of the file system only the files
right in the folder are taken, and hidden ones not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..records.base import Missing
from ..records.code import Code, Entry, LeftOut
from ..rules.git_objects import FILE
from ..rules.snapshot import Plan, Planned
from .captured_code import NAMED, CapturedCode, missing_unlisted, not_listed, placed
from .version import project_version

NOT_ENTERED = frozenset({
    ".git", ".hg", ".svn", ".bzr", ".jj", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache",
    ".pytest_cache", ".hypothesis", ".tox", ".nox", ".ipynb_checkpoints", ".cache", ".eggs", ".pixi", ".conda",
    ".snakemake", ".dvc", ".direnv", "site-packages", "lost+found",
})  # fmt: skip
"""Names of folders that hold no source of the project; `docs/` lists them."""

MOST_FILES = 20_000


def _walk(
    root: Path, *, store: Path | None, flat: bool, ignored: Callable[[str], bool], unlisted: list[LeftOut]
) -> Iterator[str]:
    """Paths below root, relative, in no order; links are not followed. `flat`: only what lies right in it.

    What is `ignored` is passed over: it is asked about a folder with a slash at its end. Folders that cannot be listed
    are added to `unlisted`.
    """
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            entries = list(os.scandir(root / prefix if prefix else root))
        except OSError as error:
            unlisted.append(not_listed(prefix.rstrip("/") or ".", error.strerror or str(error)))
            continue
        for entry in entries:
            path = prefix + entry.name
            if flat and entry.name.startswith("."):
                continue
            if not entry.is_dir(follow_symlinks=False):
                if not ignored(path):
                    yield path
            elif not flat and _entered(entry, store) and not ignored(path + "/"):
                pending.append(path + "/")


def _entered(entry: os.DirEntry[str], store: Path | None) -> bool:
    if entry.name in NOT_ENTERED:
        return False
    if store is not None and entry.name == store.name and os.path.realpath(entry.path) == os.path.realpath(store):
        return False
    # A virtual environment or another store, under any name.
    return not any(os.path.isfile(f"{entry.path}/{mark}") for mark in ("pyvenv.cfg", "store.json"))


def _ignored_text(paths: Sequence[str]) -> str:
    named = ", ".join(paths[:NAMED]) + (f" and {len(paths) - NAMED} more" if len(paths) > NAMED else "")
    return f"paths that match ignore rules of git are not in the snapshot, tracked or not: {named}"


def folder_code(
    where: Path, entry: Entry, home: Path | None, store: Path | None, ignored: frozenset[str] = frozenset()
) -> CapturedCode:
    """The code of a folder without version control, as it is; `home` and `store` are told apart from a project.

    `ignored` are paths that are left out, folders with a slash at their end; those that were met are named.
    """
    missing: list[Missing] = []
    met: list[str] = []

    def is_ignored(path: str) -> bool:
        if path in ignored:
            met.append(path)
        return path in ignored

    flat = where.parent == where or (home is not None and os.path.realpath(where) == os.path.realpath(home))
    if flat:
        because = f"{where} is not a project's folder: only the files right in it are kept, hidden ones not"
        missing.append(Missing(what="code.tree", because=because))
    entries: list[Planned] = []
    unlisted: list[LeftOut] = []
    for path in _walk(where, store=store, flat=flat, ignored=is_ignored, unlisted=unlisted):
        if len(entries) >= MOST_FILES:
            because = f"the folder has more than {MOST_FILES} files; the others are not in the snapshot"
            missing.append(Missing(what="code.tree", because=because))
            break
        entries.append(Planned(path, FILE, None, False))
    if unlisted:
        missing.append(missing_unlisted(unlisted))
    if met:
        missing.append(Missing(what="code.tree", because=_ignored_text(sorted(met))))
    entry = placed(entry, os.fspath(where))
    version = project_version(where, where)
    code = Code(
        vcs="none",
        dirty=None,
        root=os.fspath(where),
        entry=entry,
        version=version[0] if version else None,
        version_from=version[1] if version else None,
    )
    return CapturedCode(
        code=code,
        plan=Plan(root=os.fspath(where), entries=tuple(entries), left_out=tuple(unlisted), unlisted=bool(unlisted)),
        missing=tuple(missing),
    )
