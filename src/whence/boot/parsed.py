"""What a parser resolved: noted at once, and looked at again at the first metric and at the end.

An object is only known by a weak reference, so that it dies when it would without us; who can tells us right before
(`look_at`). What changed since is noted by its top-level name.
"""

from __future__ import annotations

import weakref

from .caller import Caller, caller_of, from_command_line
from .guard import Guard, tell_once
from .plain import attributes, is_dict, mapping, plain
from .report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType
    from typing import Any

    Read = Callable[[Any], Mapping[str, Any]]


MOST = 1000
"""Parsers that are noted in one process: code that parses in a loop is told of once."""


class Tracked:
    """A parsed object, and what was last noted of it."""

    def __init__(self, number: int, ref: weakref.ref[Any], read: Read, values: dict[str, Any]) -> None:
        self.number = number
        self.ref = ref
        self.read = read
        self.values = values
        self.origins: dict[str, str] = {}


class Parsed:
    """All that was parsed in this process."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._tracked: dict[int, Tracked] = {}
        self._noted = 0

    def whose(self, frame: FrameType | None, words: Sequence[object] | None) -> Caller:
        """Who parses; a dependency when it is not the command line that is parsed. Nothing is the whole of it."""
        caller = caller_of(frame)
        ours = words is None or from_command_line(words)
        return caller if ours else Caller(None, caller.place)

    def note(
        self,
        by: str,
        caller: Caller,
        value: Any,
        read: Read = lambda value: plain_mapping(value),
        *,
        origins: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """Note what `by` resolved to `value`, if it is the program's; `more` are other fields of the note."""
        if caller.whose is None:
            return
        if self._noted == MOST:
            tell_once("parsers", f"more than {MOST} times")
            return
        self._noted += 1
        values = dict(read(value))
        known = self._tracked.get(id(value))
        number = self._report.number()
        origins = dict(known.origins if known is not None and known.ref() is value else {}, **(origins or {}))
        self._report.note(
            "parsed", by=by, id=number, whose=caller.whose, place=caller.place, values=values, origins=origins, **more
        )
        with Guard("tracking"):
            self._track(number, value, read, values, origins)

    def _track(self, number: int, value: Any, read: Read, values: dict[str, Any], origins: dict[str, str]) -> None:
        try:
            ref = weakref.ref(value)
        except TypeError:
            return  # A dict, a tuple: its changes are not seen.
        tracked = self._tracked[id(value)] = Tracked(number, ref, read, values)
        tracked.origins = origins

    def origins_of(self, value: Any) -> dict[str, str]:
        """Origins that an earlier parser gave this very object."""
        known = self._tracked.get(id(value))
        return known.origins if known is not None and known.ref() is value else {}

    def look_at(self, value: Any) -> None:
        """Look at an object again, if it was parsed; it may be about to die, when its weak reference is still there."""
        tracked = self._tracked.get(id(value))
        if tracked is not None:
            self._look(tracked, value)

    def look_again(self) -> None:
        """Look at everything that still lives."""
        for tracked in list(self._tracked.values()):
            value = tracked.ref()
            if value is not None:
                with Guard("looking again"):
                    self._look(tracked, value)

    def _look(self, tracked: Tracked, value: Any) -> None:
        values = dict(tracked.read(value))
        changed = {name: item for name, item in values.items() if tracked.values.get(name, self) != item}
        if changed:
            added = [name for name in changed if name not in tracked.values]
            tracked.values = values
            self._report.note("looked", id=tracked.number, values=changed, added=added)


def plain_mapping(value: Any) -> dict[str, Any]:
    """An object's values; of one without names, under the name `value`."""
    found = plain(value)
    if is_dict(found) and "object" not in found:
        return found
    try:
        names = attributes(value)
    except AttributeError:
        return {"value": found}
    return mapping({name: item for name, item in names.items() if not name.startswith("_")})
