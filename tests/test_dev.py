"""`dev.py`: which words reach pytest, and what it says."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fences import ROOT


def _dev() -> Any:
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None and spec.loader is not None
    dev = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dev)
    return dev


@pytest.mark.parametrize(
    "words", [["--version"], ["-m", "not slow"], ["tests/cli", "-x", "--tb=short"], ["-k", "a or b"], ["--help"]]
)
def test_all_that_follows_test_is_for_pytest(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    dev = _dev()
    ran: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", ["dev.py", "test", *words])
    monkeypatch.setattr(dev, "install", lambda _: None)
    monkeypatch.setattr(dev, "say_and_run", lambda lines: ran.extend(map(dev._resolved, lines)) or 0)
    assert dev.main() == 0
    assert ran == [[str(dev.SCRIPTS / "pytest"), *words]]


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_its_help_begins_with_a_whole_sentence(words: list[str]) -> None:
    done = subprocess.run([sys.executable, ROOT / "dev.py", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Try whence and work on it: `python3 dev.py demo`, `python3 dev.py test`." in done.stdout
    assert "demo" in done.stdout.partition("VERB")[2]


def test_the_last_line_names_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = _dev()
    monkeypatch.setattr(dev, "SCRIPTS", tmp_path)
    for name, code in (("first", 3), ("second", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    assert dev.say_and_run(("first half", "second half")) == 3
    assert capsys.readouterr().out.splitlines()[-1] == "dev.py: failed: first half (code 3)"
    assert dev.say_and_run(("second half", "second")) == 0
    assert "failed" not in capsys.readouterr().out
