"""A launch: a run that is on disk before anything of it is captured, and what is owed at its end."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from ..capture.captured_code import CapturedCode
from ..capture.hashing import Measured
from ..capture.host import capture_host, capture_user
from ..capture.inputs import InputDigest
from ..capture.outputs import Expected, OutputDigest
from ..capture.packages import Edited
from ..capture.places import Mounts
from ..ids import new_id
from ..records import events
from ..records.base import Missing
from ..records.code import Code
from ..records.run import Host
from ..records.seal import Pending
from ..rules.pins import variable
from ..rules.plain import to_plain
from ..store.digest_cache import DigestCache
from ..store.snapshots import Snapshot, Snapshots
from ..system.printing import Printed, passed_on_to, printed_to
from ..system.processes import identity
from . import attach, recording
from .keeping import Keeping
from .recording import Recording
from .request import Request, Surroundings

if TYPE_CHECKING:
    from ..rules.seen import Identity
    from ..rules.track import FileUse
    from .pins import Pinned


class Observed(Protocol):
    """The part of an observation that a launch needs at its end; `observed.Observed` is the real one."""

    def state_so_far(self) -> None: ...
    def settle(self, enough: Callable[[], bool], pending: list[Pending]) -> None: ...
    def was_opened(self, path: str) -> bool | None: ...
    @property
    def saw_all(self) -> bool: ...
    def opened_at(self, path: str) -> Mapping[str, FileUse]: ...
    def read_own(self, path: str) -> bool: ...
    def measured(self, opened: Identity | None) -> Measured | None: ...


class Kept(Protocol):
    """Something whose bytes may be kept."""

    def keep(self, keep: Callable[[str, Measured], str | None]) -> None: ...


class Launch(msgspec.Struct, kw_only=True):
    """A run that has been captured and not yet started, with what is owed at its end."""

    request: Request
    around: Surroundings
    recording: Recording
    snapshots: Snapshots
    digests: DigestCache
    mounts: Mounts
    kept_inputs: Keeping
    kept_outputs: Keeping
    captured: CapturedCode | None = None
    snapshot: Snapshot | None = None
    code: Code | None = None
    inputs: list[InputDigest] = []
    pins: list[Pinned] = []
    outputs: list[Expected] = []
    """What was declared to be written."""
    products: list[tuple[str, str, Expected]] = []
    """Likewise, of what is to become a version: the name of the dataset, the path, and what lay there before."""
    stated: list[OutputDigest] = []
    """What was stated as written while the run was going on; looked at once more at the end."""
    written: list[str] = []
    """Where the declared outputs lie that were found at the end."""
    libraries: tuple[str, ...] = ()
    """The folders of the command's environment."""
    prefix: str | None = None
    """That of the command's Python."""
    edited: list[Edited] = []
    observed: Observed | None = None
    """What the command was seen to do, where it is watched."""
    printed: tuple[Printed, ...] = ()
    """The files that standard output and standard error are."""
    passed_on: Callable[[], frozenset[str]] = frozenset
    """The files to which others write what is printed. Looked for when it is asked for, the first time: by then each of
    them that lies there is open."""
    ours: tuple[str, ...] = ()
    """Folders of ours, links followed, that the command's programs read and write: no business of the record."""
    before_seal: Callable[[Callable[[], bool]], None] | None = None
    """What else is stated between the end and the seal; it asks whether the time for digests is over."""
    passing: list[Exception] = []
    """What signal handlers of the user's raised while the record was completed: raised again when it is complete."""

    @property
    def cwd(self) -> Path:
        return self.around.cwd

    @property
    def variables(self) -> dict[str, str]:
        """What tells the command where the data lie that it pins."""
        return {variable(one.pin.name): os.fspath(one.folder) for one in self.pins}

    def lacks(self, *missing: Missing) -> None:
        """State what could not be captured."""
        for one in missing:
            self.recording.state(events.CaptureFailed(missing=one))

    def keep_input(self, one: Kept) -> None:
        """Copy an input that is digested, where policy asks for it."""
        if self.kept_inputs.copy:
            one.keep(self.kept_inputs.keep)


def create(request: Request, around: Surroundings) -> Launch:
    """Row first: the run is on disk. Raises StoreError."""
    host = capture_host(around.secrets.keyed)
    return _launch(request, around, _create(request, around, host), host)


def join(request: Request, around: Surroundings) -> Launch:
    """A rank's own journal in the run that rank 0 has created. Raises StoreError."""
    host = capture_host(around.secrets.keyed)
    recording = attach.join(
        around.store,
        around.policy,
        request.run or "",
        identity(host=host.name),
        rank=request.rank,
        argv=around.secrets.mask_argv(request.argv),
        spools=around.spools,
        clock=around.clock,
        say=around.say,
        mask=around.secrets.mask_text,
    )
    return _launch(request, around, recording, host)


def _launch(request: Request, around: Surroundings, recording: Recording, host: Host) -> Launch:
    return Launch(
        request=request,
        around=around,
        recording=recording,
        snapshots=Snapshots(around.store, around.environ),
        digests=DigestCache(around.store.cache),
        mounts=Mounts(host.name),
        kept_inputs=Keeping.of(around.store, around.policy, "keep_inputs"),
        kept_outputs=Keeping.of(around.store, around.policy, "keep_outputs"),
        printed=printed_to(),
        passed_on=functools.cache(passed_on_to),
    )


def _create(request: Request, around: Surroundings, host: Host) -> Recording:
    now = around.clock()
    secrets = around.secrets
    created = events.RunCreated(
        id=request.run or new_id(now // 1_000_000, around.random(10)),
        command=secrets.mask_argv(request.argv),
        cwd=secrets.mask_text(str(around.cwd)),
        mode=request.mode,
        host=host,
        user=capture_user(),
        process=identity(host=host.name),
        recorder=around.recorder,
        utc_offset=time.localtime(now // 1_000_000_000).tm_gmtoff,
        name=around.mask(request.name),
        purpose=around.mask(request.purpose),
        hypothesis=around.mask(request.hypothesis),
        tags={secrets.mask_text(key): secrets.mask_pair(key, value) for key, value in request.tags.items()},
        ext=secrets.mask_values({str(name): to_plain(value) for name, value in request.fields.items()}),
        parent=request.parent,
        rerun_of=request.rerun_of,
        relation=request.relation,
        differences=request.differences,
        rank=request.rank,
        job=request.rank.job if request.rank else None,
    )
    return recording.create(
        around.store,
        around.policy,
        created,
        spools=around.spools,
        clock=around.clock,
        say=around.say,
        mask=around.secrets.mask_text,
    )
