"""Which files are the program's own: those outside of the standard library, of site-packages, and of us."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Any

_STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_SCRIPTS = os.path.join(sys.prefix, "bin") + os.sep
_PACKAGES = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)
_known: dict[str, bool] = {}


def is_outside(file: str) -> bool:
    """Whether a file lies outside of the standard library, of site-packages and of us."""
    known = _known.get(file)
    if known is None:
        known = _known[file] = _lies_outside(file)
    return known


def is_ours(file: str) -> bool:
    """Whether a file is of whence itself."""
    return file.startswith(_OURS)


def _lies_outside(file: str) -> bool:
    if not file or file.startswith(("<", _STDLIB, _OURS)) or is_packaged(file):
        return False
    # Beside an interpreter lie the scripts that an installer wrote.
    return not os.path.abspath(file).startswith((_STDLIB, _OURS, _SCRIPTS))


def is_packaged(file: str) -> bool:
    """Whether a file lies where packages are installed."""
    return any(part in file for part in _PACKAGES)


def path_of(module: ModuleType | None) -> str | None:
    """The file of a module, if it has one."""
    held = _dict_of(module)
    # A script's `__file__` is gone at the end, its loader is not.
    path = held.get("__file__") or getattr(held.get("__loader__"), "path", None)
    return path if isinstance(path, str) else None


def _dict_of(module: ModuleType | None) -> dict[str, Any]:
    # Not by getattr: a lazy module would be loaded by that.
    return module.__dict__ if isinstance(module, type(sys)) else {}


def sources() -> Iterator[list[Any]]:
    """[module, path, size, time of change in ns] of each imported file that is the program's own."""
    for name, module in list(sys.modules.items()):
        path = path_of(module)
        if path is None or not is_outside(path):
            continue
        path = os.path.abspath(path)
        try:
            state = os.stat(path)
        except OSError:
            continue
        yield [name, path, state.st_size, state.st_mtime_ns]
