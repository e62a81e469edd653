"""The JSON Schema of the format (draft 2020-12), generated from the structs and the docstrings under their fields.

Pure: the structs' source comes in as text, since Python keeps no docstring of a field.
"""

import ast
from collections.abc import Mapping
from functools import reduce
from typing import Any, cast

import msgspec

from . import act, comparison, events, place, record, seal

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MODULES: tuple[str, ...] = (
    "act", "base", "code", "comparison", "configuration", "data", "environment", "events", "place", "record", "result",
    "run", "seal", "tables",
)  # fmt: skip
"""The modules of this package whose source describes the fields."""

KINDS: dict[str, tuple[str, str]] = {
    "record": (record.SCHEMA, "One run: record.json, and what `whence show --json` prints."),
    "event": ("whence-event/1", "One line of a journal."),
    "act": ("whence-act/1", "A later statement: a file under acts/."),
    "seal": ("whence-seal/1", "What closes a run: seal.json."),
    "store": (place.FORMAT, "What marks a folder as a store: store.json."),
    "comparison": (comparison.SCHEMA, "What runs have otherwise: what `whence diff --json` prints."),
}
"""Each schema with its name and the sentence that says what it is of."""

_ROOTS: dict[str, Any] = {
    "record": record.Record,
    "event": reduce(lambda left, right: left | right, cast("list[Any]", list(events.KINDS.values()))),
    "act": act.Act,
    "seal": seal.Seal,
    "store": place.Place,
    "comparison": comparison.Comparison,
}


def schema(kind: str, sources: Mapping[str, str]) -> dict[str, Any]:
    """The JSON Schema of a kind of document; `sources` holds the text of each of `MODULES`."""
    generated = msgspec.json.schema(_ROOTS[kind])
    documents = _documents(sources)
    for name, definition in generated.get("$defs", {}).items():
        _describe(definition, documents.get(name, {}))
    if kind == "event":
        _add_envelope(generated, documents.get("Envelope", {}))
    name, sentence = KINDS[kind]
    return {"$schema": DIALECT, "$id": name, "title": name, "description": sentence, **generated}


def _describe(definition: dict[str, Any], documents: Mapping[str, str]) -> None:
    for field, text in documents.items():
        if field in definition.get("properties", {}):
            definition["properties"][field]["description"] = text


def _add_envelope(generated: dict[str, Any], documents: Mapping[str, str]) -> None:
    """A line is flat: the envelope's fields stand before the event's own."""
    envelope = msgspec.json.schema(events.Envelope)["$defs"]["Envelope"]
    _describe(envelope, documents)
    shared = {name: value for name, value in envelope["properties"].items() if name != "kind"}
    for struct in events.KINDS.values():
        definition = generated["$defs"][struct.__name__]
        definition["properties"] = {**shared, **definition["properties"]}
        definition["required"] = [*shared, *definition["required"]]


def _documents(sources: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Class -> field -> the docstring under the field, on one line."""
    found: dict[str, dict[str, str]] = {}
    for source in sources.values():
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = dict(_fields(node))
    return found


def _fields(node: ast.ClassDef) -> list[tuple[str, str]]:
    pairs = zip(node.body, node.body[1:], strict=False)
    return [
        (first.target.id, " ".join(second.value.value.split()))
        for first, second in pairs
        if isinstance(first, ast.AnnAssign)
        and isinstance(first.target, ast.Name)
        and isinstance(second, ast.Expr)
        and isinstance(second.value, ast.Constant)
        and isinstance(second.value.value, str)
    ]
