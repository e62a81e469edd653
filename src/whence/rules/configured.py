"""What several writers state of one configuration, joined into it (docs/format.md, section 5, `config`).

- A later statement's value takes the place of an earlier one, but a default does not take the place of a value that has
  another origin: the program may merge them later.
- Where what was declared and what a program resolved differ, the one that gave way is listed as contested.
- Each value was learnt when it was first stated as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from ..records.base import When
from ..records.configuration import Configuration, Contested, Origin
from ..records.events import ConfigChanged
from .plain import flatten
from .seeds import origin_of


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
    return msgspec.structs.replace(whole, contested=list(_contested(statements, flatten(whole.values))))


def _both(first: Configuration, then: Configuration) -> Configuration:
    """What `then` states over what was known, lists add up."""
    values = _over(first.values, first.origins, then.values, then.origins)
    before, stated, after = flatten(first.values), flatten(then.values), flatten(values)
    taken = {name for name in stated if name in after and after[name] == stated[name]}
    new = {name for name in taken if name not in before or before[name] != stated[name]}
    seeds = [seed for seed in then.seeds if seed.place or seed.name in taken or seed.name not in after]
    named = {seed.name for seed in seeds}
    kept = [seed for seed in first.seeds if seed.name not in named]
    whole = msgspec.structs.replace(
        first,
        values=values,
        origins=first.origins | _origins(first, then, taken, new),
        choices=first.choices | then.choices,
        overrides=first.overrides + [item for item in then.overrides if item not in first.overrides],
        files=first.files + [item for item in then.files if item not in first.files],
        argv=first.argv or then.argv,
        seeds=kept + seeds,
        others=first.others + [item for item in then.others if item not in first.others],
    )
    return msgspec.structs.replace(whole, learnt=_learnt(whole, first, then, new))


def _origins(first: Configuration, then: Configuration, taken: set[str], new: set[str]) -> dict[str, Origin]:
    """Those that the later statement knows better: who declares an equal value again, or has it as a default, does not
    say whence it is."""
    return {
        name: origin
        for name, origin in then.origins.items()
        if name in taken and (name in new or name not in first.origins or origin not in ("declared", "default"))
    }


def _learnt(whole: Configuration, first: Configuration, then: Configuration, new: set[str]) -> dict[str, When]:
    """Of every name the time when it was stated as it is now, where that is not the whole's."""
    names = {*new, *(name for name, _ in _beside(then) - _beside(first))}
    times: dict[str, When] = {**first.learnt, **dict.fromkeys(names, then.when)}
    present = {*flatten(whole.values), *(name for name, _ in _beside(whole))}
    return {name: when for name, when in times.items() if when != whole.when and name in present}


def _beside(config: Configuration) -> set[tuple[str, str]]:
    """What a configuration has beside its values, by name, and what of it makes it another."""
    values = flatten(config.values)
    return {
        *(
            (seed.name, f"{seed.value!r} {seed.place}")
            for seed in config.seeds
            if seed.place or seed.name not in values
        ),
        *config.choices.items(),
        *((override, "") for override in config.overrides),
        *((file.path, file.digest) for file in config.files),
    }


def _over(
    first: Mapping[str, Any], before: Mapping[str, Origin], then: Mapping[str, Any], origins: Mapping[str, Origin],
    at: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Nested values, and over them those that are stated later, each side with its origins by dotted name."""
    whole = dict(first)
    for key, value in then.items():
        name = f"{at}.{key}" if at else key
        old = whole.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            below = cast("dict[str, Any]", old), cast("dict[str, Any]", value)
            whole[key] = _over(below[0], before, below[1], origins, name)
        elif key not in whole or not gives_way(name, value, origins, old, before):
            whole[key] = value
    return whole


def gives_way(name: str, value: Any, origins: Mapping[str, Origin], known: Any, before: Mapping[str, Origin]) -> bool:
    """Whether a value that is stated later leaves the one that is known: it is a default, and that is none."""
    return _is_default(name, value, origins) and not _is_default(name, known, before)


def _is_default(name: str, value: Any, origins: Mapping[str, Origin]) -> bool:
    """Whether a value, or all that is below it, is a default."""
    return all(origin_of(one, origins) == "default" for one in flatten({name: value}))


def _same(one: Any, other: Any) -> bool:
    """Also a number and its text: a parser without types has what was typed."""
    return one == other or str(one) == str(other)


def _contested(statements: tuple[Statement, ...], counted: Mapping[str, Any]) -> Iterator[Contested]:
    """What gave way, in the order of its names. Processes that declare different values contest nothing (a rank): a
    program's value that one of them declares is no contradiction."""
    declared = [one.config for one in statements if not one.told]
    program = {name: one.config for one in statements if one.told for name in flatten(one.config.values)}
    for name, config in program.items():
        told = flatten(config.values)[name]
        said = {index: flat[name] for index, one in enumerate(declared) if name in (flat := flatten(one.values))}
        if not said or any(_same(told, value) for value in said.values()):
            continue
        if name in counted and counted[name] == told:
            last = max(said)
            yield _gave_way(name, said[last], declared[last], "declared")
        else:
            yield _gave_way(name, told, config, "program")


def _gave_way(name: str, value: Any, config: Configuration, by: Any) -> Contested:
    return Contested(name=name, value=value, origin=origin_of(name, config.origins), by=by, when=config.when)
