"""The published schemas: the structs' own source is read beside this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..records import base
from ..records.schema import MODULES, schema


def document(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind of `records.schema.KINDS`. Costs parsing the source of the structs, 50 ms."""
    folder = Path(base.__file__).parent
    return schema(kind, {name: (folder / f"{name}.py").read_text("utf-8") for name in MODULES})
