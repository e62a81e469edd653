"""The address of a table says which table, in which snapshot, and never what opens it."""

from __future__ import annotations

import pytest

from whence.errors import UsageError
from whence.rules.table_addresses import is_table_address, read_table_address

READ = {
    "delta:///lake/events": ("delta", "lake/events", None, None, "events"),
    "DELTA:////lake/events/?version=12": ("delta", "/lake/events/", "version", "12", "events"),
    "delta+s3://bucket/a/events?timestamp=2026-11-30T12:00:00%2B01:00": (
        "delta", "s3://bucket/a/events", "timestamp", "2026-11-30T12:00:00+01:00", "events",
    ),
    "iceberg:///w/orders/metadata/3.metadata.json": (
        "iceberg", "w/orders/metadata/3.metadata.json", None, None, "orders",
    ),
    "iceberg+gs://b/orders/v3.metadata.json?ref=main": (
        "iceberg", "gs://b/orders/v3.metadata.json", "ref", "main", "orders",
    ),
    "iceberg://prod/sales.orders?snapshot=7": ("iceberg", "sales.orders", "snapshot", "7", "orders"),
}  # fmt: skip


@pytest.mark.parametrize("url", READ)
def test_an_address_says_which_table_in_which_snapshot(url: str) -> None:
    assert is_table_address(url)
    read = read_table_address(url)
    assert (read.format, read.location, read.option, read.value or None, read.name) == READ[url]
    assert read.catalog == ("prod" if "prod" in url else None)


WRONG = {
    "delta://lake/events": "delta://: found 'lake', expected a path or a scheme",
    "delta://ada:p4ss-word@lake/events": "delta://: found something before the path, expected a path or a scheme",
    "delta:///": "delta://: found no table",
    "iceberg://prod": "iceberg://: found no table",
    "delta:///x?snapshot=1": "delta://: found the option 'snapshot', expected one of version=…, timestamp=…",
    "delta:///x?version=": "delta://: found the option 'version', expected one of version=…, timestamp=…",
    "delta:///x?version=1&timestamp=2": "delta://: found several options, expected one of version=…, timestamp=…",
    "delta:///x?p4ss-word": "delta://: found an option without a value, expected one of version=…, timestamp=…",
}


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_address_of_a_table_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_table_address(url)
    assert raised.value.message == WRONG[url]


VALUES = {
    "delta:///x?version=-1": "delta:///x?version=-1: found version=-1, expected a whole number",
    "delta:///x?version=\u0663": "delta:///x?version=\u0663: found version=\u0663, expected a whole number",
    "delta:///x?timestamp=2026-11-30": "delta:///x?timestamp=2026-11-30: found timestamp=2026-11-30, expected a moment"
    " with its zone",
    "delta:///x?timestamp=now": "delta:///x?timestamp=now: found timestamp=now, expected a moment with its zone",
}


@pytest.mark.parametrize("url", VALUES)
def test_a_snapshot_that_cannot_be_meant_is_refused(url: str) -> None:
    read = read_table_address(url)
    with pytest.raises(UsageError) as raised:
        print(read.number if read.option == "version" else read.moment)
    assert raised.value.message == VALUES[url]


def test_what_opens_the_place_is_not_shown() -> None:
    assert str(read_table_address("delta+https://ada:p4ss-word@host/x?version=1")) == "delta+https://host/x?version=1"


@pytest.mark.parametrize("word", ["s3://bucket/delta", "delta/x", "deltas://x", "duckdb:///x", "/delta:///x"])
def test_other_words_are_no_addresses_of_tables(word: str) -> None:
    assert not is_table_address(word)
