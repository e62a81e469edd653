"""Versions as archives: a BagIt 1.0 bag (RFC 8493) that any program checks, and whence makes the version again from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from ..digests import digest_of
from ..errors import StoreError
from ..records.bag import BagVersion
from ..records.data import ManifestEntry
from ..records.encoding import encode, parse_timestamp
from ..rules import bags
from ..rules.fetch_lists import FETCH, Wanted, fetch_text, uri_of
from ..rules.named_objects import parameter_objects
from ..store.bag_writing import BagWriter, begin_bag
from ..store.dataset_references import Found
from ..store.datasets import read_chain
from ..store.explaining import explained
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.objects import has, read_object
from ..store.origins import OriginError, origins_of
from ..store.stories import stories
from ..store.version_bytes import missing_entries, refuse_missing
from ..system.files import temporary_name
from ..system.libraries import LibraryError
from ..system.remote_files import Remote, RemoteError
from ..version import VERSION


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A bag that was written."""

    path: str
    id: str
    name: str
    version: str
    manifest: str
    files: int
    """In the payload: links and empty folders are not."""
    size: int
    renamed: int
    """Files that have another name in the bag, since programs that read bags do not agree on theirs."""
    listed: int
    """Files that are not in the bag, which says by `fetch.txt` where they lie."""
    fetched: int
    """Files that the store does not hold, and that came from where they lie."""


def export_version(
    store: Store,
    found: Found,
    target: Path,
    day: str,
    between: Callable[[], None] = lambda: None,
    *,
    fetch: int | None = None,
) -> Exported:
    """Write a version as a bag; `day` is today's date. Nothing is overwritten, and nothing stays of what fails.

    Bytes that are only referred to come from where they lie; with `fetch`, files of so many bytes and more that lie on
    other machines are only named, in `fetch.txt`. Raises OriginError for what is not there any more or has changed,
    UnresolvedError for bytes that are nowhere, FormatError for damaged ones, BagExistsError, UsageError, and
    StoreError for what cannot be written.
    """
    with explained(store, found):
        return _export(store, found, target, day, between, fetch)


def _export(
    store: Store, found: Found, target: Path, day: str, between: Callable[[], None], fetch: int | None
) -> Exported:
    bag = _Bag(store, found, target, day, fetch)
    try:
        writer = begin_bag(store, target, f"{found.history.name}-{found.made.version}", bag.seconds)
        try:
            bag.write(writer, between)
            writer.finish()
        except BaseException:
            writer.discard()
            raise
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror or error}") from error
    return Exported(
        path=str(target),
        id=found.history.id,
        name=found.history.name,
        version=str(found.made.version),
        manifest=found.made.manifest,
        files=len(bag.payload),
        size=sum(bag.payload.values()),
        renamed=bag.renamed,
        listed=len(bag.listed),
        fetched=bag.fetched,
    )


