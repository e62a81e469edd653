"""Metric values: whatever is one number is recorded as it, and nothing else."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from whence.recorder.measures import NoNumber, measured_step, measures


class Tensor:
    """As torch's: one item, no `__float__` of its own class's kind."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def item(self) -> Any:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


NUMBERS: dict[str, tuple[Any, float | str]] = {
    "a float": (0.5, 0.5),
    "an int": (3, 3),
    "a large int": (1 << 60, float(1 << 60)),
    "an int beyond all floats": (10**400, "Infinity"),
    "a truth value": (True, 1),
    "not a number": (float("nan"), "NaN"),
    "infinity": (float("-inf"), "-Infinity"),
    "the string of one": ("nan", "NaN"),
    "a decimal": (Decimal("0.25"), 0.25),
    "a fraction": (Fraction(1, 4), 0.25),
    "numpy float32": (np.float32(0.5), 0.5),
    "numpy float64": (np.float64(0.5), 0.5),
    "numpy long double": (np.longdouble(0.5), 0.5),
    "numpy int64": (np.int64(7), 7),
    "numpy bool": (np.bool_(True), 1),
    "numpy nan": (np.float32("nan"), "NaN"),
    "an array without dimensions": (np.array(2.5), 2.5),
    "an array of one item": (np.array([[2.5]]), 2.5),
    "a tensor": (Tensor(1.5), 1.5),
    "a tensor of a truth value": (Tensor(True), 1),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_what_is_one_number_is_recorded_as_it(case: str) -> None:
    value, expected = NUMBERS[case]
    assert measures({"x": value}) == ({"x": expected}, {})


OTHERS: dict[str, tuple[Any, str]] = {
    "a text": ("high", "a text, expected a number"),
    "nothing": (None, "None, expected a number"),
    "a list": ([1.0], "list, expected a number"),
    "a complex number": (1j, "complex, expected a number"),
    "an array of two": (np.array([1.0, 2.0]), "ndarray: can only convert an array of size 1 to a Python scalar"),
    "a tensor whose kernel failed": (Tensor(RuntimeError("CUDA error")), "Tensor: CUDA error"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_not_a_number_is_left_out_and_said(case: str) -> None:
    value, because = OTHERS[case]
    assert measures({"x": value, "y": 1.0}) == ({"y": 1.0}, {"x": because})


def test_names_are_texts_and_nested_ones_have_dots() -> None:
    assert measures({1: 1.0, "val": {"acc": 0.5, "by": {"class": 2}}}) == (
        {"1": 1.0, "val.acc": 0.5, "val.by.class": 2},
        {},
    )


def test_a_mapping_that_contains_itself_ends() -> None:
    loop: dict[str, Any] = {"x": 1.0}
    loop["self"] = loop
    plain, faults = measures(loop)
    assert plain["self.x"] == 1.0
    assert len(faults) == 1


def test_twelve_thousand_names_at_once() -> None:
    values = {f"w{i}": i / 7 for i in range(12_000)}
    assert measures(values) == (values, {})


@pytest.mark.parametrize(
    ("step", "expected"), [(None, None), (3, 3), (0.5, 0.5), (np.int32(4), 4), (Tensor(9), 9), (-1, -1)]
)
def test_a_step_is_any_finite_number(step: Any, expected: Any) -> None:
    assert measured_step(step) == expected


@pytest.mark.parametrize("step", [float("nan"), "last", [1]])
def test_a_step_that_is_no_finite_number_is_refused(step: Any) -> None:
    with pytest.raises(NoNumber):
        measured_step(step)
