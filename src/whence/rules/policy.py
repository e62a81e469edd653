"""Policy: every key with its type, default and sentence, and how the sources are put together.

Precedence: `--policy KEY=VALUE`, then `WHENCE_POLICY_<KEY>`, then the file (`whence.toml`, or `[tool.whence]` of
`pyproject.toml`), then the default. `KEYS` is the only place that declares a key; docs/policy.md is generated from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from ..errors import UsageError
from .fields import read_fields
from .variables import ALLOWED

ANSWERS = ("allow", "warn", "refuse")
KEEPING = ("copy", "reference")

MIB = 1 << 20


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the policy."""

    name: str
    kind: Literal["choice", "seconds", "retention", "bytes", "patterns", "text", "fields"]
    default: Any
    sentence: str
    choices: tuple[str, ...] = ()


KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key(name="store", kind="text", default="", sentence="Folder of the store, relative to the file that says so."),
        Key(
            name="dirty",
            kind="choice",
            choices=ANSWERS,
            default="allow",
            sentence="A working folder that differs from its commit.",
        ),
        Key(
            name="missing_fields",
            kind="choice",
            choices=ANSWERS,
            default="warn",
            sentence="Required project fields without a value.",
        ),
        Key(
            name="missing_code",
            kind="choice",
            choices=ANSWERS,
            default="warn",
            sentence="A snapshot that could not be taken whole.",
        ),
        Key(
            name="unpinned_data",
            kind="choice",
            choices=ANSWERS,
            default="warn",
            sentence="Data that are pinned without a version: the current release is taken.",
        ),
        Key(
            name="digest_before_start",
            kind="seconds",
            default=10.0,
            sentence="How long inputs are digested before the command starts; the rest is digested beside the run.",
        ),
        Key(
            name="seal_within",
            kind="seconds",
            default=60.0,
            sentence="How long outputs are digested after the end before the seal is set without them.",
        ),
        Key(
            name="keep_outputs",
            kind="choice",
            choices=KEEPING,
            default="copy",
            sentence="Keep outputs: copy them, or only refer to them.",
        ),
        Key(name="keep_file_limit", kind="bytes", default=100 * MIB, sentence="Largest file or folder that is copied."),
        Key(
            name="keep_limit",
            kind="bytes",
            default=1024 * MIB,
            sentence="Most bytes of outputs, of inputs, and of code outside the snapshot, copied for a run.",
        ),
        Key(
            name="keep_inputs",
            kind="choice",
            choices=KEEPING,
            default="reference",
            sentence="Keep inputs: copy them, or only refer to them.",
        ),
        Key(
            name="output_log_limit",
            kind="bytes",
            default=64 * MIB,
            sentence="Most bytes of printed output that are kept: the first and the last half.",
        ),
        Key(name="untracked_limit", kind="bytes", default=10 * MIB, sentence="Largest untracked file in the snapshot."),
        Key(
            name="code_exclude",
            kind="patterns",
            default=(),
            sentence="Paths that the code id leaves out (they stay in the snapshot), as gitignore patterns.",
        ),
        Key(
            name="observe",
            kind="choice",
            default="auto",
            choices=("auto", "seccomp", "strace", "python", "off"),
            sentence="How the files that a command opens are watched: `auto` takes the first of the next three that"
            " works here, and the record says why; `python` sees Python programs only.",
        ),
        Key(
            name="inputs",
            kind="patterns",
            default=(),
            sentence="Paths that are inputs when the command reads them, whatever they look like; as gitignore patterns"
            " below the code's folder, or absolute (`/data/`, `~/sets/*.csv`).",
        ),
        Key(
            name="outputs",
            kind="patterns",
            default=(),
            sentence="Paths that are outputs when the command writes them, also if it reads them again; likewise.",
        ),
        Key(
            name="ignore",
            kind="patterns",
            default=(),
            sentence="Paths that are not recorded when the command opens them; `inputs` and `outputs` win. Likewise.",
        ),
        Key(
            name="observe_python",
            kind="choice",
            choices=("on", "off"),
            default="on",
            sentence="Ask Python programs for their configuration, seeds and sources, by a folder on PYTHONPATH.",
        ),
        Key(
            name="environment_variables",
            kind="patterns",
            default=ALLOWED,
            sentence="Environment variables that are recorded; `*` matches any characters.",
        ),
        Key(
            name="secret_patterns",
            kind="patterns",
            default=(),
            sentence="Further names of variables, options and keys whose values are secrets.",
        ),
        Key(
            name="spool",
            kind="choice",
            default="auto",
            choices=("auto", "always", "never"),
            sentence="Write to a local disk first and forward to the store: `auto` does so on a network file system.",
        ),
        Key(
            name="retention",
            kind="retention",
            default=float("inf"),
            sentence="How long after it was made the bytes of a developing version of a dataset are kept that no run"
            " pinned, for instance `90 d`: `whence data expire --old` removes what is older.",
        ),
        Key(name="fields", kind="fields", default={}, sentence="The project's own fields: type, vocabulary, required."),
    )
}


