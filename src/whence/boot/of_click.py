"""click, and typer, which carries a copy of it: the parameters of each command's context, with the source that it
tells. A sub-command's values stand beside those of its group; a name that is taken stands under the command's name."""

from __future__ import annotations

import sys
from weakref import WeakSet

from .caller import calling_frame
from .guard import Guard
from .plain import mapping
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_ORIGINS = {
    "COMMANDLINE": "command_line",
    "ENVIRONMENT": "environment",
    "DEFAULT": "default",
    "DEFAULT_MAP": "file",
    "PROMPT": "declared",
}


_accepted: WeakSet[Any] = WeakSet()
"""Contexts of the command line; their sub-commands are of it, too."""


def adapt(module: ModuleType, notes: Notes) -> None:
    """A context is complete when it is made; nothing of the command has been called by then."""
    # Before 8.2 a class of its own stood above Command.
    base = vars(module).get("BaseCommand", module.Command)
    replace(base, "make_context", lambda original: _making(original, notes))


def _making(original: Any, notes: Notes) -> Any:
    def make_context(self: Any, info_name: Any, args: Any, *more: Any, **named: Any) -> Any:
        words: list[str] = list(args) if hasattr(args, "__len__") else []  # Of an iterator there is one look only.
        context = original(self, info_name, args, *more, **named)
        with Guard("click"):
            _note(notes, context, words, calling_frame(1))
        return context

    return make_context


def _note(notes: Notes, context: Any, words: list[str], frame: Any) -> None:
    parent = context.parent
    if parent is not None and parent not in _accepted:
        return
    caller = notes.parsed.whose(frame, words if parent is None else None)
    if caller.whose is None or context.resilient_parsing:
        return
    _accepted.add(context)
    values = mapping(context.params)
    origins = {name: _origin(context, name, words) for name in values}
    secret = [one.name for one in context.command.params if getattr(one, "hide_input", False)]
    command = str(context.info_name)
    if context.parent is not None:
        taken = _names_above(context)
        values = {name: item for name, item in values.items() if name not in taken}
        above = {name: item for name, item in mapping(context.params).items() if name in taken}
        if above:
            values[command] = above
            origins = {_under(command, name, taken): origin for name, origin in origins.items()}
            secret = [_under(command, name, taken) for name in secret]
    choices = {} if context.parent is None else {_level(context): command}
    notes.parsed.note(
        "click", caller, values, dict, origins=origins, secret=secret, choices=choices, program=_program()
    )


def _names_above(context: Any) -> set[str]:
    names: set[str] = set()
    above = context.parent
    while above is not None:
        names.update(above.params)
        above = above.parent
    return names


def _under(command: str, name: str, taken: set[str]) -> str:
    return f"{command}.{name}" if name in taken else name


def _level(context: Any) -> str:
    """`command`, and for a command of a command `command 2`."""
    level = 0
    while context.parent is not None:
        level += 1
        context = context.parent
    return "command" if level == 1 else f"command {level}"


def _origin(context: Any, name: str, words: list[str]) -> str:
    if not hasattr(context, "get_parameter_source"):
        return _origin_seen(context, name, words)
    source = context.get_parameter_source(name)
    # From 8.4 on a default that was written in the class has a name of its own.
    return _ORIGINS.get(getattr(source, "name", "DEFAULT"), "default")


def _origin_seen(context: Any, name: str, words: list[str]) -> str:
    """Before version 8 click does not tell; what can be seen is whether a word names the option, or is the argument."""
    given = {word.partition("=")[0] for word in words}
    for one in context.command.params:
        if one.name == name:
            named = given.intersection([*one.opts, *one.secondary_opts])
            if named or (one.param_type_name == "argument" and str(context.params[name]) in words):
                return "command_line"
            return "default" if one.resolve_envvar_value(context) is None else "environment"
    return "default"


def _program() -> str:
    return sys.argv[0].rpartition("/")[2] if sys.argv else ""
