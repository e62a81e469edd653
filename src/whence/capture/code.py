"""The code that is about to run: what version control says, what was started, and the plan of the exact snapshot.

Nothing is copied here; `store.snapshots` carries the plan out. The user's repository is only read.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from ..records.base import Missing
from ..records.code import Code, Declared, DirtyPath, Entry, LeftOut, Repository, Submodule
from ..rules.remotes import chosen, page, parse_remote, without_credentials
from ..rules.snapshot import Plan, Planned, Source, is_excluded, without_refused
from ..system.git import GitError
from ..system.repository import find_worktree
from .distribution import find_distribution
from .entry import resolve_entry
from .folder import MOST_FILES, walk
from .repository import Head, View, pointed_at, read_head, read_repository
from .version import project_version

Judge = Callable[[str], bool]


class CapturedCode(msgspec.Struct, frozen=True, kw_only=True):
    """The code without the identities of its snapshot, and how to take that."""

    code: Code
    plan: Plan | None
    """Nothing where there is no folder to speak of."""
    missing: tuple[Missing, ...]


class _Collected(msgspec.Struct):
    """What a repository and those nested in it come to, and what holds for all of them."""

    environ: Mapping[str, str]
    skipped: str | None
    """The folder of the store, from the outermost root, if it lies in it."""
    untracked_limit: int
    entries: list[Planned] = []
    dirty: list[DirtyPath] = []
    left_out: list[LeftOut] = []
    sources: list[Source] = []
    submodules: list[Submodule] = []
    missing: list[Missing] = []
    moved: list[str] = []
    """Nested repositories at another commit than the outer index names."""


def no_result(path: str) -> bool:
    """The judge of a store without earlier runs."""
    return False


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

    `is_result` tells the absolute paths that earlier runs recorded as outputs. Costs about six calls of
    git, of 2 ms each in a small repository. Never raises for the state of the world: that is in `missing`.
    """
    started = entry or resolve_entry(argv, cwd, environ)
    where = _home_of_code(cwd, started, environ)
    view = read_repository(where, environ)
    missing: list[Missing] = []
    head = None
    if isinstance(view, Missing):
        head = read_head(where, environ)
        missing.append(msgspec.structs.replace(view, what="code.dirty") if head and head.commit else view)
        view = None
    if head is not None:
        captured = _with_head(head, started, home, store)
    elif view is None:
        captured = _of_package(_without_repository(where, cwd, started, home, store), started, argv, cwd, environ)
    else:
        captured = _with_repository(view, where, started, store, is_result, code_exclude, environ, untracked_limit)
    declared = _declared(captured.code, declared_url, declared_commit, view)
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


# -- with git ---------------------------------------------------------------------------------------------------------


def _with_repository(
    view: View,
    where: Path,
    entry: Entry,
    store: Path | None,
    is_result: Judge,
    code_exclude: Sequence[str],
    environ: Mapping[str, str],
    untracked_limit: int,
) -> CapturedCode:
    root = view.place.root
    skipped = None if root is None else _relative(store, Path(root))
    found = _Collected(environ=environ, skipped=skipped, untracked_limit=untracked_limit, missing=list(view.missing))
    if root is not None:
        _collect(view, "", found, 0)

    def role(path: str) -> bool:
        return is_result(os.path.join(root or "", path)) or is_excluded(path, code_exclude)

    dirty_paths = [msgspec.structs.replace(d, role="result") if role(d.path) else d for d in found.dirty]
    entry = _placed(entry, root)
    version = project_version(_start(where, entry, root), Path(root)) if root is not None else None
    describe = _describe(view, found.missing)
    commit = view.status.commit
    remotes = view.remotes
    remote = chosen(remotes, view.upstream)
    inside = entry.path is not None and not os.path.isabs(entry.path)
    code = Code(
        vcs="git",
        root=root or view.place.git_dir,
        commit=commit,
        branch=view.status.branch,
        describe=describe,
        version=version[0] if version else describe,
        version_from=version[1] if version else ("git describe" if describe else None),
        url=page(remotes[remote], commit, entry.path if inside else None) if remote and commit else None,
        pushed=_pushed(view, found.missing),
        shallow=view.place.shallow,
        dirty=any(d.role == "code" for d in dirty_paths),
        dirty_paths=sorted(dirty_paths, key=lambda d: d.path),
        remotes=remotes,
        submodules=found.submodules,
        entry=entry,
    )
    plan = None if root is None else _plan(view, root, found, skipped)
    return CapturedCode(code=code, plan=plan, missing=tuple(found.missing))


