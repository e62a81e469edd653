"""The text of bags: names that every reader takes for the same, and manifests that read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.records.data import ManifestEntry
from whence.rules.bags import (
    manifest_text,
    path_fault,
    payload_names,
    read_fields,
    read_manifest_text,
    unescaped,
)
from whence.rules.manifests import manifest_faults

DIGEST = "sha256:" + "0" * 64

PARTS = st.lists(st.sampled_from([*"ab=%", "\n", "\r", "=0A", "\udcff", " ", "ü", "\u2028", "x" * 260]), max_size=3)
PATHS = st.lists(PARTS.map("".join).filter(bool), min_size=1, max_size=3).map("/".join)


def manifest(paths: list[str]) -> list[ManifestEntry]:
    return [ManifestEntry(path=path, kind="file", mode=0o644, size=0, digest=DIGEST) for path in paths]


@given(st.lists(PATHS, unique=True))
def test_no_two_files_get_one_name_and_none_lies_below_another(paths: list[str]) -> None:
    ordered = sorted(paths, key=lambda path: path.encode("utf-8", "surrogateescape"))
    if list(manifest_faults(manifest(ordered))):
        return
    names = payload_names(manifest(ordered))
    assert set(names) == set(ordered) and len(set(names.values())) == len(ordered)
    for name in names.values():
        assert name.isprintable() and "%" not in name and not name.endswith(" ")
        assert not any(other.startswith(name + "/") for other in names.values())


@given(st.lists(PATHS, unique=True))
def test_a_manifest_reads_back(paths: list[str]) -> None:
    names = sorted(set(payload_names(manifest(paths)).values()))
    text = manifest_text((f"data/{name}", DIGEST) for name in names)
    assert read_manifest_text(text, "m") == {f"data/{name}": "0" * 64 for name in names}


def test_a_plain_path_keeps_its_name() -> None:
    assert payload_names(manifest(["a b/ü.csv", "a=0Ab"])) == {"a b/ü.csv": "a b/ü.csv", "a=0Ab": "a=0Ab"}


def test_a_name_that_is_taken_is_not_given_again() -> None:
    names = payload_names(manifest(["a=0Ab", "a\nb", "c\nd/e", "c=0Ad"]))
    assert names == {"a=0Ab": "a=0Ab", "a\nb": "renamed-1", "c\nd/e": "renamed-2", "c=0Ad": "c=0Ad"}


def test_escapes_of_the_standard_are_understood() -> None:
    assert unescaped("a%0Ab%0dc%25d%20") == "a\nb\rc%d%20"


BAD_LINES = {
    "no path": (b"abc\n", "m:1: found 'abc', expected a digest and a path"),
    "no digest": (b"xyz  data/a\n", "m:1: found 'xyz  data/a', expected a digest and a path"),
    "a path twice": (b"00  data/a\n01  data/a\n", "m:2: found 'data/a' a second time"),
    "bytes": (b"00  data/\xff\n", "m: found bytes that are not UTF-8, at 9"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_line_that_is_none_is_named(case: str) -> None:
    data, message = BAD_LINES[case]
    with pytest.raises(ValueError, match=r".*") as refused:
        read_manifest_text(data, "m")
    assert str(refused.value) == message


def test_the_fields_of_a_bag_go_on_over_lines_and_repeat() -> None:
    found = read_fields(b"A: one\r\n  two\r\nb: x\r\nB: y\r\n\r\n", "i")
    assert found == {"a": ["one two"], "b": ["x", "y"]}


BAD_PATHS = ["/a", "../a", "data/../a", "data//a", "data/./a", "", "~/a", "data/a\0"]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_leads_elsewhere_has_a_fault(path: str) -> None:
    assert path_fault(path) is not None


def test_a_path_below_has_none() -> None:
    assert path_fault("data/a/..b/~c") is None
