"""The errors that whence raises for a user's mistake or an unusable world; each knows its exit code.

The message says what was found, what was expected and where; the cure stands apart, in `hint`.
A mistake in our own code raises Python's built-in errors instead and ends with code 70.
"""

from __future__ import annotations

import sys


class WhenceError(Exception):
    """Something that the user can act on."""

    code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(WhenceError):
    """The words of a command, a setting or an argument are wrong."""

    code = 2


class UnresolvedError(WhenceError):
    """A reference matches nothing, or several things; `candidates` lists what it could have meant."""

    code = 3

    def __init__(self, message: str, *, candidates: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


class StoreError(WhenceError):
    """The store cannot be used: not writable, not a store, a newer format, out of space."""

    code = 4


class FormatError(StoreError):
    """Bytes in the store are not what the format says; the message carries file, line and dotted path."""


class RefusedError(WhenceError):
    """Policy, or an input that is not there, forbids the start; the run is kept with this as its story."""

    code = 125


def refuse_windows() -> None:
    """Say plainly what would otherwise be a module that cannot be imported. Raises StoreError."""
    if sys.platform == "win32":
        raise StoreError(
            "Windows is not supported: whence needs file locks and processes as Linux and macOS have them",
            hint="inside WSL 2 it works as on Linux",
        )
