"""What git says about a folder: the commit, the remotes, each path and its state. Nothing is written, nothing is run.

Hooks, filters and monitors are switched off for every question, so a path under a clean filter whose stat changed reads
as modified (but for Git LFS, whose filter is known); its raw bytes are what a snapshot holds in any case.
"""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ..records.base import Missing
from ..rules.remotes import chosen, without_credentials
from ..system.files import hash_file, read_regular
from ..system.git import Git, GitError
from ..system.repository import find_worktree, git_dir
from .git_index import Entries, read_index
from .git_listings import Status, Tracked, filter_names, parse_attributes, parse_config, parse_index, parse_status

_HEX = frozenset("0123456789abcdef")
_CONVERTING = ("text", "eol", "crlf", "filter", "ident", "working-tree-encoding")
_LOCAL = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX",
          "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_NAMESPACE")  # fmt: skip
"""Variables that speak of one repository and must not reach a nested one (git rev-parse --local-env-vars)."""


AFTER_REFUSAL = 2.0
"""Seconds for each further question to a git that has refused, or has not ended in time."""


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
    short_commit: str | None
    """As git abbreviates it here."""


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
    def is_unsettled(self) -> bool:
        """Whether it never held still: what it says is not of one moment."""
        return any(item.what == "code.dirty" for item in self.missing)

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

    @property
    def url(self) -> str | None:
        """The address of the remote that speaks for the repository."""
        remotes = self.remotes
        name = chosen(remotes, self.upstream)
        return remotes[name] if name else None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What can be read of a repository that git refuses, or cannot compare with its commit."""

    root: Path
    """The top of the working tree; the folder that was asked about where git knows of none."""
    commit: str | None = None
    branch: str | None = None
    remotes: dict[str, str] = {}


def read_head(folder: Path, environ: Mapping[str, str]) -> Head:
    """What git still says where it refuses to compare."""
    git, root = Git(folder, environ, at_most=AFTER_REFUSAL), folder
    try:
        top = git.ask("rev-parse", "--show-toplevel")
        named = os.fsdecode(top.out).removesuffix("\n")
        if top.ok and _is_inside(folder, named):
            root = Path(named)
        elif not top.ok and not git.ask("rev-parse", "--git-dir").ok:
            return Head(root=root)
        status = _head_status(git)
        remotes = _remotes(parse_config(git.answer("config", "--list", "-z")))
    except GitError:
        return Head(root=root)
    return Head(root=root, commit=status.commit, branch=status.branch, remotes=remotes)


def _remotes(config: Mapping[str, list[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, values in config.items():
        if key.startswith("remote.") and key.endswith(".url") and values:
            found[key[len("remote.") : -len(".url")]] = without_credentials(values[0])
    return found


def read_repository(
    folder: Path, environ: Mapping[str, str], *, nested: bool = False, at_most: float = float("inf")
) -> View | Missing | None:
    """The repository of the folder; nothing where there is none, a `Missing` where git will not say: it refuses what
    lies in `.git`, or the repository's working tree is elsewhere.

    A nested one is looked at by itself, without what the environment says about the outer one. No question takes
    more than `at_most` seconds.
    """
    if nested:
        environ = without_local(environ)
    elif "GIT_DIR" not in environ and find_worktree(folder) is None and not _looks_bare(folder):
        return None
    try:
        _refuse_pipes(folder)
        return _read(folder, environ, at_most)
    except GitError as error:
        return Missing(what="code.commit", because=f"git: {_first_line(str(error))}")


def without_local(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what it says about one repository."""
    return {k: v for k, v in environ.items() if k not in _LOCAL}


_OPENED = ("HEAD", "config", "index", "info/exclude", "../.gitignore", "../.gitattributes")
"""What git opens without a look, below `.git`."""


def _refuse_pipes(folder: Path) -> None:
    """Raises GitError for a pipe that git would wait at until its time is up."""
    root = find_worktree(folder)
    for name in _OPENED if root is not None else ():
        path = f"{root}/.git/{name}"
        try:
            is_pipe = modes.S_ISFIFO(os.stat(path).st_mode)
        except OSError:
            continue
        if is_pipe:
            raise GitError(f"{os.path.normpath(path)} is a pipe, which git would wait at")


