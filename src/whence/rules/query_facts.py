"""The facts of a record: what `matching.look_up` finds under each dotted name, said once for an index.

`facts(record)` gives (name, value) for every name that leads to a value, by the rules of `matching`: of a mapping the
longest key that fits, of a list the items of that name. So a field whose parts hold no dots of their own has in a
record the values that stand beside its name here, and no others, as far as `is_indexed` says that the name is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from .matching import COMMAND, faces_of, is_configuration, joined, scalars

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


def facts(record: Mapping[str, Any]) -> list[Fact]:
    """Every fact of a record, as the builtins of its JSON; the values of a list in its order."""
    found: list[Fact] = []
    _of_mapping(found, "", record)
    whole = joined(record)
    return found if whole is None else [*found, (COMMAND, whole)]


def _of_item(found: list[Fact], name: str, item: Any, named: int = 0) -> None:
    """What the name itself leads to, and every longer one; `named`: how many of its last parts are the item's own."""
    if isinstance(item, str | int | float):
        found.append((name, item))
    elif item is not None:
        found.extend((name, value) for value in scalars(item, faces_of(name.split("."), named=named)))
        _below(found, name, item)


def _below(found: list[Fact], name: str, value: Any) -> None:
    """What every longer name leads to."""
    if isinstance(value, Mapping):
        _of_mapping(found, name, cast("Mapping[str, Any]", value))
    elif isinstance(value, list | tuple):
        _of_list(found, name, cast("Sequence[Any]", value))


def _of_mapping(found: list[Fact], name: str, value: Mapping[str, Any]) -> None:
    longer = _longer(value)
    for key, item in value.items():
        further = f"{name}.{key}" if name else key
        if item is None or further in UNTOLD or ("." in key and _is_untold(further.split("."))):
            continue
        if key in longer:
            found += _beyond(name, longer[key], lambda inner, at=further, it=item: _of_item(inner, at, it))
        else:
            _of_item(found, further, item)
    if is_configuration(value):
        found += _beyond(name, value, lambda inner: _below(inner, name, value["values"]))


def _of_list(found: list[Fact], name: str, items: Sequence[Any]) -> None:
    things = [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]
    names = {own for thing in things if isinstance(own := thing.get("name"), str)}
    longer = _longer(names)
    for thing in things:
        own = thing.get("name")
        if isinstance(own, str) and not _is_untold((further := f"{name}.{own}").split(".")):
            parts = own.count(".") + 1
            found += _beyond(
                name,
                longer.get(own, ()),
                lambda inner, at=further, it=thing, named=parts: _of_item(inner, at, it, named),
            )
        found += _beyond(name, names, lambda inner, it=thing: _of_mapping(inner, name, it))


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


def _beyond(name: str, others: Iterable[str], gather: Callable[[list[Fact]], None]) -> list[Fact]:
    """Those that none of the other names leads away: the walk takes the longest that fits, and does not come back."""
    found: list[Fact] = []
    gather(found)
    led_away = set(others)
    if not led_away:
        return found
    return [fact for fact in found if not _is_led_away(fact[0][len(name) + 1 :] if name else fact[0], led_away)]


def _is_led_away(rest: str, names: Collection[str]) -> bool:
    parts = rest.split(".")
    return any(".".join(parts[:length]) in names for length in range(1, len(parts) + 1))
