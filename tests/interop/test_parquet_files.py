"""The same rows are the same bytes, however many came at once."""

from __future__ import annotations

import io
import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.interop import parquet_files as module
from whence.interop.parquet_files import stored_schema, write_parquet

ROWS = pa.table({"id": range(100), "name": [f"n{number % 7}" if number % 5 else None for number in range(100)]})


def frozen(table: pa.Table, cuts: list[int]) -> bytes:
    edges = [0, *sorted(cuts), table.num_rows]
    parts = [table.slice(start, end - start) for start, end in itertools.pairwise(edges)]
    batches = (batch for part in parts for batch in part.combine_chunks().to_batches())
    out = io.BytesIO()
    assert write_parquet(out, batches, stored_schema(table.schema)) == table.num_rows
    return out.getvalue()


@settings(deadline=None, max_examples=50)
@given(cuts=st.lists(st.integers(0, 100), max_size=12))
def test_the_bytes_do_not_depend_on_how_the_rows_came(cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GROUP", 32)
        once = frozen(ROWS, [])
        assert frozen(ROWS, cuts) == once
        file = pq.ParquetFile(io.BytesIO(once))
        assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [32, 32, 32, 4]
        assert file.read().equals(ROWS)


def test_a_moment_is_written_in_utc_whichever_zone_shows_it() -> None:
    moments = pa.array([0, 1_000_000], pa.timestamp("us", "UTC"))
    shown = [pa.table({"at": moments.cast(pa.timestamp("us", zone))}) for zone in ("UTC", "America/Lima")]
    assert frozen(shown[0], []) == frozen(shown[1], [])


def test_remarks_of_who_gave_the_rows_are_not_written() -> None:
    assert frozen(ROWS.replace_schema_metadata({"asked": "today"}), []) == frozen(ROWS, [])
