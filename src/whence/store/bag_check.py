"""Holding a bag against its own manifests (RFC 8493, section 3), before anything of it is believed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import BinaryIO

import msgspec

from ..rules import bags
from ..rules.fetch_lists import FETCH, SCHEMES, Wanted, is_fetchable, read_fetch_text
from .bag_reading import Bag, BagError, reading

MOST_TAG = 1 << 30
"""Bytes of a tag file: it is read at once."""

_CHUNK = 1 << 20
_NAMED = 5
_ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_MANIFEST = re.compile(rf"(tag)?manifest-({'|'.join(_ALGORITHMS)})\.txt")


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a bag whose manifests agree with it."""

    digest: str
    size: int
    mode: int


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the payload that is not in the bag, and where it lies instead."""

    uri: str
    size: int | None
    digests: Mapping[str, str]
    """Algorithm -> hexadecimal digest, of each manifest."""

    @property
    def digest(self) -> str | None:
        """As objects are named, where the bag says it."""
        return f"sha256:{self.digests['sha256']}" if "sha256" in self.digests else None


class SoundBag(msgspec.Struct, frozen=True, kw_only=True):
    """A bag that holds what its manifests say."""

    bag: Bag
    payload: Mapping[str, Measured]
    """By path below `data/`."""
    absent: Mapping[str, Absent]
    """What has to be fetched, likewise."""
    tags: Mapping[str, bytes]
    """Tag files that say what the bag is: those of the standard, and ours."""
    info: Mapping[str, list[str]]
    """`bag-info.txt`; labels in lower case."""


def check_bag(bag: Bag, between: Callable[[], None] = lambda: None) -> SoundBag:
    """Read all of it. Raises BagError that names what is wrong."""
    checking = _Checking(bag)
    with reading(bag.path):
        checking.measure(between)
    try:
        faults = list(checking.faults())
    except ValueError as error:
        faults = [str(error)]
    if faults:
        more = f" and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise BagError(f"{bag.path}: {'; '.join(faults[:_NAMED])}{more}", hint="nothing of it was taken")
    return checking.sound()


class _Checking:
    """One bag."""

    def __init__(self, bag: Bag) -> None:
        self._bag = bag
        self._algorithms = {"sha256", *(match[2] for path in bag.members if (match := _MANIFEST.fullmatch(path)))}
        self._digests: dict[str, dict[str, str]] = {}
        """Path -> algorithm -> hexadecimal digest."""
        self._tags: dict[str, bytes] = {}
        self._wanted: dict[str, Wanted] = {}
        """What `fetch.txt` names and is not there, by path."""
        self._expected: dict[str, dict[str, str]] = {}
        """Path of these -> algorithm -> hexadecimal digest."""

    def measure(self, between: Callable[[], None]) -> None:
        for path, stream in self._bag.streams():
            between()
            self._digests[path] = self._digested(path, stream)

    def _digested(self, path: str, stream: BinaryIO) -> dict[str, str]:
        running = {name: hashlib.new(name, usedforsecurity=False) for name in self._algorithms}
        kept = _is_tag(path)
        if kept and self._bag.members[path].size > MOST_TAG:
            raise BagError(f"{self._bag.path}: {path}: is larger than {MOST_TAG} bytes, which no tag file is")
        parts: list[bytes] = []
        while data := stream.read(_CHUNK):
            for one in running.values():
                one.update(data)
            if kept:
                parts.append(data)
        if kept:
            self._tags[path] = b"".join(parts)
        return {name: one.hexdigest() for name, one in running.items()}

    def faults(self) -> Iterator[str]:
        """Everything that is not as it should be. Raises ValueError for a tag file that cannot be read."""
        yield from self._declaration_faults()
        manifests = {path: match for path in self._tags if (match := _MANIFEST.fullmatch(path))}
        listed = {
            path: bags.read_manifest_text(self._tags[path], path) for path in sorted(manifests, reverse=True)
        }  # fmt: skip
        payload = [path for path, match in manifests.items() if not match[1]]
        if not payload:
            yield f"has no manifest of its payload; known are manifest-ALGORITHM.txt of {', '.join(_ALGORITHMS)}"
            return
        yield from self._fetch_faults({path: listed[path] for path in payload})
        for path in manifests:
            yield from self._manifest_faults(path, manifests[path][2], listed[path], payload=path in payload)
        named = {self._meant(path) for manifest in payload for path in listed[manifest]}
        yield from self._stray_faults(named, bags.PAYLOAD, "manifest of the payload")
        tagged = {path for manifest in manifests if manifest not in payload for path in listed[manifest]}
        yield from self._stray_faults(tagged, bags.TAGS, "manifest of the tag files")
        yield from self._oxum_faults()

    def _declaration_faults(self) -> Iterator[str]:
        fields = bags.read_fields(self._tags[bags.DECLARATION], bags.DECLARATION)
        version = fields.get("bagit-version", [""])[0]
        encoding = fields.get("tag-file-character-encoding", [""])[0]
        if re.fullmatch(r"(0\.9\d|1\.\d+)", version) is None:
            yield f"{bags.DECLARATION}: found BagIt-Version {version!r}, expected 0.97 or 1.0"
        if encoding.upper() != "UTF-8":
            yield f"{bags.DECLARATION}: found the encoding {encoding!r}, expected UTF-8"

    def _manifest_faults(
        self, where: str, algorithm: str, listed: Mapping[str, str], *, payload: bool
    ) -> Iterator[str]:
        for written, expected in listed.items():
            path = self._meant(written)
            if (fault := bags.path_fault(path)) is not None:
                yield f"{where}: {path!r} {fault}"
            elif payload != path.startswith(bags.PAYLOAD):
                yield f"{where}: {path!r} is {'not ' if payload else ''}in {bags.PAYLOAD}"
            elif payload and path in self._wanted:
                self._expected.setdefault(path, {})[algorithm] = expected
            elif path not in self._digests:
                yield f"{path!r} is not there, which {where} names"
            elif self._digests[path][algorithm] != expected:
                yield f"{path!r} has the {algorithm} {self._digests[path][algorithm]}, expected {expected}"

    def _meant(self, path: str) -> str:
        """The file that a line means. Not every program escapes, so a file of the name as it is written counts."""
        plain = bags.unescaped(path)
        return path if path in self._digests and plain not in self._digests else plain

    def _stray_faults(self, named: Collection[str], below: str, what: str) -> Iterator[str]:
        for path in self._digests:
            if path.startswith(below) and path not in named:
                yield f"{path!r} is in no {what}"

    def _fetch_faults(self, payload: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
        """What is wrong with `fetch.txt`; of what is right, what is not there is wanted."""
        named = {where: set(map(self._meant, listed)) for where, listed in payload.items()}
        for wanted in read_fetch_text(self._tags.get(FETCH, b""), FETCH):
            path = self._meant(wanted.path)
            unlisted = [where for where, paths in named.items() if path not in paths]
            if (fault := bags.path_fault(path)) is not None:
                yield f"{FETCH}: {path!r} {fault}"
            elif not path.startswith(bags.PAYLOAD):
                yield f"{FETCH}: {path!r} is not in {bags.PAYLOAD}"
            elif path in self._wanted:
                yield f"{FETCH}: found {path!r} a second time"
            elif unlisted:
                yield f"{FETCH}: {path!r} is not in {unlisted[0]}"
            elif path not in self._digests:
                if not is_fetchable(wanted.uri):
                    yield f"{FETCH}: {path!r} is at no address of another machine, expected one of {', '.join(SCHEMES)}"
                self._wanted[path] = wanted

    def _oxum_faults(self) -> Iterator[str]:
        said = bags.read_fields(self._tags.get(bags.INFO, b""), bags.INFO).get("payload-oxum", [])
        sizes = {path: m.size for path, m in self._bag.members.items() if path.startswith(bags.PAYLOAD)}
        wanted = {path: one.size for path, one in self._wanted.items() if one.size is not None}
        if len(wanted) < len(self._wanted):
            return  # How long they are is known when they are fetched.
        sizes.update(wanted)
        if said and said[0] != bags.oxum(sizes):
            yield f"found a payload of {bags.oxum(sizes)} (bytes.files), expected the Payload-Oxum {said[0]}"

    def sound(self) -> SoundBag:
        members = self._bag.members
        payload = {
            path[len(bags.PAYLOAD) :]: Measured(
                digest=f"sha256:{digests['sha256']}", size=members[path].size, mode=members[path].mode
            )
            for path, digests in self._digests.items()
            if path.startswith(bags.PAYLOAD)
        }
        absent = {
            path[len(bags.PAYLOAD) :]: Absent(uri=one.uri, size=one.size, digests=self._expected[path])
            for path, one in self._wanted.items()
        }
        info = bags.read_fields(self._tags.get(bags.INFO, b""), bags.INFO)
        return SoundBag(bag=self._bag, payload=payload, absent=absent, tags=self._tags, info=info)


def _is_tag(path: str) -> bool:
    """Whether it is a tag file that says something to us."""
    return path.startswith(bags.TAGS) or path in (bags.DECLARATION, bags.INFO, FETCH) or bool(
        _MANIFEST.fullmatch(path)
    )  # fmt: skip
