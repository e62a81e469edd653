"""The project's own fields: declared in policy under `[fields]`, given with `--field K=V` or `run.field()`.

```toml
[fields.instrument]
type = "str"                      # str, int, float, bool, date, list
vocabulary = ["LC-MS", "GC-MS"]
required = true
```
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Literal, cast

import msgspec

from ..errors import UsageError

FieldType = Literal["str", "int", "float", "bool", "date", "list"]
_KEYS = ("type", "vocabulary", "required", "description")
_NAME = r"[A-Za-z_][\w.-]{0,99}"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One declared field."""

    name: str
    type: FieldType = "str"
    vocabulary: tuple[Any, ...] = ()
    """The values that it may have (of a list, each item); empty for any."""
    required: bool = False
    description: str | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why the fields of a run are not what the project asks for."""

    field: str
    message: str
    missing: bool = False
    """A required field has no value; else the value is wrong."""


def read_fields(table: Mapping[str, Any]) -> dict[str, Field]:
    """The declarations of a policy. Raises UsageError that names the field and the key."""
    return {name: _read_field(name, spec) for name, spec in table.items()}


def _read_field(name: str, spec: Any) -> Field:
    place = f"[fields] {name}"
    if not re.fullmatch(_NAME, name):
        raise UsageError(f"{place}: expected a name of letters, digits and _ . -")
    if isinstance(spec, str):
        spec = {"type": spec}
    if not isinstance(spec, dict):
        raise UsageError(f"{place}: expected a table or a type, got {spec!r}", hint='for instance {type = "str"}')
    given = cast("dict[str, Any]", spec)
    for key in given:
        if key not in _KEYS:
            raise UsageError(f"{place}: unknown key {key!r}", hint=f"known keys: {', '.join(_KEYS)}")
    kind = given.get("type", "str")
    if kind not in _READERS:
        raise UsageError(f"{place}: type = {kind!r}: expected one of {', '.join(_READERS)}")
    if not isinstance(given.get("required", False), bool):
        raise UsageError(f"{place}: required = {given['required']!r}: expected true or false")
    return Field(
        name=name,
        type=kind,
        vocabulary=_vocabulary(place, kind, given.get("vocabulary", [])),
        required=given.get("required", False),
        description=given.get("description"),
    )


def _vocabulary(place: str, kind: FieldType, words: Any) -> tuple[Any, ...]:
    if not isinstance(words, list | tuple):
        raise UsageError(f"{place}: vocabulary = {words!r}: expected a list")
    read = _READERS["str" if kind == "list" else kind]
    try:
        return tuple(read(word) for word in cast("list[Any]", words))
    except ValueError as error:
        raise UsageError(f"{place}: vocabulary: expected {error}") from None


def check(fields: Mapping[str, Field], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The values in their declared types, and what is wrong with them, in the order of the declarations.

    Where a project declares fields, an undeclared one is kept and is a problem; where it declares none, all are fine.
    """
    read = dict(values)
    problems: list[Problem] = []
    for name, field in fields.items():
        if values.get(name) is None or values[name] == "":
            if field.required:
                problems.append(Problem(field=name, message=f"{name}: required, and has no value", missing=True))
            continue
        try:
            read[name] = _read(field, values[name])
        except ValueError as error:
            problems.append(Problem(field=name, message=f"{name} = {values[name]!r}: expected {error}"))
    unknown = [name for name in values if fields and name not in fields]
    return read, problems + [Problem(field=name, message=_unknown(name, fields)) for name in unknown]


def allowed(table: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values in their types. Raises UsageError for a wrong value or an undeclared field; a missing one is no
    matter of words but of policy."""
    values, problems = check(read_fields(table), given)
    wrong = [problem.message for problem in problems if not problem.missing]
    if wrong:
        raise UsageError("; ".join(wrong), hint="the fields are declared in policy, under [fields]")
    return values


def _unknown(name: str, fields: Mapping[str, Field]) -> str:
    from difflib import get_close_matches  # Only a mistake needs it.

    near = get_close_matches(name, fields, n=1)
    known = f"did you mean {near[0]}?" if near else f"declared are {', '.join(fields)}"
    return f"{name}: not declared under [fields]; {known}"


def _read(field: Field, value: Any) -> Any:
    read = _READERS[field.type](value)
    items = cast("list[Any]", read) if field.type == "list" else [read]
    for item in items:
        if field.vocabulary and item not in field.vocabulary:
            from difflib import get_close_matches  # Only a mistake needs it.

            near = get_close_matches(str(item), [str(word) for word in field.vocabulary], n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(f"one of {', '.join(str(word) for word in field.vocabulary)}{hint}")
    return read


def _str(value: Any) -> str:
    if isinstance(value, bool | int | float | str):
        return str(value)
    raise ValueError("text")


def _int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value.strip()):
        return int(value)
    raise ValueError("a whole number")


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError("a number")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError("a number") from None


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    answers = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).strip().lower() in answers:
        return answers[str(value).strip().lower()]
    raise ValueError("true or false")


def _date(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    try:
        datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError("a date such as 2026-11-21, or a date and time") from None
    return str(value).strip()


def _list(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [item for part in value.split(",") if (item := part.strip())]
    if isinstance(value, list | tuple | set | frozenset):
        return list(cast("list[Any]", value))
    raise ValueError("a list, or its items with commas between them")


_READERS: dict[str, Callable[[Any], Any]] = {
    "str": _str,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "date": _date,
    "list": _list,
}
"""How a value of each type is read. Each raises ValueError that says what it expects."""
