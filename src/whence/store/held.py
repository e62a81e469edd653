"""What a run's snapshot holds of single files, asked at the end by the processes in which they ran.

The process that took the snapshot has it in its hand; any other reads `code.captured` of main, and `code.git`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from ..records.encoding import decode
from ..records.events import CodeCaptured
from ..rules.fold import MAIN
from ..rules.git_objects import Blob
from ..system.files import read_regular
from .journal import SUFFIX
from .layout import Store
from .snapshots import Snapshot, read_again, was_touched

State = Literal["same", "absent", "changed", "elsewhere"]
"""A file as it is now against the snapshot; `elsewhere` is outside of its root."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a snapshot."""

    root: str
    """Links followed."""
    find: Callable[[Sequence[str]], Iterable[Blob]]
    """Which of these paths it holds. Raises StoreError."""
    taken: int = 0
    """When, in nanoseconds; a file that was not touched since is not read."""

    def relative(self, path: str) -> str | None:
        """The path from the root; nothing for one outside. `path` has its links followed."""
        above = self.root.rstrip("/") + "/"
        return path[len(above) :] if path.startswith(above) else None

    def states(self, paths: Sequence[str]) -> dict[str, State]:
        """Of each of these absolute paths. Costs a stat, and a read of what was touched. Raises StoreError."""
        inside = [relative for path in paths if (relative := self.relative(path)) is not None]
        blobs = {blob.path: blob for blob in (self.find(inside) if inside else ())}
        return {path: self._state(self.relative(path), blobs) for path in paths}

    def _state(self, relative: str | None, blobs: Mapping[str, Blob]) -> State:
        if relative is None:
            return "elsewhere"
        blob = blobs.get(relative)
        if blob is None:
            return "absent"
        if self.taken and not was_touched(self.root, blob, self.taken):
            return "same"
        return "changed" if read_again(f"{self.root}/{relative}", blob) is None else "same"


def held_by(snapshot: Snapshot) -> Held:
    """The snapshot that this process took."""

    def find(paths: Sequence[str]) -> list[Blob]:
        wanted = set(paths)
        return [blob for blob in snapshot.blobs if blob.path in wanted]

    return Held(root=os.path.realpath(snapshot.root), find=find, taken=snapshot.taken)


def held_in(store: Store, run: str, environ: Mapping[str, str]) -> Held | None:
    """The snapshot that main took; nothing when its journal names none (yet). Raises OSError, FormatError."""
    from .trees import Trees  # A process that took the snapshot needs it not.

    captured = _captured(store, run)
    if captured is None or captured.code.tree is None or captured.code.root is None:
        return None
    tree, trees = captured.code.tree, Trees(store, environ)
    return Held(root=os.path.realpath(captured.code.root), find=lambda paths: trees.find(tree, paths))


def _captured(store: Store, run: str) -> CodeCaptured | None:
    """Only this line is decoded: a journal may have many."""
    folder = store.run_folder(run)
    for path in (folder / (MAIN + SUFFIX), *sorted(folder.glob(f"{MAIN}-*{SUFFIX}"))):
        for line in read_regular(path).split(b"\n"):
            if b'"kind":"code.captured"' in line[:200]:
                return decode(line, CodeCaptured)
    return None
