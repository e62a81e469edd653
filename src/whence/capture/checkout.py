"""The code of a git checkout: its commit, what differs from it, nested repositories, and the plan of its snapshot."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..records.base import Missing
from ..records.code import Code, DirtyPath, Entry, LeftOut, Repository, Submodule
from ..rules.git_objects import FILE
from ..rules.remotes import page
from ..rules.snapshot import Plan, Planned, Source, is_excluded
from ..system.files import read_regular
from ..system.git import GitError
from .captured_code import CapturedCode, Judge, missing_unlisted, placed, relative_to
from .git_listings import Tracked
from .repository import View, pointed_at, read_repository
from .version import project_version


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
    unlisted: list[LeftOut] = []
    missing: list[Missing] = []
    moved: list[str] = []
    """Nested repositories at another commit than the outer index names."""


def checkout_code(
    view: View,
    where: Path,
    entry: Entry,
    *,
    store: Path | None,
    is_result: Judge,
    code_exclude: Sequence[str],
    environ: Mapping[str, str],
    untracked_limit: int,
) -> CapturedCode:
    """The code of the repository, started at `entry`; `where` is the folder that it was found from."""
    root = view.place.root
    skipped = None if root is None else relative_to(store, Path(root))
    found = _Collected(environ=environ, skipped=skipped, untracked_limit=untracked_limit, missing=list(view.missing))
    if root is not None:
        _collect(view, "", found, 0)

    def role(path: str, tracked: bool) -> bool:
        return is_result(os.path.join(root or "", path), tracked) or is_excluded(path, code_exclude)

    results = {d.path for d in found.dirty if role(d.path, d.state != "untracked")}
    dirty_paths = [msgspec.structs.replace(d, role="result") if d.path in results else d for d in found.dirty]
    unknown = [item for item in found.unlisted if not role(item.path, False)]
    if found.unlisted:
        found.missing.append(missing_unlisted(found.unlisted))
    dirty = any(d.role == "code" for d in dirty_paths)
    if unknown and not dirty:
        found.missing.append(Missing(what="code.dirty", because="git could not look at all of the folder"))
    unsettled = any(item.what == "code.dirty" for item in found.missing)
    entry = placed(entry, root)
    version = project_version(_start(where, entry, root), Path(root)) if root is not None else None
    describe = _describe(view, found.missing)
    commit = view.status.commit
    remote = view.url
    inside = entry.path is not None and not os.path.isabs(entry.path)
    code = Code(
        vcs="git",
        root=root or view.place.git_dir,
        commit=commit,
        branch=view.status.branch,
        describe=describe,
        version=version[0] if version else describe,
        version_from=version[1] if version else ("git describe" if describe else None),
        url=page(remote, commit, entry.path if inside else None) if remote and commit else None,
        pushed=_pushed(view, found.missing),
        shallow=view.place.shallow,
        dirty=None if unsettled and not dirty else dirty,
        dirty_paths=sorted(dirty_paths, key=lambda d: d.path),
        remotes=view.remotes,
        submodules=found.submodules,
        entry=entry,
    )
    plan = None if root is None else _plan(view, root, found, skipped)
    return CapturedCode(code=code, plan=plan, missing=tuple(found.missing))


def _start(where: Path, entry: Entry, root: str | None) -> Path:
    """Where the search for the project's own version begins: at the entry if it is inside, else at the folder."""
    if root is not None and entry.path is not None and not os.path.isabs(entry.path):
        return Path(root, entry.path).parent
    return Path(os.path.realpath(where))


def _collect(view: View, prefix: str, found: _Collected, depth: int) -> None:
    """The paths of a repository, and of those nested in it, into `found`."""
    status = view.status
    found.sources.append(Source(view.place.git_dir, view.place.objects))
    found.unlisted += [msgspec.structs.replace(item, path=prefix + item.path) for item in status.unlisted]
    for item in view.tracked:
        path = prefix + item.path
        if item.path in status.changed:
            if item.path in status.content:
                found.entries.append(Planned(path, item.mode, None, True))
        elif item.hidden:
            _collect_hidden(item, view, prefix, found)
        elif item.path in view.converted:
            _collect_converted(item, view, prefix, found)
        else:
            found.entries.append(Planned(path, item.mode, item.blob, True))
    for path, dirty in status.changed.items():
        if path not in view.gitlinks:
            before = prefix + dirty.before if dirty.before is not None else None
            found.dirty.append(msgspec.structs.replace(dirty, path=prefix + path, before=before))
    for path in status.untracked:
        if not _below(prefix + path, found.skipped):
            found.entries.append(Planned(prefix + path, FILE, None, False))
            found.dirty.append(DirtyPath(path=prefix + path, state="untracked", change="added"))
    for path in dict.fromkeys((*view.gitlinks, *status.nested)):
        if not _below(prefix + path, found.skipped) and depth < 8:
            _collect_nested(view, path, prefix, found, depth)


