"""Finds the store, loads the policy, and builds what the actions need.

The only reader of environment variables and of the home folder, and the only place that names concrete back-ends.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .digests import digest_of
from .errors import StoreError, UsageError
from .ids import new_id
from .recorder.request import Surroundings
from .rules.policy import Policy, resolve
from .rules.secrets import Secrets
from .store.layout import MARK, NAME, Store, create_store, find_store, open_store, put_back_guard
from .store.spools import Spools
from .system.descriptors import left
from .system.files import read_regular, write_new
from .system.mounts import file_system
from .system.repository import exclude_from_git, find_worktree, main_worktree
from .version import VERSION

if TYPE_CHECKING:
    from .index.sqlite import SqliteIndex
    from .records.act import Actor
    from .store.dataset_tables import Describe

OPEN_FILES = 32
"""That a recorder has open at most, and some to spare."""

KEY_BYTES = 32

INDEX = "index.sqlite"
"""The file of the index, below a cache folder."""

SHARED_FOLDERS = (Path("/var/tmp"), Path("/tmp"))
"""Where spools go when the home is on the network, as on clusters; the first outlives a restart."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Where a command was started, and what surrounds it."""

    cwd: Path
    environ: Mapping[str, str]
    home: Path | None


def setting() -> Setting:
    """The setting of this process. Raises UsageError when the working folder is gone."""
    try:
        cwd = Path.cwd()
    except FileNotFoundError:
        raise UsageError("the working folder does not exist any more", hint="change to a folder that does") from None
    return Setting(cwd=cwd, environ=os.environ, home=_home(os.environ))


