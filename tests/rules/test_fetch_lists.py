"""`fetch.txt`: an address that is written is read as the same one, and none of this machine is ever asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.rules.fetch_lists import Wanted, address_of, fetch_text, is_fetchable, read_fetch_text, uri_of

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(key=KEYS, size=st.none() | st.integers(0, 1 << 60))
def test_an_address_is_read_as_it_was_written(key: str, size: int | None) -> None:
    wanted = Wanted(uri_of(f"s3://bucket/{key}"), size, "data/a b.bin")
    assert wanted.uri.isascii() and wanted.uri.isprintable() and " " not in wanted.uri
    assert read_fetch_text(fetch_text([wanted]), "fetch.txt") == [wanted]
    assert address_of(wanted.uri) == f"s3://bucket/{key}"


def test_an_address_of_http_is_one_already() -> None:
    for address in ("https://x.org/a%20b?v=1%2C2", "http://x.org/a#part"):
        assert uri_of(address) == address_of(address) == address
    assert uri_of("https://x.org/a b\n\u00fc") == "https://x.org/a%20b%0A%C3%BC"


READ = {
    b"": [],
    b"http://x/a 3 data/a\r\nhttp://x/b\t-\tdata/b c\n\n": [
        Wanted("http://x/a", 3, "data/a"), Wanted("http://x/b", None, "data/b c"),
    ],
    b"\xef\xbb\xbfhttp://x/a 3 ./data/a": [Wanted("http://x/a", 3, "data/a")],
}  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_lists_of_other_programs_are_read(text: bytes) -> None:
    assert read_fetch_text(text, "fetch.txt") == READ[text]


@pytest.mark.parametrize("text", [b"http://x/a data/a", b"http://x/a 3", b"http://x/a three data/a", b"\xff 3 data/a"])
def test_what_is_no_line_of_a_list_is_named(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"^fetch\.txt"):
        read_fetch_text(text, "fetch.txt")


FETCHABLE = {
    "https://x.org/a": True,
    "S3://bucket/a": True,
    "file:///etc/passwd": False,
    "local:///etc/passwd": False,
    "memory://a": False,
    "/etc/passwd": False,
    "simplecache::file:///etc/passwd": False,
    "http://x/a::file:///etc/passwd": False,
    "zip://a::http://x/b.zip": False,
    "http://": False,
}


@pytest.mark.parametrize("address", FETCHABLE)
def test_only_addresses_of_other_machines_are_asked(address: str) -> None:
    assert is_fetchable(address) is FETCHABLE[address]
