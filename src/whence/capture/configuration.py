"""The configuration of a run: files named for it, objects handed in, `--param k=v`, and what Hydra resolved.

All of it is one nested `values`. Files are merged at the top in the order they were named, objects over them,
parameters last; where both sides hold a mapping it is merged, anything else is replaced. `origins` has the dotted
name of every value. A file that cannot be parsed is kept all the same, with the reason.

Of a key that a file names twice the last value counts, as for every parser; for secrets all of them are looked at.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

import msgspec

from ..digests import digest_of
from ..errors import RefusedError
from ..records.configuration import ConfigFile, Configuration, Origin
from ..records.encoding import encode
from ..rules.plain import to_plain, to_values
from ..rules.secrets import MASK, Secrets, is_distinctive
from ..rules.seeds import find_seeds

Format = Literal["json", "yaml", "toml", "ini", "text"]

_FORMATS: dict[str, Format] = {
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".ini": "ini",
    ".cfg": "ini",
    ".conf": "ini",
}

_OPEN = re.compile(r"(?<![\w.-])([\w.-]{1,100})[\"']?[ \t]{0,3}[:=][ \t]{0,3}(?=[\[{(|>]|\r?\n)")
"""A name whose value is a list, a block or on the next line, where no pattern for text finds it."""

LARGEST = 64 << 20
"""Bytes of a configuration file that are read; a larger one belongs to the inputs."""


class ReadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration file: what is recorded of it, and its bytes as they are to be kept."""

    file: ConfigFile
    values: Mapping[str, Any]
    """Unmasked; to be merged."""
    content: bytes
    """To be kept as an object under `file.digest`; secrets are masked."""


class _Kept(NamedTuple):
    """What stays of a file's bytes, and whether it is a rendering of its values instead."""

    content: bytes
    rendered: bool = False


def read_config_file(path: str, *, cwd: str, secrets: Secrets, merge: bool = True) -> ReadConfig:
    """Read and parse a file; with `merge` its values become part of the configuration. Raises RefusedError when it
    is not there or cannot be read.

    A file with a secret in it is kept with the secret masked, and its digest is that of what is kept.
    """
    content = _content(path, cwd)
    form = _FORMATS.get(os.path.splitext(path)[1].lower(), "text")
    parsed, error = _parse(form, content)
    plain = to_plain(parsed)
    unread = form == "text" or error is not None
    said = plain if unread else _all_said(form, content)
    whole, secrets = _masked_values({"": said}, secrets)
    masked = secrets.mask_values({"": plain})[""]
    kept = _masked_text(content, secrets) if unread else _masked_file(content, form, masked, said, whole[""], secrets)
    file = ConfigFile(
        path=path,
        digest=digest_of(kept.content),
        size=len(kept.content),
        format=form,
        values=masked,
        masked=kept.content != content,
        rendered=kept.rendered,
        error=error,
    )
    return ReadConfig(file=file, values=_mapping(plain) if merge else {}, content=kept.content)


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _masked_values(values: Mapping[str, Any], secrets: Secrets) -> tuple[dict[str, Any], Secrets]:
    """The values masked, and what masks them: a secret is one under its second, innocent name too (an anchor)."""
    found = _hidden(values, secrets.mask_values(values))
    secrets = secrets.knowing_all(text for text in found if is_distinctive(text))
    return secrets.mask_values(values), secrets


def _hidden(plain: Any, masked: Any) -> set[str]:
    """The texts that were masked because of where they stand: a file may spell them as no pattern for text expects."""
    if isinstance(plain, dict):
        pairs = zip(_mapping(plain).values(), _mapping(masked).values(), strict=True)
    elif isinstance(plain, list):
        pairs = zip(cast("list[Any]", plain), cast("list[Any]", masked), strict=True)
    else:
        return {str(plain)} if plain != masked and MASK.fullmatch(str(masked)) else set()
    return {text for one, other in pairs for text in _hidden(one, other)}


def _masked_file(content: bytes, form: Format, values: Any, said: Any, masked: Any, secrets: Secrets) -> _Kept:
    """The file with its secrets replaced, if all that it says then reads as it does `masked`; else its masked values,
    as JSON.

    A secret may be spelled with escapes, over several lines or with a bracket before it: only reading again is proof.
    """
    replaced = _masked_bytes(content, secrets)
    if replaced == content and masked == said:
        return _Kept(content)
    certain = _parse(form, replaced)[1] is None and _all_said(form, replaced) == masked
    return _Kept(replaced) if certain else _Kept(encode(values), rendered=True)


def _all_said(form: Format, content: bytes) -> Any:
    """The values of a file that can be parsed, with every value of a key that it names twice, in a list."""
    text = content.decode("utf-8-sig")
    if form == "json":
        return to_plain(importlib.import_module("json").loads(text, object_pairs_hook=_collected))
    return to_plain(_yaml(text, repeated=True) if form == "yaml" else _PARSERS[form](text))


