"""What a folder was when it was last added: `cache/walks/`, one file a folder.

The files that lie in a folder between two folders, in the order of the manifest, are a *block*: their names, their stat
identities, their digests, and how many bytes of the manifest are about them. As long as each block that is found is the
next one of the last walk, nothing is written and no file is looked at but by stat: at the end the manifest is the last
one. Memory is that of one block, until the first change; then that of a place for each block.

Everything here may be deleted or damaged: that costs a read of the files, never a wrong digest. What is only compared
with the folder as it is needs no check; what is taken comes from a block whose SHA-256 is right, a line of the manifest
only when the manifest's is, too. Numbers are little-endian:

    block    40 bytes, 32 bytes    lengths of key and names (32 bits each), entries, bytes of lines, files and links,
                                   bytes of the files (64 bits each); the SHA-256 of that and of what follows
             key                   the folder with a slash at its end, or the folder that they come after, without one
             names                 a NUL after each
             44 bytes an entry     device, inode, size, mtime, ctime (64 bits each), mode (32 bits); zeros for what may
                                   have changed without a trace since it was read (`digest_cache`)
             32 bytes an entry     its digest
    end      32 bytes, 32 bytes    digest of the manifest; files and links, bytes of the files, packs, and 1 if the
                                   store has all of it (64 bits each)
             32 bytes each         of each pack what its index hashes to
             40 bytes each         of each object in a file of its own its digest, and its size (64 bits)
             8 bytes, 32 bytes     length of the end before this; its SHA-256
"""

from __future__ import annotations

import os
import stat as modes
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..digests import sha256
from ..system.files import make_folders, open_regular, temporary_name, write_all

_HEAD = struct.Struct("<IIQQQQ32s")
_ROW = struct.Struct("<QQQqqI")
_SIZES = struct.Struct("<16xQ16xI")
"""Size and mode of a row."""

_END = struct.Struct("<32sQQQQ")
_LOOSE = struct.Struct("<32sQ")
_FOOT = struct.Struct("<Q32s")
DIGEST = 32
_BUFFER = 1 << 18
_SHOWN = 0o170100
"""What a manifest says of a mode."""

ROW = _ROW.size
UNSURE = bytes(ROW)
"""The row of what has to be read the next time."""

EMPTY_FOLDER = _ROW.pack(0, 0, 0, 0, 0, modes.S_IFDIR)
"""The row of a folder with nothing in it, which is a block of its own, with no name and a digest of zeros."""

BETWEEN_LINES = 2
"""Bytes between two lines of a manifest, and before the first."""


