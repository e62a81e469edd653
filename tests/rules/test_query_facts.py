"""The facts of a record are what a query finds in it, name by name."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from whence.rules.matching import Thing, look_up
from whence.rules.query_facts import facts, is_indexed

KEYS = st.sampled_from(["a", "b", "a.b", "a.b.c", "name", "last", "values", "origins", "error", "metrics", "seeds"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["", "a", "a.b", "NaN", "1.0"]))


def mappings(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(KEYS, values, max_size=4)


VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | mappings(inner), max_leaves=12)
RECORDS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("metrics", "config", "tags", "ext", "error", "code", "notes", "name"), VALUES)
)
PATHS = st.builds(
    lambda first, rest: tuple(part for key in (first, *rest) for part in key.split(".")),
    st.sampled_from(["metrics", "config", "tags", "ext", "error", "code", "notes", "name"]),
    st.lists(KEYS, max_size=3),
)


def plain(values: list[Any]) -> list[Any]:
    return [("thing",) if isinstance(value, Thing) else (type(value), value) for value in values]


@given(record=RECORDS, path=PATHS)
@example(record={"ext": {"a": {"b": {"c": 1}}, "a.b": {"a": 2}}}, path=("ext", "a", "b", "c"))
@example(record={"config": {"origins": {}, "values": {"a": 1, "origins": 2}}}, path=("config", "a"))
@example(record={"metrics": {"last": {"last": 3}}}, path=("metrics",))
@example(record={"notes": [{"name": "a", "b": 1}, {"a": {"b": 2}}]}, path=("notes", "a", "b"))
def test_a_name_has_the_facts_that_a_query_finds(record: dict[str, Any], path: tuple[str, ...]) -> None:
    if is_indexed(path):
        told = [value for name, value in facts(record) if name == ".".join(path)]
        assert plain(told) == plain(list(look_up(path, record)))
