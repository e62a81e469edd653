"""Records in which every field of the schema says something, and what changes one field of them.

Made from the schema itself, so that a field that is new is in them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from whence.records.record import Record

Sample = dict[str, Any]

_KEY = "k"
"""The one key of every mapping."""


def leaves() -> list[str]:
    """The dotted name of every field of a record that holds no struct; items of lists and mappings have no name."""
    return [name for name, _ in _leaves(inspect.type_info(Record), "")]


def _leaves(kind: inspect.Type, at: str) -> Iterator[tuple[str, inspect.Type]]:
    inner = _inner(kind)
    if isinstance(inner, inspect.StructType):
        for field in inner.fields:
            yield from _leaves(field.type, f"{at}.{field.name}" if at else field.name)
    else:
        yield at, inner


def _inner(kind: inspect.Type) -> inspect.Type:
    """The struct or plain type that a field is of, or has items of."""
    match kind:
        case inspect.UnionType(types=types):
            return _inner(next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.ListType(item_type=item) if isinstance(_inner(item), inspect.StructType):
            return _inner(item)
        case inspect.DictType(value_type=value) if isinstance(_inner(value), inspect.StructType):
            return _inner(value)
        case _:
            return kind


def _filled(kind: inspect.Type) -> Any:
    """A value of a type, with all that may be in it."""
    match kind:
        case inspect.UnionType(types=types):
            return _filled(next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.StructType(fields=fields):
            return {field.name: _filled(field.type) for field in fields}
        case inspect.ListType(item_type=item):
            return [_filled(item)]
        case inspect.DictType(value_type=value):
            return {_KEY: _filled(value)}
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.BoolType():
            return False
        case inspect.IntType() | inspect.FloatType():
            return 1
        case _:
            return "x"


def _other(value: Any, kind: inspect.Type) -> Any:
    """Another value of the type."""
    match kind:
        case inspect.UnionType(types=types):
            return _other(value, next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.LiteralType(values=values):
            return values[(values.index(value) + 1) % len(values)] if value in values else values[0]
        case inspect.ListType(item_type=item):
            return [*(value or ()), _other("x", item)]
        case inspect.DictType(value_type=item):
            return {**(value or {}), _KEY: _other((value or {}).get(_KEY), item)}
        case inspect.BoolType():
            return not value
        case inspect.IntType() | inspect.FloatType():
            return (value or 0) + 1
        case _:
            return f"{value}y"


_KINDS = dict(_leaves(inspect.type_info(Record), ""))


def mutated(sample: Sample, leaf: str) -> Sample:
    """The sample with another value of one field, wherever it stands."""
    changed = copy.deepcopy(sample)
    for owner, name in _owners(changed, leaf):
        owner[name] = _other(owner.get(name), _KINDS[leaf])
    return changed


def without(sample: Sample, leaf: str) -> Sample:
    """The sample without a field, where a record may be without it."""
    changed = copy.deepcopy(sample)
    for owner, name in _owners(changed, leaf):
        owner.pop(name, None)
    try:
        msgspec.convert(changed, Record)
    except msgspec.ValidationError:
        return sample
    return changed


def _owners(value: Any, leaf: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Each object that has the field, with the field's own name."""
    name, _, rest = leaf.partition(".")
    if not isinstance(value, dict):
        return
    if not rest:
        yield value, name
        return
    below = value.get(name)
    if isinstance(below, dict) and set(below) == {_KEY}:
        below = list(below.values())
    for item in below if isinstance(below, list) else [below]:
        yield from _owners(item, rest)


def _sample(**settled: Any) -> Sample:
    """All of a record, sealed and watched completely; `settled` takes the place of fields below it."""
    sample = _filled(inspect.type_info(Record))
    sample["status"] = "succeeded"
    sample["observation"] = {"mechanism": "seccomp", "complete": True}
    sample["missing"] = []
    sample["config"]["values"] = {_KEY: 1}
    sample["code"]["dirty_paths"][0]["state"] = "staged"
    for made in sample["artifacts"]:
        made |= {"final": True, "missing": False}
    for name, value in settled.items():
        for owner, field in _owners(sample, name.replace("__", ".")):
            owner[field] = value
    return sample


SAMPLES: list[Sample] = [
    _sample(inputs__dataset=None),
    _sample(inputs__changed="yes"),
    _sample(code__files_left_out=[], code__outside_snapshot=[]),
]
"""Between them every field shows where it is compared."""
