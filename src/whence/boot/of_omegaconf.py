"""OmegaConf without Hydra: a configuration that the program merges from files, defaults and its command line.

`from_cli` makes a program's: what it gives, and what own code merges it into, is its configuration. Without it
OmegaConf reads files like any other, and nothing is noted.
"""

from __future__ import annotations

import sys
import weakref

from .caller import calling_frame
from .guard import Guard
from .parsed import plain_mapping
from .plain import attributes, is_dict
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_origins: dict[int, tuple[Any, dict[str, str]]] = {}
"""By the identity of a configuration: a weak reference to it, and the origins of its values."""


def adapt(module: ModuleType, notes: Notes) -> None:
    """Of `omegaconf.omegaconf`."""
    kind = module.OmegaConf
    _replace_static(kind, "from_cli", _from_cli, notes)
    _replace_static(kind, "load", _load, notes)
    for name in ("merge", "unsafe_merge"):
        _replace_static(kind, name, _merge, notes)


def _replace_static(kind: Any, name: str, make: Callable[[Any, Notes], Any], notes: Notes) -> None:
    if type(attributes(kind).get(name)) is staticmethod:
        replace(kind, name, lambda original: make(original, notes))
        setattr(kind, name, staticmethod(attributes(kind)[name]))


def _from_cli(original: Any, notes: Notes) -> Any:
    def from_cli(args_list: Any = None) -> Any:
        config = original(args_list)
        with Guard("omegaconf"):
            words = list(sys.argv[1:] if args_list is None else args_list)
            caller = notes.parsed.whose(calling_frame(1), words)
            if caller.whose is not None:
                _state(config, "command_line")
                notes.parsed.note("omegaconf", caller, config, plain_mapping, origins=_known(config))
        return config

    return from_cli


def _load(original: Any, notes: Notes) -> Any:
    def load(*args: Any, **named: Any) -> Any:
        config = original(*args, **named)
        with Guard("omegaconf"):
            _state(config, "file")
        return config

    return load


def _merge(original: Any, notes: Notes) -> Any:
    def merge(*configs: Any) -> Any:
        merged = original(*configs)
        with Guard("omegaconf"):
            known = [_known(config) for config in configs]
            if any("command_line" in origins.values() for origins in known):
                _note_merged(notes, merged, known, calling_frame(1))
        return merged

    return merge


def _note_merged(notes: Notes, merged: Any, known: list[dict[str, str]], frame: Any) -> None:
    caller = notes.parsed.whose(frame, None)
    if caller.whose is None:
        return
    origins = dict.fromkeys(_names(plain_mapping(merged), ""), "default")
    for one in known:
        origins.update(one)
    _origins[id(merged)] = (weakref.ref(merged), origins)
    notes.parsed.note("omegaconf", caller, merged, plain_mapping, origins=origins)


def _state(config: Any, origin: str) -> None:
    _origins[id(config)] = (weakref.ref(config), dict.fromkeys(_names(plain_mapping(config), ""), origin))


def _known(config: Any) -> dict[str, str]:
    ref, origins = _origins.get(id(config), (None, {}))
    return dict(origins) if ref is not None and ref() is config else {}


def _names(value: Any, at: str) -> list[str]:
    if not is_dict(value) or not value:
        return [at]
    return [name for key, item in value.items() for name in _names(item, f"{at}.{key}" if at else str(key))]