def _relative(path: Path | None, root: Path) -> str | None:
    if path is None:
        return None
    real, top = os.path.realpath(path), os.path.realpath(root)
    return os.path.relpath(real, top) if real.startswith(top.rstrip("/") + "/") else None


def _placed(entry: Entry, root: str | None) -> Entry:
    """The entry with its path relative to the root, where it lies inside."""
    if entry.path is None or root is None:
        return entry
    relative = _relative(Path(entry.path).parent, Path(root))
    name = os.path.basename(entry.path)
    if relative is None:
        at_top = os.path.realpath(Path(entry.path).parent) == os.path.realpath(root)
        return msgspec.structs.replace(entry, path=name) if at_top else entry
    return msgspec.structs.replace(entry, path=f"{relative}/{name}")


def _start(where: Path, entry: Entry, root: str | None) -> Path:
    """Where the search for the project's own version begins: at the entry if it is inside, else at the folder."""
    if root is not None and entry.path is not None and not os.path.isabs(entry.path):
        return Path(root, entry.path).parent
    real = os.path.realpath(where)
    return Path(real)


def _collect(view: View, prefix: str, found: _Collected, depth: int) -> None:
    """The paths of a repository, and of those nested in it, into `found`."""
    status, root = view.status, view.place.root or ""
    found.sources.append(Source(view.place.git_dir, view.place.objects))
    for item in view.tracked:
        path = prefix + item.path
        if item.path in status.changed:
            if item.path in status.content:
                found.entries.append(Planned(path, item.mode, None, True))
        elif item.hidden:
            _collect_hidden(item.path, item.mode, item.blob, item.sparse, root, prefix, found, view)
        elif item.path in view.converted:
            _collect_converted(item.path, item.mode, item.blob, root, prefix, found, view)
        else:
            found.entries.append(Planned(path, item.mode, item.blob, True))
    for path, dirty in status.changed.items():
        if path not in view.gitlinks:
            before = prefix + dirty.before if dirty.before is not None else None
            found.dirty.append(msgspec.structs.replace(dirty, path=prefix + path, before=before))
    for path in status.untracked:
        if not _below(prefix + path, found.skipped):
            found.entries.append(Planned(prefix + path, 0o100644, None, False))
            found.dirty.append(DirtyPath(path=prefix + path, state="untracked"))
    for path in dict.fromkeys((*view.gitlinks, *status.nested)):
        if not _below(prefix + path, found.skipped) and depth < 8:
            _collect_nested(view, path, prefix, found, depth)


def _below(path: str, folder: str | None) -> bool:
    return folder is not None and (path == folder or path.startswith(folder + "/"))


def _collect_hidden(
    path: str, mode: int, blob: str, sparse: bool, root: str, prefix: str, found: _Collected, view: View
) -> None:
    """A file that git was told not to look at: the bytes that are there count."""
    there = os.path.lexists(f"{root}/{path}")
    if there:
        found.entries.append(Planned(prefix + path, mode, None, True))
    if (there and not _same_bytes(f"{root}/{path}", blob, view)) or (not there and not sparse):
        found.dirty.append(DirtyPath(path=prefix + path, state="hidden"))


def _same_bytes(path: str, blob: str, view: View) -> bool:
    """Whether git would store this blob for the file; computed by git, with filters off and nothing written."""
    try:
        return view.git.answer("hash-object", "--", path).decode().strip() == blob
    except GitError:
        return False


def _collect_converted(path: str, mode: int, blob: str, root: str, prefix: str, found: _Collected, view: View) -> None:
    """A file whose bytes on disk may differ from git's blob: they are read, but for big content of Git LFS, whose
    digest its pointer tells."""
    whole = f"{root}/{path}"
    try:
        size = os.lstat(whole).st_size
    except OSError:
        return
    digest = pointed_at(view.git, blob) if view.converted[path] == "lfs" and size > found.untracked_limit else None
    if digest is None:
        found.entries.append(Planned(prefix + path, mode, None, True))
        return
    because = "kept by Git LFS; its content is larger than untracked_limit"
    found.left_out.append(LeftOut(path=prefix + path, size=size, digest=digest, because=because))


