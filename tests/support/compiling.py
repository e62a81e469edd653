"""Programs in C, where a test needs a call that Python does not make, or makes in its own way."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needs_compiler = pytest.mark.skipif(not shutil.which("gcc"), reason="no C compiler")


def compiled(folder: Path, source: str, *options: str) -> str:
    """The path of the program."""
    (folder / "program.c").write_text(source)
    subprocess.run(["gcc", "-O1", *options, "-o", folder / "program", folder / "program.c"], check=True)
    return str(folder / "program")
