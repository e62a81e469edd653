"""fire: the arguments that a function of the program is called with."""

from __future__ import annotations

import sys

from .caller import calling_frame
from .guard import Guard
from .plain import plain
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def adapt(module: ModuleType, notes: Notes) -> None:
    """Of `fire.core`. Each function, class or method on the way has a parser made for it."""
    replace(module, "_MakeParseFn", lambda original: _making(original, notes))


def _making(original: Any, notes: Notes) -> Any:
    def _MakeParseFn(fn: Any, metadata: Any) -> Any:
        parse = original(fn, metadata)

        def _ParseFn(args: Any) -> Any:
            words = [str(word) for word in args]
            result = parse(args)
            with Guard("fire"):
                _note(notes, fn, result, words, calling_frame(1))
            return result

        return _ParseFn

    return _MakeParseFn


def _note(notes: Notes, function: Any, result: Any, words: list[str], frame: Any) -> None:
    import inspect

    (positional, named), _, rest, _ = result
    caller = notes.parsed.whose(frame, words or None)
    if caller.whose is None:
        return
    bound = inspect.signature(function).bind(*positional, **named)
    bound.apply_defaults()
    values = {name: plain(value) for name, value in bound.arguments.items()}
    given = set(named) | _options(words[: len(words) - len(rest)])
    defaults = {name: one.default for name, one in inspect.signature(function).parameters.items()}
    origins = {
        name: "command_line" if name in given or bound.arguments[name] is not defaults.get(name) else "default"
        for name in values
    }
    choices = {"command": getattr(function, "__name__", "")} if len(sys.argv) > len(words) + 1 else {}
    notes.parsed.note("fire", caller, values, dict, origins=origins, choices=choices)


def _options(words: list[str]) -> set[str]:
    return {word.lstrip("-").partition("=")[0].replace("-", "_") for word in words if word.startswith("-")}
