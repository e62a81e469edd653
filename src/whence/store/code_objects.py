"""Write git objects into `code.git` without running git: a few as loose objects, many as one pack.

Loose objects are zlib streams of header and content (gitrepository-layout(5)); packs and their index are version 2
(gitformat-pack(5)). Git itself cannot be asked to write here: with the user's objects in view it would freshen theirs.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import msgspec

from ..digests import sha1, sha256
from ..system.files import TEMPORARY, make_folders, write_all, write_new

MOST_LOOSE = 16
LOOSE_BYTES = 8 << 20
CHUNK = 1 << 20
_PLAIN_ABOVE = 1 << 19
"""Larger content is not compressed: at launch time is dearer than room."""
_KINDS = {"commit": 1, "tree": 2, "blob": 3}


class Content(msgspec.Struct, frozen=True):
    """A file's bytes as they were written."""

    blob: str
    digest: str
    size: int


class _Packed(msgspec.Struct, frozen=True, order=True):
    identifier: bytes
    crc: int
    offset: int


class ObjectWriter:
    """Collects objects and puts them in place at `close`; until then nothing of it is visible to git."""

    def __init__(self, code_git: Path) -> None:
        self._objects = code_git / "objects"
        self._small: dict[str, tuple[str, bytes]] = {}
        self._small_bytes = 0
        self._pack: _Pack | None = None
        self.written = 0

    def add(self, kind: str, identifier: str, content: bytes) -> None:
        """An object whose identifier is known."""
        self.written += 1
        if self._pack is not None:
            self._pack.add(kind, identifier, content)
            return
        self._small[identifier] = (kind, content)
        self._small_bytes += len(content)
        if len(self._small) > MOST_LOOSE or self._small_bytes > LOOSE_BYTES:
            self._start_pack()

    def add_stream(self, fd: int, size: int) -> Content | None:
        """A big file from its beginning; nothing (and nothing kept) when it has another size than was said."""
        if self._pack is None:
            self._start_pack()
        assert self._pack is not None
        content = self._pack.add_stream(fd, size)
        self.written += content is not None
        return content

    def _start_pack(self) -> None:
        self._pack = _Pack(self._objects / "pack")
        for identifier, (kind, content) in self._small.items():
            self._pack.add(kind, identifier, content)
        self._small.clear()

    def close(self) -> None:
        """Put everything in place, flushed to the disk: later launches rely on it."""
        for identifier, (kind, content) in self._small.items():
            self._write_loose(identifier, kind, content)
        self._small.clear()
        if self._pack is not None:
            self._pack.close()
            self._pack = None

    def discard(self) -> None:
        """Leave nothing behind."""
        self._small.clear()
        if self._pack is not None:
            self._pack.discard()
            self._pack = None

    def _write_loose(self, identifier: str, kind: str, content: bytes) -> None:
        folder = self._objects / identifier[:2]
        path = folder / identifier[2:]
        if path.exists():
            return
        make_folders(folder, within=self._objects)
        header = b"%s %d\0" % (kind.encode(), len(content))
        write_new(path, zlib.compress(header + content, _level(len(content))), mode=0o444, sync=True)


def _level(size: int) -> int:
    return 1 if size <= _PLAIN_ABOVE else 0


class _Pack:
    """One pack that is being written; its objects stand for themselves, without deltas."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"{TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}.pack"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        self._objects: dict[str, _Packed] = {}
        write_all(self._fd, struct.pack(">4sII", b"PACK", 2, 0))
        self._end = 12

    def add(self, kind: str, identifier: str, content: bytes) -> None:
        if identifier in self._objects:
            return
        data = _entry_header(kind, len(content)) + zlib.compress(content, _level(len(content)))
        write_all(self._fd, data)
        self._enter(identifier, zlib.crc32(data), len(data))

    def _enter(self, identifier: str, crc: int, length: int) -> None:
        self._objects[identifier] = _Packed(bytes.fromhex(identifier), crc, self._end)
        self._end += length

    def add_stream(self, fd: int, size: int) -> Content | None:
        header = _entry_header("blob", size)
        blob = sha1(b"blob %d\0" % size, more=size)
        digest, packer = sha256(more=size), zlib.compressobj(_level(size))
        crc, length, seen = zlib.crc32(header), len(header), 0
        write_all(self._fd, header)
        os.lseek(fd, 0, os.SEEK_SET)
        while chunk := os.read(fd, CHUNK):
            blob.update(chunk)
            digest.update(chunk)
            seen += len(chunk)
            data = packer.compress(chunk)
            write_all(self._fd, data)
            crc, length = zlib.crc32(data, crc), length + len(data)
        data = packer.flush()
        write_all(self._fd, data)
        identifier = blob.hexdigest()
        if seen != size or identifier in self._objects:
            os.ftruncate(self._fd, self._end)
            os.lseek(self._fd, self._end, os.SEEK_SET)
        else:
            self._enter(identifier, zlib.crc32(data, crc), length + len(data))
        return Content(identifier, "sha256:" + digest.hexdigest(), size) if seen == size else None

    def close(self) -> None:
        os.pwrite(self._fd, struct.pack(">I", len(self._objects)), 8)
        checksum = self._checksum()
        os.lseek(self._fd, self._end, os.SEEK_SET)
        write_all(self._fd, checksum)
        os.fsync(self._fd)
        os.close(self._fd)
        index = _pack_index(sorted(self._objects.values()), checksum)
        name = sha1(b"".join(p.identifier for p in sorted(self._objects.values()))).hexdigest()
        self._path.rename(self._folder / f"pack-{name}.pack")
        # The index comes last: with it the pack exists.
        write_new(self._folder / f"pack-{name}.idx", index, mode=0o444, sync=True)

    def discard(self) -> None:
        os.close(self._fd)
        self._path.unlink()

    def _checksum(self) -> bytes:
        running = sha1(more=self._end)
        os.lseek(self._fd, 0, os.SEEK_SET)
        while chunk := os.read(self._fd, CHUNK):
            running.update(chunk)
        return running.digest()


def _entry_header(kind: str, size: int) -> bytes:
    """Type and size of a pack's entry: four bits of the size, then seven a byte, low ones first."""
    byte, size = _KINDS[kind] << 4 | size & 15, size >> 4
    header = bytearray()
    while size:
        header.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    header.append(byte)
    return bytes(header)


def _pack_index(objects: list[_Packed], checksum: bytes) -> bytes:
    """Version 2: fan-out, identifiers, CRC-32s, offsets (those above 2 GiB in a table of their own), checksums."""
    counts = [0] * 256
    for item in objects:
        counts[item.identifier[0]] += 1
    total, fan_out = 0, list[int]()
    for count in counts:
        total += count
        fan_out.append(total)
    far = [item.offset for item in objects if item.offset >= 1 << 31]
    places = {offset: 1 << 31 | index for index, offset in enumerate(far)}
    content = b"".join((
        b"\xfftOc", struct.pack(">I256I", 2, *fan_out),
        b"".join(item.identifier for item in objects),
        struct.pack(f">{len(objects)}I", *(item.crc for item in objects)),
        struct.pack(f">{len(objects)}I", *(places.get(item.offset, item.offset) for item in objects)),
        struct.pack(f">{len(far)}Q", *far),
        checksum,
    ))  # fmt: skip
    return content + sha1(content).digest()
