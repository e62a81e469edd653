"""The configuration that programs told, as it may be recorded: secrets masked, in its files, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from msgspec.structs import replace

from ..records.configuration import Configuration, Origin, Resolved, Seed
from ..rules.booted import Program, Told, origins_of
from ..rules.plain import as_mapping
from ..rules.secrets import Secrets, is_distinctive
from ..rules.seeds import find_seeds
from .config_files import ReadConfig, masked_values, read_config

MOST = 1000
"""Programs that are listed beside the run's own."""


def told_files(told: Told, secrets: Secrets) -> list[ReadConfig]:
    """The files that the frameworks of all programs wrote."""
    programs = [] if told.main is None else [told.main, *(program for program, _ in told.others[:MOST])]
    return [
        read_config(file.path, file.text.encode("utf-8", "surrogateescape"), secrets=secrets, merge=False)
        for program in programs
        for file in program.files
    ]


def told_configuration(told: Told, files: Sequence[ReadConfig], secrets: Secrets) -> Configuration:
    """What is added to the configuration of the launch."""
    others = [_resolved(program, times, secrets) for program, times in told.others[:MOST]]
    if told.main is None:
        return Configuration(when="during", others=others)
    main = _resolved(told.main, 1, secrets)
    return Configuration(
        when="during",
        values=main.values,
        origins=main.origins,
        choices=main.choices,
        overrides=main.overrides,
        files=[read.file for read in files],
        seeds=main.seeds,
        others=others,
    )


def told_changes(program: Program, secrets: Secrets) -> tuple[dict[str, Any], dict[str, Origin]]:
    """The values that a program's configuration had later, and their origins."""
    values = _masked(program.changed, program, secrets)[0]
    return values, origins_of(values, dict.fromkeys(values, "generated"))


def _resolved(program: Program, times: int, secrets: Secrets) -> Resolved:
    values, secrets = _masked(program.values, program, secrets)
    origins: dict[str, Origin] = {secrets.mask_text(name): origin for name, origin in program.origins.items()}
    return Resolved(
        program=secrets.mask_text(program.name),
        argv=secrets.mask_argv(program.argv),
        pid=program.pid,
        job=program.job,
        times=times,
        values=values,
        origins=origins,
        choices={secrets.mask_text(name): secrets.mask_text(choice) for name, choice in program.choices.items()},
        overrides=secrets.mask_argv(program.overrides),
        seeds=[*find_seeds(values, origins), *(_masked_seed(seed, secrets) for seed in program.seeds)],
    )


def _masked_seed(seed: Seed, secrets: Secrets) -> Seed:
    value = secrets.mask_values({"": seed.value})[""]
    return replace(seed, value=value, place=secrets.mask_text(seed.place) if seed.place else None)


def _masked(values: Mapping[str, Any], program: Program, secrets: Secrets) -> tuple[dict[str, Any], Secrets]:
    """The values masked, those whole that the program asked for without showing them; and what masks the rest."""
    hidden = [_at(program.values, name) for name in program.secret]
    texts = [str(value) for value in hidden if value not in (None, "", [], {})]
    secrets = secrets.knowing_all(text for text in texts if is_distinctive(text))
    shown = _hide(values, "", program.secret, secrets)
    return masked_values(shown, secrets)


def _hide(values: Mapping[str, Any], at: str, names: frozenset[str], secrets: Secrets) -> dict[str, Any]:
    hidden: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{at}.{key}" if at else key
        if name in names and value is not None:
            hidden[key] = secrets.mask(str(value))
        elif isinstance(value, dict):
            hidden[key] = _hide(cast("dict[str, Any]", value), name, names, secrets)
        else:
            hidden[key] = value
    return hidden


def _at(values: Mapping[str, Any], name: str) -> Any:
    found: Any = values
    for part in name.split("."):
        found = as_mapping(found).get(part)
    return found
