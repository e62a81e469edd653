"""argparse, and parsers that are built on it: what was given on the command line is what `_get_values` was asked for.

A parser inside a parser (sub-commands, a wrapper's own) is a part of the outermost one of its thread.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections import deque

from .caller import calling_frame, stands_between
from .guard import Guard
from .parsed import plain_mapping
from .plain import attributes, mapping
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


FRAMEWORKS = frozenset(("hydra", "fire", "tyro", "pydantic_settings", "jsonargparse", "click", "typer", "absl"))
"""They parse options of their own by argparse; what they resolve has an adapter of its own."""


class _Parsing:
    """One outermost parse: the destinations that were given, and the sub-commands that were chosen."""

    def __init__(self) -> None:
        self.given: set[str] = set()
        self.choices: dict[str, str] = {}


_parsing: dict[int, _Parsing] = {}
"""What is being parsed, by thread."""


_rests: deque[list[str]] = deque(maxlen=16)
"""The words that parsers gave back, by which what is parsed next is known."""


def adapt(argparse: ModuleType, notes: Notes) -> None:
    """The standard library's."""
    wrap_parser(argparse.ArgumentParser, notes)
    replace(argparse.ArgumentParser, "_get_values", _seeing_values)
    _look_before_it_dies(argparse.Namespace, notes)


def adapt_subclass(module: ModuleType, notes: Notes) -> None:
    """A parser that works on what argparse gives before it returns."""
    wrap_parser(module.ArgumentParser, notes)


def adapt_dataclasses(module: ModuleType, notes: Notes) -> None:
    """HfArgumentParser: what it reads from files and dicts; the command line is argparse's."""
    for name in ("parse_dict", "parse_json_file", "parse_yaml_file"):
        replace(module.HfArgumentParser, name, lambda original: _from_file(original, notes))


def wrap_parser(parser: Any, notes: Notes) -> None:
    """Note what the outermost parse of a class gives."""
    for name in ("parse_known_args", "parse_known_intermixed_args"):
        if name in vars(parser):
            replace(parser, name, lambda original: _wrapping(original, notes))


def _wrapping(original: Any, notes: Notes) -> Any:
    def parse(self: Any, args: Any = None, namespace: Any = None, *more: Any, **named: Any) -> Any:
        thread = get_ident()
        if thread in _parsing:
            return original(self, args, namespace, *more, **named)
        asked = args  # A parser before this one may have given it back.
        if args is not None and type(args) is not str:
            args = list(args)  # As argparse does; of an iterator there is one look only.
        words: list[str] = sys.argv[1:] if args is None else [args] if isinstance(args, str) else args
        before: set[str] = set(attributes(namespace)) if hasattr(namespace, "__dict__") else set()
        parsing = _parsing[thread] = _Parsing()
        try:
            result = original(self, args, namespace, *more, **named)
        finally:
            del _parsing[thread]
        with Guard("argparse"):
            # What a parser before this one left, even if that is nothing, is of the command line.
            left = any(asked is rest for rest in _rests)
            _rests.append(result[1])
            _note(notes, self, result[0], None if left else words, before, parsing, calling_frame(1))
        return result

    return parse


def _note(
    notes: Notes,
    parser: Any,
    namespace: Any,
    words: list[str] | None,
    before: set[str],
    parsing: _Parsing,
    frame: Any,
) -> None:
    caller = notes.parsed.whose(frame, words)
    if caller.whose is None or stands_between(frame, "argparse", FRAMEWORKS):
        return
    earlier = notes.parsed.origins_of(namespace)
    origins: dict[str, str] = {}
    for name in attributes(namespace):
        # What the namespace held before somebody else has put there: another parser, or the program.
        otherwise = earlier.get(name, "declared") if name in before else "default"
        origins[name] = "command_line" if name in parsing.given else otherwise
    for name in parsing.given:
        origins[name] = "command_line"
    notes.parsed.note(
        "argparse", caller, namespace, _values, origins=origins, choices=parsing.choices, program=parser.prog
    )


def _values(namespace: Any) -> dict[str, Any]:
    return mapping(attributes(namespace))


def _seeing_values(original: Any) -> Any:
    def _get_values(self: Any, action: Any, arg_strings: Any) -> Any:
        value = original(self, action, arg_strings)
        with Guard("argparse"):
            parsing = _parsing.get(get_ident())
            if parsing is not None and (action.option_strings or [word for word in arg_strings if word != "--"]):
                _see(parsing, action, value)
        return value

    return _get_values


def _see(parsing: _Parsing, action: Any, value: Any) -> None:
    if type(action).__name__ == "_SubParsersAction":
        parsing.choices["command" if action.dest == "==SUPPRESS==" else action.dest] = str(value[0])
    if action.dest != "==SUPPRESS==":
        parsing.given.add(action.dest)


def _look_before_it_dies(namespace: Any, notes: Notes) -> None:
    """A namespace is local to a function as a rule: it dies before the program ends."""
    if hasattr(namespace, "__del__"):
        return

    def __del__(self: Any) -> None:
        with Guard("argparse"):
            notes.parsed.look_at(self)

    namespace.__del__ = __del__


def _from_file(original: Any, notes: Notes) -> Any:
    def parse(self: Any, *args: Any, **named: Any) -> Any:
        result = original(self, *args, **named)
        with Guard("HfArgumentParser"):
            caller = notes.parsed.whose(calling_frame(1), None)
            origin = "declared" if original.__name__ == "parse_dict" else "file"
            for one in result:
                origins = dict.fromkeys(plain_mapping(one), origin)
                notes.parsed.note("transformers", caller, one, origins=origins)
        return result

    return parse