class Row(NamedTuple):
    """A stat identity."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int
    mode: int
    """Its kind, and whether it is executable."""


def pack_row(stat: os.stat_result) -> bytes:
    return _ROW.pack(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_mode & _SHOWN)


def read_row(row: bytes) -> Row:
    return Row._make(_ROW.unpack(row))


class Seen(NamedTuple):
    """A block as it lies there."""

    key: bytes
    names: bytes
    rows: bytes


class Block(NamedTuple):
    """A block of the last walk."""

    seen: Seen
    lines: int
    """Bytes of the manifest."""
    files: int
    size: int
    packed: bytes
    """All of it, as it stands in the file."""

    @property
    def sound(self) -> bool:
        """Whether it is what was written."""
        told = self.packed[_HEAD.size - DIGEST : _HEAD.size]
        return _hash(self.packed[: _HEAD.size - DIGEST], self.packed[_HEAD.size :]) == told

    @property
    def digests(self) -> bytes:
        """32 bytes an entry."""
        return self.packed[len(self.packed) - len(self.seen.rows) // ROW * DIGEST :]


def _hash(numbers: bytes, body: bytes) -> bytes:
    running = sha256(numbers, more=len(body))
    running.update(body)
    return running.digest()


class Listed(NamedTuple):
    """An entry of a block."""

    row: bytes
    digest: bytes
    line: bytes
    """Of the manifest."""
    sure: bool = True
    """Whether another content would have another row."""


def pack_block(seen: Seen, listed: Sequence[Listed]) -> Block:
    """The block of that key and those names, as it is now."""
    sizes = [(size, mode) for size, mode in _SIZES.iter_unpack(b"".join(one.row for one in listed)) if _is_file(mode)]
    rows = b"".join(one.row if one.sure else UNSURE for one in listed)
    body = b"".join((seen.key, seen.names, rows, *(one.digest for one in listed)))
    lines = sum(len(one.line) + BETWEEN_LINES for one in listed) - BETWEEN_LINES
    size = sum(size for size, mode in sizes if modes.S_ISREG(mode))
    numbers = _HEAD.pack(len(seen.key), len(seen.names), len(listed), lines, len(sizes), size, b"")[:-DIGEST]
    head = numbers + _hash(numbers, body)
    return Block(Seen(seen.key, seen.names, rows), lines, len(sizes), size, head + body)


def _is_file(mode: int) -> bool:
    """Whether it is a file or a link, and no empty folder."""
    return not modes.S_ISDIR(mode)


class End(NamedTuple):
    """What is said of all blocks together."""

    manifest: str
    files: int
    size: int
    kept: bool
    """Whether the store held all the bytes, in these packs and objects."""
    packs: Sequence[bytes] = ()
    loose: Sequence[tuple[bytes, int]] = ()
    """Digests, with their sizes."""


class Walk:
    """The last walk through a folder, gone along block by block: `next` shows one, `accept` goes beyond it."""

    def __init__(self, stream: BinaryIO, end: End, size: int) -> None:
        self.end = end
        self._stream = stream
        self._size = size
        """Bytes of all blocks."""
        self._at = 0
        self.lines = 0
        """Bytes of the manifest about what was accepted, and between."""
        self._places: dict[bytes, tuple[int, int]] | None = None

    @property
    def ended(self) -> bool:
        """Whether all was accepted."""
        return self._at == self._size

    def next(self) -> Block | None:
        """The block after those that were accepted; nothing after all of them, or where the file is damaged."""
        return None if self.ended else self._read()

    def accept(self, block: Block) -> None:
        self._at += len(block.packed)
        self.lines += block.lines + BETWEEN_LINES

    def accepted(self) -> Iterator[Block]:
        """The blocks that were accepted, once more; up to one that is damaged."""
        left = self._at
        self._stream.seek(0)
        while left > 0 and (block := self._read()) is not None and block.sound:
            left -= len(block.packed)
            yield block

    def find(self, key: bytes) -> tuple[Block, int] | None:
        """A block by its key, and where its lines begin in the manifest."""
        if self._places is None:
            self._places = dict(self._all_places())
        at, lines = self._places.get(key, (-1, 0))
        if at < 0:
            return None
        self._stream.seek(at)
        block = self._read()
        return None if block is None else (block, lines)

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The stat identity, without the mode, and the digest of each entry that is sure."""
        for block, _, _ in self._all():
            rows, digests = block.seen.rows, block.digests
            for at in range(len(rows) // ROW):
                row = rows[at * ROW : at * ROW + ROW]
                if row not in (UNSURE, EMPTY_FOLDER):
                    yield row[:-4], digests[at * DIGEST : at * DIGEST + DIGEST]

    def close(self) -> None:
        self._stream.close()

    def _read(self) -> Block | None:
        head = self._stream.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        key, names, count, lines, files, size, _ = _HEAD.unpack(head)
        length = key + names + count * (ROW + DIGEST)
        if length > self._size:
            return None
        body = self._stream.read(length)
        rows = key + names
        seen = Seen(body[:key], body[key:rows], body[rows : rows + count * ROW])
        return Block(seen, lines, files, size, head + body) if len(body) == length else None

    def _all_places(self) -> Iterator[tuple[bytes, tuple[int, int]]]:
        return ((block.seen.key, (at, line)) for block, at, line in self._all())

    def _all(self) -> Iterator[tuple[Block, int, int]]:
        """Every block up to one that is damaged, with its place in the file, and that of its lines in the manifest."""
        at, line = 0, BETWEEN_LINES
        self._stream.seek(0)
        while at < self._size and (block := self._read()) is not None and block.sound:
            yield block, at, line
            at += len(block.packed)
            line += block.lines + BETWEEN_LINES


def walk_path(cache: Path, part: str) -> str:
    """Where the last walk through a folder is kept."""
    return os.path.join(cache, "walks", sha256(os.fsencode(part)).hexdigest()[:40])


def open_walk(cache: Path, part: str) -> Walk | None:
    """The last walk through a folder, by its real path; nothing where there is none, or its end is damaged."""
    try:
        stream = os.fdopen(open_regular(walk_path(cache, part)), "rb", _BUFFER)
    except OSError:
        return None
    try:
        size = os.fstat(stream.fileno()).st_size
        found = _read_end(stream.fileno(), size)
    except OSError:
        size, found = 0, None
    if found is None:
        stream.close()
        return None
    end, length = found
    return Walk(stream, end, size - length)


def forget_walk(cache: Path, part: str) -> None:
    """The next walk begins anew."""
    with suppress(OSError):
        os.unlink(walk_path(cache, part))


def _read_end(fd: int, size: int) -> tuple[End, int] | None:
    """The end, and how long it is with what says that."""
    foot = os.pread(fd, _FOOT.size, max(size - _FOOT.size, 0))
    if len(foot) < _FOOT.size:
        return None
    length, digest = _FOOT.unpack(foot)
    if not _END.size <= length <= size - _FOOT.size:
        return None
    body = os.pread(fd, length, size - _FOOT.size - length)
    if sha256(body).digest() != digest:
        return None
    manifest, files, bytes_, packs, kept = _END.unpack_from(body)
    beyond = _END.size + packs * DIGEST
    if not beyond <= length or (length - beyond) % _LOOSE.size:
        return None
    listed = [body[at : at + DIGEST] for at in range(_END.size, beyond, DIGEST)]
    end = End("sha256:" + manifest.hex(), files, bytes_, bool(kept), listed, list(_LOOSE.iter_unpack(body[beyond:])))
    return end, length + _FOOT.size


def _pack_end(end: End) -> bytes:
    head = _END.pack(bytes.fromhex(end.manifest[7:]), end.files, end.size, len(end.packs), end.kept)
    body = b"".join((head, *end.packs, *(_LOOSE.pack(*one) for one in end.loose)))
    return body + _FOOT.pack(len(body), sha256(body).digest())


class WalkWriter:
    """Writes a walk while it goes on. A cache that cannot be written is no fault: then nothing is."""

    def __init__(self, cache: Path, part: str) -> None:
        self._path = walk_path(cache, part)
        self._fd = -1
        self._parts: list[bytes] = []
        self._waiting = 0
        try:
            make_folders(os.path.dirname(self._path), within=cache.parent)
            self._temporary = temporary_name(os.path.dirname(self._path))
            self._fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError:
            return

    @property
    def descriptor(self) -> int:
        """Of the new file; negative where there is none."""
        return self._fd

    def add(self, block: Block) -> None:
        self._put(block.packed)

    def finish(self, end: End) -> None:
        """Put it in the place of the walk before."""
        self._put(_pack_end(end))
        self._flush()
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        try:
            os.rename(self._temporary, self._path)
        except OSError:
            os.unlink(self._temporary)

    def close(self) -> None:
        """Leave nothing half-written. Does nothing after `finish`."""
        if self._fd >= 0:
            os.close(self._fd)
            os.unlink(self._temporary)
            self._fd = -1

    def _put(self, data: bytes) -> None:
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        parts, self._parts, self._waiting = self._parts, [], 0
        if self._fd < 0:
            return
        try:
            write_all(self._fd, b"".join(parts))
        except OSError:
            self.close()
