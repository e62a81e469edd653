"""A store in a temp folder, and an index over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stored

from whence.index.sqlite import SqliteIndex
from whence.store.layout import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return stored.a_store(tmp_path / "work" / ".whence")


@pytest.fixture
def index(store: Store) -> Iterator[SqliteIndex]:
    index = SqliteIndex(store, store.cache / "index.sqlite")
    yield index
    index.close()
