"""What is asked for when a run is launched, and what surrounds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..capture.configuration import NO_HYDRA, HydraState
from ..capture.running import Running
from ..records.code import Entry
from ..records.run import Difference, Rank
from ..rules.pins import Pin
from ..rules.policy import Policy
from ..rules.secrets import Secrets
from ..store.layout import Store
from ..store.spools import Spools

if TYPE_CHECKING:
    from ..store.dataset_tables import Describe


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """The world of a launch; everything that the recorder may not look up by itself."""

    store: Store
    policy: Policy
    secrets: Secrets
    environ: Mapping[str, str]
    cwd: Path
    home: Path | None
    spools: Spools | None
    """Those of this host; none where there is no local disk to write to."""
    recorder: str
    clock: Callable[[], int]
    """Unix nanoseconds."""
    random: Callable[[int], bytes]
    say: Callable[[str], None]
    """Says one line to the user, on stderr."""
    describe: Callable[[Store, bool], Describe] | None = None
    """Says what the tables are of a version that the run makes; whether that is inside the program's own process."""

    def mask(self, text: str | None) -> str | None:
        """The text without what looks like a secret."""
        return None if text is None else self.secrets.mask_text(text)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A launch, as the user worded it."""

    mode: Literal["command", "block"]
    argv: list[str]
    program: str | None = None
    """The file that will be executed; the running interpreter for a block."""
    entry: Entry | None = None
    """What was started, where the caller knows better than `argv` tells."""
    name: str | None = None
    purpose: str | None = None
    hypothesis: str | None = None
    tags: dict[str, str] = {}
    fields: dict[str, Any] = {}
    """The project's own, in their types (`rules.fields.allowed`)."""
    config_files: list[str] = []
    params: dict[str, Any] = {}
    config: Any = None
    """An object that holds configuration: dict, dataclass, namespace, …"""
    inputs: list[str] = []
    data: list[Pin] = []
    outputs: list[str] = []
    output_data: list[tuple[str, str]] = []
    """Names of datasets, and the folder or file that each is made of at the end."""
    code_url: str | None = None
    code_commit: str | None = None
    running: Running | None = None
    """The interpreter that this is, for a block."""
    hydra: HydraState = NO_HYDRA
    parent: str | None = None
    rerun_of: str | None = None
    relation: Literal["rerun", "variant"] | None = None
    differences: list[Difference] = []
    rank: Rank | None = None
    run: str | None = None
    """The identifier that ranks of one job agreed on; a new one otherwise."""
