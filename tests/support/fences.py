"""What keeps the tests away from the user's home and from stores outside their temporary folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

TRACES = (".whence", ".config/whence", ".cache/whence", ".local/share/whence", ".local/state/whence")
"""Where whence could leave something in a home."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Fences:
    """Raises, in this process, at any write into the real home or into a store outside `allowed`.

    Programs that tests start are given another HOME instead; `left_behind` looks for what they left all the same.
    """

    def __init__(self, home: Path, allowed: list[Path]) -> None:
        self.home = os.path.realpath(home)
        own = [ROOT, Path(sys.prefix), Path(sys.base_prefix)]
        self.allowed = tuple(os.path.realpath(p) + os.sep for p in [*allowed, *own])
        self.temporary = tuple(os.path.realpath(p) + os.sep for p in allowed)
        self._before = self._traces()

    def install(self) -> None:
        sys.addaudithook(self._audit)

    def left_behind(self) -> list[Path]:
        """What appeared in the home, or as a store in the checkout, since the tests began."""
        return sorted(self._traces() - self._before)

    def _traces(self) -> set[Path]:
        places = [*(Path(self.home) / trace for trace in TRACES), ROOT / ".whence"]
        return {place for place in places if place.exists()}

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if (event == "open" and isinstance(args[2], int) and args[2] & _WRITING) or event == "os.mkdir":
            self._check(args[0])

    def _check(self, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        name = os.path.abspath(os.fsdecode(path))
        in_store = f"{os.sep}.whence" in name and not name.startswith(self.temporary)
        in_home = name.startswith(self.home + os.sep) and not name.startswith(self.allowed)
        if in_store or in_home:
            raise PermissionError(f"a test tried to write {name}, outside its temporary folder")
