"""Who says an act, and what an act takes from the world."""

from __future__ import annotations

from collections.abc import Callable

from ..records.act import Actor


class Speaker:
    """Who speaks, when, and where identifiers come from. Who that is may have to be asked for: it is when an act is
    made, and once."""

    def __init__(
        self, *, by: Actor | Callable[[], Actor], clock: Callable[[], int], random: Callable[[int], bytes]
    ) -> None:
        self._by = by
        self.clock = clock
        """Unix nanoseconds."""
        self.random = random

    @property
    def by(self) -> Actor:
        if not isinstance(self._by, Actor):
            self._by = self._by()
        return self._by
