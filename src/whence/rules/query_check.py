"""Holds a query against what the runs of a store have: fields that none has, and values that can never match."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Sequence

from .query import Compare, Exists, Field, In, Query, QueryError, tests_of
from .query_facts import is_indexed
from .query_value import Value

FREE = ("config", "metrics", "tags", "ext")
"""What people name themselves: a name that is not known here may be a slip."""

_NOT_FINITE = ("NaN", "Infinity", "-Infinity")

Kinds = Callable[[Sequence[str]], Collection[str]]
"""Which kinds of values a field has over all runs: `number`, `text`, `flag`; none where that is not known."""


def refuse_clashes(query: Query, text: str, kinds: Kinds) -> None:
    """Raises QueryError for a test that no run can pass, since all have a value of another kind in its field."""
    for test in tests_of(query):
        if isinstance(test, Exists) or (isinstance(test, Compare) and test.operator in ("~", "!~")):
            continue
        found = set(kinds(test.field.path))
        for value in test.values if isinstance(test, In) else (test.value,):
            expected = _expected(found, value)
            if expected is not None:
                raise QueryError(
                    text,
                    test.field.position,
                    f"{test.field} is never compared with {value.text!r}",
                    hint=f"in all runs that have it, it is {expected}",
                )


def _expected(kinds: set[str], value: Value) -> str | None:
    """What the values are, where none is of the kind of the value."""
    if kinds == {"number"} and value.number is None and value.text not in _NOT_FINITE:
        return "a number"
    if kinds == {"flag"} and value.flag is None:
        return "true or false"
    return None


def unknown_fields(query: Query, fields: Collection[str]) -> Iterator[tuple[Field, str | None]]:
    """The fields that no run has, and the nearest that one has; `fields` are all that an index knows. What an index
    does not tell may be there."""
    for test in tests_of(query):
        family, *rest = test.field.path
        name = str(test.field)
        if family in FREE and name not in fields and is_indexed(name.split(".")):
            alike = [field.partition(".")[2] for field in fields if field.startswith(f"{family}.")]
            near = difflib.get_close_matches(".".join(rest), alike, n=1, cutoff=0.6)
            yield test.field, f"{family}.{near[0]}" if near else None
