"""gin: the parameters that are bound when the program's own code has parsed files and bindings.

Every binding goes through `bind_parameter`; within `parse_config_file` it is of a file. What functions would take by
default is theirs, not the configuration's. A reference to a function is told as gin writes it: `@train`, `%rate`.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from .caller import calling_frame
from .guard import Guard
from .plain import plain
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

MACRO = "gin.macro"

_reading: dict[int, list[str]] = {}
"""What is being parsed, by thread: the origin of each call within another."""

_origins: dict[str, str] = {}
"""By dotted name."""


def adapt(module: ModuleType, notes: Notes) -> None:
    """Of `gin.config`."""
    replace(module, "bind_parameter", lambda original: _binding(original, module))
    for name in ("parse_config", "parse_config_file", "parse_config_files_and_bindings"):
        replace(module, name, lambda original: _parsing(original, module, notes))


def _parsing(original: Any, module: Any, notes: Notes) -> Any:
    def parse(*args: Any, **named: Any) -> Any:
        stack = _reading.setdefault(get_ident(), [])
        stack.append(_origin(original.__name__, args[0] if args else named.get("bindings"), stack))
        try:
            result = original(*args, **named)
        finally:
            stack.pop()
        if not stack:
            with Guard("gin"):
                caller = notes.parsed.whose(calling_frame(1), None)
                notes.parsed.note("gin", caller, module, _values, origins=_origins)
        return result

    return parse


def _origin(function: str, bindings: Any, stack: list[str]) -> str:
    if function == "parse_config_file" or "file" in stack or hasattr(bindings, "readline"):
        return "file"
    lines = bindings.splitlines() if isinstance(bindings, str) else list(bindings or ())
    given = ["".join(word.split()) for word in getattr(sys, "argv", [])]
    wanted = ["".join(str(line).split()) for line in lines]
    return "command_line" if all(any(one in word for word in given) for one in wanted) else "declared"


def _binding(original: Any, module: Any) -> Any:
    def bind_parameter(binding_key: Any, value: Any) -> Any:
        result = original(binding_key, value)
        with Guard("gin"):
            key = module.ParsedBindingKey.parse(binding_key)
            function, name = _name(module, key.scope, key.complete_selector), key.arg_name
            stack = _reading.get(get_ident()) or ["declared"]
            _origins[function if key.complete_selector == MACRO else f"{function}.{name}"] = stack[-1]
        return result

    return bind_parameter


def _values(module: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for (scope, selector), parameters in list(module._CONFIG.items()):
        name = _name(module, scope, selector)
        if selector == MACRO:
            found[name] = _plain(parameters.get("value"))
        else:
            found[name] = {parameter: _plain(value) for parameter, value in parameters.items()}
    return found


def _name(module: Any, scope: str, selector: str) -> str:
    if selector == MACRO:
        return scope
    short = module._REGISTRY.minimal_selector(selector)
    return f"{scope}/{short}" if scope else short


def _plain(value: Any) -> Any:
    return repr(value) if type(value).__name__ == "ConfigurableReference" else plain(value)
