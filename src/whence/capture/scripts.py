"""The programs that the kernel runs for a script: what its first line names, which nobody is seen to execute."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..rules.seen import Identity, Seen
from ..system.files import read_regular
from .observed import look

LINE = 256
"""Bytes of a first line that the kernel reads (execve(2))."""

DEEP = 5
"""So many scripts may stand for each other."""

MOST = 10_000
"""Programs that are remembered."""


class Scripts:
    """Looks into each executed file once."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, Identity], list[bytes]] = {}

    def executed_with(self, call: Seen) -> Iterator[Seen]:
        """The executions that this one means besides its own; `call.other` is the root of who executes."""
        there = call.identity
        if there is None or not there.is_file:
            return
        known = self._known.get((call.path, there))
        if known is None:
            if len(self._known) >= MOST:
                self._known.clear()
            known = self._known[call.path, there] = list(_interpreters(call.path, there, call.other))
        for path in known:
            yield Seen(call.seq, call.at, call.pid, "execute", path, identity=look(path), late=True)


def _interpreters(path: bytes, there: Identity, root: bytes) -> Iterator[bytes]:
    """One for a script; more where that is a script itself."""
    for _ in range(DEEP):
        found = look(path)
        named = _named_in(path) if found is not None and found.same_content(there) else b""
        if not named.startswith(b"/"):
            return
        path = root + named
        following = look(path)
        if following is None:
            return
        yield path
        there = following


def _named_in(path: bytes) -> bytes:
    """What the first line of a file names; empty for what is no script."""
    try:
        line = read_regular(os.fsdecode(path), LINE).split(b"\n", 1)[0]
    except OSError:
        return b""
    words = line[2:].split() if line.startswith(b"#!") else []
    return words[0] if words else b""
