"""Seeds, wherever a configuration holds them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from ..records.configuration import Origin, Seed

_STATES = frozenset(("rng", "rngs", "rng_key", "random_state", "prng", "prng_key", "randomstate"))


@functools.lru_cache(8192)
def is_seed(name: str) -> bool:
    """Whether the last part of a dotted name says *seed*: `seed`, `data_seed`, `seed_everything`, `randomSeed`."""
    last = name.rpartition(".")[2]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last).replace("-", "_").lower()
    parts = words.split("_")
    counted = parts[0] in ("num", "n", "number", "max", "min") or parts[-1] in ("count", "size", "len", "dir", "path")
    return words in _STATES or (not counted and not {"seed", "seeds", "rngseed", "randomseed"}.isdisjoint(parts))


def find_seeds(values: Mapping[str, Any], origins: Mapping[str, Origin]) -> list[Seed]:
    """The seeds in a nested configuration, by dotted name; `origins` may name a value or something above it."""
    return [Seed(name=name, value=value, origin=origin_of(name, origins)) for name, value in _seeds("", values)]


def _seeds(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}.{key}" if prefix else key
        if is_seed(key) and _is_value(value):
            yield name, value
        elif isinstance(value, dict):
            yield from _seeds(name, cast("dict[str, Any]", value))


def _is_value(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_value(item) for item in cast("list[object]", value))
    if isinstance(value, str):
        return value.strip().lstrip("-").isdigit()
    return isinstance(value, int | float) and not isinstance(value, bool)


def origin_of(name: str, origins: Mapping[str, Origin]) -> Origin:
    """Where a value came from, by its own dotted name or by the nearest above it."""
    while name:
        if name in origins:
            return origins[name]
        name = name.rpartition(".")[0]
    return "declared"
