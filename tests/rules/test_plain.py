"""Objects of every kind as plain values."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import enum
import fractions
import functools
import json
import math
import types
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import msgspec
import numpy as np
import omegaconf
import pydantic
import pytest

from whence.digests import digest_of
from whence.rules.plain import to_plain, to_values


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Inner:
    path: Path = Path("/data")
    rate: float = math.nan


@dataclasses.dataclass
class Outer:
    inner: Inner = dataclasses.field(default_factory=Inner)
    colour: Colour = Colour.RED


@attrs.define
class Attrs:
    a: int = 1
    b: Inner = attrs.Factory(Inner)


class Model(pydantic.BaseModel):
    a: int = 1
    where: Path = Path("x")
    key: pydantic.SecretStr = pydantic.SecretStr("hunter22")


class Packed(msgspec.Struct):
    a: int = 1


Pair = collections.namedtuple("Pair", "x y")


class Broken:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise ValueError("no")


class Half:
    __dataclass_fields__ = {"good": None, "bad": None}  # noqa: RUF012
    good = 1

    @property
    def bad(self) -> int:
        raise KeyError("gone")


def function() -> None: ...


HERE = __name__

CASES: dict[str, tuple[Callable[[], object], object]] = {
    "dict": (lambda: {"a": 1, 2: "b", None: True, (1, 2): 0}, {"a": 1, "2": "b", "None": True, "(1, 2)": 0}),
    "colliding keys": (lambda: {1: "a", "1": "b"}, {"1": "a", "1 (str)": "b"}),
    "tuple": (lambda: (1, (2,)), [1, [2]]),
    "set": (lambda: {10, 9, 2}, [2, 9, 10]),
    "not a number": (lambda: [math.nan, math.inf, -math.inf], ["NaN", "Infinity", "-Infinity"]),
    "big integer": (lambda: 1 << 70, str(1 << 70)),
    "complex": (lambda: 1 + 2j, "(1+2j)"),
    "bytes": (lambda: b"text", "text"),
    "binary": (lambda: b"\xff", {"bytes": 1, "digest": digest_of(b"\xff")}),
    "path": (lambda: Path("a/b"), "a/b"),
    "enum": (lambda: [Colour.RED, Colour.PAIR, Level.HIGH], ["red", "PAIR", 3]),
    "date": (lambda: [date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)], ["2026-01-02", "2026-01-02T00:00:00+00:00"]),
    "duration": (lambda: timedelta(minutes=1), 60.0),
    "decimal": (lambda: [Decimal("1.10"), fractions.Fraction(1, 3)], ["1.10", "1/3"]),
    "uuid": (lambda: uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "namespace": (lambda: [argparse.Namespace(a=1), types.SimpleNamespace(b=2)], [{"a": 1}, {"b": 2}]),
    "dataclass": (Outer, {"inner": {"path": "/data", "rate": "NaN"}, "colour": "red"}),
    "attrs": (Attrs, {"a": 1, "b": {"path": "/data", "rate": "NaN"}}),
    "pydantic": (Model, {"a": 1, "where": "x", "key": "**********"}),
    "msgspec": (Packed, {"a": 1}),
    "named tuple": (lambda: Pair(1, 2), {"x": 1, "y": 2}),
    "partial": (
        lambda: functools.partial(math.sqrt, 2, a=function),
        {"partial": "math.sqrt", "args": [2], "keywords": {"a": f"{HERE}.function"}},
    ),
    "class": (lambda: Inner, f"{HERE}.Inner"),
    "module": (lambda: math, "math"),
    "numpy scalar": (lambda: [np.float32(0.5), np.int64(3), np.bool_(True), np.float64("nan")], [0.5, 3, True, "NaN"]),
    "numpy array": (lambda: np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "big array": (
        lambda: np.zeros(2000, "u1"),
        {"array": "uint8", "shape": [2000], "digest": digest_of(bytes(2000))},
    ),
    "omegaconf": (
        lambda: omegaconf.OmegaConf.create({"a": 1, "b": "${a}", "c": [1, "${a}"]}),
        {"a": 1, "b": 1, "c": [1, 1]},
    ),
    "unresolvable": (lambda: omegaconf.OmegaConf.create({"b": "${nowhere}"}), {"b": "${nowhere}"}),
    "unknown": (object, {"object": "object", "repr": "<object object>"}),
    "broken": (Broken, {"object": f"{HERE}.Broken", "repr": "<repr failed: ValueError>"}),
    "half broken": (Half, {"good": 1, "bad": {"error": "KeyError: 'gone'"}}),
}


@pytest.mark.scenario("F7")
@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_object_has_its_form(case: str) -> None:
    make, expected = CASES[case]
    plain = to_plain(make())
    assert plain == expected
    json.dumps(plain, allow_nan=False)


def test_what_contains_itself_ends() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert to_plain(loop) == [1, {"object": "list", "repr": "<contains itself>"}]


def test_the_same_object_twice_is_no_cycle() -> None:
    shared = [1]
    assert to_plain([shared, shared]) == [[1], [1]]


def test_what_is_too_deep_ends() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert "<deeper than 64 levels>" in json.dumps(to_plain(deep))


@pytest.mark.scenario("X11")
def test_nothing_is_cut() -> None:
    values = {f"key.{number}": "x" * 10 for number in range(12_000)} | {"long": "y" * 100_000}
    assert to_plain(values) == values


def test_a_plain_class_or_instance_as_a_whole_configuration() -> None:
    class Settings:
        lr = 0.1
        _hidden = 1

        def method(self) -> None: ...

    instance = Settings()
    instance.epochs = 3  # type: ignore[attr-defined]
    assert to_values(Settings) == {"lr": 0.1}
    assert to_values(instance) == {"lr": 0.1, "epochs": 3}
    assert to_values({"object": "mug", "repr": "r"}) == {"object": "mug", "repr": "r"}
    assert to_values(None) == {"value": None}
