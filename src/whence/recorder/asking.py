"""What code hands to `start`, in the forms that it may have: those of the command line, or Python's own.

A mistake is told before the run begins, as TypeError, or as UsageError where the command line would tell it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..capture.configuration import checked_params, parameter
from ..errors import UsageError
from ..rules.pins import Pin, read_pins

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_NO_CONFIGURATION = (str, bytes, int, float, complex, list, set, frozenset, os.PathLike)


def text_of(what: str, value: Any) -> str | None:
    """A text, or nothing. Raises TypeError."""
    if value is not None and not isinstance(value, str):
        raise _mistake(what, value, "a text")
    return value


def tags_of(value: Any) -> dict[str, str]:
    """A mapping, or words `K` and `K=V` as of `--tag`. Raises TypeError."""
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        return {str(key): "" if item is None or item is True else str(item) for key, item in pairs}
    parts = (word.partition("=") for word in _words("tags", value, "a mapping, or words as of --tag"))
    return {key: item for key, _, item in parts}


def params_of(value: Any) -> dict[str, Any]:
    """A mapping, or words `K=V` as of `--param`. Raises TypeError, UsageError."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    words = [] if value is None else _words("params", value, "a mapping, or words as of --param")
    try:
        return checked_params(map(parameter, words))
    except ValueError as error:
        raise UsageError(f"params: {error}", hint="for instance params={'optim.lr': 0.1}") from None


def fields_of(value: Any) -> dict[str, Any]:
    """A mapping. Raises TypeError."""
    if value is not None and not isinstance(value, Mapping):
        raise _mistake("fields", value, "a mapping")
    return dict(cast("Mapping[str, Any]", value or {}))


def pins_of(value: Any) -> list[Pin]:
    """A mapping of names to `DATASET@VERSION`, or words as of `--data`. Raises TypeError, UsageError."""
    if isinstance(value, Mapping):
        return read_pins([f"{name}={item}" for name, item in cast("Mapping[Any, Any]", value).items()])
    return read_pins(_words("data", value, "a mapping, or words as of --data"))


def paths_of(what: str, value: Any) -> list[str]:
    """Paths, or a single one. Raises TypeError."""
    if isinstance(value, str | os.PathLike):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, bytes):
        raise _mistake(what, value, "a path, or a list of paths")
    return [_path(what, path) for path in cast("Sequence[Any]", value)]


def policy_of(value: Any) -> list[str]:
    """A mapping, or words `KEY=VALUE`, as words of `--policy`. Raises TypeError."""
    if not isinstance(value, Mapping):
        return _words("policy", value, "a mapping, or words as of --policy")
    return [f"{key}={_policy_text(item)}" for key, item in cast("Mapping[str, Any]", value).items()]


def config_of(value: object) -> object:
    """An object that has named values; one that can have none raises TypeError."""
    if isinstance(value, _NO_CONFIGURATION) or type(value) is tuple:
        hint = "; files are named with config_files" if isinstance(value, str | os.PathLike) else ""
        raise _mistake("config", cast("object", value), f"named values: a dict, a dataclass, a namespace{hint}")
    return value


def _words(what: str, value: Any, expected: str) -> list[str]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, Sequence | set | frozenset) or isinstance(words, bytes):
        raise _mistake(what, value, expected)
    found = list(cast("Sequence[Any]", words))
    for word in found:
        if not isinstance(word, str):
            raise _mistake(what, word, expected)
    return found


def _path(what: str, value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise _mistake(what, value, "a path, or a list of paths")
    return os.fspath(cast("str | os.PathLike[str]", value))


def _policy_text(value: Any) -> str:
    return ",".join(cast("Sequence[str]", value)) if isinstance(value, list | tuple) else str(value)


def _mistake(what: str, value: Any, expected: str) -> TypeError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
    return TypeError(f"whence.start: {what}: found {type(value).__name__} {shown}, expected {expected}")
