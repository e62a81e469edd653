"""Notebooks (nbformat 4) without what running them changes: what of them counts as code."""

from __future__ import annotations

import json
from typing import Any, cast


def strip_notebook(content: bytes) -> bytes | None:
    """A notebook without what running it changes: outputs, execution counts, cell ids, widget state.

    Nothing when the bytes are not a notebook of format 4; then they stand for themselves.
    """
    source = _source(content)
    return None if source is None else json.dumps(source, sort_keys=True, separators=(",", ":")).encode()


def notebook_text(content: bytes) -> str | None:
    """What `strip_notebook` leaves as lines, for a person: each cell below a line `# %% [type]`, with its tags."""
    source = _source(content)
    if source is None:
        return None
    heads = [f"# %% [{cell['type']}]{_tags_text(cell['tags'])}" for cell in source["cells"]]
    return "".join(f"{head}\n{cell['source']}\n" for head, cell in zip(heads, source["cells"], strict=True))


def _tags_text(tags: Any) -> str:
    return f" tags={json.dumps(tags)}" if tags else ""


def _source(content: bytes) -> dict[str, Any] | None:
    try:
        notebook: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    cells: Any = cast("dict[str, Any]", notebook).get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        return None
    source: dict[str, Any] = {
        "cells": [_strip_cell(cast("dict[str, Any]", c)) for c in cast("list[Any]", cells) if isinstance(c, dict)]
    }
    source["language"] = _language(cast("dict[str, Any]", notebook))
    return source


def _strip_cell(cell: dict[str, Any]) -> dict[str, Any]:
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(str(line) for line in cast("list[Any]", source))
    metadata = cell.get("metadata")
    attached: Any = cell.get("attachments")
    tags: Any = cast("dict[str, Any]", metadata).get("tags", []) if isinstance(metadata, dict) else []
    return {"type": cell.get("cell_type"), "source": source, "tags": tags, "attachments": attached}


def _language(notebook: dict[str, Any]) -> Any:
    """The kernel's language, without its version: that is the environment's business."""
    metadata = notebook.get("metadata")
    kernel: Any = cast("dict[str, Any]", metadata).get("kernelspec") if isinstance(metadata, dict) else None
    return cast("dict[str, Any]", kernel).get("language") if isinstance(kernel, dict) else None
