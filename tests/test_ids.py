"""Identifiers are UUIDs of version 7."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from whence.ids import created_at, day_of, is_id, new_id

MILLISECONDS = st.integers(0, 4102444800000)


@given(MILLISECONDS, st.binary(min_size=10, max_size=10))
def test_an_identifier_is_a_uuid_of_version_7_and_carries_its_time(milliseconds: int, random: bytes) -> None:
    identifier = new_id(milliseconds, random)
    assert is_id(identifier)
    parsed = uuid.UUID(identifier)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert round(created_at(identifier).timestamp() * 1000) == milliseconds


@given(st.lists(MILLISECONDS, min_size=2), st.binary(min_size=10, max_size=10))
def test_identifiers_sort_by_time(times: list[int], random: bytes) -> None:
    assert [new_id(t, random) for t in sorted(times)] == sorted(new_id(t, random) for t in times)


def test_a_day_is_a_utc_date() -> None:
    assert day_of(new_id(1795243229120, bytes(10))) == "2026-11-21"
