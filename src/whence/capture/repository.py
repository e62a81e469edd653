"""What git says about a folder: the commit, the remotes, each path and its state. Nothing is written, nothing is run.

Hooks, filters and monitors are switched off for every question, so a path under a clean filter whose stat changed reads
as modified (but for Git LFS, whose filter is known); its raw bytes are what a snapshot holds in any case.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from ..records.base import Missing
from ..records.code import DirtyPath
from ..rules.remotes import without_credentials
from ..system.files import hash_file
from ..system.git import Git, GitError
from ..system.repository import find_worktree, git_dir

_NULL = "(initial)"
_HEX = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_CONVERTING = ("text", "eol", "crlf", "filter", "ident", "working-tree-encoding")
_CHANGING = frozenset({"set", "auto", "lf", "crlf", "input"})
_INERT = frozenset({"unspecified", "unset"})
_LOCAL = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX",
          "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_NAMESPACE")  # fmt: skip
"""Variables that speak of one repository and must not reach a nested one (git rev-parse --local-env-vars)."""


State = Literal["modified", "staged", "staged+modified", "deleted", "renamed", "mode", "type"]


class Tracked(NamedTuple):
    """A line of the index."""

    path: str
    mode: int
    blob: str
    hidden: bool
    """Git was told to look away: assume-unchanged or skip-worktree."""
    sparse: bool
    """skip-worktree: not being there is normal."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a repository keeps its parts."""

    root: str | None
    """The top of the working tree; nothing for a bare repository."""
    git_dir: str
    common_dir: str
    objects: str
    index: str
    object_format: str
    shallow: bool
    head_tree: str | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What `git status` said."""

    commit: str | None
    branch: str | None
    changed: dict[str, DirtyPath]
    """Every tracked path that differs from the commit."""
    content: frozenset[str]
    """Those of them whose file is there."""
    staged_only: frozenset[str]
    untracked: tuple[str, ...]
    nested: tuple[str, ...]
    """Untracked folders that are repositories."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A repository as git sees it now."""

    place: Place
    status: Status
    tracked: tuple[Tracked, ...]
    gitlinks: dict[str, str]
    converted: Mapping[str, str]
    """Paths whose bytes git may change between the folder and its objects -> the name of the filter, or nothing."""
    config: Mapping[str, list[str]]
    git: Git
    missing: tuple[Missing, ...] = ()

    @property
    def filters(self) -> tuple[str, ...]:
        return filter_names(self.config)

    @property
    def remotes(self) -> dict[str, str]:
        """Name -> address without credentials."""
        return _remotes(self.config)

    @property
    def upstream(self) -> str | None:
        """The remote that the branch follows."""
        return (self.config.get(f"branch.{self.status.branch}.remote") or [None])[-1]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What can be read of a repository whose index or objects are broken."""

    root: Path
    commit: str | None
    branch: str | None
    remotes: dict[str, str]


def read_head(folder: Path, environ: Mapping[str, str]) -> Head | None:
    """What git still says where it refuses to compare; nothing where it does not even see a repository."""
    git = Git(folder, environ)
    try:
        top = git.ask("rev-parse", "--show-toplevel")
        if not top.ok:
            return None
        status = _head_status(git)
        remotes = _remotes(parse_config(git.answer("config", "--list", "-z")))
    except GitError:
        return None
    root = Path(os.fsdecode(top.out).removesuffix("\n"))
    return Head(root=root, commit=status.commit, branch=status.branch, remotes=remotes)


def _remotes(config: Mapping[str, list[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, values in config.items():
        if key.startswith("remote.") and key.endswith(".url") and values:
            found[key[len("remote.") : -len(".url")]] = without_credentials(values[0])
    return found


class _Found(msgspec.Struct):
    missing: list[Missing] = []


def read_repository(folder: Path, environ: Mapping[str, str], *, nested: bool = False) -> View | Missing | None:
    """The repository of the folder; nothing where there is none, a `Missing` where git will not say.

    A nested one is looked at by itself, without what the environment says about the outer one.
    """
    if nested:
        environ = {k: v for k, v in environ.items() if k not in _LOCAL}
    elif "GIT_DIR" not in environ and find_worktree(folder) is None and not _looks_bare(folder):
        return None
    try:
        return _read(folder, environ)
    except GitError as error:
        return Missing(what="code.commit", because=f"git: {_first_line(str(error))}")


def _looks_bare(folder: Path) -> bool:
    return any((f / "HEAD").is_file() and (f / "objects").is_dir() for f in (folder, *folder.parents))


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0].removeprefix("fatal: ")


def _read(folder: Path, environ: Mapping[str, str]) -> View:
    found = _Found()
    git = Git(folder, environ)
    place = _find_place(git)
    if isinstance(place, str):
        git, place = _read_refused(folder, environ, place, found)
    config = parse_config(git.answer("config", "--list", "-z"))
    git = git.without_filters(filter_names(config))
    if place.root is None:
        return View(
            place=place, status=_head_status(git), tracked=(), gitlinks={}, converted={}, config=config, git=git,
            missing=(*found.missing, Missing(what="code.tree", because="a bare repository has no working folder")),
        )  # fmt: skip
    git.folder = place.root
    status = parse_status(git.answer(
        "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--ignore-submodules=dirty",
        "--no-ahead-behind", "--find-renames", seconds=60,
    ))  # fmt: skip
    tracked, gitlinks = parse_index(git.answer("ls-files", "-s", "-v", "-z", seconds=60))
    converted = _converted(git, place, config, environ, tracked, status)
    status = _without_intact_pointers(git, place, tracked, converted, status)
    return View(
        place=place, status=status, tracked=tracked, gitlinks=gitlinks, converted=converted, config=config, git=git,
        missing=tuple(found.missing),
    )  # fmt: skip


def _find_place(git: Git) -> Place | str:
    """Where everything lies, or what git said instead."""
    done = git.ask(
        "rev-parse", "--is-inside-work-tree", "--path-format=absolute", "--absolute-git-dir", "--git-common-dir",
        "--git-path", "objects", "--git-path", "index", "--show-object-format", "--is-shallow-repository",
        "--show-toplevel", "HEAD^{tree}",
    )  # fmt: skip
    lines = os.fsdecode(done.out).split("\n")[:-1]
    if len(lines) < 7:
        return done.err.decode("utf-8", "replace").strip() or "git rev-parse said nothing"
    inside, own, common, objects, index, form, shallow, *rest = lines
    return Place(
        root=rest[0] if inside == "true" and rest else None,
        git_dir=own,
        common_dir=common,
        objects=objects,
        index=index,
        object_format=form,
        shallow=shallow == "true",
        head_tree=next((line for line in rest[1:] if _HEX.fullmatch(line)), None),
    )


def _read_refused(folder: Path, environ: Mapping[str, str], said: str, found: _Found) -> tuple[Git, Place]:
    """A repository of another account: git's check guards against programs that its configuration names, and we run
    none of them, so it is read by naming its folder; that it was so is recorded."""
    root = find_worktree(folder)
    own = git_dir(root) if root is not None else None
    if root is None or own is None or ("dubious ownership" not in said and "unsafe repository" not in said):
        raise GitError(said)
    git = Git(folder, environ, extra={"GIT_DIR": os.fspath(own), "GIT_WORK_TREE": os.fspath(root)})
    place = _find_place(git)
    if isinstance(place, str):
        raise GitError(place)
    because = f"git refuses this repository ({_first_line(said)}); it was read without running anything of it"
    found.missing.append(Missing(what="code.safe_directory", because=because))
    return git, place


def _head_status(git: Git) -> Status:
    done = git.ask("rev-parse", "--verify", "-q", "HEAD")
    name = git.ask("symbolic-ref", "-q", "--short", "HEAD")
    return Status(
        commit=done.out.decode().strip() or None if done.ok else None,
        branch=os.fsdecode(name.out).strip() or None if name.ok else None,
        changed={}, content=frozenset(), staged_only=frozenset(), untracked=(), nested=(),
    )  # fmt: skip


def parse_config(listing: bytes) -> dict[str, list[str]]:
    """Keys as git prints them (section and name in lower case) -> values, the last one winning."""
    config: dict[str, list[str]] = {}
    for item in listing.split(b"\0")[:-1]:
        key, _, value = os.fsdecode(item).partition("\n")
        config.setdefault(key, []).append(value)
    return config


def filter_names(config: Iterable[str]) -> tuple[str, ...]:
    """The filters that the configuration knows."""
    return tuple(dict.fromkeys(k[len("filter.") : k.rindex(".")] for k in config if k.startswith("filter.")))


def parse_status(listing: bytes) -> Status:
    """`git status --porcelain=v2 --branch -z` (git-status(1), *Porcelain Format Version 2*)."""
    commit = branch = None
    changed: dict[str, DirtyPath] = {}
    content: set[str] = set()
    staged: set[str] = set()
    untracked: list[str] = []
    nested: list[str] = []
    items = iter(listing.split(b"\0")[:-1])
    for item in items:
        kind, _, rest = os.fsdecode(item).partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            if name == "branch.oid":
                commit = None if value == _NULL else value
            elif name == "branch.head":
                branch = None if value == "(detached)" else value
        elif kind == "?":
            (nested if rest.endswith("/") else untracked).append(rest.rstrip("/"))
        elif kind in "12u":
            before = os.fsdecode(next(items)) if kind == "2" else None
            dirty, there, staged_only = _changed_path(kind, rest, before)
            changed[dirty.path] = dirty
            if there:
                content.add(dirty.path)
            if staged_only:
                staged.add(dirty.path)
    return Status(
        commit=commit, branch=branch, changed=changed, content=frozenset(content), staged_only=frozenset(staged),
        untracked=tuple(untracked), nested=tuple(nested),
    )  # fmt: skip


_FIELDS = {"1": 7, "2": 8, "u": 9}
"""Words between the kind and the path."""


def _changed_path(kind: str, rest: str, before: str | None) -> tuple[DirtyPath, bool, bool]:
    words = rest.split(" ", _FIELDS[kind])
    path, x, y = words[-1], words[0][0], words[0][1]
    if kind == "u":
        return DirtyPath(path=path, state="conflict"), words[5] != "000000", False
    there = words[4] != "000000"
    return DirtyPath(path=path, state=_state(kind, x, y, words, there), before=before), there, y == "."


def _state(kind: str, x: str, y: str, words: list[str], there: bool) -> State:
    head_mode, index_mode, file_mode = words[2], words[3], words[4]
    if not there:
        return "deleted"
    if kind == "2":
        return "renamed"
    if "T" in (x, y):
        return "type"
    if x == "." and index_mode != file_mode and index_mode != "000000":
        return "mode"
    if y == "." and head_mode != index_mode and words[5] == words[6]:
        return "mode"
    if x != "." and y != ".":
        return "staged+modified"
    return "staged" if y == "." else "modified"


def parse_index(listing: bytes) -> tuple[tuple[Tracked, ...], dict[str, str]]:
    """`git ls-files -s -v -z`: the files once each (a path in conflict too), and the commits of nested repositories."""
    tracked: dict[str, Tracked] = {}
    gitlinks: dict[str, str] = {}
    for item in os.fsdecode(listing).split("\0"):
        if not item:
            continue
        facts, _, path = item.partition("\t")
        flag, mode, blob, _ = facts.split(" ")
        if mode == "160000":
            gitlinks[path] = blob
        else:
            sparse = flag in "Ss"
            tracked[path] = Tracked(path, int(mode, 8), blob, flag.islower() or sparse, sparse)
    return tuple(tracked.values()), gitlinks


def _converted(
    git: Git,
    place: Place,
    config: Mapping[str, list[str]],
    environ: Mapping[str, str],
    tracked: tuple[Tracked, ...],
    status: Status,
) -> dict[str, str]:
    if place.object_format != "sha1":
        return dict.fromkeys((t.path for t in tracked), "")
    everywhere = (config.get("core.autocrlf") or ["false"])[-1].lower() in ("true", "input", "yes", "on", "1", "")
    if not everywhere and not _has_attributes(place, config, environ, tracked, status):
        return {}
    paths = b"\0".join(os.fsencode(t.path) for t in tracked)
    listing = git.answer("check-attr", "-z", "--stdin", *_CONVERTING, stdin=paths + b"\0", seconds=60) if paths else b""
    return _parse_attributes(listing, everywhere)


def _has_attributes(
    place: Place,
    config: Mapping[str, list[str]],
    environ: Mapping[str, str],
    tracked: tuple[Tracked, ...],
    status: Status,
) -> bool:
    if any(t.path.endswith(".gitattributes") for t in tracked):
        return True
    if any(path.endswith(".gitattributes") for path in status.untracked):
        return True
    home = environ.get("HOME", "")
    settings = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    named = (config.get("core.attributesfile") or [f"{settings}/git/attributes"])[-1]
    if named.startswith("~"):
        return True
    return any(map(_has_lines, (f"{place.common_dir}/info/attributes", named, "/etc/gitattributes")))


def _without_intact_pointers(
    git: Git, place: Place, tracked: tuple[Tracked, ...], converted: Mapping[str, str], status: Status
) -> Status:
    """With its filter off, a file of Git LFS that was touched reads as modified; its pointer tells whether it is."""
    intact = {
        item.path
        for item in tracked
        if item.path in status.changed
        and converted.get(item.path) == "lfs"
        and status.changed[item.path].state == "modified"
        and _is_pointed_at(f"{place.root}/{item.path}", pointed_at(git, item.blob))
    }
    if not intact:
        return status
    changed = {path: dirty for path, dirty in status.changed.items() if path not in intact}
    return replace(status, changed=changed, content=status.content - intact)


def pointed_at(git: Git, blob: str) -> str | None:
    """The digest that a Git LFS pointer names (its specification, version 1)."""
    try:
        lines = git.answer("cat-file", "blob", blob).decode("ascii", "replace").splitlines()
    except GitError:
        return None
    return next((line[len("oid ") :] for line in lines if line.startswith("oid sha256:")), None)


def _is_pointed_at(path: str, digest: str | None) -> bool:
    try:
        return digest is not None and hash_file(path, follow=False).digest == digest
    except OSError:
        return False


def _has_lines(path: str) -> bool:
    try:
        return any(line.strip() and not line.startswith(b"#") for line in Path(path).read_bytes().split(b"\n"))
    except OSError:
        return False


def _parse_attributes(listing: bytes, everywhere: bool) -> dict[str, str]:
    """`git check-attr -z`: path NUL attribute NUL value NUL. With autocrlf every path that is not `-text` counts."""
    converted: dict[str, str] = {}
    fields = os.fsdecode(listing).split("\0")
    for start in range(0, len(fields) - 3 + 1, 3):
        path, name, value = fields[start : start + 3]
        if name == "filter" and value not in _INERT:
            converted[path] = value
        elif value not in _INERT or (everywhere and name == "text" and value == "unspecified"):
            converted.setdefault(path, "")
    return converted
