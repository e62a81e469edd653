"""absl flags: those that the program's own modules define, and of all others what was given on the command line."""

from __future__ import annotations

import sys

from .caller import calling_frame
from .guard import Guard
from .plain import plain
from .sources import is_outside
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def adapt(module: ModuleType, notes: Notes) -> None:
    """Of `absl.flags._flagvalues`."""
    replace(module.FlagValues, "__call__", lambda original: _parsing(original, notes))


def _parsing(original: Any, notes: Notes) -> Any:
    def __call__(self: Any, argv: Any, *more: Any, **named: Any) -> Any:
        rest = original(self, argv, *more, **named)
        with Guard("absl"):
            caller = notes.parsed.whose(calling_frame(1), list(argv)[1:])
            if caller.whose is not None:
                origins = {name: _origin(flag) for name, flag in _flags(self).items()}
                notes.parsed.note("absl", caller, self, _values, origins=origins)
        return rest

    return __call__


def _flags(values: Any) -> dict[str, Any]:
    own = {
        flag.name: flag
        for module, flags in values.flags_by_module_dict().items()
        for flag in flags
        if flag.present or _is_own(str(module))
    }
    # Overrides of a ConfigDict are flags, too: `config.lr` of the flag `config`.
    return {name: flag for name, flag in own.items() if name.partition(".")[0] == name or _head(name) not in own}


def _head(name: str) -> str:
    return name.partition(".")[0]


def _is_own(module: str) -> bool:
    if sys.argv and module in (sys.argv[0], "__main__"):
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return bool(file) and is_outside(str(file))


def _origin(flag: Any) -> str:
    return "command_line" if flag.present else "default"


def _values(values: Any) -> dict[str, Any]:
    return {name: plain(flag.value) for name, flag in _flags(values).items()}
