"""Objects are copies, verified, whole or not there."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from whence.digests import digest_of
from whence.errors import FormatError, UnresolvedError
from whence.store.adding import add
from whence.store.bulk import SMALL
from whence.store.layout import Store
from whence.store.objects import (
    Kept,
    has,
    object_path,
    open_object,
    put_bytes,
    put_file,
    read_object,
    sync_objects,
    take_mended,
)


@pytest.mark.parametrize("size", [0, 1, 8192, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_a_file_comes_back_byte_for_byte(store: Store, tmp_path: Path, size: int) -> None:
    source = tmp_path / "model.pt"
    source.write_bytes(os.urandom(size))
    kept = put_file(store, source)
    assert kept == Kept(digest=digest_of(source.read_bytes()), size=size)
    assert read_object(store, kept.digest) == source.read_bytes()
    said = subprocess.run(["sha256sum", source], capture_output=True, text=True, check=True).stdout.split()[0]
    assert kept.digest == f"sha256:{said}"


@pytest.mark.scenario("J5")
def test_the_same_bytes_twice_are_one_object(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"same")
    first = put_file(store, tmp_path / "a").digest
    inode = object_path(store, first).stat().st_ino
    assert put_bytes(store, b"same") == first
    assert put_file(store, tmp_path / "a").digest == first
    assert object_path(store, first).stat().st_ino == inode
    assert [p for p in store.objects.rglob("*") if p.is_file()] == [object_path(store, first)]


@pytest.mark.scenario("X3", "J1")
def test_an_object_is_never_a_link_to_the_users_file(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "data.csv"
    source.write_bytes(b"before")
    kept = put_file(store, source)
    with source.open("r+b") as stream:
        stream.write(b"after!")
    assert read_object(store, kept.digest) == b"before"
    status = object_path(store, kept.digest).lstat()
    assert stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    assert stat.S_IMODE(status.st_mode) & 0o222 == 0
    assert source.stat().st_nlink == 1


def test_a_symbolic_link_is_kept_as_the_bytes_that_it_leads_to(store: Store, tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"real")
    (tmp_path / "link").symlink_to("real")
    kept = put_file(store, tmp_path / "link")
    assert object_path(store, kept.digest).is_symlink() is False
    assert read_object(store, kept.digest) == b"real"


@pytest.mark.scenario("I11", "L5")
@pytest.mark.parametrize("damage", [b"cut", b"changed bytes", b""])
def test_a_cut_or_changed_object_is_found_when_it_is_read(store: Store, damage: bytes) -> None:
    digest = put_bytes(store, b"the bytes that were kept")
    path = object_path(store, digest)
    path.chmod(0o644)
    path.write_bytes(damage)
    with pytest.raises(FormatError) as raised:
        read_object(store, digest)
    assert raised.value.message == f"{path}: found {digest_of(damage)} ({len(damage)} bytes), expected {digest}"
    assert raised.value.hint


def test_a_cut_object_is_made_whole_by_keeping_its_bytes_again(store: Store) -> None:
    digest = put_bytes(store, b"kept")
    object_path(store, digest).unlink()
    object_path(store, digest).write_bytes(b"ke")
    assert put_bytes(store, b"kept") == digest
    assert read_object(store, digest) == b"kept"
    (aside,) = (store.objects.parent / "damaged").iterdir()
    assert aside.read_bytes() == b"ke", "somebody may have it nowhere else"
    assert [sentence.endswith(str(aside)) for sentence in take_mended()] == [True]
    assert take_mended() == []


@pytest.mark.parametrize("size", [10, SMALL + 1])
def test_what_is_added_takes_the_place_of_an_object_of_another_length(store: Store, tmp_path: Path, size: int) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_bytes(content := os.urandom(size))
    manifest = add(store, tmp_path / "d").manifest
    path = object_path(store, digest_of(content))
    path.chmod(0o600)
    path.write_bytes(b"cut")
    again = add(store, tmp_path / "d")
    assert (again.manifest, again.objects, again.stored) == (manifest, 1, size)
    assert read_object(store, digest_of(content)) == content
    assert len(take_mended()) == 1


def test_what_is_not_there_is_said_with_a_hint(store: Store) -> None:
    digest = digest_of(b"never kept")
    assert not has(store, digest)
    with pytest.raises(UnresolvedError, match="holds no object"):
        open_object(store, digest)
    with pytest.raises(ValueError, match="is no digest"):
        has(store, "../../etc/passwd")


def test_a_file_that_cannot_be_kept_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    before = sorted(store.objects.rglob("*"))
    for source in (tmp_path / "not there", tmp_path):
        with pytest.raises(OSError):
            put_file(store, source)
    assert sorted(store.objects.rglob("*")) == before


def test_objects_can_be_flushed(store: Store) -> None:
    sync_objects(store, [put_bytes(store, b"a"), put_bytes(store, b"b")])
