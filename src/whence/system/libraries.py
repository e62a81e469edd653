"""Libraries of others that come as extras: imported when they are needed, by name, since few of them are typed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import WhenceError


class LibraryError(WhenceError):
    """A library that is not installed, or cannot be imported."""


def library(name: str, *, extra: str, what: str) -> Any:
    """The module. Raises LibraryError, which says that `what` needs it, and how to install it."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        because = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be imported: {error}"
        raise LibraryError(f"{what}: {package} {because}", hint=f"pip install 'whence[{extra}]'") from error
