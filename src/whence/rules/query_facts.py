"""The facts of a record: what `matching.look_up` finds under each dotted name, said once for an index.

`facts(record)` gives (name, value) for every name that leads to a value, by the rules of `matching`: of a mapping the
longest key that fits, of a list the items of that name. So a field whose parts hold no dots of their own has in a
record the values that stand beside its name here, and no others, as far as `is_indexed` says that the name is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from .matching import faces_of, is_configuration, scalars

Fact = tuple[str, Any]
"""A dotted name and a text, number, flag, or `Thing` for what is there and has no value of its own."""

UNTOLD: frozenset[str] = frozenset(
    (
        # What changes with every look, or is made by one.
        "as_of", "evidence", "siblings", "children", "verdict",
        # Long, and asked for rarely: whoever does is answered from the records.
        "process", "transforms", "programs", "network", "resources", "writers", "losses", "missing", "expected_outputs",
        "checkpoints", "differences", "output.parts", "observation", "error.traceback", "config.learnt",
        "config.origins", "config.values", "config.files", "config.others", "config.contested", "config.overrides",
        "code.dirty_paths", "code.remotes", "code.outside_snapshot", "code.observed_by", "code.repositories",
        "code.submodules", "code.files_left_out", "code.declared", "environment.packages", "environment.imported",
        "environment.libraries", "environment.local_packages", "environment.lock", "environment.locks",
        "environment.settings", "environment.modules", "environment.hardware.cpu_flags", "environment.variables",
        # These have tables of their own.
        "inputs", "artifacts", "text",
    )
)  # fmt: skip
"""Names that are not told, with everything below them."""

_DEEPEST = max(name.count(".") for name in UNTOLD) + 1


def is_indexed(path: Sequence[str]) -> bool:
    """Whether `facts` tells everything that a field can have: no part holds a dot, and nothing of it is left out."""
    return not any("." in part or not part for part in path) and not _is_untold(path)


def _is_untold(path: Sequence[str]) -> bool:
    return any(".".join(path[:length]) in UNTOLD for length in range(1, min(len(path), _DEEPEST) + 1))


def facts(record: Mapping[str, Any]) -> Iterator[Fact]:
    """Every fact of a record, as the builtins of its JSON; the values of a list in its order."""
    for path, item, named in _ends((), record):
        for value in scalars(item, faces_of(path, named=named)):
            yield ".".join(path), value


End = tuple[tuple[str, ...], Any, int]
"""A path, what lies at its end, and how many of its last parts are an item's own name."""


def _ends(path: tuple[str, ...], value: Any) -> Iterator[End]:
    """What every longer path leads to."""
    if isinstance(value, Mapping):
        yield from _of_mapping(path, cast("Mapping[str, Any]", value))
    elif isinstance(value, list | tuple):
        yield from _of_list(path, cast("Sequence[Any]", value))


def _of_mapping(path: tuple[str, ...], value: Mapping[str, Any]) -> Iterator[End]:
    longer = _longer(value)
    for key, item in value.items():
        yield from _beyond(path, longer.get(key, ()), _from(path, key, item))
    if is_configuration(value):
        yield from _beyond(path, value.keys(), _ends(path, value["values"]))


def _of_list(path: tuple[str, ...], items: Sequence[Any]) -> Iterator[End]:
    things = [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]
    names = {name for thing in things if isinstance(name := thing.get("name"), str)}
    longer = _longer(names)
    for thing in things:
        name = thing.get("name")
        if isinstance(name, str):
            yield from _beyond(path, longer.get(name, ()), _from(path, name, thing, named=True))
        yield from _beyond(path, names, _of_mapping(path, thing))


def _longer(names: Collection[str]) -> dict[str, list[str]]:
    """Of each name the others that begin with it and a dot."""
    found: dict[str, list[str]] = {}
    for name in names:
        at = name.find(".")
        while at >= 0:
            if name[:at] in names:
                found.setdefault(name[:at], []).append(name)
            at = name.find(".", at + 1)
    return found


def _from(path: tuple[str, ...], key: str, item: Any, *, named: bool = False) -> Iterator[End]:
    parts = key.split(".")
    further = (*path, *parts)
    if not _is_untold(further):
        yield further, item, len(parts) if named else 0
        yield from _ends(further, item)


def _beyond(path: tuple[str, ...], names: Iterable[str], ends: Iterator[End]) -> Iterator[End]:
    """Those that no name leads away: the walk takes the longest name that fits, and does not come back."""
    led_away = set(names)
    if not led_away:
        yield from ends
        return
    for end in ends:
        rest = end[0][len(path) :]
        if not any(".".join(rest[:length]) in led_away for length in range(1, len(rest) + 1)):
            yield end
