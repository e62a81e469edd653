"""`dev.py`: which words reach pytest."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from fences import ROOT


@pytest.mark.parametrize(
    "words", [["--version"], ["-m", "not slow"], ["tests/cli", "-x", "--tb=short"], ["-k", "a or b"], ["--help"]]
)
def test_all_that_follows_test_is_for_pytest(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None and spec.loader is not None
    dev = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dev)
    ran: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", ["dev.py", "test", *words])
    monkeypatch.setattr(dev, "install", lambda _: None)
    monkeypatch.setattr(dev, "say_and_run", lambda lines: ran.extend(map(dev._resolved, lines)) or 0)
    assert dev.main() == 0
    assert ran == [[str(dev.SCRIPTS / "pytest"), *words]]
