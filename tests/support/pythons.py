"""Interpreters of this machine besides the one that runs the tests: from PATH, and from pyenv where it is set up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LEAST = 8
"""The oldest Python 3 that what is ours inside a program supports."""


def oldest() -> str:
    """The program of the oldest one that is supported; the one that runs the tests, if there is no older."""
    return next(_found())


def _found() -> Iterator[str]:
    for minor in range(LEAST, sys.version_info.minor):
        name = f"python3.{minor}"
        versions = Path(os.environ.get("PYENV_ROOT", os.devnull), "versions")
        for path in (shutil.which(name), *sorted(versions.glob(f"3.{minor}.*/bin/{name}"))):
            # A shim of pyenv is there for versions that are switched off, too.
            if path and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
                yield str(path)
    yield sys.executable
