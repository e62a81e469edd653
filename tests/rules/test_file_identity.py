"""What a file system tells of a file is believed only where it says which bytes it has."""

from __future__ import annotations

import pytest

from whence.records.source import RemoteFile
from whence.rules.file_identity import is_same

SAME = {
    "a strong tag": (("x", None, 3), ("x", None, 3), True),
    "a strong tag, and no size told": (("x", None, 3), ("x", None, None), True),
    "a version": ((None, "v1", 3), (None, "v1", 3), True),
    "a weak tag": (('W/"x"', None, 3), ('W/"x"', None, 3), False),
    "a weak tag with a version": (('W/"x"', "v1", 3), ('W/"x"', "v1", 3), True),
    "another tag": (("x", None, 3), ("y", None, 3), False),
    "another version with that tag": (("x", "v1", 3), ("x", "v2", 3), False),
    "a version that was not told before": (("x", None, 3), ("x", "v1", 3), False),
    "another size": (("x", None, 3), ("x", None, 4), False),
    "nothing but a size": ((None, None, 3), (None, None, 3), False),
}


@pytest.mark.parametrize("case", SAME)
def test_a_file_is_the_same_only_where_its_bytes_are_told(case: str) -> None:
    (etag, version, size), (now_etag, now_version, now_size), same = SAME[case]
    before = RemoteFile(path="a", size=size or 0, etag=etag, version=version)
    assert is_same(before, now_size, now_etag, now_version) is same
