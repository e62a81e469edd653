"""Datasets laid out for runs: what somebody changed is left to whoever did that; the next run has a fresh folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from whence.store import laid_out
from whence.store.adding import add
from whence.store.laid_out import lay_out
from whence.store.layout import Store
from whence.store.materialize import OccupiedError


def test_programs_that_write_beside_their_data_get_fresh_folders_and_in_the_end_the_cure(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laid_out, "MOST", 3)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("1")
    manifest = add(store, tmp_path / "data").manifest
    said: list[str] = []
    for number in range(3):
        folder = lay_out(store, manifest, say=said.append)
        assert [path.name for path in folder.iterdir()] == ["a"]
        folder.chmod(0o755)
        (folder / "mine").mkdir()
        assert len(said) == number, "of all folders that were changed one line is said"
    assert "and so are 1 more" in said[-1]
    with pytest.raises(OccupiedError) as refused:
        lay_out(store, manifest, say=said.append)
    assert refused.value.hint and str(laid_out.data_folder(store, manifest)) in refused.value.hint