def _collect_nested(outer: View, path: str, prefix: str, found: _Collected, depth: int) -> None:
    folder = Path(outer.place.root or "", path)
    expected = outer.gitlinks.get(path)
    if not (folder / ".git").exists():
        if expected is not None:
            found.submodules.append(Submodule(path=prefix + path, commit=None, expected=expected))
        return
    inner = read_repository(folder, found.environ, nested=True)
    if inner is None or isinstance(inner, Missing):
        because = inner.because if inner is not None else "it is not a repository"
        found.missing.append(Missing(what=f"code.submodules.{prefix + path}", because=because))
        return
    before = len(found.dirty)
    _collect(inner, f"{prefix}{path}/", found, depth + 1)
    dirty = len(found.dirty) > before
    commit = inner.status.commit
    if commit != expected:
        found.moved.append(prefix + path)
    if commit != expected or dirty or path in outer.status.changed:
        state = "submodule" if expected is not None else "untracked"
        found.dirty.append(DirtyPath(path=prefix + path, state=state))
    remotes = inner.remotes
    remote = chosen(remotes, inner.upstream)
    found.submodules.append(Submodule(
        path=prefix + path, commit=commit, expected=expected, dirty=dirty, url=remotes[remote] if remote else None
    ))  # fmt: skip


def _plan(view: View, root: str, found: _Collected, skipped: str | None) -> Plan:
    place, status = view.place, view.status
    own = [path for path in (*status.changed, *status.untracked) if not _below(path, skipped)]
    own += [path for path in found.moved if path in view.gitlinks or path in status.nested]
    plain = not own and not view.converted and not view.gitlinks and not status.nested
    hidden = any(item.hidden for item in view.tracked)
    return Plan(
        root=root,
        entries=tuple(found.entries),
        left_out=tuple(found.left_out),
        sources=tuple(s for s in found.sources if place.object_format == "sha1"),
        raw_head=place.head_tree if plain and not hidden and place.object_format == "sha1" else None,
        head_tree=place.head_tree if place.object_format == "sha1" else None,
        git_tree=place.head_tree if not own else None,
        git_changes=tuple(own),
        git_dir=place.git_dir,
        index=place.index,
        filters=tuple(sorted({name for path in own if (name := view.converted.get(path))})),
        all_filters=view.filters,
    )


def _describe(view: View, missing: list[Missing]) -> str | None:
    if view.status.commit is None:
        return None
    # Without tags describing is the abbreviated commit, after a walk through the whole history.
    words = ("describe", "--tags", "--always") if _has_tags(view) else ("rev-parse", "--short", "HEAD")
    try:
        return os.fsdecode(view.git.answer(*words, seconds=2)).strip()
    except GitError as error:
        missing.append(Missing(what="code.describe", because=str(error)))
        return None


def _has_tags(view: View) -> bool:
    """Whether describing is worth a walk through the history; unknown counts as yes."""
    common = Path(view.place.common_dir)
    if (common / "reftable").exists():
        return True
    try:
        if os.listdir(common / "refs" / "tags"):
            return True
        return b" refs/tags/" in (common / "packed-refs").read_bytes()
    except OSError:
        return False


def _pushed(view: View, missing: list[Missing]) -> bool | None:
    commit = view.status.commit
    if commit is None or not view.remotes:
        return None
    words = ("for-each-ref", "--count=1", "--format=%(refname)", "--contains", commit, "refs/remotes")
    try:
        return bool(view.git.answer(*words, seconds=3).strip())
    except GitError as error:
        missing.append(Missing(what="code.pushed", because=str(error)))
        return None


