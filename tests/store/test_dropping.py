"""What is dropped is gone wherever it lay, and everything else is there."""

from __future__ import annotations

import pytest
import stored

from whence.digests import digest_of
from whence.errors import FormatError
from whence.store.check import check_store
from whence.store.dropping import drop_objects
from whence.store.layout import Store
from whence.store.objects import has, object_path, put_bytes, read_object
from whence.store.packs import Pack

MANY = [b"%d" % number * 50 for number in range(20)]


def test_what_is_dropped_is_gone_wherever_it_lay_and_the_rest_is_there(store: Store) -> None:
    path = object_path(store, put_bytes(store, b"loose"))
    both = object_path(store, put_bytes(store, MANY[3]))
    first, untouched = stored.a_pack(store, *MANY), stored.a_pack(store, b"other", b"more")
    gone = [b"loose", *MANY[3:6]]
    assert drop_objects(store, [digest_of(data) for data in gone]) == sum(map(len, gone)) + len(MANY[3])
    assert not path.exists() and not both.exists() and not first.exists() and untouched.exists()
    assert not any(has(store, digest_of(data)) for data in gone)
    assert all(read_object(store, digest_of(data)) == data for data in (*MANY[:3], *MANY[6:], b"other", b"more"))
    assert check_store(store).damage == ()


def test_a_pack_of_which_nothing_is_left_is_removed(store: Store) -> None:
    stored.a_pack(store, *MANY)
    drop_objects(store, {digest_of(data) for data in MANY})
    assert list(store.packs.iterdir()) == []


def test_what_is_not_there_is_no_fault(store: Store) -> None:
    stored.a_pack(store, *MANY)
    before = list(store.packs.iterdir())
    assert drop_objects(store, [digest_of(b"never")]) == 0
    assert list(store.packs.iterdir()) == before


def test_a_pack_in_which_another_object_is_damaged_is_left_as_it_is(store: Store) -> None:
    path = stored.a_pack(store, *MANY)
    member = Pack(path).find(bytes.fromhex(digest_of(MANY[7])[7:]), hold=False)
    assert member is not None
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(member.offset)
        stream.write(b"X")
    with pytest.raises(FormatError, match="nothing was removed of it"):
        drop_objects(store, [digest_of(MANY[2])])
    assert list(store.packs.iterdir()) == [path] and read_object(store, digest_of(MANY[2])) == MANY[2]