def _looks_bare(folder: Path) -> bool:
    return any((f / "HEAD").is_file() and (f / "objects").is_dir() for f in (folder, *folder.parents))


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0].removeprefix("fatal: ")


LOOKS = 3
"""How often a repository is looked at while others commit, before what was read is taken for no one moment's."""


def _read(folder: Path, environ: Mapping[str, str], at_most: float) -> View:
    """What git says, all of one moment: a commit between two questions would give the commit of one, the files of
    another. Where it never holds still, what `missing` says of `code.dirty`, and no tree is vouched for."""
    view, is_one_moment = _look(folder, environ, at_most)
    for _ in range(LOOKS - 1):
        if is_one_moment:
            break
        view, is_one_moment = _look(folder, environ, at_most)
    if is_one_moment:
        return view
    because = f"the commit or the index moved while git was asked, {LOOKS} times: what it said is of several moments"
    place = replace(view.place, head_tree=None, short_commit=None)
    return replace(view, place=place, missing=(*view.missing, Missing(what="code.dirty", because=because)))


def _look(folder: Path, environ: Mapping[str, str], at_most: float) -> tuple[View, bool]:
    """What git says, and whether all of it is of one moment."""
    git, refused = Git(folder, environ, at_most=at_most), ()
    place = _find_place(git)
    if isinstance(place, str):
        git, place, refusal = _read_refused(folder, environ, place, at_most)
        refused = (refusal,)
    config = parse_config(git.answer("config", "--list", "-z"))
    git = git.without_filters(filter_names(config))
    # In a repository's own folder there is no working tree to speak of.
    if place.root is None and not _is_inside(folder, place.git_dir):
        raise GitError(_no_working_tree(config))
    if place.root is None:
        return View(
            place=place, status=_head_status(git), tracked=(), gitlinks={}, converted={}, config=config, git=git,
            missing=(*refused, Missing(what="code.tree", because="a bare repository has no working folder")),
        ), True  # fmt: skip
    git.folder = place.root
    before = _marks(place)
    status = parse_status(*git.answer_and_warnings(
        "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--ignore-submodules=dirty",
        "--no-ahead-behind", "--find-renames", seconds=60,
    ))  # fmt: skip
    tracked, gitlinks = _read_index(place, environ) or parse_index(git.answer("ls-files", "-s", "-v", "-z", seconds=60))
    is_one_moment = _marks(place) == before and (status.commit or "").startswith(place.short_commit or "")
    converted = _converted(git, place, config, environ, tracked, status)
    status = _without_intact_pointers(git, place, tracked, converted, status)
    status = _with_content(git, tracked, status)
    return View(
        place=place, status=status, tracked=tracked, gitlinks=gitlinks, converted=converted, config=config, git=git,
        missing=refused,
    ), is_one_moment  # fmt: skip


def _marks(place: Place) -> tuple[object, ...]:
    """The identities of the files that are written anew where HEAD, its branch or the index move."""
    head = f"{place.git_dir}/HEAD"
    try:
        named = os.fsdecode(read_regular(head)).removeprefix("ref:").strip()
    except OSError:
        named = ""
    common = place.common_dir
    return named, *map(_mark, (place.index, f"{common}/{named}", f"{common}/packed-refs", *_tables(place)))


def _tables(place: Place) -> tuple[str, str]:
    """Where references are kept in tables: the lists of these (git, `reftable.adoc`)."""
    return f"{place.git_dir}/reftable/tables.list", f"{place.common_dir}/reftable/tables.list"


def _mark(path: str) -> tuple[int, ...] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _read_index(place: Place, environ: Mapping[str, str]) -> Entries | None:
    """The index without asking git, where that is certain to be the same."""
    if place.object_format != "sha1" or "GIT_INDEX_FILE" in environ:
        return None
    try:
        return read_index(read_regular(place.index))
    except OSError:
        return None


def _is_inside(folder: Path, other: str) -> bool:
    """Whether the folder is the other one, or lies in it."""
    real, above = os.path.realpath(folder), os.path.realpath(other)
    return real == above or real.startswith(above.rstrip("/") + "/")


def _no_working_tree(config: Mapping[str, list[str]]) -> str:
    named = (config.get("core.worktree") or [None])[-1]
    where = "it is bare, or lies elsewhere" if named is None else f"core.worktree says {named}"
    return f"the repository has no working tree here: {where}"


