"""Texts without the places where pinned data were laid out: `{data.NAME}` stands there, as in the command.

Where the files of a version lie follows from its digest, and from the store: of another version it is another place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

from ..records.data import Input


class Fold:
    """Puts `{data.NAME}` for the folder of each pin, in a value and all that lies in it."""

    def __init__(self, inputs: Iterable[Input]) -> None:
        self._names: dict[str, str] = {}
        for one in inputs:
            if one.how == "pinned" and one.path.startswith("/"):
                self._names.setdefault(one.path, f"{{data.{one.name}}}")
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(f"(?:{'|'.join(map(re.escape, longest_first))})(?![\\w.-])")

    def __call__(self, value: Any) -> Any:
        if not self._names:
            return value
        match value:
            case str():
                return self._pattern.sub(lambda found: self._names[found[0]], value)
            case list():
                return [self(item) for item in cast("list[Any]", value)]
            case dict():
                return {name: self(item) for name, item in cast("dict[str, Any]", value).items()}
            case _:
                return value
