"""tyro: what `tyro.cli` built. Given is what has an option of its name; the rest is default."""

from __future__ import annotations

import sys

from .caller import calling_frame
from .guard import Guard
from .of_jsonargparse import flat, given
from .parsed import plain_mapping
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def adapt(module: ModuleType, notes: Notes) -> None:
    """Of `tyro._cli`."""
    replace(module, "cli", lambda original: _parsing(original, notes))


def _parsing(original: Any, notes: Notes) -> Any:
    def cli(f: Any, *more: Any, **named: Any) -> Any:
        result = original(f, *more, **named)
        with Guard("tyro"):
            args = named.get("args")
            words = [str(word) for word in (sys.argv[1:] if args is None else args)]
            value = result[0] if named.get("return_unknown_args") else result
            if isinstance(f, type) and value is not None:
                # Of a function only its own result is known, which may be anything.
                _note(notes, value, words, calling_frame(1))
        return result

    return cli


def _note(notes: Notes, value: Any, words: list[str], frame: Any) -> None:
    caller = notes.parsed.whose(frame, words)
    if caller.whose is None:
        return
    options = given(words)
    values = flat(plain_mapping(value), "")
    origins = {name: "command_line" if options & _names(name) else "default" for name in values}
    notes.parsed.note("tyro", caller, value, plain_mapping, origins=origins)


def _names(name: str) -> set[str]:
    """The option of a value, and that of a truth value's other side."""
    head, dot, last = name.rpartition(".")
    return {name, f"{head}{dot}no_{last}"}