def _home(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("HOME", "")
    return Path(home) if home.startswith("/") else None


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file that the policy was read from, and its table."""

    path: Path | None
    table: Mapping[str, Any]


def find_policy_file(start: Path, *, wrong: Callable[[UsageError], None] | None = None) -> PolicyFile:
    """The nearest `whence.toml`, or `pyproject.toml` with a table `[tool.whence]`, upwards.

    Raises UsageError for one that cannot be read; with `wrong` it is told there, and counts as empty.
    """
    for folder in (start, *start.parents):
        own = folder / "whence.toml"
        if own.is_file():
            return PolicyFile(path=own, table=_toml(own, wrong) or {})
        project = folder / "pyproject.toml"
        # Reading TOML costs 10 ms of import: a file that does not mention us is not parsed.
        if project.is_file() and b"tool.whence" in _bytes(project, wrong):
            whole = _toml(project, wrong)
            if whole is None:
                return PolicyFile(path=project, table={})
            table = whole.get("tool", {}).get("whence")
            if table is not None:
                return PolicyFile(path=project, table=table)
    return PolicyFile(path=None, table={})


def _bytes(path: Path, wrong: Callable[[UsageError], None] | None) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _fault(UsageError(f"{path}: cannot be read: {error.strerror}", hint="make it readable"), wrong)
        return b""


def _toml(path: Path, wrong: Callable[[UsageError], None] | None) -> dict[str, Any] | None:
    """What the file says; nothing when it is no TOML."""
    import tomllib

    try:
        return tomllib.loads(_bytes(path, wrong).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        _fault(UsageError(f"{path}: not valid TOML: {error}", hint="mend the file, or move it away"), wrong)
        return None


def _fault(error: UsageError, wrong: Callable[[UsageError], None] | None) -> None:
    if wrong is None:
        raise error from None
    wrong(error)


def load_policy(
    where: Setting, flags: Sequence[str] = (), *, wrong: Callable[[UsageError], None] | None = None
) -> Policy:
    """The policy that holds here. Raises UsageError for an unknown key or a wrong value, naming its source; with
    `wrong` they are told there and left out, for those who record nothing.
    """
    file = find_policy_file(where.cwd, wrong=wrong)
    return resolve(flags=flags, environ=where.environ, file=file.table, where=str(file.path or ""), wrong=wrong)


def store_policy(where: Setting, *, wrong: Callable[[UsageError], None]) -> Policy:
    """What says where the store is, and no other key: what is read must not depend on what a run would be refused for.

    A file that cannot be read is told to `wrong`. Raises UsageError for a store that is no path.
    """
    variable = "WHENCE_POLICY_STORE"
    environ = {variable: where.environ[variable]} if variable in where.environ else {}
    file = find_policy_file(where.cwd, wrong=wrong)
    named = {"store": file.table["store"]} if "store" in file.table else {}
    return resolve(environ=environ, file=named, where=str(file.path or ""))


def store_path(where: Setting, policy: Policy) -> Path:
    """Where the store is, or where the first run would make it."""
    if where.environ.get("WHENCE_STORE"):
        return where.cwd / where.environ["WHENCE_STORE"]
    if policy.store:
        file = find_policy_file(where.cwd, wrong=lambda error: None).path
        return (file.parent if file else where.cwd) / cast("str", policy.store)
    found = find_store(where.cwd)
    if found is not None:
        return found
    worktree = find_worktree(where.cwd)
    return (main_worktree(worktree) if worktree else where.cwd) / NAME


def existing_store(where: Setting, policy: Policy) -> Store:
    """The store that is there. Raises StoreError when there is none."""
    path = store_path(where, policy)
    if not path.exists():
        raise StoreError(
            f"no store at {path}",
            hint="the first `whence run -- COMMAND` or `whence data create NAME PATH` makes one; WHENCE_STORE names one"
            " elsewhere",
        )
    return open_store(path)


def store_for_run(where: Setting, policy: Policy) -> tuple[Store, bool]:
    """The store, made now if there is none; and whether it was made now."""
    path = store_path(where, policy)
    # Not `path.exists()`: another process may be half way through making it.
    if (path / MARK).exists():
        store = open_store(path)
        put_back_guard(store)
        return store, False
    now, random = time.time_ns(), os.urandom(10)
    store = create_store(path, now_ns=now, random=random)
    # Of many that make it at once, it is that of the one whose identifier it has.
    return store, store.id == new_id(now // 1_000_000, random)


def user_key(where: Setting) -> bytes:
    """The key that stands behind `<secret keyed:…>`: made once, readable by its owner alone, outside any store.

    Where there is no home to keep it in, a key for this process: then nobody can compare the secrets of two runs.
    """
    folder = _config_folder(where)
    if folder is None:
        return os.urandom(KEY_BYTES)
    path = folder / "key"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_new(path, os.urandom(KEY_BYTES), mode=0o600)
        key = read_regular(path)
    except OSError:
        return os.urandom(KEY_BYTES)
    return key if len(key) == KEY_BYTES else os.urandom(KEY_BYTES)


def _config_folder(where: Setting) -> Path | None:
    configured = where.environ.get("XDG_CONFIG_HOME", "")
    if configured.startswith("/"):
        return Path(configured) / "whence"
    return None if where.home is None else where.home / ".config" / "whence"


def secrets_of(where: Setting, policy: Policy) -> Secrets:
    """What finds and masks secrets for this user and project, those of the environment wherever they stand."""
    return Secrets(user_key(where), cast("tuple[str, ...]", policy.secret_patterns)).knowing(where.environ)


def find_index(where: Setting, store: Store, *, say: Callable[[str], None]) -> SqliteIndex:
    """The index over a store, to be fed before it is asked: in its cache, or in the user's where the store lies on the
    network or may not be written; where neither can be, a temporary one. `say` is told of one that is of no use."""
    from .index.sqlite import SqliteIndex  # Recording a run loads no database.

    return SqliteIndex(store, _index_path(where, store), say=say)


def _index_path(where: Setting, store: Store) -> Path | None:
    if _may_write(store.cache, INDEX) and not file_system(store.cache).network:
        return store.cache / INDEX
    folder = _local_folder(where)
    if folder is None:
        return None
    # Copies of a store have one identifier and not the same runs.
    place = folder / "index" / f"{store.id}-{digest_of(os.fsencode(store.path.resolve()))[7:23]}"
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    return place / INDEX


def _may_write(folder: Path, name: str) -> bool:
    """Whether a file in the folder may be made, or is there and may be written: in a shared store it is another's."""
    return os.access(folder, os.W_OK | os.X_OK) and (os.access(folder / name, os.W_OK) or not (folder / name).exists())


def find_spools(where: Setting) -> Spools | None:
    """The spools of this host and user: in the user's cache folder, or elsewhere if that is on the network, too.

    None where there is no local disk to write to.
    """
    folder = _local_folder(where)
    return None if folder is None else Spools(root=folder / "spool", environ=where.environ)


def _local_folder(where: Setting) -> Path | None:
    cache = _cache_folder(where)
    if cache is not None and not file_system(cache).network:
        return cache
    return next(filter(None, map(_own_folder, SHARED_FOLDERS)), None)


def _cache_folder(where: Setting) -> Path | None:
    cache = where.environ.get("XDG_CACHE_HOME", "")
    if cache.startswith("/"):
        return Path(cache) / "whence"
    return None if where.home is None else where.home / ".cache" / "whence"


def _own_folder(shared: Path) -> Path | None:
    """A folder of this account's alone where everybody may write; nothing if it is not to be had on a local disk."""
    folder = shared / f"whence-{os.getuid()}"
    try:
        if file_system(shared).network:
            return None
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError:
        return None
    return folder if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022 else None


def surroundings(where: Setting, policy: Policy, *, say: Callable[[str], None]) -> Surroundings:
    """What a launch needs of the world; makes the store if this is the first run, and says so. Raises StoreError."""
    _check_room()
    store, made = store_for_run(where, policy)
    announce(store, made, say)
    return Surroundings(
        store=store,
        policy=policy,
        secrets=secrets_of(where, policy),
        environ=where.environ,
        cwd=where.cwd,
        home=where.home,
        spools=find_spools(where),
        recorder=recorder_name(),
        clock=time.time_ns,
        random=os.urandom,
        say=say,
        describe=_describe,
    )


def _describe(store: Store, inside: bool) -> Describe:
    from .actions.dataset_tables import describer_in_run  # with all that reads tables, where a run makes a version

    return describer_in_run(store, inside=inside)


def _check_room() -> None:
    """Before there is a run: one whose record cannot be written would be left without its end."""
    there = left()
    if there is not None and there < OPEN_FILES:
        raise StoreError(
            f"room for {max(there, 0)} more open files, expected {OPEN_FILES} for a recorder",
            hint="`ulimit -n 1024` allows more",
        )


def announce(store: Store, made: bool, say: Callable[[str], None]) -> None:
    """Say that a store was made, and hide it from the git repository around it, which may be younger than the store:
    git cannot add a folder that looks like a repository without commits."""
    worktree = find_worktree(store.path.parent)
    told = [f"made a store at {store.path}"] if made else []
    line = None
    try:
        line = exclude_from_git(worktree, store.path) if worktree is not None else None
    except OSError as error:
        if made:
            told.append(f"git was not told to ignore it: {error.strerror or error}")
    told += [f"added the line {line!r} to .git/info/exclude"] if line else []
    if told:
        say("; ".join(told))


def recorder_name() -> str:
    """Who records: `whence 0.1.0, CPython 3.11.7`."""
    version = ".".join(map(str, sys.version_info[:3]))
    return f"whence {VERSION}, {sys.implementation.name.replace('cpython', 'CPython')} {version}"


def actor(where: Setting) -> Actor:
    """Who speaks in an act: the account and the host, and whom git's variables or configuration name as author."""
    from .capture.host import capture_user
    from .records.act import Actor

    configured = _git_author(where)
    return Actor(
        name=where.environ.get("GIT_AUTHOR_NAME") or configured.get("user.name"),
        email=where.environ.get("GIT_AUTHOR_EMAIL") or configured.get("user.email"),
        user=capture_user(where.environ).name,
        host=os.uname().nodename,
    )


def _git_author(where: Setting) -> dict[str, str]:
    """`user.name` and `user.email` as git finds them here; the last that is said counts."""
    from .system.git import Git, GitError

    try:
        found = Git(where.cwd, where.environ).ask("config", "-z", "--get-regexp", r"^user\.(name|email)$", seconds=5)
    except GitError:
        return {}
    pairs = (item.partition("\n") for item in found.out.decode("utf-8", "replace").split("\0"))
    return {name: value for name, _, value in pairs if value}
