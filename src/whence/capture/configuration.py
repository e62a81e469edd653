"""The configuration of a run: files named for it, objects handed in, `--param k=v`, and what Hydra resolved.

All of it is one nested `values`. Files are merged at the top in the order they were named, objects over them,
parameters last; where both sides hold a mapping it is merged, anything else is replaced. `origins` has the dotted
name of every value.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from ..records.configuration import ConfigFile, Configuration, Origin
from ..rules.plain import as_mapping, to_plain, to_values
from ..rules.secret_literals import is_distinctive
from ..rules.secrets import MASK, Secrets
from ..rules.seeds import find_seeds


class ReadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration file: what is recorded of it, and its bytes as they are to be kept."""

    file: ConfigFile
    values: Mapping[str, Any]
    """Unmasked; to be merged."""
    content: bytes
    """To be kept as an object under `file.digest`; secrets are masked."""


class HydraState(msgspec.Struct, frozen=True, kw_only=True):
    """What Hydra resolved, when the run goes on inside a process that Hydra started."""

    choices: Mapping[str, str]
    overrides: Sequence[str]
    files: Sequence[str]
    """`.hydra/config.yaml`, `overrides.yaml`, `hydra.yaml` of the job, as far as they are there."""


NO_HYDRA = HydraState(choices={}, overrides=(), files=())


def hydra_state(modules: Mapping[str, Any]) -> HydraState:
    """Ask Hydra, if it is loaded (`modules` is `sys.modules`) and has composed a configuration."""
    found: Any = getattr(modules.get("hydra.core.hydra_config"), "HydraConfig", None)
    if found is None or not found.initialized():
        return NO_HYDRA
    hydra = as_mapping(to_plain(found.get()))
    runtime = as_mapping(hydra.get("runtime"))
    folder = os.path.join(str(runtime.get("output_dir") or ""), str(hydra.get("output_subdir") or ""))
    files = [os.path.join(folder, name) for name in ("config.yaml", "overrides.yaml", "hydra.yaml")]
    return HydraState(
        choices={group: str(option) for group, option in as_mapping(runtime.get("choices")).items()},
        overrides=[str(one) for one in cast("list[Any]", as_mapping(hydra.get("overrides")).get("task") or [])],
        files=[file for file in files if os.path.isfile(file)],
    )


def parameter(text: str) -> tuple[str, Any]:
    """`k=v` with a typed value: JSON where it is JSON (numbers, true, null, lists), `None`/`True`/`False`, else text.

    Raises ValueError for what has no `=`.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValueError(f"{text!r}: expected NAME=VALUE")
    return name.strip(), _typed(value)


def checked_params(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The values by name, of a name the last. Raises ValueError where one is below another that is a plain value, as
    only one of the two could be kept."""
    found = dict(pairs)
    for name in found:
        for end in (at for at, letter in enumerate(name) if letter == "."):
            if name[:end] in found and not isinstance(found[name[:end]], dict):
                raise ValueError(f"{name}: found a value for {name[:end]} too, expected only one of the two")
    return found


_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None, "nan": "NaN", "inf": "Infinity"}


def _typed(value: str) -> Any:
    text = value.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _number(text, value)


def _number(text: str, otherwise: str) -> Any:
    """What Python reads as a number and JSON does not: `.5`, `1.`, `+3`."""
    if not text or text[0] not in "+-.0123456789" or "_" in text:
        return otherwise
    digits = text.lstrip("+-")
    if digits.isdigit() and digits.startswith("0") and len(digits) > 1:
        return otherwise  # an identifier such as 007
    try:
        return int(text) if digits.isdigit() else to_plain(float(text))
    except ValueError:
        return otherwise


def resolve(
    *,
    argv: Sequence[str],
    files: Sequence[ReadConfig] = (),
    objects: Sequence[Any] = (),
    params: Mapping[str, Any] | None = None,
    secrets: Secrets,
    hydra: HydraState = NO_HYDRA,
    params_from: Origin = "command_line",
) -> Configuration:
    """The effective configuration, secrets masked. `params` have dotted names; an object is what `to_values` takes."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for read in files:
        _merge(values, origins, read.values, "file")
    for given in objects:
        _merge(values, origins, to_values(given), "declared")
    for name, value in (params or {}).items():
        _merge(values, origins, _nested(name, to_plain(value), values), params_from)
    for override in hydra.overrides:
        name = override.partition("=")[0].lstrip("+~")
        if name in origins:
            origins[name] = "command_line"
    masked, secrets = masked_values(values, secrets)
    return Configuration(
        values=masked,
        origins=_masked_names(origins, secrets),
        choices=dict(hydra.choices),
        overrides=secrets.mask_argv(hydra.overrides),
        files=[read.file for read in files],
        argv=secrets.mask_argv(argv),
        seeds=find_seeds(masked, origins),
    )


def masked_values(values: Mapping[str, Any], secrets: Secrets) -> tuple[dict[str, Any], Secrets]:
    """The values masked, and what masks them: a secret is one under its second, innocent name too (an anchor)."""
    found = _hidden(values, secrets.mask_values(values))
    secrets = secrets.knowing_all(text for text in found if is_distinctive(text))
    return secrets.mask_values(values), secrets


def _hidden(plain: Any, masked: Any) -> set[str]:
    """The texts that were masked because of where they stand: a file may spell them as no pattern for text expects."""
    if isinstance(plain, dict):
        pairs = zip(as_mapping(plain).values(), as_mapping(masked).values(), strict=True)
    elif isinstance(plain, list):
        pairs = zip(cast("list[Any]", plain), cast("list[Any]", masked), strict=True)
    else:
        return {str(plain)} if plain != masked and MASK.fullmatch(str(masked)) else set()
    return {text for one, other in pairs for text in _hidden(one, other)}


def _masked_names(origins: Mapping[str, Origin], secrets: Secrets) -> dict[str, Origin]:
    return {secrets.mask_text(name): origin for name, origin in origins.items()}


def _nested(name: str, value: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """`a.b` as `{a: {b: value}}`, unless there is a key that is spelled `a.b`."""
    if name in values:
        return {name: value}
    head, dot, rest = name.partition(".")
    return {head: _nested(rest, value, {})} if dot and head and rest else {name: value}


def _merge(
    values: dict[str, Any], origins: dict[str, Origin], new: Mapping[str, Any], origin: Origin, at: str = ""
) -> None:
    """Put `new` over `values`, and say where each value came from."""
    for key, value in new.items():
        name = f"{at}.{key}" if at else key
        old = values.get(key)
        if isinstance(value, dict) and value and (key not in values or isinstance(old, dict)):
            below = values[key] = dict(cast("dict[str, Any]", old or {}))
            origins.pop(name, None)
            _merge(below, origins, cast("dict[str, Any]", value), origin, name)
        else:
            _forget(origins, name, old)
            values[key] = value
            _state(origins, name, value, origin)


def _state(origins: dict[str, Origin], name: str, value: Any, origin: Origin) -> None:
    if isinstance(value, dict) and value:
        for key, item in cast("dict[str, Any]", value).items():
            _state(origins, f"{name}.{key}", item, origin)
    else:
        origins[name] = origin


def _forget(origins: dict[str, Origin], name: str, old: Any) -> None:
    origins.pop(name, None)
    for key, item in as_mapping(old).items():
        _forget(origins, f"{name}.{key}", item)
