"""Verifying the store: everything is read again; of `code.git`, git itself says whether it is sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..store.check import Report, check_store
from ..store.layout import Store


def verify(store: Store, runs: Sequence[str] | None, *, environ: Mapping[str, str]) -> Report:
    """Check these runs, or the whole store. Costs a read of all bytes."""
    return check_store(store, runs, environ=environ)
