"""The formats of configuration files: what a file says.

A parser is loaded when a file needs it: together they would cost the launch of every run several milliseconds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from ..rules.plain import to_plain

Format = Literal["json", "yaml", "toml", "ini", "text"]

FORMATS: dict[str, Format] = {
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".ini": "ini",
    ".cfg": "ini",
    ".conf": "ini",
}


DEEPEST = 1000
"""Levels of YAML that are parsed; the C stack, on which its composer recurses, ends a process at some ten thousand."""


NODE = 64
"""Characters that a value counts for, beside its own."""

EXPANDED = 100_000 * NODE
"""What the aliases of a YAML file may stand for: nine lists of nine aliases each are a billion values."""


def all_said(form: Format, content: bytes) -> Any:
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


def parse(form: Format, content: bytes) -> tuple[Any, str | None]:
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
        if reason := _too_much(yaml, loader, text):
            raise _Unparsed(reason)
        documents = list(yaml.load_all(text, Loader=_collecting(loader) if repeated else loader))
    except yaml.YAMLError as error:
        raise _Unparsed(str(error)) from None
    return documents[0] if len(documents) == 1 else documents or None


def _too_much(yaml: Any, loader: Any, text: str) -> str | None:
    """Why the text is not loaded: it has more than `DEEPEST` levels, or its aliases stand for too much. Looked at only
    where there are signs enough for that."""
    deep = sum(map(text.count, "[{:-?")) > DEEPEST
    if not deep and not ("*" in text and "&" in text):
        return None
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    total = added = 0
    for event in yaml.parse(text, Loader=loader):
        match event:
            case yaml.CollectionStartEvent():
                opened.append((event.anchor, total))
                total += NODE
            case yaml.CollectionEndEvent():
                anchor, before = opened.pop()
                sizes |= {anchor: total - before} if anchor else {}
            case yaml.ScalarEvent():
                total += NODE + len(event.value)
                sizes |= {event.anchor: NODE + len(event.value)} if event.anchor else {}
            case yaml.AliasEvent():
                total += sizes.get(event.anchor, NODE)
                added += sizes.get(event.anchor, NODE)
            case _:
                pass
        if len(opened) > DEEPEST:
            return "nested too deep"
        if added > EXPANDED:
            return f"its aliases stand for more than {EXPANDED // NODE} values"
    return None


def _collecting(loader: Any) -> Any:
    """A loader that keeps every value of a repeated key."""

    def construct_mapping(self: Any, node: Any, deep: bool = False) -> dict[Any, Any]:
        loader.construct_mapping(self, node, deep)  # Checks the keys, and puts in what `<<` names.
        return _collected(
            (self.construct_object(key, True), self.construct_object(value, deep)) for key, value in node.value
        )

    return type("Collecting", (loader,), {"construct_mapping": construct_mapping})


_PARSERS: dict[Format, Callable[[str], Any]] = {"json": _json, "toml": _toml, "ini": _ini, "yaml": _yaml}