def _below(path: str, folder: str | None) -> bool:
    return folder is not None and (path == folder or path.startswith(folder + "/"))


def _collect_hidden(item: Tracked, view: View, prefix: str, found: _Collected) -> None:
    """A file that git was told not to look at: the bytes that are there count."""
    whole = f"{view.place.root}/{item.path}"
    there = os.path.lexists(whole)
    if there:
        found.entries.append(Planned(prefix + item.path, item.mode, None, True))
    if (there and not _same_bytes(whole, item.blob, view)) or (not there and not item.sparse):
        found.dirty.append(DirtyPath(path=prefix + item.path, state="hidden", change="modified"))


def _same_bytes(path: str, blob: str, view: View) -> bool:
    """Whether git would store this blob for the file; computed by git, with filters off and nothing written."""
    try:
        return view.git.answer("hash-object", "--", path).decode().strip() == blob
    except GitError:
        return False


def _collect_converted(item: Tracked, view: View, prefix: str, found: _Collected) -> None:
    """A file whose bytes on disk may differ from git's blob: they are read, but for big content of Git LFS, whose
    digest its pointer tells."""
    try:
        size = os.lstat(f"{view.place.root}/{item.path}").st_size
    except OSError:
        return
    big = view.converted[item.path] == "lfs" and size > found.untracked_limit
    digest = pointed_at(view.git, item.blob) if big else None
    if digest is None:
        found.entries.append(Planned(prefix + item.path, item.mode, None, True))
        return
    because = "kept by Git LFS; its content is larger than untracked_limit"
    found.left_out.append(LeftOut(path=prefix + item.path, size=size, digest=digest, because=because))


def _collect_nested(outer: View, path: str, prefix: str, found: _Collected, depth: int) -> None:
    """A submodule, or a repository inside the folder: entered if it is there."""
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
    if inner.is_unsettled:
        found.missing += [msgspec.structs.replace(m, because=f"{prefix}{path}: {m.because}") for m in inner.missing]
    before = len(found.dirty)
    _collect(inner, f"{prefix}{path}/", found, depth + 1)
    dirty = len(found.dirty) > before
    commit = inner.status.commit
    if commit != expected:
        found.moved.append(prefix + path)
    if commit != expected or dirty or path in outer.status.changed:
        known = expected is not None
        state, change = ("submodule", "modified") if known else ("untracked", "added")
        found.dirty.append(DirtyPath(path=prefix + path, state=state, change=change))
    found.submodules.append(Submodule(path=prefix + path, commit=commit, expected=expected, dirty=dirty, url=inner.url))


def _plan(view: View, root: str, found: _Collected, skipped: str | None) -> Plan:
    place, status = view.place, view.status
    own = [path for path in (*status.changed, *status.untracked) if not _below(path, skipped)]
    own += [path for path in found.moved if path in view.gitlinks or path in status.nested]
    plain = not own and not view.converted and not view.gitlinks and not status.nested
    hidden = any(item.hidden for item in view.tracked)
    return Plan(
        root=root,
        entries=tuple(found.entries),
        left_out=(*found.left_out, *found.unlisted),
        unlisted=bool(found.unlisted),
        sources=tuple(s for s in found.sources if place.object_format == "sha1"),
        raw_head=place.head_tree if plain and not hidden and place.object_format == "sha1" else None,
        head_tree=place.head_tree if place.object_format == "sha1" else None,
        git_tree=place.head_tree if not own and not found.unlisted else None,
        git_changes=tuple(own) if not found.unlisted else None,
        git_dir=place.git_dir,
        index=place.index,
        filters=tuple(sorted({name for path in own if (name := view.converted.get(path))})),
        all_filters=view.filters,
    )


def _describe(view: View, missing: list[Missing]) -> str | None:
    if view.status.commit is None:
        return None
    if view.place.short_commit is not None and not _has_tags(view):
        # What describing would come to, after a walk through the whole history.
        return view.place.short_commit
    try:
        words = ("describe", "--tags", "--always", view.status.commit)
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
        return b" refs/tags/" in read_regular(common / "packed-refs")
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


def capture_repository(
    folder: Path, environ: Mapping[str, str], *, at_most: float = float("inf")
) -> Repository | Missing | None:
    """The identity of another repository whose code is imported: an editable sibling; nothing where there is none.

    Costs four calls of git, none of more than `at_most` seconds.
    """
    view = read_repository(folder, environ, nested=True, at_most=at_most)
    if view is None or isinstance(view, Missing):
        return view
    if view.is_unsettled:
        return view.missing[-1]
    # What an import leaves beside a module says nothing of it.
    dirty = any(not is_excluded(path, ()) for path in (*view.status.changed, *view.status.untracked))
    return Repository(
        path=view.place.root or view.place.git_dir,
        commit=view.status.commit,
        branch=view.status.branch,
        dirty=dirty,
        url=view.url,
        tree=None if dirty else view.place.head_tree,
    )