class Policy(msgspec.Struct, frozen=True):
    """The resolved policy. Each key of `KEYS` is an attribute."""

    values: Mapping[str, Any] = msgspec.field(default_factory=lambda: {name: key.default for name, key in KEYS.items()})
    sources: Mapping[str, str] = {}
    """Where each value came from: `--policy`, the variable, the file; a key that is not listed has its default."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


def resolve(
    *,
    flags: Sequence[str] = (),
    environ: Mapping[str, str],
    file: Mapping[str, Any],
    where: str = "",
    wrong: Callable[[UsageError], None] | None = None,
) -> Policy:
    """Put the sources together. Raises UsageError that names the source, the key and what was expected; with `wrong`
    each such error is told there instead, and what is wrong is left out: nothing that was recorded depends on it.
    """
    values = {name: key.default for name, key in KEYS.items()}
    sources: dict[str, str] = {}
    for source, name, value in _statements(flags, environ, file, where):
        try:
            values[name] = _read(_key(name, source), value, source)
            sources[name] = source
        except UsageError as error:
            if wrong is None:
                raise
            wrong(error)
    return Policy(values, sources)


def _statements(
    flags: Sequence[str], environ: Mapping[str, str], file: Mapping[str, Any], where: str
) -> list[tuple[str, str, Any]]:
    """(source, key, value), the weakest first."""
    found: list[tuple[str, str, Any]] = [(where, name, value) for name, value in file.items()]
    prefix = "WHENCE_POLICY_"
    found += [(name, name[len(prefix) :].lower(), text) for name, text in environ.items() if name.startswith(prefix)]
    for flag in flags:
        name, equals, text = flag.partition("=")
        if not equals:
            raise UsageError(f"--policy {flag}: expected KEY=VALUE", hint="for instance --policy dirty=refuse")
        found.append(("--policy", name.strip(), text))
    return found


def _key(name: str, source: str) -> Key:
    if name in KEYS:
        return KEYS[name]
    from difflib import get_close_matches  # Only a mistake needs it.

    near = get_close_matches(name, KEYS, n=1, cutoff=0.5)
    raise UsageError(
        f"{source}: unknown policy key {name!r}",
        hint=f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(KEYS)}",
    )


def _read(key: Key, value: Any, source: str) -> Any:
    try:
        return _READERS[key.kind](key, value)
    except ValueError as error:
        raise UsageError(f"{source}: {key.name} = {value!r}: expected {error}", hint=key.sentence) from None
    except UsageError as error:
        raise UsageError(f"{source}: {error.message}", hint=error.hint) from None


def _choice(key: Key, value: Any) -> str:
    if value not in key.choices:
        raise ValueError(f"one of {', '.join(key.choices)}")
    return cast("str", value)


_TIMES = {"": 1, "ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}


def _seconds(_: Key, value: Any) -> float:
    text = str(value).strip().lower()
    digits = text.rstrip("mshind ")
    unit = text[len(digits) :].strip()
    try:
        number = float(digits) * _TIMES[unit]
    except (KeyError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number < float("inf"):
        raise ValueError("a time such as 90, 10 s, 2 min or 1 h")
    return number


def _retention(key: Key, value: Any) -> float:
    if value in ("forever", float("inf")):
        return float("inf")
    try:
        return _seconds(key, value)
    except ValueError:
        raise ValueError("a time such as 90 d or 36 h, or forever") from None


_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": MIB, "gib": 1 << 30, "kb": 1000, "mb": 10**6, "gb": 10**9}


def _bytes(_: Key, value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("a size such as 1048576, 10 MiB or 1 GiB")
    return read_size(str(value))


def read_size(text: str) -> int:
    """Bytes, of a number with or without a unit. Raises ValueError that says what is expected."""
    text = text.strip().lower()
    digits = text.rstrip("kmgib ")
    unit = text[len(digits) :].strip()
    if not digits.isascii() or not digits.isdigit() or unit not in _UNITS:
        raise ValueError("a size such as 1048576, 10 MiB or 1 GiB")
    return int(digits) * _UNITS[unit]


def _patterns(_: Key, value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in cast("list[Any]", items)):
        raise ValueError("a list of patterns")
    return tuple(stripped for item in cast("list[str]", items) if (stripped := item.strip()))


def _text(_: Key, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    if "\0" in value:
        raise ValueError("text without a zero character")
    return value


def _fields(_: Key, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a table of fields, in the policy file")
    read_fields(cast("dict[str, Any]", value))
    return cast("dict[str, Any]", value)


_READERS: dict[str, Callable[[Key, Any], Any]] = {
    "choice": _choice,
    "seconds": _seconds,
    "retention": _retention,
    "bytes": _bytes,
    "patterns": _patterns,
    "text": _text,
    "fields": _fields,
}
"""How a value of each kind is read from a file or from text. Each raises ValueError that says what it expects."""