def _is_id(text: str) -> bool:
    """Whether it names an object of git, by SHA-1 or SHA-256."""
    return len(text) in (40, 64) and _HEX.issuperset(text)


def _find_place(git: Git) -> Place | str:
    """Where everything lies, or what git said instead."""
    done = git.ask(
        "rev-parse", "--is-inside-work-tree", "--path-format=absolute", "--absolute-git-dir", "--git-common-dir",
        "--git-path", "objects", "--git-path", "index", "--show-object-format", "--is-shallow-repository",
        "--show-toplevel", "HEAD^{tree}", "--short", "HEAD",
    )  # fmt: skip
    lines = os.fsdecode(done.out).split("\n")[:-1]
    if len(lines) < 7:
        return done.err.decode("utf-8", "replace").strip() or "git rev-parse said nothing"
    inside, own, common, objects, index, form, shallow, *rest = lines
    # After the top: without a commit git's words for that, else the tree and the abbreviated commit.
    head_tree, short = rest[-2:] if len(rest) > 2 and _is_id(rest[-2]) else (None, None)
    return Place(
        root=rest[0] if inside == "true" and rest else None,
        git_dir=own,
        common_dir=common,
        objects=objects,
        index=index,
        object_format=form,
        shallow=shallow == "true",
        head_tree=head_tree,
        short_commit=short,
    )


def _read_refused(folder: Path, environ: Mapping[str, str], said: str, at_most: float) -> tuple[Git, Place, Missing]:
    """A repository of another account: git's check guards against programs that its configuration names, and we run
    none of them, so it is read by naming its folder; that it was so is recorded."""
    root = find_worktree(folder)
    own = git_dir(root) if root is not None else None
    if root is None or own is None or ("dubious ownership" not in said and "unsafe repository" not in said):
        raise GitError(said)
    extra = {"GIT_DIR": os.fspath(own), "GIT_WORK_TREE": os.fspath(root)}
    git = Git(folder, environ, extra=extra, at_most=at_most)
    place = _find_place(git)
    if isinstance(place, str):
        raise GitError(place)
    because = f"git refuses this repository ({_first_line(said)}); it was read without running anything of it"
    return git, place, Missing(what="code.safe_directory", because=because)


def _head_status(git: Git) -> Status:
    done = git.ask("rev-parse", "--verify", "-q", "HEAD")
    name = git.ask("symbolic-ref", "-q", "--short", "HEAD")
    return Status(
        commit=done.out.decode().strip() or None if done.ok else None,
        branch=os.fsdecode(name.out).strip() or None if name.ok else None,
        changed={}, content=frozenset(), untracked=(), nested=(),
    )  # fmt: skip


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
    return parse_attributes(listing, everywhere)


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


def _with_content(git: Git, tracked: tuple[Tracked, ...], status: Status) -> Status:
    """Of the files whose mode changed, those whose content did as well are modified. All are one question to git."""
    blobs = {
        item.path: item.blob
        for item in tracked
        if item.path in status.content and status.changed[item.path].state == "mode"
    }
    now = _blobs_now(git, list(blobs)) if blobs else {}
    edited = {
        path: replace(status.changed[path], state="modified") for path, blob in now.items() if blob != blobs[path]
    }
    return replace(status, changed=status.changed | edited) if edited else status


def _blobs_now(git: Git, paths: list[str]) -> dict[str, str]:
    """What git would store for the files; nothing is written. A name that no list of lines holds is asked for alone."""
    lines = [path for path in paths if "\n" not in path and not path.startswith('"')]
    found: dict[str, str] = {}
    try:
        said = git.answer("hash-object", "--stdin-paths", stdin=os.fsencode("\n".join([*lines, ""])), seconds=60)
        found |= dict(zip(lines, said.decode("ascii").split(), strict=True))
        for path in paths:
            if path not in found:
                found[path] = git.answer("hash-object", "--", path).decode("ascii").strip()
    except GitError:
        return found  # A file that is gone by now, or cannot be read: what git said of its mode stands.
    return found


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
        return any(line.strip() and not line.startswith(b"#") for line in read_regular(path).split(b"\n"))
    except OSError:
        return False
