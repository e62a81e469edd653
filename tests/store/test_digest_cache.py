"""The digest cache: quick, never wrong, and worth nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from whence.capture.hashing import Measured, Work, measure
from whence.store.digest_cache import DigestCache

LATER = 10 * 10**9


def digest(cache: DigestCache, path: Path) -> str:
    work: Work[Measured] = Work(measure(str(path), cache))
    work.advance()
    return work.result.digest


class Old(DigestCache):
    """A cache for which all was read long after its last change, as when a file lay there since yesterday."""

    def add(self, part: str, stat: os.stat_result, digest: str, began: int) -> None:
        super().add(part, stat, digest, began + LATER)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_bytes(b"1,2\n")
    return tmp_path / "data" / "a.csv"


def remembered(folder: Path, file: Path) -> str | None:
    return DigestCache(folder).find(str(file.parent.resolve()), file.stat())


def test_an_old_file_is_remembered_in_one_file_a_folder(tmp_path: Path, file: Path) -> None:
    cache = Old(tmp_path / "cache")
    (file.parent / "b.csv").write_bytes(b"x")
    expected = digest(cache, file)
    digest(cache, file.parent / "b.csv")
    cache.save()
    assert remembered(tmp_path / "cache", file) == expected
    assert len(list((tmp_path / "cache" / "digests").iterdir())) == 1


def test_what_was_added_is_found_before_it_is_saved(tmp_path: Path, file: Path) -> None:
    cache = Old(tmp_path / "cache")
    expected = digest(cache, file)
    assert cache.find(str(file.parent.resolve()), file.stat()) == expected


@pytest.mark.scenario("X8")
def test_a_file_that_was_just_changed_is_not_entered(tmp_path: Path, file: Path) -> None:
    cache = DigestCache(tmp_path / "cache")
    digest(cache, file)
    assert cache.find(str(file.parent.resolve()), file.stat()) is None
    cache.save()
    assert remembered(tmp_path / "cache", file) is None


@pytest.mark.scenario("X1")
def test_an_edit_in_place_with_its_mtime_restored_is_noticed(tmp_path: Path, file: Path) -> None:
    cache = Old(tmp_path / "cache")
    digest(cache, file)
    cache.save()
    before = file.stat()
    time.sleep(0.02)  # past a tick of the file system's clock: within one, the file would not have been entered
    with file.open("r+b") as stream:
        stream.write(b"9")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert remembered(tmp_path / "cache", file) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "foreign"])
def test_a_damaged_cache_is_ignored_and_replaced(tmp_path: Path, file: Path, damage: str) -> None:
    cache = Old(tmp_path / "cache")
    expected = digest(cache, file)
    cache.save()
    (packed,) = (tmp_path / "cache" / "digests").iterdir()
    content = bytearray(packed.read_bytes())
    content[-1] ^= 1
    damaged = {"cut": content[:-5], "flipped": content, "emptied": b"", "foreign": b"whence-digests/9\n" + content[17:]}
    packed.write_bytes(damaged[damage])
    assert remembered(tmp_path / "cache", file) is None
    again = Old(tmp_path / "cache")
    digest(again, file)
    again.save()
    assert remembered(tmp_path / "cache", file) == expected


def test_two_that_save_at_once_lose_nothing_but_time(tmp_path: Path, file: Path) -> None:
    other = file.parent / "b.csv"
    other.write_bytes(b"x")
    one, two = Old(tmp_path / "cache"), Old(tmp_path / "cache")
    digest(one, file)
    digest(two, other)
    one.save()
    two.save()
    assert remembered(tmp_path / "cache", file)
    assert remembered(tmp_path / "cache", other)


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path: Path, file: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file is in the way")
    cache = Old(tmp_path / "cache")
    digest(cache, file)
    cache.save()
    assert list(tmp_path.glob(".tmp-*")) == []


def test_a_file_that_is_edited_again_and_again_has_one_row(tmp_path: Path, file: Path) -> None:
    for number in range(5):
        file.write_bytes(b"%d" % number)
        cache = Old(tmp_path / "cache")
        digest(cache, file)
        cache.save()
    (packed,) = (tmp_path / "cache" / "digests").iterdir()
    assert packed.stat().st_size == 17 + 32 + 72
