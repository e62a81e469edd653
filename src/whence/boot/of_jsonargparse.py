"""jsonargparse: a nested namespace. It does not tell where a value came from; what can be seen from outside is whether
an option of that name was given, and whether a value is the parser's default."""

from __future__ import annotations

import os
import sys

from .caller import calling_frame
from .guard import Guard
from .parsed import plain_mapping
from .plain import is_dict
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

OPTION_OF_FILE = "--config"


def adapt(module: ModuleType, notes: Notes) -> None:
    """Of `jsonargparse._core`, before 4.20 `jsonargparse.core`."""
    replace(module.ArgumentParser, "parse_args", lambda original: _parsing(original, notes))


def _parsing(original: Any, notes: Notes) -> Any:
    def parse_args(self: Any, args: Any = None, *more: Any, **named: Any) -> Any:
        result = original(self, args, *more, **named)
        with Guard("jsonargparse"):
            words = [str(word) for word in (sys.argv[1:] if args is None else args)]
            caller = notes.parsed.whose(calling_frame(1), words)
            if caller.whose is not None:
                origins = _origins(self, plain_mapping(result), words)
                notes.parsed.note("jsonargparse", caller, result, plain_mapping, origins=origins)
        return result

    return parse_args


def _origins(parser: Any, values: Mapping[str, Any], words: list[str]) -> dict[str, str]:
    options = given(words)
    defaults = {action.dest: action.default for action in parser._actions}
    from_file = any(OPTION_OF_FILE in option for option in options)
    prefix = getattr(parser, "env_prefix", None) if getattr(parser, "default_env", False) else None
    origins: dict[str, str] = {}
    for name, value in flat(values, "").items():
        if name in options:
            origins[name] = "command_line"
        elif isinstance(prefix, str) and "{}_{}".format(prefix, name.replace(".", "__")).upper() in os.environ:
            origins[name] = "environment"
        else:
            origins[name] = "file" if from_file and value != defaults.get(name) else "default"
    return origins


def given(words: list[str]) -> set[str]:
    """The names of the options on a command line, `-` as `_`; a file's own option with its dashes."""
    heads = [word.partition("=")[0] for word in words if word.startswith("--")]
    return {head[2:].replace("-", "_") for head in heads} | {head for head in heads if head == OPTION_OF_FILE}


def flat(values: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Values by dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{at}.{key}" if at else key
        found.update(flat(value, name) if is_dict(value) and value else {name: value})
    return found
