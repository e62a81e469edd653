"""A manifest that is added to another line by line is the one that both make when they are in memory."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.digests import digest_of
from whence.errors import FormatError
from whence.records.data import ManifestEntry
from whence.records.encoding import decode
from whence.rules.contents import counts, difference, in_order, with_entries
from whence.rules.manifests import encode_manifest, manifest_faults
from whence.rules.merging import Changes, Merged, arriving, manifest_lines

NAMES = st.sampled_from(["a", "a-b", "a b", "a.b", "b", "é", "\udcff", "c\n"])
TREES = st.recursive(
    st.sampled_from(["one", "two", "link"]), lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=12
)


def entries(tree: object, path: str = "") -> list[ManifestEntry]:
    match tree:
        case dict() if tree:
            below = [entries(inside, f"{path}/{name}" if path else str(name)) for name, inside in tree.items()]
            return in_order([entry for some in below for entry in some])
        case dict():
            return [ManifestEntry(path=path, kind="folder", mode=0o755, size=0, digest=None)] if path else []
        case _:
            content = str(tree).encode()
            kind = "link" if tree == "link" else "file"
            return [ManifestEntry(path=path, kind=kind, mode=0o644, size=len(content), digest=digest_of(content))]


def lines(manifest: Sequence[ManifestEntry], piece: int = 7) -> list[bytes]:
    data = encode_manifest(manifest)
    return list(manifest_lines(data[at : at + piece] for at in range(0, len(data), piece)))


@given(tree=st.dictionaries(NAMES, TREES, max_size=5), piece=st.integers(1, 200))
def test_the_lines_of_a_manifest_are_its_entries(tree: dict[str, object], piece: int) -> None:
    manifest = entries(tree)
    assert [decode(line, ManifestEntry) for line in lines(manifest, piece)] == manifest


def joined(before: Sequence[ManifestEntry], added: Sequence[ManifestEntry]) -> Merged:
    return Merged(lines(before), lines(added), arriving(lines(before), lines(added)))


@given(before=st.dictionaries(NAMES, TREES, max_size=5), added=st.dictionaries(NAMES, TREES, max_size=5))
def test_what_is_added_line_by_line_is_what_is_added_in_memory(
    before: dict[str, object], added: dict[str, object]
) -> None:
    old, new = entries(before), entries(added)
    merged = joined(old, new)
    after = [decode(line, ManifestEntry) for line in merged]
    assert after == with_entries(old, new)
    assert list(manifest_faults(after)) == []
    differs = difference(old, after)
    assert merged.changes == Changes(len(differs.added), len(differs.changed), len(differs.removed))
    assert counts(old).files + merged.files == counts(after).files
    assert counts(old).size + merged.size == counts(after).size


def test_nothing_is_left_where_all_is_added_again() -> None:
    old = entries({"a": "one", "b": {"c": "two"}})
    found = arriving(lines(old), lines(entries({"a": "two", "b": {"c": "two", "d": "one"}})))
    assert not found.left
    assert (found.added, found.changed) == (1, 1)


@pytest.mark.parametrize("data", [b"", b"[", b"[]", b"[\n1,\n2", b'[["a","file",420,0,null]]', b"[\n1\n] \n"])
def test_what_is_not_in_the_canonical_form_is_said(data: bytes) -> None:
    with pytest.raises(FormatError):
        list(manifest_lines([data]))
