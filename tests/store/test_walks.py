"""The last walk through a folder: what is as it was costs a look, what is damaged a read, and nothing is ever wrong."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whence.capture.hashing import NoCache, Work, measure_folder
from whence.digests import digest_of
from whence.store import digest_cache, taking
from whence.store.adding import add
from whence.store.digest_cache import DigestCache
from whence.store.layout import Store
from whence.store.manifests import read_manifest
from whence.store.objects import has, object_path
from whence.store.walks import UNSURE, open_walk, walk_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files between folders and in them, a link, and an empty folder."""
    for name in ("b", "sub/a", "sub/deep/x", "sub/z", "y"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "data/sub/link").symlink_to("a")
    (tmp_path / "data/empty").mkdir()
    return tmp_path / "data"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as unchanged as soon as they were read: nobody writes to them here."""
    monkeypatch.setattr(digest_cache, "RACY", -(10**18))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of what is read from now on."""
    names: list[str] = []
    real = taking.Taking.take

    def noted(self: taking.Taking, folder: int, name: str, path: str, stat: os.stat_result) -> taking.Taken:
        names.append(path)
        return real(self, folder, name, path, stat)

    monkeypatch.setattr(taking.Taking, "take", noted)
    return names


def walk_of(store: Store, folder: Path) -> Path:
    return Path(walk_path(store.cache, os.path.realpath(folder)))


def digest_now(folder: Path) -> str:
    work = Work(measure_folder(os.fspath(folder), NoCache()))
    work.advance()
    return work.result.digest


@pytest.mark.usefixtures("settled")
def test_a_folder_that_is_as_it_was_has_nothing_written_for_it(store: Store, folder: Path) -> None:
    first = add(store, folder)
    before = {path: path.stat().st_ctime_ns for path in store.path.rglob("*")}
    again = add(store, folder)
    assert (again.manifest, again.files, again.size) == (first.manifest, first.files, first.size)
    assert {path: path.stat().st_ctime_ns for path in store.path.rglob("*")} == before


