"""Metric values as the format holds them: numbers, or the strings `NaN`, `Infinity`, `-Infinity`.

A value is whatever gives one number: int, float, bool, Decimal, Fraction, a scalar of numpy, torch or jax, an array
of one item. Nested mappings become dotted names. Nothing is imported for it: a class is known by what it offers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from ..handlers import let_pass
from ..records.encoding import number_text

Measure = float | int | str
DEEPEST = 64

_LARGEST = 1 << 53
"""Integers beyond this are not exact as a float."""


class NoNumber(ValueError):
    """A value that is not one number; the message says what it is."""


def measures(values: Mapping[Any, Any]) -> tuple[dict[str, Measure], dict[str, str]]:
    """The values by name, and for each one left out why. Never raises."""
    plain: dict[str, Measure] = {}
    for name, value in values.items():
        kind = cast("type[Any]", type(value))
        # The common case first: 12,000 of them in one call.
        if kind is float and type(name) is str and value - value == 0:
            plain[name] = value
        else:
            break
    else:
        return plain, {}
    faults: dict[str, str] = {}
    plain.clear()
    _collect(values, "", plain, faults, 0)
    return plain, faults


def _collect(
    values: Mapping[Any, Any], prefix: str, plain: dict[str, Measure], faults: dict[str, str], depth: int
) -> None:
    for key, value in values.items():
        name = prefix + _name(key)
        if isinstance(value, Mapping):
            if depth < DEEPEST:
                _collect(cast("Mapping[Any, Any]", value), f"{name}.", plain, faults, depth + 1)
            else:
                faults[name] = f"deeper than {DEEPEST} levels"
            continue
        try:
            plain[name] = measure(value)
        except NoNumber as error:
            faults[name] = str(error)


def _name(key: object) -> str:
    try:
        return str(key)
    except Exception as error:  # noqa: BLE001 - a key of the user's may raise anything
        let_pass(error)
        return f"<{type(key).__name__}: {type(error).__name__}>"


def measure(value: Any) -> Measure:
    """One value. Raises NoNumber."""
    kind = cast("type[Any]", type(value))
    if kind is float:
        return value if math.isfinite(value) else number_text(value)
    if kind is int:
        return value if -_LARGEST <= value <= _LARGEST else _large(value)
    if kind is str:
        return _text(value)
    try:
        return measure(_number(value))
    except NoNumber:
        raise
    except Exception as error:  # a scalar of the user's may raise anything, a failed kernel for one
        let_pass(error)
        raise NoNumber(f"{kind.__module__}.{kind.__qualname__}: {type(error).__name__}: {error}") from error


def _large(value: int) -> Measure:
    try:
        return float(value)
    except OverflowError:
        return "Infinity" if value > 0 else "-Infinity"


def _text(value: str) -> str:
    """The three strings of the format, in the forms that `float` and its printers know."""
    lowered = value.strip().lower()
    if lowered in ("nan", "inf", "-inf", "infinity", "-infinity", "+inf"):
        return number_text(float(lowered))
    raise NoNumber("a text, expected a number")


def _number(value: Any) -> float | int:
    """The number behind an object of any class."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if value is None:
        raise NoNumber("None, expected a number")
    item = getattr(value, "item", None)
    if callable(item):
        return _item(item, value)
    if not hasattr(value, "__float__"):
        raise NoNumber(f"{type(value).__name__}, expected a number")
    return float(value)


def _item(item: Any, value: Any) -> float | int:
    """What a scalar or an array of one item holds: `.item()` of numpy, torch, jax, tensorflow's numpy."""
    try:
        found = item()
    except (ValueError, RuntimeError, TypeError) as error:
        let_pass(error)
        raise NoNumber(f"{type(value).__name__}: {error}") from error
    if type(found) is type(value):
        # A long double stays what it is.
        return float(found)
    if isinstance(found, bool | int):
        return int(found)
    if isinstance(found, float):
        return found
    raise NoNumber(f"{type(value).__name__} of {type(found).__name__}, expected a number")


def measured_step(step: Any) -> float | int | None:
    """A step as a number or nothing. Raises NoNumber for what is neither, and for a step that is not finite."""
    if step is None or type(step) is int:
        return step
    number = measure(step)
    if isinstance(number, str):
        raise NoNumber(f"a step of {number}, expected a finite number")
    return number


def count_of(value: Any) -> int | None:
    """How many, as a plain whole number from 0 on; nothing for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if value >= 0 else None  # Exact, however large.
    try:
        number = measure(value)
    except NoNumber:
        return None
    whole = isinstance(number, int | float) and not isinstance(value, bool) and number >= 0 and number == int(number)
    return int(number) if whole else None
