"""What a look at the code comes to, of a checkout as of a plain folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ..records.base import Missing
from ..records.code import Code, Entry, LeftOut
from ..rules.snapshot import Plan

Judge = Callable[[str, bool], bool]
"""Whether an absolute path is an output of an earlier run."""


class CapturedCode(msgspec.Struct, frozen=True, kw_only=True):
    """The code without the identities of its snapshot, and how to take that."""

    code: Code
    plan: Plan | None
    """Nothing where there is no folder to speak of."""
    missing: tuple[Missing, ...]


NAMED = 10
"""Paths that a reason names."""


def not_listed(path: str, reason: str) -> LeftOut:
    """A folder, or a file, that could not be looked at."""
    return LeftOut(path=path, size=0, digest=None, because=f"it could not be listed: {reason}")


def missing_unlisted(unlisted: Sequence[LeftOut]) -> Missing:
    """That the snapshot lacks what is there."""
    named = ", ".join(_short(item.path) for item in unlisted[:NAMED])
    more = f" and {len(unlisted) - NAMED} more" if len(unlisted) > NAMED else ""
    because = f"what is there could not be listed, and is not in the snapshot: {named}{more}"
    return Missing(what="code.tree", because=because)


def _short(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:200]}…"


def no_result(path: str, tracked: bool) -> bool:
    """The judge of a store without earlier runs."""
    return False


def relative_to(path: Path | None, root: Path) -> str | None:
    """The path from the root, links on both ways resolved; nothing for one that does not lie below it."""
    if path is None:
        return None
    real, top = os.path.realpath(path), os.path.realpath(root)
    return os.path.relpath(real, top) if real.startswith(top.rstrip("/") + "/") else None


def placed(entry: Entry, root: str | None) -> Entry:
    """The entry with its path relative to the root, where it lies inside."""
    if entry.path is None or root is None:
        return entry
    relative = relative_to(Path(entry.path).parent, Path(root))
    name = os.path.basename(entry.path)
    if relative is None:
        at_top = os.path.realpath(Path(entry.path).parent) == os.path.realpath(root)
        return msgspec.structs.replace(entry, path=name) if at_top else entry
    return msgspec.structs.replace(entry, path=f"{relative}/{name}")
