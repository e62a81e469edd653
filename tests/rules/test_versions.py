"""Versions of datasets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import UsageError
from whence.rules.versions import FIRST, Version, after_change, after_release, read_version

NUMBERS = st.integers(0, 999_999_999)
ABOVE_ZERO = st.integers(1, 999_999_999)
RELEASES = st.builds(Version, NUMBERS, NUMBERS, NUMBERS)
DEVELOPING = st.builds(Version, NUMBERS, NUMBERS, NUMBERS, ABOVE_ZERO, ABOVE_ZERO)
VERSIONS = RELEASES | DEVELOPING


@pytest.mark.scenario("D11")
@given(VERSIONS)
def test_a_version_is_read_back_as_it_was_written(version: Version) -> None:
    assert read_version(str(version)) == version


@given(st.text("0123456789.postdev", max_size=24))
def test_a_text_that_is_read_at_all_is_written_back_letter_by_letter(text: str) -> None:
    try:
        version = read_version(text)
    except UsageError:
        return
    assert str(version) == text


@pytest.mark.scenario("S8")
@pytest.mark.parametrize("form", ["2.1.0", [2, 1, 0], (2, 1, 0), Version(2, 1, 0)], ids=repr)
def test_every_way_to_write_a_version_is_that_version(form: object) -> None:
    assert read_version(form) == Version(2, 1, 0)


WRONG: dict[str, tuple[Any, str]] = {
    "two numbers": ("2.1", "`whence data log NAME` lists the versions"),
    "two numbers in a list": ([2, 1], "`whence data log NAME` lists the versions"),
    "a word": (
        "latest",
        "leave the version out to take the current release, or say @newest; the record says which it was",
    ),
    "nothing": (
        None,
        "leave the version out to take the current release, or say @newest; the record says which it was",
    ),
    "a blank behind": ("2.1.0 ", "did you mean 2.1.0?"),
    "a letter before": ("v2.1.0", "did you mean 2.1.0?"),
    "a zero before": ("02.1.0", "`whence data log NAME` lists the versions"),
    "a flag": (True, "`whence data log NAME` lists the versions"),
    "flags in a list": ([True, True, False], "`whence data log NAME` lists the versions"),
    "a negative number": ([2, -1, 0], "`whence data log NAME` lists the versions"),
    "no change at all": ("2.1.0.post1.dev0", "`whence data log NAME` lists the versions"),
    "other digits": ("٢.1.0", "`whence data log NAME` lists the versions"),
}


@pytest.mark.scenario("S8")
@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_version_is_refused_with_the_way_out(case: str) -> None:
    wrong, hint = WRONG[case]
    with pytest.raises(UsageError) as refused:
        read_version(wrong)
    expected = "expected three numbers, for instance 2.1.0, or 2.1.0.post1.dev3 for one that is not released"
    assert refused.value.message == f"version {wrong!r}: {expected}"
    assert refused.value.hint == hint


@pytest.mark.scenario("D2", "D4")
@given(RELEASES, st.sampled_from(["patch", "minor", "major"]))
def test_a_change_comes_after_the_release_that_it_follows_and_before_the_next(release: Version, level: Any) -> None:
    first = after_change(release)
    second = after_change(first)
    assert release < first < second < after_release(second, level)
    assert first.developing
    assert not release.developing
    assert first.anchor == second.anchor == release
    assert str(second) == f"{release}.post1.dev2"


@pytest.mark.scenario("D3")
def test_a_release_moves_one_number_and_the_smaller_ones_begin_anew() -> None:
    head = after_change(Version(2, 1, 3))
    assert [str(after_release(head, level)) for level in ("patch", "minor", "major")] == ["2.1.4", "2.2.0", "3.0.0"]
    assert str(FIRST) == "0.1.0"
