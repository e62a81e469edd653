"""pydantic-settings: a settings object when it is made, each value from the first source that has it."""

from __future__ import annotations

from _thread import get_ident

from .caller import calling_frame
from .guard import Guard
from .parsed import plain_mapping
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

_ORIGINS = {
    "InitSettingsSource": "declared",
    "CliSettingsSource": "command_line",
    "EnvSettingsSource": "environment",
    "DefaultSettingsSource": "default",
}
"""By the class of a source; any other reads files."""

_states: dict[int, Mapping[str, Any]] = {}
"""What the sources gave, by source and thread."""


def adapt(module: ModuleType, notes: Notes) -> None:
    """Of `pydantic_settings.main`."""
    replace(module.PydanticBaseSettingsSource, "_set_settings_sources_data", _seeing_sources)
    replace(module.BaseSettings, "__init__", lambda original: _making(original, notes))


def _seeing_sources(original: Any) -> Any:
    def _set_settings_sources_data(self: Any, states: Any) -> Any:
        _states[get_ident()] = states
        return original(self, states)

    return _set_settings_sources_data


def _making(original: Any, notes: Notes) -> Any:
    def __init__(self: Any, *args: Any, **named: Any) -> None:
        _states.pop(get_ident(), None)
        original(self, *args, **named)
        with Guard("pydantic-settings"):
            states = _states.pop(get_ident(), {})
            caller = notes.parsed.whose(calling_frame(1), None)
            if caller.whose is not None:
                origins = {name: _origin(name, states) for name in plain_mapping(self)}
                notes.parsed.note("pydantic-settings", caller, self, plain_mapping, origins=origins)

    return __init__


def _origin(name: str, states: Mapping[str, Any]) -> str:
    for source, values in states.items():
        if name in values:
            return _ORIGINS.get(source, "file")
    return "default"
