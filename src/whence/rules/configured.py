"""What several writers state of one configuration, joined into it (docs/format.md, section 5, `config`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from ..records.configuration import Configuration, Origin
from ..records.events import ConfigChanged


class Statement(msgspec.Struct, frozen=True):
    """What one writer states."""

    writer: str
    told: bool
    """It is what programs of the command told so far, or what that became."""
    config: Configuration


def resolved(known: tuple[Statement, ...], writer: str, config: Configuration) -> tuple[Statement, ...]:
    """With a further statement of values. What programs told takes the place of what this writer said of them before:
    another program may turn out to be the run's."""
    told = config.when == "during"
    kept = tuple(one for one in known if not (told and one.told and one.writer == writer))
    return (*kept, Statement(writer, told, config))


def changed(known: tuple[Statement, ...], writer: str, event: ConfigChanged) -> tuple[Statement, ...]:
    """With values that were set after the start."""
    told = any(one.told and one.writer == writer for one in known)
    then = Configuration(when=event.when, values=event.values, origins=cast("Any", event.origins))
    return (*known, Statement(writer, told, then))


def joined(statements: tuple[Statement, ...]) -> Configuration | None:
    """One configuration of all statements, in their order; nothing when there is none."""
    if not statements:
        return None
    whole = statements[0].config
    for one in statements[1:]:
        whole = _both(whole, one.config)
    return whole


def _both(first: Configuration, then: Configuration) -> Configuration:
    """The later value of a key wins, lists add up."""
    return msgspec.structs.replace(
        first,
        values=_deep(first.values, then.values),
        origins=first.origins | _origins(first, then),
        choices=first.choices | then.choices,
        overrides=first.overrides + [item for item in then.overrides if item not in first.overrides],
        files=first.files + [item for item in then.files if item not in first.files],
        argv=first.argv or then.argv,
        seeds=[seed for seed in first.seeds if seed.name not in {s.name for s in then.seeds}] + then.seeds,
        others=first.others + [item for item in then.others if item not in first.others],
    )


def _origins(first: Configuration, then: Configuration) -> dict[str, Origin]:
    """Those that the later statement knows better: who declares an equal value again does not say whence it is."""
    return {
        name: origin
        for name, origin in then.origins.items()
        if origin != "declared" or name not in first.origins or _leaf(first.values, name) != _leaf(then.values, name)
    }


def _leaf(values: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted name, also where a key is spelled with a dot."""
    if name in values:
        return values[name]
    for at in (at for at, character in enumerate(name) if character == "."):
        below = values.get(name[:at])
        if isinstance(below, dict) and (found := _leaf(cast("dict[str, Any]", below), name[at + 1 :])) is not None:
            return found
    return None


def _deep(first: dict[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(first)
    for key, value in then.items():
        old = whole.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        whole[key] = _deep(cast("dict[str, Any]", old), cast("dict[str, Any]", value)) if both else value
    return whole
