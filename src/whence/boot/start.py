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
_before: list[frozenset[str]] = [frozenset()]
"""The modules that were loaded when we came: `site` imports some for packages that the program never does."""


def begin(folder: str) -> None:
    """Say that an interpreter of ours is here, by an empty file, and watch imports."""
    _file[0] = file = os.path.join(folder, f"{os.getpid()}.{time.monotonic_ns()}.jsonl")
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    _before[0] = frozenset(sys.modules)
    with Guard("opens"):
        _watch_opens(folder)
    hook.watch(_adapt)
    # What is registered first is called last.
    atexit.register(_end)


def _watch_opens(folder: str) -> None:
    """Where nothing beneath the program sees what it opens, the recorder asks for it by an empty file."""
    if os.path.exists(os.path.join(folder, "opens")):
        from . import opens

        opens.watch(folder)


def _adapt(name: str, module: ModuleType) -> None:
    """A library of the table is there: what follows is loaded now, and only now."""
    from . import table

    table.adapt(name, module, _file[0])


def _end() -> None:
    """Parsed objects once more, seeds, and what was imported."""
    with Guard("the end"):
        table: Any = sys.modules.get("_whence_boot.table")
        if table is not None:
            table.look_again()
    with Guard("sources"):
        _note_sources()
    with Guard("packages"):
        _note_packages()


def _note_sources() -> None:
    from .sources import sources

    found = list(sources())
    if found:
        from .report import report

        report(_file[0]).note("sources", files=found[:MOST])


def _note_packages() -> None:
    from .imported import imported

    files = imported(_before[0])
    # That there are none is told where something is told anyway.
    if files or "_whence_boot.report" in sys.modules:
        from .libraries import libraries
        from .report import report

        report(_file[0]).note("installed", files=files[:MOST], libraries=libraries())
