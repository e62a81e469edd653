"""The pool: bytes stay what they are until they were read, in whatever order, and their memory is given back."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.answerer.pool import PAGE, Place, Pool
from whence.answerer.preimages import OP
from whence.digests import digest_of
from whence.recorder.waiting import Reader, Waiting

SIZE = 8 * PAGE
NO_CLONES = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def record(path: bytes, place: Place | None) -> tuple[object, ...]:
    return 0, 1.5, 1, OP, path, b"", 0, (1, 2, 3, 4, 5, 6), False, "", None, place


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 3 * PAGE)),
        st.tuples(st.just("lost"), st.integers(1, 3 * PAGE)),
        st.tuples(st.just("died"), st.integers(1, 3 * PAGE)),
        st.tuples(st.sampled_from(["read", "drop"]), st.integers(0, 9)),
    ),
    max_size=60,
)


@pytest.mark.parametrize("checked", [False, True], ids=["ordered", "checked"])
@settings(deadline=None)
@given(steps=steps)
def test_nothing_is_written_over_before_it_was_read(checked: bool, steps: list[tuple[str, int]]) -> None:
    pool = Pool(SIZE, checked=checked)
    reader = Reader(pool, NO_CLONES)
    waiting: list[tuple[Waiting, bytes]] = []
    fd = os.memfd_create("content")
    for at, (what, number) in enumerate(steps):
        if what in ("read", "drop"):
            if waiting:
                one, content = waiting.pop(number % len(waiting))
                if what == "drop":
                    one.drop()
                else:
                    assert one.told() == (digest_of(content), "")
            continue
        content = bytes([at + 1]) * number
        os.ftruncate(fd, 0)
        os.pwrite(fd, content, 0)
        place = pool.copy(fd, number)
        if place is None:
            assert waiting  # What was lost, or died, costs no room for good.
            continue
        if what == "died":
            continue
        pool.put(place)
        if what == "lost":
            pool.take_back(place)
            continue
        *_, found = reader.taken(record(b"/a", place))
        assert isinstance(found, Waiting)
        waiting.append((found, content))
    for one, content in waiting:
        assert one.told() == (digest_of(content), "")
    assert pool.copy(fd, 0) is not None
    os.close(fd)


def test_what_was_read_takes_no_memory(tmp_path: Path) -> None:
    pool = Pool(64 * PAGE)
    reader = Reader(pool, NO_CLONES)
    (tmp_path / "a").write_bytes(b"x" * 50 * PAGE)
    before = _shared()
    with (tmp_path / "a").open("rb") as file:
        place = pool.copy(file.fileno(), 50 * PAGE)
    assert place is not None
    assert _shared() >= before + 50 * PAGE
    pool.put(place)
    *_, found = reader.taken(record(b"/a", place))
    assert isinstance(found, Waiting)
    found.told()
    assert _shared() < before + 10 * PAGE


def _shared() -> int:
    """Bytes of shared memory that this process has touched (proc(5))."""
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("RssShmem:") + 1]) << 10


def test_a_file_that_is_shorter_than_it_was_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10)
    with (tmp_path / "a").open("rb") as file, pytest.raises(EOFError):
        Pool(SIZE).copy(file.fileno(), 11)


def test_of_a_secret_not_even_the_digest_is_told(tmp_path: Path) -> None:
    pool = Pool(SIZE)
    reader = Reader(pool, NO_CLONES)
    (tmp_path / "id_rsa").write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
    for path, because in (
        (b"/home/ada/id_rsa", "not digested: a file named id_rsa holds secrets by custom"),
        (b"/home/ada/key.txt", "not digested: it holds a private key"),
    ):
        with (tmp_path / "id_rsa").open("rb") as file:
            place = pool.copy(file.fileno(), 35)
        assert place is not None
        pool.put(place)
        *_, found = reader.taken(record(path, place))
        assert isinstance(found, Waiting)
        assert found.told() == ("", because)
