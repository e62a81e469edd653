"""Another account, for what root could do anyway."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter: those of pytest are closed, and closed again by any other session."""
    folder = Path(tempfile.mkdtemp(prefix="whence-open-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def folder_of_nobody() -> Iterator[Path]:
    """A folder of an account that may not do everything, which this process is meanwhile (its own if not root)."""
    folder = Path(tempfile.mkdtemp(prefix="whence-nobody-"))
    root = os.geteuid() == 0
    if root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)
