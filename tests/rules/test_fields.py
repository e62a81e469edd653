"""The project's own fields."""

from __future__ import annotations

from datetime import date

import pytest

from whence.errors import UsageError
from whence.rules.fields import Problem, check, read_fields

FIELDS = read_fields(
    {
        "instrument": {"type": "str", "vocabulary": ["LC-MS", "GC-MS"], "required": True},
        "batch": {"type": "int"},
        "dose": "float",
        "blind": "bool",
        "day": "date",
        "markers": {"type": "list", "vocabulary": ["a", "b"]},
    }
)


def test_values_are_read_in_their_declared_types() -> None:
    given = {
        "instrument": "LC-MS",
        "batch": "12",
        "dose": "1.5",
        "blind": "yes",
        "day": date(2026, 11, 21),
        "markers": "a, b",
    }
    assert check(FIELDS, given) == (
        {"instrument": "LC-MS", "batch": 12, "dose": 1.5, "blind": True, "day": "2026-11-21", "markers": ["a", "b"]},
        [],
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"instrument": "LCMS"}, "instrument = 'LCMS': expected one of LC-MS, GC-MS (did you mean LC-MS?)"),
        ({"instrument": "LC-MS", "batch": "x"}, "batch = 'x': expected a whole number"),
        ({"instrument": "LC-MS", "batch": True}, "batch = True: expected a whole number"),
        (
            {"instrument": "LC-MS", "day": "soon"},
            "day = 'soon': expected a date such as 2026-11-21, or a date and time",
        ),
        ({"instrument": "LC-MS", "markers": ["c"]}, "markers = ['c']: expected one of a, b"),
        ({"instrument": "LC-MS", "bacth": 1}, "bacth: not declared under [fields]; did you mean batch?"),
    ],
)
def test_a_wrong_value_is_a_problem_and_is_kept(given: dict[str, object], message: str) -> None:
    values, problems = check(FIELDS, given)
    assert [problem.message for problem in problems] == [message]
    assert values == given


def test_a_required_field_without_a_value_is_missing() -> None:
    assert check(FIELDS, {"batch": 1})[1] == [
        Problem(field="instrument", message="instrument: required, and has no value", missing=True)
    ]


def test_a_project_without_declarations_takes_any_field() -> None:
    assert check({}, {"a": 1}) == ({"a": 1}, [])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "text"}, "[fields] x: type = 'text': expected one of str, int, float, bool, date, list"),
        ({"typ": "int"}, "[fields] x: unknown key 'typ'"),
        ({"required": 1}, "[fields] x: required = 1: expected true or false"),
        ({"vocabulary": "a"}, "[fields] x: vocabulary = 'a': expected a list"),
        ({"type": "int", "vocabulary": ["a"]}, "[fields] x: vocabulary: expected a whole number"),
        (3, "[fields] x: expected a table or a type, got 3"),
    ],
)
def test_a_wrong_declaration_is_refused(spec: object, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_fields({"x": spec})
    assert refused.value.message == message
