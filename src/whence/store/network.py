"""Whether a store lies where a stalled server would stop the run: then its runs are written to a spool (`spool`)."""

from __future__ import annotations

from typing import Literal

from ..system.mounts import file_system
from .layout import Store

Choice = Literal["auto", "always", "never"]

PLACE = "place.json"
FILES = "files"
"""Inside a spool's folder: what stands in for the run's folder. Beside it are the place and the forwarder's lock."""


def needs_spool(store: Store, choice: Choice) -> bool:
    """Whether runs of this store are written to a spool; `auto` when it lies on a network file system."""
    return choice == "always" or (choice == "auto" and file_system(store.path).network)
