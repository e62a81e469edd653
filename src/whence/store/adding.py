"""Adding a file or a folder: one pass that digests, keeps what is new, and writes the manifest.

What the store holds already is neither read nor written. A folder is held against the last walk through it: as long as
all is as it was, nothing is written at all, and the rest costs what changed. The walk is in the order of the manifest,
whose lines go to the disk as they come, so that memory does not grow with their number. Folders are entered by
descriptor and no link is followed: what is added lies where it was named. Anything that changes meanwhile, or cannot be
read, is an error with its path, and then there is no manifest.
"""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..rules.manifests import BETWEEN, manifest_line
from ..system.files import open_regular
from .bulk import SMALL, Bulk
from .digest_cache import DigestCache, clock_ahead, is_settled
from .folders import ENTER, Below, Files, Folder
from .layout import Store
from .manifest_writer import ManifestWriter, place_manifest
from .retracing import Known, LostError, Retrace
from .taking import NoSourceError, SourceError, Taking, changed, line_of
from .walks import DIGEST, EMPTY_FOLDER, ROW, End, Listed, Seen, forget_walk, pack_block, pack_row, read_row

__all__ = ["Added", "NoSourceError", "SourceError", "add"]


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder whose manifest is in the store."""

    manifest: str
    """Its digest; of a single file one with a single line."""
    files: int
    """Links count, too."""
    size: int
    """Bytes of all files."""
    objects: int
    """How many objects the store did not hold before, without the manifest."""
    stored: int
    """Bytes of these."""
    left_out: list[str] = []
    """Where a `.git` was left out."""


def add(store: Store, source: Path, *, keep: bool = True) -> Added:
    """Digest a file or folder, and with `keep` put its bytes into the store; without only the manifest.

    Raises SourceError, and StoreError; then nothing refers to what was kept so far. The object of the manifest comes
    last, when everything that it names is on the disk.
    """
    bulk = Bulk(store) if keep else None
    taking = Taking(store, source, bulk)
    try:
        stat = _stat(taking, source)
        if not modes.S_ISDIR(stat.st_mode):
            return _add_single(store, source, taking, bulk, stat)
        try:
            return _add_folder(store, source, taking, bulk)
        except LostError:
            forget_walk(store.cache, os.path.realpath(source))
            return _add_folder(store, source, taking, bulk)
    finally:
        if bulk is not None:
            bulk.discard()


def _stat(taking: Taking, source: Path) -> os.stat_result:
    try:
        return os.stat(source)
    except OSError as error:
        raise taking.fault("", error) from error


# A single file


def _add_single(store: Store, source: Path, taking: Taking, bulk: Bulk | None, stat: os.stat_result) -> Added:
    taking.refuse_special("", stat)
    cache, part = DigestCache(store.cache), os.path.dirname(os.path.realpath(source))
    try:
        fd = open_regular(source)
        try:
            stat = os.fstat(fd)
            digest = cache.find(part, stat)
            if digest is None or (bulk is not None and bulk.needs(digest, stat.st_size)):
                taken = taking.read("", fd, stat)
                digest = taken.digest
                cache.add(part, stat, digest, taken.began)
        finally:
            os.close(fd)
    except OSError as error:
        raise taking.fault("", error) from error
    manifest = ManifestWriter(store)
    try:
        manifest.add(line_of(source.name, stat, digest, stat.st_size))
        if bulk is not None:
            bulk.finish()
        written = manifest.finish()
    finally:
        manifest.close()
    place_manifest(store, written)
    cache.save()
    return _added(written.digest, 1, stat.st_size, bulk)


def _added(manifest: str, files: int, size: int, bulk: Bulk | None, left_out: Sequence[str] = ()) -> Added:
    objects, stored = (0, 0) if bulk is None else (bulk.objects, bulk.size)
    return Added(manifest=manifest, files=files, size=size, objects=objects, stored=stored, left_out=list(left_out))


# A folder


def _add_folder(store: Store, source: Path, taking: Taking, bulk: Bulk | None) -> Added:
    walk = _Walk(store, source, taking, bulk)
    try:
        walk.walk()
        return walk.finish()
    finally:
        walk.close()


class _Walk:
    """One pass."""

    def __init__(self, store: Store, source: Path, taking: Taking, bulk: Bulk | None) -> None:
        self._store = store
        self._source = source
        self._taking = taking
        self._bulk = bulk
        self._part = os.path.realpath(source)
        self._cache = DigestCache(store.cache)
        self._retrace = Retrace(store, self._part, self._still_held)
        self._folders: list[Folder] = []
        self._left_out: list[str] = []
        self._ahead: dict[int, int] | None = None
        place = os.stat(store.path)
        self._place = (place.st_dev, place.st_ino)

    def _still_held(self, end: End) -> bool:
        """Whether what the last walk found in the store is all there."""
        return self._bulk is None or (end.kept and self._bulk.has_all(end.packs, end.loose))

    def walk(self) -> None:
        """Everything, in the order of the manifest. Raises SourceError."""
        try:
            self._enter(os.open(self._source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), "")
        except OSError as error:
            raise self._taking.fault("", error) from error
        while self._folders:
            folder = self._folders[-1]
            match next(folder.parts, None):
                case None:
                    self._leave(folder)
                case Below() as below:
                    self._take_folder(folder, below)
                case Files() as files:
                    self._take_files(folder, files)

    def finish(self) -> Added:
        """The manifest's object, when all that it names is on the disk. Raises StoreError."""
        bulk, retrace = self._bulk, self._retrace
        if bulk is not None:
            bulk.finish()
        written = retrace.finish_manifest()
        if written is None:
            assert retrace.end is not None
            return _added(retrace.end.manifest, retrace.end.files, retrace.end.size, bulk, self._left_out)
        place_manifest(self._store, written)
        packs, loose = ((), ()) if bulk is None else bulk.places()
        if retrace.end is not None and retrace.held:
            loose = list({**dict(retrace.end.loose), **dict(loose)}.items())
        retrace.finish(End(written.digest, retrace.files, retrace.size, bulk is not None, packs, loose))
        self._cache.forget(self._part)
        return _added(written.digest, retrace.files, retrace.size, bulk, self._left_out)

    def close(self) -> None:
        """Leave nothing half-written."""
        for folder in self._folders:
            folder.close()
        self._retrace.close()

    def _enter(self, fd: int, path: str) -> None:
        try:
            folder = Folder(fd, path, self._place)
            self._folders.append(folder)
            self._left_out += (path + name for name in folder.left_out)
        except OSError as error:
            os.close(fd)
            inside = error.filename if isinstance(error.filename, str) else ""
            raise self._taking.fault(path + inside, error) from error

    def _leave(self, folder: Folder) -> None:
        if folder.changed():
            shown = self._taking.shown(folder.path)
            raise changed(f"{shown}: files were added to it, removed or renamed while it was added")
        folder.close()
        self._folders.pop()

    def _take_folder(self, folder: Folder, below: Below) -> None:
        path = folder.path + below.name
        try:
            fd = os.open(below.name, ENTER, dir_fd=folder.fd)
        except OSError as error:
            raise self._taking.fault(path, error) from error
        self._enter(fd, path + "/")
        empty = self._folders[-1].empty
        if below.empty not in (None, empty):
            raise changed(f"{self._taking.shown(path)}: changed while it was added")
        if empty:
            seen = Seen(os.fsencode(path + "/"), b"\0", EMPTY_FOLDER)
            if not self._retrace.same(seen):
                line = manifest_line(path, "folder", 0o755, 0, None)
                self._retrace.add(pack_block(seen, [Listed(EMPTY_FOLDER, bytes(DIGEST), line)]), line)

    def _take_files(self, folder: Folder, files: Files) -> None:
        seen = self._look(folder, files)
        if self._retrace.same(seen):
            return
        known = self._retrace.known(seen.key)
        if known is not None and known.block.seen == seen and self._holds_all(known):
            self._retrace.add(known.block, known.lines)
        else:
            self._take_each(folder, files, seen, known)

    def _look(self, folder: Folder, files: Files) -> Seen:
        """What lies there, by stat alone."""
        entries = files.entries
        try:
            rows = b"".join([pack_row(entry.stat(follow_symlinks=False)) for entry in entries])
        except OSError as error:
            raise self._taking.fault(f"{folder.path}{error.filename}", error) from error
        names = "\0".join([*[entry.name for entry in entries], ""])
        return Seen(os.fsencode(folder.path + files.after), os.fsencode(names), rows)

    def _holds_all(self, known: Known) -> bool:
        """Whether the store has the bytes of a block that is as it was."""
        rows, digests = known.block.seen.rows, known.block.digests
        return self._retrace.held or all(
            self._holds(digests[at * DIGEST : at * DIGEST + DIGEST], rows[at * ROW : at * ROW + ROW])
            for at in range(len(rows) // ROW)
        )

    def _holds(self, digest: bytes, row: bytes) -> bool:
        return self._bulk is None or not self._bulk.needs("sha256:" + digest.hex(), read_row(row).size)

    def _take_each(self, folder: Folder, files: Files, seen: Seen, known: Known | None) -> None:
        before = {} if known is None else known.entries()
        names = seen.names.split(b"\0")
        found: list[Listed] = []
        for at, entry in enumerate(files.entries):
            row = seen.rows[at * ROW : at * ROW + ROW]
            one = before.get((names[at], row))
            if one is None or not (self._retrace.held or self._holds(one.digest, row)):
                one = self._take(folder, entry, new=known is None)
            found.append(one)
        block = pack_block(seen, found)
        self._retrace.add(block, BETWEEN.join(one.line for one in found))

    def _take(self, folder: Folder, entry: os.DirEntry[str], *, new: bool) -> Listed:
        """An entry that the last walk did not find so. A file that is costly to read, or lies in a folder that is
        new, may be known from elsewhere."""
        path, stat = folder.path + entry.name, entry.stat(follow_symlinks=False)
        if (new or stat.st_size > SMALL) and modes.S_ISREG(stat.st_mode):
            digest = self._cache.find(self._part, stat)
            if digest is not None and (self._bulk is None or not self._bulk.needs(digest, stat.st_size)):
                return _listed(path, stat, digest, stat.st_size, sure=True)
        taken = self._taking.take(folder.fd, entry.name, path, stat)
        sure = is_settled(taken.stat, taken.began, self._clock_ahead())
        return _listed(path, taken.stat, taken.digest, taken.size, sure=sure)

    def _clock_ahead(self) -> dict[int, int]:
        if self._ahead is None:
            fd = self._retrace.descriptor
            self._ahead = {} if fd < 0 else clock_ahead(fd)
        return self._ahead


def _listed(path: str, stat: os.stat_result, digest: str, size: int, *, sure: bool) -> Listed:
    return Listed(pack_row(stat), bytes.fromhex(digest[7:]), line_of(path, stat, digest, size), sure)
