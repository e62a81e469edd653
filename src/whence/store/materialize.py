"""Making a folder be what a manifest says: files, links and empty folders, and nothing else.

Everything is looked at before anything is written: the manifest by its rules, what lies in the folder, and whether
each object that is needed is there. A file appears whole, under its own name only when its bytes had the right digest;
so whatever stops it, the next call goes on. A process that finds another at it waits for it, and then has little to do.
Folders are entered by descriptor and no link is followed: nothing is written outside of the folder.

What was there is never lost. Without `replace` everything that the manifest does not have is an error. With it a file
goes whose bytes the store holds, too (those of another version); others are an error still.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from ..digests import digest_of
from ..errors import StoreError, UnresolvedError, UsageError, WhenceError
from ..records.data import ManifestEntry
from ..rules.contents import counts
from ..rules.manifests import case_clashes
from ..system.files import TEMPORARY, copy_into, open_regular, write_all
from ..system.locks import held
from .bulk import Bulk
from .digest_cache import DigestCache
from .layout import Store
from .manifests import read_manifest
from .objects import damaged, object_path, read_object, unread_packs
from .origins import Origins
from .packs import packs_of
from .target import ENTER, Found, InTheWay, Look, digest_at, digests_there, open_below

NAMED = 20
"""So many paths an error lists."""

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EXDEV}


class OccupiedError(WhenceError):
    """Something is in the folder that would be lost."""


class BusyError(WhenceError):
    """Another process fills the folder, and did not get done in the time that it was waited for."""


class Materialized(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that holds what its manifest says."""

    path: Path
    manifest: str
    files: int
    size: int
    """Bytes of all files."""
    written: int
    """Files and links that were not there before."""
    removed: int
    """What was there, and neither is in the manifest nor was lost: the store holds it."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """How a folder is to be made."""

    verify: bool = False
    """Read every file that is there; else one counts as sound whose size, times and inode are those that it had."""
    replace: bool = False
    """Let go of what the store holds, too, where it is in the way."""
    link: bool = False
    """Make large files hard links to the objects where that can be, and all files read-only. A program that runs as
    root writes through them into the store: each use must look at them again (`verify`)."""
    origins: Origins | None = None
    """Where the bytes lie that the store does not hold."""
    read_only: bool = False
    """Make no file writable: whoever uses the folder shares it with others, and it may lie in the store's cache."""
    seconds: float | None = None
    """How long another process that fills the folder is waited for; nothing is for ever."""
    between: Callable[[], None] = lambda: None
    """Called again and again: what it raises ends the call, after which another goes on where it stopped."""


def materialize(store: Store, manifest: str, target: Path, wish: Wish | None = None) -> Materialized:
    """Make the folder, which need not be there, what the manifest says.

    Raises FormatError for a manifest that must not be followed and for a damaged object, UnresolvedError for objects
    that are missing, OriginError for what lies elsewhere and is not as it was, OccupiedError, BusyError, UsageError
    for a folder in the store, and StoreError for what cannot be written.
    """
    return _Materializing(store, manifest, target, wish or Wish()).run()


