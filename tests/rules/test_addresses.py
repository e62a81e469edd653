"""Addresses say where, and never what opens them."""

from __future__ import annotations

import pytest

from whence.errors import UsageError
from whence.rules.addresses import passwords_of, read_address, read_parameters, without_password

SCHEMES = ("sqlite", "postgresql")

SHOWN = {
    "postgresql://ada:p4ss-word@host:5432/db?sslmode=require": ("postgresql://host:5432/db", ["p4ss-word"]),
    "POSTGRESQL://host/db?password=p4ss-word": ("postgresql://host/db", ["p4ss-word"]),
    "postgresql://ada:a%40b@host/db": ("postgresql://host/db", ["a%40b", "a@b"]),
    "postgresql://ada@host/db": ("postgresql://host/db", []),
    "postgresql://host/db?user=ada&sslpassword=x&password=y": ("postgresql://host/db", ["x", "y"]),
    "sqlite:///a@b.db": ("sqlite:///a@b.db", []),
}


@pytest.mark.parametrize("url", SHOWN)
def test_an_address_is_shown_without_what_opens_it(url: str) -> None:
    read = read_address(url, SCHEMES)
    assert (str(read), passwords_of(url)) == SHOWN[url]


@pytest.mark.parametrize("url", ["ada:p4ss-word@host/db", "mysql://ada:p4ss-word@host", "", "p4ss-word://x"])
def test_an_unknown_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_address(url, SCHEMES)
    assert "p4ss-word" not in raised.value.message


def test_three_slashes_are_relative_and_four_are_not() -> None:
    assert read_address("sqlite:///a/b.db", SCHEMES).path == "a/b.db"
    assert read_address("sqlite:////a/b.db", SCHEMES).path == "/a/b.db"


def test_values_are_what_json_says_and_texts_otherwise() -> None:
    words = ["a=5", "b=0.5", "c=true", "d=null", 'e="5"', "f=007", "g=", "h=x=y", "i=[1]", "j=NaN"]
    assert read_parameters(words) == {
        "a": 5, "b": 0.5, "c": True, "d": None, "e": "5", "f": "007", "g": "", "h": "x=y", "i": "[1]", "j": "NaN",
    }  # fmt: skip


@pytest.mark.parametrize("words", [["a"], ["=1"], ["a b=1"], ["a=1", "a=2"]])
def test_what_is_no_parameter_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        read_parameters(words)


KEPT = {
    "s3://bucket/a@b": "s3://bucket/a@b",
    "sftp://ada@host/data": "sftp://ada@host/data",
    "sftp://ada:p4ss-word@host/data": "sftp://host/data",
    "abfs://container@account.example.org/x": "abfs://container@account.example.org/x",
    "https://ada@host/x?versionId=3": "https://host/x?versionId=3",
}


@pytest.mark.parametrize("url", KEPT)
def test_the_address_of_a_file_is_kept_without_what_opens_it(url: str) -> None:
    assert without_password(url) == KEPT[url]