def _collected(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    values: dict[Any, list[Any]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    return {key: found[0] if len(found) == 1 else found for key, found in values.items()}


def _masked_text(content: bytes, secrets: Secrets) -> _Kept:
    """A text that has no parser, or that it refused: from a secret's name with an open value on, all is masked."""
    text = _masked_bytes(content, secrets).decode("utf-8", "surrogateescape")
    end = next((m.end() for m in _OPEN.finditer(text) if secrets.names(m[1], "an open value")), len(text))
    kept = text[:end] + (secrets.mask(text[end:]) if text[end:].strip() else text[end:])
    return _Kept(kept.encode("utf-8", "surrogateescape"))


def _masked_bytes(content: bytes, secrets: Secrets) -> bytes:
    return secrets.mask_text(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _content(path: str, cwd: str) -> bytes:
    try:
        fd = os.open(os.path.join(cwd, os.path.expanduser(path)), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as stream:  # noqa: PTH123 - a descriptor, so that a pipe is not waited for
            content = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RefusedError(f"configuration {path}: {reason} in {cwd}", hint="name a file that is there") from None
    if len(content) > LARGEST:
        raise RefusedError(f"configuration {path}: larger than {LARGEST >> 20} MiB", hint="name it with --input")
    return content


def _parse(form: Format, content: bytes) -> tuple[Any, str | None]:
    """(values, nothing), or (nothing, why not)."""
    if form == "text":
        return None, None
    try:
        return _PARSERS[form](content.decode("utf-8-sig")), None
    except UnicodeDecodeError as error:
        return None, f"not UTF-8 at byte {error.start}"
    except (ValueError, _Unparsed) as error:
        return None, " ".join(str(error).split())
    except RecursionError:
        return None, "nested too deep"


class _Unparsed(Exception):
    """A file that a parser refuses, with line and column where it says."""


# A parser is loaded when a file needs it: together they would cost the launch of every run several milliseconds.


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        # This one reads NaN, and says line and column.
        return importlib.import_module("json").loads(text)


def _toml(text: str) -> Any:
    return importlib.import_module("tomllib").loads(text)


def _ini(text: str) -> Any:
    configparser: Any = importlib.import_module("configparser")
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise _Unparsed(str(error)) from None
    defaults = {parser.default_section: dict(parser.defaults())} if parser.defaults() else {}
    return defaults | {name: dict(parser.items(name)) for name in parser.sections()}


def _yaml(text: str, *, repeated: bool = False) -> Any:
    # Loaded by name: 8 ms that only a YAML file costs, and its types are in a distribution of their own.
    yaml: Any = importlib.import_module("yaml")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = list(yaml.load_all(text, Loader=_collecting(loader) if repeated else loader))
    except yaml.YAMLError as error:
        raise _Unparsed(str(error)) from None
    return documents[0] if len(documents) == 1 else documents or None


def _collecting(loader: Any) -> Any:
    """A loader that keeps every value of a repeated key."""

    def construct_mapping(self: Any, node: Any, deep: bool = False) -> dict[Any, Any]:
        loader.construct_mapping(self, node, deep)  # Checks the keys, and puts in what `<<` names.
        return _collected(
            (self.construct_object(key, True), self.construct_object(value, deep)) for key, value in node.value
        )

    return type("Collecting", (loader,), {"construct_mapping": construct_mapping})


_PARSERS: dict[Format, Callable[[str], Any]] = {"json": _json, "toml": _toml, "ini": _ini, "yaml": _yaml}


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
    hydra = _mapping(to_plain(found.get()))
    runtime = _mapping(hydra.get("runtime"))
    folder = os.path.join(str(runtime.get("output_dir") or ""), str(hydra.get("output_subdir") or ""))
    files = [os.path.join(folder, name) for name in ("config.yaml", "overrides.yaml", "hydra.yaml")]
    return HydraState(
        choices={group: str(option) for group, option in _mapping(runtime.get("choices")).items()},
        overrides=[str(one) for one in cast("list[Any]", _mapping(hydra.get("overrides")).get("task") or [])],
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
    masked, secrets = _masked_values(values, secrets)
    return Configuration(
        values=masked,
        origins=_masked_names(origins, secrets),
        choices=dict(hydra.choices),
        overrides=secrets.mask_argv(hydra.overrides),
        files=[read.file for read in files],
        argv=secrets.mask_argv(argv),
        seeds=find_seeds(masked, origins),
    )


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
    for key, item in _mapping(old).items():
        _forget(origins, f"{name}.{key}", item)


def flatten(values: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    """Dotted names to values; an empty mapping and a list are values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{at}.{key}" if at else key
        if isinstance(value, dict) and value:
            flat |= flatten(cast("dict[str, Any]", value), name)
        else:
            flat[name] = value
    return flat
