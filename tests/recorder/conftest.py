"""A command run twice: bare, and under the supervisor with a recording that only notes events."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from workplace import LIMIT, wait_until

SUPERVISE = Path(__file__).parent.parent / "support" / "supervise.py"


@dataclass
class Supervised:
    """Starts commands under the supervisor and reads what it noted."""

    folder: Path
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    """Commands are observed, as they are by default."""

    def argv(self, *command: str) -> list[str]:
        return [sys.executable, str(SUPERVISE), str(self.folder), *command]

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        self.forget()
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.argv(*command), capture_output=True, timeout=LIMIT, check=False, **options)

    def start(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        self.forget()
        return subprocess.Popen(self.argv(*command), **options)

    def forget(self) -> None:
        for name in self.folder.iterdir():
            name.unlink()

    def events(self) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def event(self, kind: str) -> dict[str, Any] | None:
        return next((event for event in self.events() if event["kind"] == kind), None)

    def awaited(self, kind: str) -> dict[str, Any]:
        return wait_until(lambda: self.event(kind), what=kind)

    @property
    def log(self) -> bytes:
        return (self.folder / "output.log").read_bytes()


@pytest.fixture
def supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supervised:
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("OBSERVE", "auto")
    return Supervised(folder)
