"""The store's folder: how it is made, found, opened, and where things lie in it (docs/format.md, section 1)."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from ..errors import FormatError, StoreError
from ..ids import day_of, new_id
from ..records.checked import encode_checked
from ..records.encoding import decode, timestamp
from ..records.place import FORMAT, Place
from ..system.files import TEMPORARY, make_folders, read_regular, write_new
from .code_repository import create_code_repository

MARK = "store.json"
NAME = ".whence"
"""The usual name of a store's folder."""

LEFT_OUT = ".git"
"""A repository's own folder in data, or the file that leads to it: settings, hooks and what opens its remotes are no
data. Named itself it is taken."""

GUARD = ".git"
"""The file that makes `git clean -fdx` leave the store alone."""

_GUARD = b"gitdir: code.git\n"
_FOLDERS = ("runs", "acts", "objects/sha256", "cache")
_OURS = frozenset(
    {"store.json", ".git", ".gitignore", "runs", "acts", "objects", "packs", "datasets", "code.git", "cache"}
)


class Store(msgspec.Struct, frozen=True):
    """A store that is there and whose format is known."""

    path: Path
    id: str
    writable: bool
    """Whether this process may add to it; reading needs no more than permission to read."""

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def acts(self) -> Path:
        return self.path / "acts"

    @property
    def datasets(self) -> Path:
        return self.path / "datasets"

    @property
    def objects(self) -> Path:
        return self.path / "objects" / "sha256"

    @property
    def packs(self) -> Path:
        return self.path / "packs"

    @property
    def code_git(self) -> Path:
        return self.path / "code.git"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    def run_folder(self, run_id: str) -> Path:
        """Where the run lies, whether or not it is there."""
        return self.runs / day_of(run_id) / run_id


def create_store(path: Path, *, now_ns: int, random: bytes) -> Store:
    """Make a store, or open the one that another process made meanwhile: any number may do this at once.

    `store.json` is created last and by exclusive link, so a folder is a store as soon as it is whole, and one that a
    crash left half made is completed by the next. Raises StoreError for a path that cannot become a store.
    """
    try:
        _refuse_foreign(path)
        _make_contents(path)
        place = Place(format=FORMAT, id=new_id(now_ns // 1_000_000, random), created=timestamp(now_ns))
        write_new(path / MARK, encode_checked(place), sync=True)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot make a store: {error.strerror}", hint="name a writable folder with WHENCE_STORE"
        ) from error
    return open_store(path)


def _refuse_foreign(path: Path) -> None:
    """Whether a store may be made here; what is in the way is named."""
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise _no_folder(path) from None
    if MARK in names:
        return
    if _holds_runs(path):
        if (path / MARK).exists():
            return  # Another process completed the store after the names were read, and began a run in it.
        raise _no_store(path)
    foreign = [name for name in sorted(names) if name not in _OURS and not name.startswith(TEMPORARY)]
    if foreign:
        raise StoreError(
            f"{path}: found {foreign[0]!r} in it and no {MARK}; expected an empty folder or a store",
            hint="name another folder with WHENCE_STORE",
        )


def _make_contents(path: Path) -> None:
    for folder in _FOLDERS:
        make_folders(path / folder)
    write_new(path / ".gitignore", b"*\n")
    create_code_repository(path / "code.git")
    # After the repository: with it `git clean -fdx` takes the folder for a nested repository and leaves it alone.
    write_new(path / GUARD, _GUARD)


def lacks_guard(path: Path) -> bool:
    """Whether `git clean -fdx` would remove the store. Who took `.gitignore` away, too, wants git to have it."""
    return not os.path.lexists(path / GUARD) and (path / ".gitignore").is_file()


def put_back_guard(store: Store) -> None:
    """A store that cannot be written stays as it is."""
    if lacks_guard(store.path):
        with suppress(OSError):
            write_new(store.path / GUARD, _GUARD)


def open_store(path: Path) -> Store:
    """The store at the path. Raises StoreError: no store, not readable, or another format than this whence knows."""
    mark = path / MARK
    place = _read_place(mark)
    if place.format != FORMAT:
        raise StoreError(
            f"{mark}: found format {place.format!r}, expected {FORMAT!r}",
            hint="the store was made by a newer whence: upgrade this one (pip install --upgrade whence)",
        )
    return Store(path=path, id=place.id, writable=os.access(path / "runs", os.W_OK | os.X_OK))


def _read_place(mark: Path) -> Place:
    for _ in range(100):
        try:
            data = read_regular(mark)
        except FileNotFoundError:
            raise _no_store(mark.parent) from None
        except NotADirectoryError:
            raise _no_folder(mark.parent) from None
        except OSError as error:
            raise StoreError(f"{mark}: {error.strerror}") from error
        if data:
            return _decode_place(data, mark)
        # Where links are refused the name exists a moment before its bytes.
        time.sleep(0.01)
    raise FormatError(f"{mark}: found an empty file, expected {FORMAT!r}")


def _decode_place(data: bytes, mark: Path) -> Place:
    try:
        return decode(data, Place, where=str(mark))
    except FormatError as error:
        raise FormatError(
            f"{mark}: expected format {FORMAT!r}, found something else ({error.message.removeprefix(f'{mark}: ')})",
            hint="made by a newer whence: upgrade this one (pip install --upgrade whence); or damaged: take a copy's",
        ) from None


def _no_store(path: Path) -> StoreError:
    """What lies there may be a store whose making was cut off, by a full disk for instance."""
    if _holds_runs(path):
        return StoreError(
            f"{path}: found runs and no {MARK}, the file that says which store this is",
            hint=f"take {MARK} from a copy of the store; without one, rename this folder, let a run make a new store,"
            " and copy runs, acts, objects and code.git into that: `whence verify` then says whether all is there",
        )
    if any((path / name).exists() for name in ("code.git", *_FOLDERS)):
        return StoreError(
            f"{path}: found no {MARK}: the first run did not get as far as to complete the store",
            hint="see that there is room on the disk: the next `whence run` completes it",
        )
    return StoreError(f"{path}: found no {MARK}, expected a store", hint="a store is made by the first `whence run`")


def _holds_runs(path: Path) -> bool:
    """Whether a run, or an archive of some, lies where a store keeps them."""
    try:
        return any(re.match(r"\d{4}-\d{2}", name) for name in os.listdir(path / "runs"))
    except OSError:
        return False


def _no_folder(path: Path) -> StoreError:
    return StoreError(
        f"{path}: found a file, expected a folder", hint="move it away, or name another folder with WHENCE_STORE"
    )


def find_store(start: Path) -> Path | None:
    """The store of this folder or the nearest one above it, as a path; nothing when there is none."""
    for folder in (start, *start.parents):
        candidate = folder / NAME
        if (candidate / MARK).is_file() or candidate.is_file() or _holds_runs(candidate):
            return candidate
        # Inside the store itself.
        if folder.name == NAME and (folder / MARK).is_file():
            return folder
    return None