@pytest.mark.scenario("X8")
def test_what_had_just_changed_is_read_again_and_the_rest_is_not(
    store: Store, folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (folder, *folder.rglob("*")):
        os.utime(path, ns=(0, 0), follow_symlinks=False)
    os.utime(folder / "b")
    monkeypatch.setattr(digest_cache, "_just_changed", lambda began, mtime, ctime: mtime > 0)
    add(store, folder)
    read.clear()
    add(store, folder)
    assert read == ["b"]


CHANGES = {
    "a file is edited": lambda data: (data / "sub/a").write_text("other"),
    "a file is edited and its time restored": lambda data: edit_silently(data / "sub/a"),
    "a file becomes executable": lambda data: (data / "sub/a").chmod(0o755),
    "a file is renamed": lambda data: (data / "sub/a").rename(data / "sub/c"),
    "two files change places": lambda data: swap(data / "b", data / "y"),
    "a file is new at the beginning": lambda data: (data / "a").write_text("a"),
    "a file is new at the end": lambda data: (data / "zz").write_text("a"),
    "the last file is gone": lambda data: (data / "y").unlink(),
    "a folder is renamed": lambda data: (data / "sub").rename(data / "other"),
    "a folder is gone": lambda data: shutil.rmtree(data / "sub"),
    "a folder is new": lambda data: shutil.copytree(data / "sub", data / "new", symlinks=True),
    "an empty folder is filled": lambda data: (data / "empty/f").write_text("f"),
    "an empty folder is gone": lambda data: (data / "empty").rmdir(),
    "a folder becomes empty": lambda data: (data / "sub/deep/x").unlink(),
    "a link leads elsewhere": lambda data: relink(data / "sub/link"),
    "a file becomes a folder": lambda data: ((data / "b").unlink(), (data / "b").mkdir()),
    "everything is gone": lambda data: [shutil.rmtree(one) if one.is_dir() else one.unlink() for one in data.iterdir()],
}


def edit_silently(path: Path) -> None:
    before = path.stat()
    path.write_text("x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(one: Path, other: Path) -> None:
    third = one.with_name("third")
    one.rename(third)
    other.rename(one)
    third.rename(other)


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("z")


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("keep", [True, False])
def test_the_manifest_is_that_of_the_folder_as_it_is(store: Store, folder: Path, change: str, keep: bool) -> None:
    add(store, folder, keep=keep)
    CHANGES[change](folder)
    changed = add(store, folder)
    assert changed.manifest == digest_now(folder)
    entries = read_manifest(store, changed.manifest)
    assert all(has(store, entry.digest) for entry in entries if entry.digest is not None)
    assert changed.files == sum(entry.kind in ("file", "link") for entry in entries)
    assert changed.size == sum(entry.size for entry in entries if entry.kind == "file")
    assert add(store, folder) == changed.__class__(
        manifest=changed.manifest, files=changed.files, size=changed.size, objects=0, stored=0
    )


NAMES = st.sampled_from(["a", "a-b", "a b", "a.b", "b", "é", "\udcff"])
TREES = st.recursive(
    st.sampled_from(["one", "two"]), lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=10
)


def make(path: Path, tree: str | dict[str, object]) -> None:
    if isinstance(tree, str):
        path.write_text(tree)
        return
    path.mkdir()
    for name, below in tree.items():
        make(path / name, below)  # type: ignore[arg-type]


@pytest.mark.usefixtures("settled")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(trees=st.lists(st.dictionaries(NAMES, TREES, max_size=4), min_size=2, max_size=4))
def test_whatever_a_folder_was_the_manifest_is_that_of_what_it_is(
    store: Store, tmp_path_factory: pytest.TempPathFactory, trees: list[dict[str, object]]
) -> None:
    folder = tmp_path_factory.mktemp("trees") / "data"
    for tree in trees:
        make(folder, tree)
        assert add(store, folder).manifest == digest_now(folder)
        shutil.rmtree(folder)


@pytest.mark.usefixtures("settled")
def test_a_changed_file_costs_itself_and_no_other_is_read(store: Store, folder: Path, read: list[str]) -> None:
    add(store, folder)
    (folder / "sub/a").write_text("other")
    read.clear()
    add(store, folder)
    assert read == ["sub/a"]


@pytest.mark.usefixtures("settled")
def test_what_was_only_referred_to_is_read_when_it_is_to_be_kept(store: Store, folder: Path, read: list[str]) -> None:
    add(store, folder, keep=False)
    read.clear()
    kept = add(store, folder)
    assert len(read) == 6 and kept.objects == 6
    add(store, folder, keep=False)
    assert add(store, folder).objects == 0 and len(read) == 6


@pytest.mark.usefixtures("settled")
def test_an_object_of_its_own_that_the_store_lost_is_stored_again(store: Store, folder: Path, read: list[str]) -> None:
    added = add(store, folder)
    entry = next(entry for entry in read_manifest(store, added.manifest) if entry.path == "sub/z")
    object_path(store, str(entry.digest)).unlink()
    read.clear()
    assert add(store, folder).objects == 1
    assert read == ["sub/z"] and has(store, str(entry.digest))


@pytest.mark.usefixtures("settled")
def test_a_manifest_that_the_store_lost_is_written_again(store: Store, folder: Path) -> None:
    added = add(store, folder)
    object_path(store, added.manifest).unlink()
    assert add(store, folder).manifest == added.manifest
    assert has(store, added.manifest)


@pytest.mark.usefixtures("settled")
def test_no_line_is_taken_from_a_damaged_manifest(store: Store, folder: Path) -> None:
    added = add(store, folder)
    path = object_path(store, added.manifest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"B"'))
    (folder / "y").write_text("other")
    assert add(store, folder).manifest == digest_now(folder)


def damages(data: bytes) -> Iterator[bytes]:
    yield b""
    yield data[: len(data) // 2]
    yield bytes(len(data))
    chance = random.Random(1)
    for at in chance.sample(range(len(data)), 150):
        yield data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


@pytest.mark.usefixtures("settled")
def test_a_damaged_walk_costs_a_read_and_is_never_believed(store: Store, folder: Path) -> None:
    add(store, folder)
    walk = walk_of(store, folder)
    sound = walk.read_bytes()
    for number, damaged in enumerate(damages(sound)):
        walk.write_bytes(damaged)
        (folder / "sub/z").write_text(str(number))
        assert add(store, folder).manifest == digest_now(folder)
        assert DigestCache(store.cache).find(os.path.realpath(folder), os.stat(folder / "b")) in (None, digest_of(b"b"))


@pytest.mark.usefixtures("settled")
def test_what_was_added_is_known_to_who_hashes_the_folder(store: Store, folder: Path) -> None:
    added = add(store, folder)
    digests = {entry.path: entry.digest for entry in read_manifest(store, added.manifest)}
    cache = DigestCache(store.cache)
    for name in ("b", "sub/a", "sub/deep/x"):
        assert cache.find(os.path.realpath(folder), os.stat(folder / name)) == digests[name]


@pytest.mark.usefixtures("settled")
def test_a_cache_that_cannot_be_written_is_no_fault(store: Store, folder: Path) -> None:
    (store.cache / "walks").write_text("a file is in the way")
    assert add(store, folder).manifest == add(store, folder).manifest == digest_now(folder)


def test_a_file_that_had_just_changed_is_in_no_row(store: Store, folder: Path) -> None:
    add(store, folder)
    walk = open_walk(store.cache, os.path.realpath(folder))
    assert walk is not None
    block = walk.next()
    assert block is not None and block.seen.rows == UNSURE and list(walk.rows()) == []
    walk.close()


@pytest.mark.usefixtures("settled")
def test_an_error_leaves_the_walk_before_as_it_was(store: Store, folder: Path) -> None:
    add(store, folder)
    before = walk_of(store, folder).read_bytes()
    os.mkfifo(folder / "sub/pipe")
    with pytest.raises(taking.SourceError):
        add(store, folder)
    assert walk_of(store, folder).read_bytes() == before
    assert [path.name for path in store.cache.rglob(".tmp-*")] == []