class _Bag:
    """What a bag of a version holds."""

    def __init__(self, store: Store, found: Found, target: Path, day: str, fetch: int | None) -> None:
        self._found = found
        self._store = store
        self._target = target
        self._manifest = read_object(store, found.made.manifest)
        self._entries = read_manifest(store, found.made.manifest)
        self._origins = origins_of(store, found)
        absent = missing_entries(store, self._entries)
        refuse_missing(store, found, [entry for entry in absent if not self._origins.know(entry)])
        self._absent = {entry.path for entry in absent}
        self.listed = {entry.path: address for entry, address in self._addresses(absent, fetch)}
        self.fetched = sum(entry.kind == "file" for entry in absent) - len(self.listed)
        self._names = bags.payload_names(self._entries)
        self._chain = read_chain(store, found.history.id, found.made.stated.digest)
        self._day = day
        self.payload = {self._names[entry.path]: entry.size for entry in self._files()}
        self.renamed = sum(name != path for path, name in self._names.items())
        self.seconds = int(parse_timestamp(found.made.stated.at))

    def write(self, writer: BagWriter, between: Callable[[], None]) -> None:
        """Tag files first: who reads the bag as a stream knows what comes. Raises what `BagWriter` raises."""
        tags = dict(self._tags())
        for path, data in tags.items():
            writer.text(path, data)
        writer.text(bags.TAG_MANIFEST, bags.manifest_text((path, digest_of(data)) for path, data in tags.items()))
        writer.folder(bags.PAYLOAD.rstrip("/"))
        for entry in self._files():
            between()
            path = bags.PAYLOAD + self._names[entry.path]
            if entry.path not in self._absent:
                writer.content(path, entry.digest or "", entry.size, entry.mode)
            elif entry.path not in self.listed:
                self._fetch(writer, path, entry)

    def _fetch(self, writer: BagWriter, path: str, entry: ManifestEntry) -> None:
        """Have a file from where it lies, verified. Raises OriginError."""
        temporary = Path(temporary_name(self._target.parent))
        try:
            with temporary.open("x+b") as out:
                self._origins.copy(entry, out.fileno())
            writer.file(path, temporary, entry.size, entry.mode)
        finally:
            temporary.unlink(missing_ok=True)

    def _addresses(self, absent: Sequence[ManifestEntry], least: int | None) -> Iterator[tuple[ManifestEntry, str]]:
        """Files that are only named: each is there, with the size that it should have. Raises OriginError."""
        for entry in absent:
            if least is not None and entry.kind == "file" and entry.size >= least:
                addresses = self._origins.addresses(entry)
                if addresses:
                    yield entry, self._there(entry, addresses)

    def _there(self, entry: ManifestEntry, addresses: Sequence[str]) -> str:
        because: list[str] = []
        for address in addresses:
            try:
                sizes = [file.size for file in Remote(address, address).files() if not file.path]
            except (RemoteError, LibraryError) as error:
                because.append(error.message)
                continue
            if sizes and sizes[0] in (None, entry.size):
                return address
            because.append(f"{address}: found {f'{sizes[0]} bytes' if sizes else 'a folder'}")
        raise OriginError(
            f"{self._found}: {entry.path!r} should be fetched from elsewhere: {'; '.join(because)}; expected"
            f" {entry.size} bytes",
            hint="an archive would name an address that does not have it",
        )

    def _files(self) -> Iterator[ManifestEntry]:
        return (entry for entry in self._entries if entry.kind == "file")

    def _tags(self) -> Iterator[tuple[str, bytes]]:
        yield bags.DECLARATION, bags.DECLARED
        yield bags.INFO, bags.info_text(self._fields())
        if self.listed:
            sizes = {entry.path: entry.size for entry in self._files()}
            yield (
                FETCH,
                fetch_text(
                    Wanted(uri_of(address), sizes[path], bags.PAYLOAD + self._names[path])
                    for path, address in self.listed.items()
                ),
            )
        yield (
            bags.PAYLOAD_MANIFEST,
            bags.manifest_text((bags.PAYLOAD + self._names[entry.path], entry.digest or "") for entry in self._files()),
        )
        yield bags.VERSION, encode(self._version()) + b"\n"
        yield bags.MANIFEST, self._manifest
        links = {entry.digest: entry for entry in self._entries if entry.kind == "link"}
        if links:
            texts = [self._link_text(link).decode("utf-8", "surrogateescape") for link in links.values()]
            yield bags.LINKS, encode(texts) + b"\n"
        for part in {part.manifest: None for part in self._found.made.stated.step.parts}:
            yield f"{bags.PARTS}{part.removeprefix('sha256:')}.json", read_object(self._store, part)
        tables = self._found.made.stated.step.tables
        if tables is not None and has(self._store, tables):
            yield bags.TABLES, read_object(self._store, tables)
        named = {digest: None for stated, _ in self._chain for digest in parameter_objects(stated.step)}
        for digest in named:
            if has(self._store, digest):
                yield f"{bags.OBJECTS}{digest.removeprefix('sha256:')}", read_object(self._store, digest)
        runs = [run for stated, _ in self._chain for run in (stated.step.run, *stated.step.producers) if run]
        if told := stories(self._store, self._found.history.id, runs):
            yield bags.STORIES, encode(told) + b"\n"
        for stated, data in self._chain:
            yield f"{bags.STEPS}{stated.act}.json", data

    def _link_text(self, link: ManifestEntry) -> bytes:
        if link.path in self._absent:
            return self._origins.link_text(link)
        return read_object(self._store, link.digest or "")

    def _version(self) -> BagVersion:
        return BagVersion(
            dataset=self._found.history.id,
            name=self._found.history.name,
            version=str(self._found.made.version),
            manifest=self._found.made.manifest,
            step=self._found.made.stated.digest,
        )

    def _fields(self) -> Iterator[tuple[str, str]]:
        yield "Bag-Software-Agent", f"whence {VERSION}"
        yield "Bagging-Date", self._day
        yield "External-Identifier", str(self._found)
        yield "External-Identifier", f"urn:uuid:{self._found.history.id}"
        yield "External-Identifier", self._found.made.manifest
        if self._found.history.description:
            yield "External-Description", self._found.history.description
        yield "Payload-Oxum", bags.oxum(self.payload)
