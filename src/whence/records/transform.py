"""What a run did to rows on their way: the story of an analysis, step by step."""

from typing import Any

from .base import Struct


class Transform(Struct, frozen=True, kw_only=True):
    """One step: a filter, a join, a recoding."""

    operation: str
    at: str | None = None
    source: str | None = None
    """What it was done to, as the run calls it: an input, a dataset, a table."""
    dataset: str | None = None
    """Where `source` is data that the run pinned: the dataset's name, its identifier and the version."""
    dataset_id: str | None = None
    version: str | None = None
    result: str | None = None
    """What came out, as the run calls it."""
    rows_in: int | None = None
    rows_out: int | None = None
    columns_in: int | None = None
    columns_out: int | None = None
    criteria: str | None = None
    """In words or as a query: which rows are the cohort."""
    parameters: dict[str, Any] = {}
