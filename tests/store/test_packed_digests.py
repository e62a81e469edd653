"""What packs hold, as a table: it says what a set would say."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whence.digests import digest_of
from whence.ids import new_id
from whence.store.layout import Store
from whence.store.pack_writer import PackWriter
from whence.store.packed_digests import PackedDigests
from whence.store.packs import Pack


def pack(store: Store, contents: list[bytes]) -> Pack:
    writer = PackWriter(store, new_id(1_700_000_000_000, os.urandom(10)))
    for content in contents:
        writer.add(digest_of(content), content)
    return Pack(writer.finish())


def key(content: bytes) -> bytes:
    return bytes.fromhex(digest_of(content)[7:])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(packs=st.lists(st.lists(st.integers(0, 3000), max_size=400), max_size=4), asked=st.integers(0, 6000))
def test_what_was_packed_is_there_and_nothing_else(store: Store, packs: list[list[int]], asked: int) -> None:
    known = PackedDigests()
    for numbers in packs:
        known.add([pack(store, [b"%d" % number for number in numbers])])
    there = {number for numbers in packs for number in numbers}
    assert all(key(b"%d" % number) in known for number in there)
    assert (key(b"%d" % asked) in known) == (asked in there)


def test_a_digest_that_begins_like_another_is_not_taken_for_it(store: Store) -> None:
    known = PackedDigests()
    known.add([pack(store, [b"one"])])
    there = key(b"one")
    assert there in known
    assert there[:-1] + bytes([there[-1] ^ 1]) not in known


def test_a_pack_that_is_gone_holds_nothing(store: Store) -> None:
    one = pack(store, [b"one"])
    known = PackedDigests()
    known.add([one])
    one.close()
    Path(one.path).unlink()
    assert key(b"one") not in known


def test_a_pack_with_a_damaged_index_is_known_by_its_headers(store: Store) -> None:
    one = pack(store, [b"%d" % number for number in range(50)])
    one.path.chmod(0o644)
    with one.path.open("r+b") as stream:
        stream.seek(one.size - 1088 - 48)
        stream.write(bytes(40))
    known = PackedDigests()
    known.add([Pack(one.path)])
    assert all(key(b"%d" % number) in known for number in range(50))
