"""Files by address: copied into the store, or only referred to; what each file system told of them stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
import stored
import webserver
from webserver import Site
from workplace import Workplace

import whence
from whence.actions import remote_sources
from whence.actions.store_view import StoreView
from whence.digests import digest_of
from whence.errors import UsageError
from whence.store.adding import SourceError
from whence.store.objects import read_object
from whence.store.origins import OriginError


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a server on this machine."""
    with webserver.serving() as address:
        yield address


@pytest.fixture
def bucket() -> Iterator[dict[str, bytes]]:
    """Files in memory, at memory://bucket."""
    files = {"/bucket/one.bin": b"one", "/bucket/deep/two.bin": b"two" * 200_000, "/bucket/empty": b""}
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pipe(files)
    yield files
    memory.store.clear()


@pytest.fixture
def store(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> StoreView:
    monkeypatch.chdir(workplace.path)
    stored.a_store(workplace.store)
    return whence.open(workplace.store)


def test_a_folder_elsewhere_is_copied_file_by_file(store: StoreView, bucket: dict[str, bytes]) -> None:
    made = store.create_dataset("scans", "memory://bucket")
    fsspec.filesystem("memory").store.clear()
    folder = made.get("out")
    assert (folder / "deep/two.bin").read_bytes() == bucket["/bucket/deep/two.bin"]
    said = made.version().parameters
    assert (said["source"], said["places"]) == ("files", [{"path": "", "location": "memory://bucket"}])
    assert said["files"] == [
        {"path": "deep/two.bin", "size": 600_000}, {"path": "empty", "size": 0}, {"path": "one.bin", "size": 3},
    ]  # fmt: skip
    assert "reference" not in said and said["at"].endswith("Z")


def test_one_file_keeps_its_name_and_what_was_told_of_it(store: StoreView, site: str) -> None:
    Site.files["/data/table.csv"] = b"a,b\n1,2\n"
    made = store.create_dataset("table", f"{site}/data/table.csv?v=1", below="raw")
    assert [line.path for line in made.files()] == ["raw/table.csv"]
    (told,) = made.version().parameters["files"]
    assert told == {"path": "raw/table.csv", "size": 8, "etag": digest_of(b"a,b\n1,2\n")[7:15]}


def test_unchanged_files_make_no_version(store: StoreView, bucket: dict[str, bytes]) -> None:
    made = store.create_dataset("scans", "memory://bucket")
    assert made.add("memory://bucket").version == "0.1.0"
    fsspec.filesystem("memory").pipe("/bucket/one.bin", b"ONE")
    assert made.add("memory://bucket").changed == 1


def test_a_file_whose_strong_etag_is_known_is_not_read_again(store: StoreView, site: str) -> None:
    Site.files.update({"/a.bin": b"a" * 10, "/b.bin": b"b" * 10})
    addresses = [f"{site}/a.bin", f"{site}/b.bin"]
    made = store.create_dataset("scans", addresses)
    assert (sorted(Site.read), Site.read.clear()) == (["/a.bin", "/b.bin"], None)
    assert made.add(addresses).version == "0.1.0"
    Site.files["/b.bin"] = b"B" * 10
    changed = made.add(addresses)
    assert (changed.changed, Site.read) == (1, ["/b.bin"])
    assert [file.get("unread", False) for file in changed.parameters["files"]] == [True, False]
    assert (made.get("out", changed.version) / "a.bin").read_bytes() == b"a" * 10
    Site.files["/b.bin"] = b"b" * 10
    assert made.add(addresses).changed == 1
    assert made.add(f"{site}/a.bin", below="copy").added == 1, "another place in the dataset is read"


def test_a_weak_etag_and_bytes_that_are_not_here_are_read_again(store: StoreView, site: str) -> None:
    Site.files["/a.bin"] = b"a" * 10
    made = store.create_dataset("scans", f"{site}/a.bin", reference=True)
    assert made.add(f"{site}/a.bin", reference=True).version == "0.1.0" and Site.read == ["/a.bin"]
    made.add(f"{site}/a.bin")
    assert Site.read == ["/a.bin"] * 2, "only the digest was noted before"
    Site.weak = "W/"
    other = store.create_dataset("other", f"{site}/a.bin")
    assert other.version().parameters["files"][0]["etag"].startswith('W/"')
    other.add(f"{site}/a.bin")
    assert Site.read == ["/a.bin"] * 4


def test_a_file_that_changes_while_it_is_read_makes_nothing(
    store: StoreView, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Site.files["/a.bin"] = b"a" * 10
    reading = remote_sources.Remote.chunks

    def chunks(remote: Any, place: str | None = None) -> Iterator[bytes]:
        yield from reading(remote, place)
        Site.files["/a.bin"] = b"A" * 10

    monkeypatch.setattr(remote_sources.Remote, "chunks", chunks)
    with pytest.raises(SourceError, match=r"a\.bin' changed while it was read"):
        store.create_dataset("scans", f"{site}/a.bin")
    assert store.datasets() == []


def test_several_addresses_keep_their_names(store: StoreView, bucket: dict[str, bytes]) -> None:
    made = store.create_dataset("scans", ["memory://bucket/deep", "memory://bucket/one.bin"])
    assert [line.path for line in made.files()] == ["deep/two.bin", "one.bin"]


def test_what_was_told_of_many_files_is_an_object(
    store: StoreView, bucket: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_sources, "MOST_LISTED", 2)
    said = store.create_dataset("scans", "memory://bucket").version().parameters
    assert "files" not in said
    assert b'{"path":"deep/two.bin","size":600000}' in read_object(store._store, said["listing"])


def test_what_is_only_referred_to_is_read_there_and_held_against_its_digest(
    store: StoreView, bucket: dict[str, bytes]
) -> None:
    made = store.create_dataset("scans", "memory://bucket", reference=True)
    assert made.version().parameters["reference"] is True
    folder = made.get("out")
    assert (folder / "deep/two.bin").read_bytes() == bucket["/bucket/deep/two.bin"]
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/one.bin", b"ONE")
    with pytest.raises(OriginError) as raised:
        made.get("again")
    assert raised.value.message == (
        "scans@0.1.0: 'one.bin' was added by reference: memory://bucket/one.bin: holds other bytes now,"
        f" found {digest_of(b'ONE')} (3 bytes); expected {digest_of(b'one')} (3 bytes)"
    )
    memory.rm("/bucket/one.bin")
    with pytest.raises(OriginError, match=r"memory://bucket/one\.bin: found nothing; expected sha256:"):
        made.get("again")


def test_a_run_pins_what_is_only_referred_to(workplace: Workplace, site: str) -> None:
    Site.files["/words.txt"] = b"three words here\n"
    workplace.whence("data", "create", "words", f"{site}/words.txt", "--reference").ok()
    done = workplace.whence("run", "--data", "words@0.1.0", "--", "cat", "{data.words}/words.txt").ok()
    assert done.out == "three words here\n"
    (workplace.store / "cache").rename(workplace.path / "old-cache")
    Site.files["/words.txt"] = b"other words here\n"
    refused = workplace.whence("run", "--data", "words@0.1.0", "--", "touch", "started")
    assert (refused.code, "holds other bytes now" in refused.err) == (125, True)
    assert not (workplace.path / "started").exists()


def test_a_file_named_by_its_address_is_read(store: StoreView, workplace: Workplace) -> None:
    path = workplace.write("far/one.bin", "one")
    made = store.create_dataset("far", f"file://{path.parent}", reference=True)
    assert (made.get("out") / "one.bin").read_text() == "one"


WRONG = {
    "a scheme that nobody reads": ("nosuch://bucket/x", SourceError, "Protocol not known: nosuch"),
    "nothing there": ("memory://nothing", SourceError, "memory://nothing: found nothing"),
    "a file beside an address": (["memory://bucket", "here"], UsageError, "found the path 'here' beside addresses"),
    "two of one name": (
        ["memory://bucket/empty", "memory://bucket/empty"],
        UsageError,
        "found a second file for empty",
    ),
    "no server": ("http://127.0.0.1:1/x", SourceError, "http://127.0.0.1:1/x: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_read_is_named_and_makes_nothing(case: str, store: StoreView, bucket: dict[str, bytes]) -> None:
    paths, kind, message = WRONG[case]
    with pytest.raises(kind) as raised:
        store.create_dataset("scans", paths)
    assert message in raised.value.message
    assert store.datasets() == []


def test_a_path_that_leads_out_of_its_folder_is_refused(store: StoreView, bucket: dict[str, bytes]) -> None:
    fsspec.filesystem("memory").store["/bucket/../../out"] = fsspec.filesystem("memory").store["/bucket/empty"]
    with pytest.raises(SourceError, match=r"'\.\./\.\./out'"):
        store.create_dataset("scans", "memory://bucket")


@pytest.mark.scenario("S23")
def test_what_opens_an_address_reaches_neither_the_store_nor_the_terminal(workplace: Workplace, site: str) -> None:
    Site.files["/words.txt"] = b"words\n"
    url = site.replace("://", "://ada:hunter2-Tr0ub4dor@")
    signed = f"{site}/words.txt?X-Amz-Signature={'0a1b' * 16}"
    done = [
        workplace.whence("data", "create", "one", f"{url}/words.txt").ok(),
        workplace.whence("data", "create", "two", f"{url}/nothing.txt"),
        workplace.whence("data", "create", "three", signed).ok(),
    ]
    written = b"".join(path.read_bytes() for path in workplace.store.rglob("*") if path.is_file())
    printed = "".join(one.out + one.err for one in done)
    for text in ("hunter2", "0a1b" * 16):
        assert text.encode() not in written and text not in printed
