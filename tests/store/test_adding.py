"""Adding a file or a folder: one pass, once only, the manifest that every other reader of the folder finds; or an error
that names the file, and nothing half-written."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whence.capture.hashing import NoCache, Work, measure_folder
from whence.digests import digest_of
from whence.errors import StoreError, WhenceError
from whence.records.data import ManifestEntry
from whence.records.encoding import decode
from whence.store import bulk, digest_cache, manifest_writer
from whence.store.adding import Added, SourceError, add
from whence.store.bulk import SMALL
from whence.store.check import check_store
from whence.store.layout import Store
from whence.store.objects import has, object_path, read_object
from whence.system.files import TEMPORARY


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with small, large, linked, empty and oddly named things."""
    folder = tmp_path / "source"
    for number in range(30):
        (folder / f"many/{number % 3}").mkdir(parents=True, exist_ok=True)
        (folder / f"many/{number % 3}/{number}").write_bytes(b"%d" % number * 100)
    (folder / "large").write_bytes(os.urandom(SMALL + 1))
    (folder / "empty file").touch()
    (folder / "empty folder").mkdir()
    (folder / "link").symlink_to("many/0")
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o700)
    Path(os.fsdecode(os.fsencode(folder) + b"/two\nlines \xff")).write_text("odd")
    return folder


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as unchanged as soon as they were read: nobody writes to them here."""
    monkeypatch.setattr(digest_cache, "RACY", -(10**18))


def entries(store: Store, added: Added) -> dict[str, ManifestEntry]:
    return {entry.path: entry for entry in decode(read_object(store, added.manifest), list[ManifestEntry])}


def manifest_of(folder: Path) -> str:
    work = Work(measure_folder(os.fspath(folder), NoCache()))
    work.advance()
    return work.result.digest


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that are opened from now on to be read, in the folder that is added."""
    opened: list[str] = []
    real = os.open

    def noted(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if "dir_fd" in named and not flags & os.O_DIRECTORY:
            opened.append(path)
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", noted)
    return opened


def nothing_half_written(store: Store) -> None:
    assert list(store.path.rglob(TEMPORARY + "*")) == []
    assert check_store(store).damage == ()


def test_every_file_of_an_added_folder_is_an_object(store: Store, source: Path) -> None:
    added = add(store, source)
    found = entries(store, added)
    files = {os.path.relpath(path, source): path for path in source.rglob("*") if path.is_file()}
    for name, path in files.items():
        if not path.is_symlink():
            digest = found[name].digest
            assert digest is not None and read_object(store, digest) == path.read_bytes()
    assert read_object(store, found["out"].digest or "") == b"/etc/passwd"
    assert (found["empty folder"].kind, found["link"].kind) == ("folder", "link")
    assert (found["program"].mode, found["large"].mode) == (0o755, 0o644)
    assert added.files == 36 and added.size == sum(
        path.stat().st_size for path in files.values() if not path.is_symlink()
    )
    nothing_half_written(store)


def test_small_files_are_one_pack_and_large_ones_objects_of_their_own(store: Store, source: Path) -> None:
    added = add(store, source)
    assert len(list(store.packs.iterdir())) == 1
    loose = {path for path in store.objects.rglob("*") if path.is_file()}
    large = digest_of((source / "large").read_bytes())
    assert loose == {object_path(store, large), object_path(store, added.manifest)}
    assert object_path(store, large).stat().st_mode & 0o777 == 0o444


NAMES = st.sampled_from(["a", "a.txt", "a-b", "a b", "a0", "b", "é", "\n", "\udcff", "A", ".hidden", ".whence"])
TREES = st.recursive(
    st.one_of(st.binary(max_size=50), st.sampled_from(["../x", "a"])),
    lambda below: st.dictionaries(NAMES, below, max_size=5),
    max_leaves=15,
)


def make(path: Path, tree: bytes | str | dict[str, Any]) -> None:
    match tree:
        case bytes():
            path.write_bytes(tree)
        case str():
            path.symlink_to(tree)
        case dict():
            path.mkdir()
            for name, below in tree.items():
                make(path / name, below)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(tree=st.dictionaries(NAMES, TREES, max_size=6))
def test_the_manifest_is_the_one_that_a_run_finds_for_the_same_folder(
    store: Store, tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("tree") / "source"
    make(folder, tree)
    added = add(store, folder, keep=False)
    assert added.manifest == manifest_of(folder)
    assert add(store, folder).manifest == added.manifest


def test_a_single_file_is_a_manifest_of_one_line(store: Store, source: Path) -> None:
    added = add(store, source / "large")
    found = entries(store, added)
    assert list(found) == ["large"] and has(store, found["large"].digest or "")
    assert (added.files, added.size, added.objects) == (1, SMALL + 1, 1)


@pytest.mark.usefixtures("settled")
def test_what_is_unchanged_is_neither_read_nor_stored_again(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add(store, source)
    opened = reads(monkeypatch)
    again = add(store, source)
    assert opened == []
    assert (again.manifest, again.objects, again.stored) == (first.manifest, 0, 0)
    assert len(list(store.packs.iterdir())) == 1


@pytest.mark.usefixtures("settled")
def test_a_changed_file_costs_itself(store: Store, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = add(store, source)
    (source / "many/1/4").write_bytes(b"changed")
    opened = reads(monkeypatch)
    again = add(store, source)
    assert opened == ["4"]
    assert (again.objects, again.stored) == (1, 7) and again.manifest != first.manifest
    assert read_object(store, first.manifest) and len(list(store.packs.iterdir())) == 1, "one object is no pack"


@pytest.mark.usefixtures("settled")
def test_an_object_that_the_store_lost_is_stored_again(store: Store, source: Path) -> None:
    first = add(store, source)
    for pack in store.packs.iterdir():
        pack.unlink()
    again = add(store, source)
    assert again.objects == first.objects - 1, "the large one is there"
    assert all(has(store, entry.digest) for entry in entries(store, again).values() if entry.digest)


def test_the_same_bytes_under_many_names_are_one_object(store: Store, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / "source" / str(number)).mkdir(parents=True)
        (tmp_path / "source" / str(number) / "f").write_bytes(b"same")
    added = add(store, tmp_path / "source")
    assert (added.files, added.objects, added.stored) == (20, 1, 4)


def test_by_reference_only_the_manifest_is_kept(store: Store, source: Path) -> None:
    added = add(store, source, keep=False)
    assert (added.objects, added.stored) == (0, 0)
    assert [path for path in store.objects.rglob("*") if path.is_file()] == [object_path(store, added.manifest)]
    assert not store.packs.exists()
    assert added.manifest == manifest_of(source)


def test_packs_are_of_bounded_size(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LARGEST_PACK", 100_000)
    (tmp_path / "source").mkdir()
    for number in range(100):
        (tmp_path / "source" / str(number)).write_bytes(os.urandom(5000))
    added = add(store, tmp_path / "source")
    sizes = [path.stat().st_size for path in store.packs.iterdir()]
    assert len(sizes) == 6 and max(sizes) < 120_000
    assert all(has(store, entry.digest or "") for entry in entries(store, added).values())
    assert add(store, tmp_path / "source").objects == 0


def test_the_store_in_the_folder_is_left_out_under_any_name(store: Store, tmp_path: Path) -> None:
    os.rename(store.path, tmp_path / "work" / "kept-here")
    moved = Store(path=tmp_path / "work" / "kept-here", id=store.id, writable=True)
    (tmp_path / "work" / "f").touch()
    (tmp_path / "work" / "sub" / ".whence").mkdir(parents=True)
    assert {path: entry.kind for path, entry in entries(moved, add(moved, tmp_path / "work")).items()} == {
        "f": "file",
        "sub": "folder",
    }


def test_a_sparse_file_stays_sparse_and_comes_back_byte_for_byte(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as stream:
        stream.seek(50 << 20)
        stream.write(b"in the midst")
        stream.truncate(100 << 20)
    digest = entries(store, add(store, file))["sparse"].digest or ""
    assert read_object(store, digest) == file.read_bytes()
    assert object_path(store, digest).stat().st_blocks * 512 < 10 << 20


def test_a_folder_within_hundreds_of_others_is_added(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "source"
    for _ in range(300):
        path = path / "d"
    path.mkdir(parents=True)
    (path / "f").write_text("deep")
    assert add(store, tmp_path / "source").manifest == manifest_of(tmp_path / "source")


# What cannot be added


def meanwhile(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Do something right before a file of that name is opened, or a folder is entered."""
    real = os.open

    def acting(path: Any, *rest: Any, **named: Any) -> int:
        if path == name and "dir_fd" in named:
            act()
        return real(path, *rest, **named)

    monkeypatch.setattr(os, "open", acting)


def refused(store: Store, source: Path, what: str) -> None:
    before = {path for path in store.objects.rglob("*") if path.is_file()}
    with pytest.raises(SourceError) as raised:
        add(store, source)
    assert raised.value.message == what
    assert raised.value.hint is None or raised.value.hint
    nothing_half_written(store)
    new = {path for path in store.objects.rglob("*") if path.is_file()} - before
    assert not any(path.read_bytes().startswith(b"[\n") for path in new), "there is no manifest"


def replaced_by_link(path: Path) -> Callable[[], None]:
    def act() -> None:
        path.unlink()
        path.symlink_to("/etc/passwd")

    return act


def test_a_file_that_vanishes_is_named(store: Store, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, "large", (source / "large").unlink)
    refused(store, source, f"{source}/large: vanished while it was added")


def test_a_file_that_becomes_a_link_is_not_followed(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, "large", replaced_by_link(source / "large"))
    refused(store, source, f"{source}/large: was replaced by something else while it was added")


def test_a_folder_that_becomes_a_link_is_not_entered(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act() -> None:
        os.rename(source / "many", source / "moved")
        (source / "many").symlink_to("/etc")

    meanwhile(monkeypatch, "many", act)
    refused(store, source, f"{source}/many: was replaced by something else while it was added")


def test_a_file_that_becomes_a_pipe_is_not_waited_for(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act() -> None:
        (source / "large").unlink()
        os.mkfifo(source / "large")

    meanwhile(monkeypatch, "large", act)
    refused(store, source, f"{source}/large: is a pipe, expected a file, a folder or a link")


@pytest.mark.parametrize("name", ["many/2/5", "large"])
def test_a_file_that_changes_while_it_is_read_is_named(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    target, real = (source / name), os.fstat
    inode = target.stat().st_ino
    looks: list[int] = []

    def changing(fd: int) -> os.stat_result:
        found = real(fd)
        if found.st_ino == inode:
            looks.append(fd)
            if len(looks) == 1:
                with target.open("r+b") as stream:
                    stream.write(b"other")
                os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
        return found

    monkeypatch.setattr(os, "fstat", changing)
    with target.open("r+b"):
        refused(store, source, f"{source}/{name}: changed while it was added")


def test_a_file_that_grows_while_it_is_read_is_named(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.read

    def growing(fd: int, count: int) -> bytes:
        if os.readlink(f"/proc/self/fd/{fd}").endswith("many/0/0"):
            with (source / "many/0/0").open("ab") as stream:
                stream.write(b"more")
        return real(fd, count)

    monkeypatch.setattr(os, "read", growing)
    refused(store, source, f"{source}/many/0/0: changed while it was added")


@pytest.mark.parametrize("act", ["new", "removed"])
def test_a_folder_whose_names_change_is_named(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    os.utime(source / "many/1", ns=(0, 0))
    last = source / "many/1/7"
    how = (source / "many/1/new").touch if act == "new" else (source / "many/1/1").unlink
    meanwhile(monkeypatch, last.name, how)
    what = "files were added to it, removed or renamed while it was added"
    refused(store, source, f"{source}/many/1/: {what}")


def test_what_is_no_file_is_named(store: Store, source: Path) -> None:
    os.mkfifo(source / "pipe")
    refused(store, source, f"{source}/pipe: is a pipe, expected a file, a folder or a link")
    (source / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(source / "many/s"))
        refused(store, source, f"{source}/many/s: is a socket, expected a file, a folder or a link")
    refused(store, Path("/dev/null"), "/dev/null: is a device, expected a file, a folder or a link")


def test_what_is_not_there_is_named(store: Store, source: Path) -> None:
    refused(store, source / "none", f"{source}/none: is not there, expected a file or a folder")


def denied(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What an account meets that may not read the file; root may read all."""

    def act() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", name)

    meanwhile(monkeypatch, name, act)


@pytest.mark.parametrize("name", ["large", "many"])
def test_what_may_not_be_read_is_named(store: Store, source: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    denied(monkeypatch, name)
    with pytest.raises(SourceError) as raised:
        add(store, source)
    assert raised.value.message == f"{source}/{name}: cannot be read: Permission denied"
    nothing_half_written(store)


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_a_full_disk_is_the_stores_fault_and_leaves_nothing_half_written(
    small_disk: Path, tmp_path: Path, size: int
) -> None:
    store = stored.a_store(small_disk / ".whence")
    source = tmp_path / "source"
    source.mkdir()
    for number in range(5_000_000 // size):
        (source / str(number)).write_bytes(os.urandom(size))
    with pytest.raises(StoreError) as raised:
        add(store, source)
    assert raised.value.message == f"{store.path}: cannot be written: No space left on device"
    nothing_half_written(store)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "f").write_bytes(b"fits")
    assert add(store, tmp_path / "one").objects == 1


def test_a_store_that_cannot_be_written_is_said(store: Store, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.objects.rmdir()
    store.objects.write_text("no folder")
    with pytest.raises(WhenceError) as raised:
        add(store, source)
    assert raised.value.message == f"{store.path}: cannot be written: Not a directory"


def test_memory_does_not_grow_with_the_manifest(store: Store, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_writer, "_BUFFER", 100)
    assert add(store, source).manifest == manifest_of(source)
