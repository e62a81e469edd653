"""A store in a temp folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import stored

from whence.store.layout import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return stored.a_store(tmp_path / "work" / ".whence")
