"""Packs: many objects in one file that tar can read, each found by its digest whatever is damaged beside it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest
import stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whence.digests import digest_of
from whence.errors import FormatError
from whence.store import packs
from whence.store.check import check_store
from whence.store.layout import Store
from whence.store.objects import (
    copy_object,
    has,
    object_path,
    object_size,
    open_object,
    put_bytes,
    put_file,
    read_object,
    sync_objects,
)
from whence.store.pack_format import ROW, TAIL, Member, find_row, header, pack_rows, read_header, walk
from whence.store.pack_writer import PackWriter
from whence.store.packs import Pack, Packs

SOME = tuple(f"object {number}".encode() * (number % 50) for number in range(300))


def fresh(store: Store) -> Packs:
    """As another process would see them."""
    return Packs(store.packs)


def damage(path: Path, at: int, data: bytes) -> None:
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        stream.write(data)


def cut(path: Path, size: int) -> None:
    path.chmod(0o644)
    os.truncate(path, size)


def rows_at(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[-TAIL + 24 : -TAIL + 32], "little")


def member_of(path: Path, content: bytes) -> Member:
    found = Pack(path).find(bytes.fromhex(digest_of(content)[7:]), hold=False)
    assert found is not None
    return found


def test_every_member_of_a_pack_is_an_object_like_any_other(store: Store, tmp_path: Path) -> None:
    stored.a_pack(store, *SOME)
    for number, data in enumerate(SOME):
        digest = digest_of(data)
        assert has(store, digest) and object_size(store, digest) == len(data)
        assert read_object(store, digest) == data
        with open_object(store, digest) as stream:
            assert stream.read() == data
        copy_object(store, digest, tmp_path / str(number))
        assert (tmp_path / str(number)).read_bytes() == data
    assert not any(store.objects.iterdir())


def test_what_a_pack_holds_is_not_stored_a_second_time(store: Store, tmp_path: Path) -> None:
    stored.a_pack(store, *SOME)
    (tmp_path / "f").write_bytes(SOME[7])
    digest = put_bytes(store, SOME[7])
    assert put_file(store, tmp_path / "f").digest == digest
    sync_objects(store, [digest])
    assert not object_path(store, digest).exists()


def test_tar_lists_a_pack_and_unpacks_it_to_the_objects_it_stands_for(store: Store, tmp_path: Path) -> None:
    path = stored.a_pack(store, *SOME)
    listed = subprocess.run(["tar", "tf", path], capture_output=True, text=True, check=True)
    names = [f"sha256/{digest_of(data)[7:9]}/{digest_of(data)[9:]}" for data in dict.fromkeys(SOME)]
    assert listed.stdout.split() == [*names, "index"] and listed.stderr == ""
    unpacked = subprocess.run(["tar", "-C", tmp_path, "-xvf", path], capture_output=True, text=True, check=True)
    assert unpacked.stderr == ""
    for data in SOME:
        file = tmp_path / "sha256" / digest_of(data)[7:9] / digest_of(data)[9:]
        assert file.read_bytes() == data and stat.S_IMODE(file.stat().st_mode) == 0o444


def test_the_bytes_of_a_pack_are_those_of_the_specification(store: Store) -> None:
    path = stored.a_pack(store, b"b" * 600, b"a")
    data = path.read_bytes()
    trailer = data[-1088 : -1088 + 64]
    count, start = int.from_bytes(trailer[16:24], "little"), int.from_bytes(trailer[24:32], "little")
    assert trailer[:16] == b"whence-pack/1\n\0\0" and count == 2
    rows = data[start : start + 48 * count]
    assert sha256(rows).digest() == trailer[32:]
    expected = sorted((sha256(content).digest(), content) for content in (b"b" * 600, b"a"))
    for number, (digest, content) in enumerate(expected):
        row = rows[48 * number : 48 * number + 48]
        offset, size = int.from_bytes(row[32:40], "little"), int.from_bytes(row[40:], "little")
        assert row[:32] == digest and data[offset : offset + size] == content
    assert data[-1024:] == bytes(1024) and len(data) % 512 == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(contents=st.lists(st.binary(max_size=2000), max_size=30))
def test_whatever_is_packed_comes_back_by_the_index_and_by_the_headers(store: Store, contents: list[bytes]) -> None:
    path = stored.a_pack(store, *contents)
    pack = Pack(path)
    assert pack.sound_rows() == pack_rows(walk(pack.read, pack.size))
    for data in contents:
        for hold in (False, True):
            member = pack.find(bytes.fromhex(digest_of(data)[7:]), hold=hold)
            assert member is not None and pack.bytes_of(member) == data
    pack.close()
    path.unlink()


@given(
    digests=st.sets(st.binary(min_size=32, max_size=32) | st.integers(0, 900).map(lambda n: n.to_bytes(32, "big"))),
    other=st.binary(min_size=32, max_size=32),
    more=st.integers(0, 3000),
)
def test_a_row_is_found_wherever_it_stands_and_no_other(digests: set[bytes], other: bytes, more: int) -> None:
    digests |= {sha256(b"%d" % number).digest() for number in range(more)}
    rows = pack_rows(Member(digest, 512, number) for number, digest in enumerate(sorted(digests)))

    def part(begin: int, end: int) -> bytes:
        assert 0 <= begin < end <= len(digests)
        return rows[begin * ROW : end * ROW]

    for number, digest in list(enumerate(sorted(digests)))[:: max(1, len(digests) // 100)]:
        assert find_row(part, len(digests), digest) == Member(digest, 512, number)
    assert (find_row(part, len(digests), other) is None) == (other not in digests)


@given(name=st.binary(min_size=1, max_size=80).filter(lambda n: b"\0" not in n), size=st.integers(0, 8**11 - 1))
def test_a_header_is_read_as_it_was_written_and_a_changed_one_is_refused(name: bytes, size: int) -> None:
    block = header(name, size, 1_700_000_000)
    read = read_header(block)
    assert read is not None and (read.name, read.size) == (name, size)
    assert len(block) == 512 and tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").size == size
    changed = bytearray(block)
    changed[130] ^= 1
    assert read_header(bytes(changed)) is None


def test_a_pack_of_another_process_is_seen_at_once(store: Store) -> None:
    seen = fresh(store)
    for data in SOME[:20]:
        assert seen.find(digest_of(data)) is None
        path = stored.a_pack(store, data)
        found = seen.find(digest_of(data))
        assert found is not None and found.path == path


def test_a_pack_that_was_removed_is_seen_at_the_next_look_for_what_is_not_there(store: Store) -> None:
    first, second = stored.a_pack(store, b"one"), stored.a_pack(store, b"two")
    seen = fresh(store)
    assert seen.find(digest_of(b"one")) is not None
    first.unlink()
    assert seen.find(digest_of(b"neither")) is None
    assert seen.find(digest_of(b"one")) is None
    assert seen.read(digest_of(b"two")) == b"two"
    assert second.exists()


def test_many_packs_need_few_descriptors(store: Store) -> None:
    contents = [f"pack {number}".encode() for number in range(3 * packs.MOST_OPEN)]
    for data in contents:
        stored.a_pack(store, data)
    before = len(os.listdir("/proc/self/fd"))
    seen = fresh(store)
    for data in contents:
        assert seen.read(digest_of(data)) == data
    assert len(os.listdir("/proc/self/fd")) - before <= packs.MOST_OPEN


def test_an_index_is_read_in_pieces_where_too_many_would_be_in_memory(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "MOST_HELD", 0)
    stored.a_pack(store, *SOME)
    seen = fresh(store)
    assert all(seen.read(digest_of(data)) == data for data in SOME)
    assert [pack.held for pack in seen.all()] == [0]


def test_stores_merge_by_copying_packs(store: Store, tmp_path: Path) -> None:
    other = stored.a_store(tmp_path / "other" / ".whence")
    stored.a_pack(store, b"here")
    path = stored.a_pack(other, b"there", b"here")
    assert not has(store, digest_of(b"there"))
    shutil.copy(path, store.packs)
    assert read_object(store, digest_of(b"there")) == b"there"
    assert check_store(store).damage == ()


# Damage


@pytest.mark.parametrize(
    "where, how",
    {
        "a row of the index": lambda path: damage(path, rows_at(path) + 3 * ROW, b"\xff" * ROW),
        "the offset in a row": lambda path: damage(path, rows_at(path) + 32, b"\0" * 8),
        "the number of rows": lambda path: damage(path, -TAIL + 16, b"\x01"),
        "the end of the index": lambda path: damage(path, -TAIL, b"gone"),
        "the last block cut off": lambda path: cut(path, path.stat().st_size - 512),
        "the whole index cut off": lambda path: cut(path, member_of(path, SOME[5]).offset + 512),
    }.items(),
)
def test_an_object_is_found_though_the_index_is_damaged(store: Store, where: str, how: object) -> None:
    path = stored.a_pack(store, *SOME[:6])
    assert callable(how)
    how(path)
    seen = fresh(store)
    assert [seen.read(digest_of(data)) for data in SOME[:6]] == list(SOME[:6]), where
    (found,) = check_store(store).damage
    assert found.where == f"packs/{path.name}" and found.what.startswith("the index was cut or changed; 6 objects")


def test_a_changed_member_is_named_and_so_is_who_rests_on_it(store: Store) -> None:
    path = stored.a_pack(store, *SOME)
    member = member_of(path, SOME[9])
    damage(path, member.offset, b"X")
    with pytest.raises(FormatError) as raised:
        read_object(store, digest_of(SOME[9]))
    name = f"sha256/{member.digest.hex()[:2]}/{member.digest.hex()[2:]}"
    changed = digest_of(b"X" + SOME[9][1:])
    assert raised.value.message.startswith(f"{path}: {name}: found {changed}")
    (found,) = check_store(store).damage
    assert found.where == f"packs/{path.name}:{name}"
    assert found.what == f"found {changed} ({len(SOME[9])} bytes), expected {digest_of(SOME[9])}"
    assert read_object(store, digest_of(SOME[10])) == SOME[10]


def test_a_changed_header_is_named_and_its_object_is_said_to_be_sound(store: Store) -> None:
    path = stored.a_pack(store, *SOME)
    member = member_of(path, SOME[9])
    damage(path, member.offset - 512 + 130, b"7")
    (found,) = check_store(store).damage
    assert found.where.startswith(f"packs/{path.name}:sha256/")
    assert found.what == "the header before its bytes was changed: tar does not find it, its bytes are sound"


def test_what_a_cut_pack_lost_is_missing_and_named_by_who_kept_it(store: Store) -> None:
    path = stored.a_pack(store, b"first" * 200, b"second" * 200)
    cut(path, member_of(path, b"second" * 200).offset + 100)
    assert read_object(store, digest_of(b"first" * 200)) == b"first" * 200
    assert fresh(store).read(digest_of(b"second" * 200)) is None
    assert [found.where for found in check_store(store).damage] == [f"packs/{path.name}"]


@pytest.mark.parametrize("which", [0, 1])
def test_an_object_that_is_sound_in_one_pack_is_read_from_there(store: Store, which: int) -> None:
    packs = [stored.a_pack(store, b"twice"), stored.a_pack(store, b"twice", b"more")]
    damage(packs[which], 0, b"zzz")
    assert fresh(store).read(digest_of(b"twice")) == b"twice"


# Writing


def test_a_pack_is_seen_only_when_it_is_whole(store: Store) -> None:
    writer = PackWriter(store, stored.an_id())
    for data in SOME:
        writer.add(digest_of(data), data)
        writer.add(digest_of(data), data)
    assert len(writer) == len(set(SOME)) and digest_of(SOME[3]) in writer
    assert fresh(store).all() == [] and not has(store, digest_of(SOME[3]))
    assert writer.contents() == list(dict.fromkeys(SOME))
    writer.finish()
    assert has(store, digest_of(SOME[3]))


def test_a_pack_that_was_given_up_leaves_nothing_behind(store: Store) -> None:
    writer = PackWriter(store, stored.an_id())
    writer.add(digest_of(b"a" * 2_000_000), b"a" * 2_000_000)
    writer.discard()
    assert list(store.packs.iterdir()) == []


def test_a_store_that_was_removed_is_not_made_again_by_a_pack(store: Store) -> None:
    shutil.rmtree(store.path)
    with pytest.raises(FileNotFoundError):
        PackWriter(store, stored.an_id())
    assert not store.path.exists()
