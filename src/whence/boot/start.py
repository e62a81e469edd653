"""Begin and end: find the folder for notes, wait for the libraries of the table to be imported, and look back.

This, `hook`, `guard` and `sources` are all that a program pays for that imports none of them.
"""

from __future__ import annotations

import atexit
import os
import sys
import time

from . import hook
from .guard import Guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

MOST = 10_000
"""Sources that are listed."""

_file = [""]


def begin(folder: str) -> None:
    """Say that an interpreter of ours is here, by an empty file, and watch imports."""
    _file[0] = file = os.path.join(folder, f"{os.getpid()}.{time.monotonic_ns()}.jsonl")
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    hook.watch(_adapt)
    # What is registered first is called last.
    atexit.register(_end)


def _adapt(name: str, module: ModuleType) -> None:
    """A library of the table is there: what follows is loaded now, and only now."""
    from . import table

    table.adapt(name, module, _file[0])


def _end() -> None:
    """Parsed objects once more, seeds, and the program's own sources that were imported."""
    with Guard("the end"):
        table: Any = sys.modules.get("_whence_boot.table")
        if table is not None:
            table.look_again()
    with Guard("sources"):
        _note_sources()


def _note_sources() -> None:
    from .sources import sources

    found = list(sources())
    if found:
        from .report import report

        report(_file[0]).note("sources", files=found[:MOST])
