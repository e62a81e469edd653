"""The layers hold: imports go down the list of `[tool.importlinter]` only."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fences import ROOT
from workplace import Workplace

SOURCES = ROOT / "src"


@pytest.mark.skipif(not SOURCES.exists(), reason="the installed wheel is tested; its sources were checked before")
def test_imports_go_down_the_layers(workplace: Workplace) -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    configuration = ROOT / "pyproject.toml"
    workplace.run([linter, "--config", configuration, "--no-cache"], env={"PYTHONPATH": str(SOURCES)}).ok()
