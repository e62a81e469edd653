"""The spools of this host, as a writer asks for them: whether it belongs into one, which there is, a place in one.

Most stores lie on a local disk: what makes and forwards a spool is loaded where one is written to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from .layout import Store
from .network import FILES, PLACE, Choice, needs_spool

Made = TypeVar("Made")


class Spools(msgspec.Struct, frozen=True, kw_only=True):
    """The spools of this host."""

    root: Path
    """A folder on a local disk."""
    environ: Mapping[str, str]
    """For forwarders."""

    def serve(self, store: Store, run_id: str, choice: Choice) -> bool:
        """Whether a writer of the run belongs into a spool: the store needs one, or other writers here have one."""
        return needs_spool(store, choice) or self.find(store, run_id) is not None

    def find(self, store: Store, run_id: str) -> Path | None:
        """What takes the place of the run's folder on this host, if it has a spool."""
        spool = self.root / store.id / run_id
        return spool / FILES if (spool / PLACE).is_file() else None

    def write(self, store: Store, run_id: str, create: Callable[[Path], Made]) -> tuple[Callable[[], bool], Made]:
        """What `create` makes in the run's spool, and what sees to it that a forwarder is at work.

        Never touches the store. Raises OSError.
        """
        from .spool import write_in_spool  # with the forwarder

        spool, made = write_in_spool(self.root, store, run_id, create)
        return lambda: spool.ensure_forwarder(self.environ), made