def capture_repository(folder: Path, environ: Mapping[str, str], package: str | None = None) -> Repository | None:
    """The identity of another repository whose code is imported: an editable sibling. Costs four calls of git."""
    view = read_repository(folder, environ, nested=True)
    if view is None or isinstance(view, Missing):
        return None
    remotes = view.remotes
    remote = chosen(remotes, view.upstream)
    dirty = bool(view.status.changed or view.status.untracked)
    return Repository(
        path=view.place.root or view.place.git_dir,
        commit=view.status.commit,
        dirty=dirty,
        url=remotes[remote] if remote else None,
        tree=None if dirty else view.place.head_tree,
        package=package,
    )


def _with_head(head: Head, entry: Entry, home: Path | None, store: Path | None) -> CapturedCode:
    """A repository that git cannot compare with its commit: the folder as it is. Not known to be clean, it is dirty."""
    captured = _without_repository(head.root, head.root, entry, home, store)
    code = msgspec.structs.replace(
        captured.code, vcs="git", commit=head.commit, branch=head.branch, remotes=head.remotes, dirty=True
    )
    return msgspec.structs.replace(captured, code=code)


# -- without git ------------------------------------------------------------------------------------------------------


def _without_repository(where: Path, cwd: Path, entry: Entry, home: Path | None, store: Path | None) -> CapturedCode:
    missing: list[Missing] = []
    flat = where.parent == where or (home is not None and os.path.realpath(where) == os.path.realpath(home))
    if flat:
        because = f"{where} is not a project's folder: only the files right in it are kept, hidden ones not"
        missing.append(Missing(what="code.tree", because=because))
    entries: list[Planned] = []
    for path in walk(where, store=store, flat=flat):
        if len(entries) >= MOST_FILES:
            because = f"the folder has more than {MOST_FILES} files; the others are not in the snapshot"
            missing.append(Missing(what="code.tree", because=because))
            break
        entries.append(Planned(path, 0o100644, None, False))
    entry = _placed(entry, os.fspath(where))
    version = project_version(where, where)
    code = Code(
        vcs="none",
        root=os.fspath(where),
        entry=entry,
        version=version[0] if version else None,
        version_from=version[1] if version else None,
    )
    return CapturedCode(code=code, plan=Plan(root=os.fspath(where), entries=tuple(entries)), missing=tuple(missing))


def _of_package(
    captured: CapturedCode, entry: Entry, argv: Sequence[str], cwd: Path, environ: Mapping[str, str]
) -> CapturedCode:
    """Of an installed program the folder says too little: its distribution is part of the identity."""
    if captured.code.entry and captured.code.entry.path and not os.path.isabs(captured.code.entry.path):
        return captured  # The folder holds what was started.
    found, missing = find_distribution(entry, argv, cwd, environ)
    code = captured.code
    if found is not None:
        version_from = f"{found.name}-{found.version}.dist-info"
        code = msgspec.structs.replace(
            code, vcs="package", id=found.id, version=found.version, version_from=version_from
        )
    return CapturedCode(code=code, plan=captured.plan, missing=(*captured.missing, *missing))


# -- declared ---------------------------------------------------------------------------------------------------------


def _declared(code: Code, url: str | None, commit: str | None, view: View | None) -> list[Declared]:
    declared: list[Declared] = []
    if commit is not None:
        agrees = code.commit is not None and len(commit) >= 7 and code.commit.startswith(commit.lower())
        declared.append(_expectation("code.commit", commit, code.commit, agrees))
    if url is not None:
        clean = without_credentials(url)
        observed = code.url or next(iter(code.remotes.values()), None)
        agrees = clean == code.url or any(_same_place(clean, other) for other in code.remotes.values())
        declared.append(_expectation("code.url", clean, observed, agrees))
    return declared


def _expectation(name: str, value: str, observed: str | None, agrees: bool) -> Declared:
    checked = "unchecked" if observed is None else "agrees" if agrees else "differs"
    return Declared(name=name, value=value, checked=checked, observed=observed)


def _same_place(url: str, remote: str) -> bool:
    """Whether both addresses mean one repository: `git@host:a/b.git`, `https://host/a/b`, or a page below it."""
    one, other = parse_remote(url), parse_remote(remote)
    if one is None or other is None or one.host != other.host:
        return False
    return one.path == other.path or one.path.startswith(
        (f"{other.path}/blob/", f"{other.path}/tree/", f"{other.path}/-/")
    )