class _Materializing:
    """One call."""

    def __init__(self, store: Store, manifest: str, target: Path, wish: Wish) -> None:
        self._store = store
        self._manifest = manifest
        self._target = target
        self._wish = wish
        self._entries = read_manifest(store, manifest)
        self._sources = _Sources(store, wish.origins)
        self._cache = DigestCache(store.cache)

    def run(self) -> Materialized:
        if not self._wish.read_only and self._target.resolve().is_relative_to(self._store.path.resolve()):
            raise UsageError(f"{self._target}: found a folder in the store, expected one outside of it")
        if self._target.exists() and not self._target.is_dir():
            raise OccupiedError(
                f"{self._target}: is a file, expected a folder or nothing", hint="name another one; it was not changed"
            )
        with _writing(self._target):
            if not self._target.is_dir():
                self._sources.refuse_missing(self._entries)
            self._target.mkdir(parents=True, exist_ok=True)
            with self._locked() as alone:
                root = os.open(self._target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    done = self._fill(root, alone)
                finally:
                    os.close(root)
        self._cache.save()
        return done

    @contextmanager
    def _locked(self) -> Generator[bool]:
        try:
            with held(self._target, seconds=self._wish.seconds, between=self._wish.between) as alone:
                yield alone
        except TimeoutError:
            raise BusyError(
                f"{self._target}: another process is filling it, waited {self._wish.seconds:g} s",
                hint="wait for it, or name another folder",
            ) from None

    def _fill(self, root: int, alone: bool) -> Materialized:
        self._refuse_clashes(root)
        found = self._look(root)
        self._refuse_occupied(found.in_the_way)
        needed = [entry for entry in self._entries if entry.path not in found.sound]
        self._sources.refuse_missing(needed)
        self._remove(root, found, alone)
        self._write(root, needed, {item.path for item in found.in_the_way if item.kind != "folder" and item.wanted})
        for entry in found.modes:
            _set_mode(root, entry)
        whole = counts(self._entries)
        return Materialized(
            path=self._target,
            manifest=self._manifest,
            files=whole.files,
            size=whole.size,
            written=sum(entry.kind != "folder" for entry in needed),
            removed=sum(not item.wanted for item in found.in_the_way),
        )

    def _look(self, root: int) -> Found:
        digest = digests_there(self._cache, os.path.realpath(self._target), verify=self._wish.verify)
        holds = self._sources.holds if self._wish.replace else None
        return Look(root, self._entries, digest).look(holds)

    def _refuse_clashes(self, root: int) -> None:
        clashes = [f"{first!r} and {second!r}" for first, second in case_clashes(self._entries)]
        if clashes and ignores_case(root):
            raise StoreError(
                f"{self._target}: does not tell upper and lower case apart: {_listed(clashes)} would be one",
                hint="name a folder on another file system",
            )

    def _refuse_occupied(self, in_the_way: Sequence[InTheWay]) -> None:
        lost = [item for item in in_the_way if not (self._wish.replace and item.held)]
        if not lost:
            return
        # Of a folder that may not go it is what lies in it that may not.
        shown = [f"{item.path!r} ({_why(item)})" for item in lost if not (self._wish.replace and item.kind == "folder")]
        if self._wish.replace:
            message = f"{self._target}: found what the store holds no copy of: {_listed(shown)}"
            raise OccupiedError(message, hint="move it away; nothing was changed")
        raise OccupiedError(
            f"{self._target}: found {_listed(shown)}",
            hint="name another folder; with --replace what the store holds a copy of is let go; nothing was changed",
        )

    def _remove(self, root: int, found: Found, alone: bool) -> None:
        """What is in the way of nothing that replaces it at once, and what a killed process left."""
        for path in found.left if alone else ():
            _unlink(root, path, folder=False)
        for item in found.in_the_way:
            if not item.wanted or item.kind == "folder":
                _unlink(root, item.path, folder=item.kind == "folder")

    def _write(self, root: int, entries: Iterable[ManifestEntry], replaced: set[str]) -> None:
        folders = _Folders(root)
        try:
            for entry in entries:
                self._wish.between()
                head, _, name = entry.path.rpartition("/")
                if entry.kind == "folder":
                    folders.enter(entry.path)
                    continue
                fd = folders.enter(head)
                with _named(entry.path):
                    self._put(fd, name, entry, entry.path in replaced)
        finally:
            folders.close()

    def _put(self, fd: int, name: str, entry: ManifestEntry, replace: bool) -> None:
        temporary = f"{TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}"
        try:
            if entry.kind == "link":
                os.symlink(os.fsdecode(self._sources.link_text(entry)), temporary, dir_fd=fd)
            elif not (self._wish.link and self._sources.link(entry, fd, temporary, self._cache)):
                self._sources.copy(entry, fd, temporary, read_only=self._wish.link or self._wish.read_only)
            self._claim(fd, temporary, name, entry, replace)
        except BaseException:
            _unlink_if_there(fd, temporary)
            raise

    def _claim(self, fd: int, temporary: str, name: str, entry: ManifestEntry, replace: bool) -> None:
        """Give the file its name, unless another took it since it was looked at."""
        if replace:
            os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            return
        try:
            os.link(temporary, name, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
        except FileExistsError:
            # Without locks two processes may fill a folder at once, with the same files.
            if not _is_there(fd, name, entry):
                where = f"{self._target}: {entry.path!r} appeared while the folder was filled"
                raise OccupiedError(where, hint="see who writes to it; it was not changed") from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            return
        os.unlink(temporary, dir_fd=fd)


class _Sources:
    """Where the bytes come from."""

    def __init__(self, store: Store, origins: Origins | None) -> None:
        self._store = store
        self._bulk = Bulk(store)
        self._packs = packs_of(store)
        self._origins = origins or Origins("", ())

    def holds(self, digest: str, size: int) -> bool:
        """Whether the store has the object."""
        return self._bulk.holds(digest, size)

    def refuse_missing(self, entries: Iterable[ManifestEntry]) -> None:
        """Raises UnresolvedError that names what is nowhere, OriginError for what is not any more where it was added
        from."""
        absent = [entry for entry in entries if entry.digest is not None and not self.holds(entry.digest, entry.size)]
        missing = [f"{entry.path!r} ({entry.digest})" for entry in absent if not self._origins.know(entry)]
        if missing:
            raise UnresolvedError(
                f"{self._store.path}: holds no object of {_listed(missing)}{unread_packs(self._store)}",
                hint="they were removed since, or are in another store",
            )
        self._origins.refuse_changed(absent)

    def link_text(self, entry: ManifestEntry) -> bytes:
        digest = entry.digest or ""
        if self.holds(digest, entry.size):
            return read_object(self._store, digest)
        return self._origins.link_text(entry)

    def link(self, entry: ManifestEntry, fd: int, name: str, cache: DigestCache) -> bool:
        """Make a hard link to the object, which is verified; false where that cannot be."""
        path = object_path(self._store, entry.digest or "")
        if entry.mode & 0o100 or not path.is_file():
            return False
        digests = digests_there(cache, os.fspath(self._store.objects), verify=False)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = digests(folder, path.name, os.stat(path.name, dir_fd=folder))
            if found != entry.digest:
                raise damaged(self._store, entry.digest or "", found, path.stat().st_size)
            os.link(path.name, name, src_dir_fd=folder, dst_dir_fd=fd, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return False
        finally:
            os.close(folder)
        return True

    def copy(self, entry: ManifestEntry, fd: int, name: str, *, read_only: bool) -> None:
        """Write the bytes to a new file, and see that they are the right ones."""
        mode = (0o777 if entry.mode & 0o100 else 0o666) & (0o555 if read_only else 0o755)
        out = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=fd)
        try:
            self._copy(entry, entry.digest or "", out)
        finally:
            os.close(out)

    def _copy(self, entry: ManifestEntry, digest: str, out: int) -> None:
        data = self._packs.read_seen(digest)
        if data is not None and digest_of(data) == digest:
            write_all(out, data)
            return
        try:
            source = open_regular(object_path(self._store, digest), follow=False)
        except FileNotFoundError:
            if self.holds(digest, entry.size):  # in a pack, damaged maybe
                write_all(out, read_object(self._store, digest))
            else:
                self._origins.copy(entry, out)
            return
        try:
            found, size = copy_into(source, out, read_back=False)
        finally:
            os.close(source)
        if found != digest:
            raise damaged(self._store, digest, found, size)


class _Folders:
    """Folders on the way to a path, made where they are not there; those to the last one stay open."""

    def __init__(self, root: int) -> None:
        self._open: list[tuple[str, int]] = []
        self._root = root
        self._path = ""

    def enter(self, path: str) -> int:
        """The descriptor of a folder; it is ours to close. Raises OSError."""
        if path != self._path:
            self._go(path.split("/") if path else [], path)
        return self._open[-1][1] if self._open else self._root

    def _go(self, parts: list[str], path: str) -> None:
        common = 0
        while common < min(len(parts), len(self._open)) and self._open[common][0] == parts[common]:
            common += 1
        self._leave(common)
        for part in parts[common:]:
            with _named(path):
                self._open.append((part, self._make(self._open[-1][1] if self._open else self._root, part)))
        self._path = path

    def _make(self, above: int, name: str) -> int:
        try:
            return os.open(name, ENTER, dir_fd=above)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=above)
        return os.open(name, ENTER, dir_fd=above)

    def _leave(self, left: int) -> None:
        while len(self._open) > left:
            os.close(self._open.pop()[1])
        self._path = "/".join(name for name, _ in self._open)

    def close(self) -> None:
        self._leave(0)


class _PathError(OSError):
    """An error with the path in the target folder, which the call itself did not know."""


@contextmanager
def _named(path: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise _PathError(error.errno, error.strerror, path) from error


@contextmanager
def _writing(target: Path) -> Generator[None]:
    """What the system refuses is said of the folder."""
    try:
        yield
    except OSError as error:
        path = f"/{error.filename}" if isinstance(error, _PathError) else ""
        raise StoreError(f"{target}{path}: cannot be written: {error.strerror or error}") from error


def ignores_case(folder: int) -> bool:
    """Whether two names in a folder are one that differ in case; found by trying."""
    name = f"{TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}"
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder))
    try:
        os.stat(name.upper(), dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    finally:
        os.unlink(name, dir_fd=folder)
    return True


def _set_mode(root: int, entry: ManifestEntry) -> None:
    """Make a file executable or not. A file system that keeps no modes refuses that; a link to an object stays."""
    head, _, name = entry.path.rpartition("/")
    folder = open_below(root, head)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            stat = os.fstat(fd)
            if stat.st_nlink == 1:
                readers = (stat.st_mode & 0o444) >> 2
                os.fchmod(fd, (stat.st_mode & 0o666) | (readers if entry.mode & 0o100 else 0))
        except PermissionError:
            return
        finally:
            os.close(fd)
    finally:
        os.close(folder)


def _is_there(fd: int, name: str, entry: ManifestEntry) -> bool:
    """Whether the file is what the manifest says, by its bytes."""
    try:
        if entry.kind == "link":
            return digest_of(os.fsencode(os.readlink(name, dir_fd=fd))) == entry.digest
        return digest_at(fd, name)[1] == entry.digest
    except OSError:
        return False


def _unlink(root: int, path: str, *, folder: bool) -> None:
    head, _, name = path.rpartition("/")
    fd = open_below(root, head)
    try:
        with _named(path):
            if folder:
                os.rmdir(name, dir_fd=fd)
            else:
                os.unlink(name, dir_fd=fd)
    finally:
        os.close(fd)


def _unlink_if_there(fd: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=fd)
    except FileNotFoundError:
        return


def _why(item: InTheWay) -> str:
    return f"{item.kind}, expected another" if item.wanted else f"{item.kind}, expected nothing"


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return ", ".join(items[:NAMED]) + more
