"""Functions whose every call is a run: the arguments are the configuration, the function is the entry."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..capture.entry import function_entry
from ..rules.plain import qualified_name
from .handle import Run

_SELF = ("self", "cls")


def record_calls(function: Callable[..., Any], asked: Mapping[str, Any], start: Callable[..., Run]) -> Any:
    """The function, wrapped. `asked` goes to `start` with each call; what it says of `config` or `name` wins.

    Raises TypeError for a generator: its body runs after the call, in pieces, so it is no block.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{qualified_name(function)}: a generator cannot be recorded; put a block inside it")
    if not callable(function):
        raise TypeError(f"{function!r}: expected a function")
    signature = inspect.signature(function)

    def begin(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Run:
        words: dict[str, Any] = {
            "config": _arguments(signature, args, kwargs),
            "entry": function_entry(qualified_name(function), _file(function)),
            **asked,
        }
        return start(**words)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def recorded_async(*args: Any, **kwargs: Any) -> Any:
            with begin(args, kwargs):
                return await function(*args, **kwargs)

        return recorded_async

    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        with begin(args, kwargs):
            return function(*args, **kwargs)

    return recorded


def _arguments(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name, defaults filled in; a call that does not fit is left to fail by itself."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return {}
    bound.apply_defaults()
    found = dict(bound.arguments)
    first = next(iter(found), None)
    if first in _SELF:
        del found[first]
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found.update(found.pop(parameter.name, {}))
    return found


def _file(function: Any) -> Path | None:
    code = getattr(inspect.unwrap(getattr(function, "func", function)), "__code__", None)
    path = getattr(code, "co_filename", None)
    return Path(path) if isinstance(path, str) and not path.startswith("<") else None
