"""Guests: the journals that this process writes in runs of other processes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ..errors import WhenceError
from ..handlers import let_pass
from ..records.run import Rank
from ..rules.policy import Policy
from ..rules.secrets import Secrets
from ..store.held import held_in
from ..store.layout import Store
from ..store.spools import Spools
from ..system.apart import apart
from ..system.processes import identity
from . import attach
from .outcome import last_error, left_by
from .recording import Recording
from .request import Surroundings
from .session import Session
from .sources import Sources
from .warned import warn_once


class Guests:
    """The journals of this process in runs of other processes, one a run."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session | None] = {}
        self._lock = threading.RLock()

    def forked_from(self, parent: Session) -> Session | None:
        """The session of a forked child in its parent's run; nothing when that run is over."""
        recording = parent.recording
        with apart, self._lock:
            if recording.id not in self._sessions:
                self._sessions[recording.id] = self._forked(parent)
            return self._sessions[recording.id]

    def _forked(self, parent: Session) -> Session | None:
        recording = parent.recording
        if not attach.goes_on_after_fork(recording):
            warn_once(recording.id, f"run {recording.id} has ended: what this process says is not recorded")
            return None
        try:
            own = _join(
                recording.store, recording.policy, recording.id, None, parent.secrets, recording.spools,
                recording.now, parent.say,
            )  # fmt: skip
            return Session(
                own, parent.secrets, parent.cwd, parent.say, parent.sources.forked(own), describe=parent.describe
            )
        except WhenceError as error:
            warn_once(recording.id, f"run {recording.id}: {error.message}; what this process says is not recorded")
            return None

    def session(self, around: Surroundings, run: str, rank: Rank | None) -> Session:
        """The session of a process that attaches, the same one each time. Raises StoreError."""
        with apart, self._lock:
            known = self._sessions.get(run)
            if known is None:
                own = _join(
                    around.store, around.policy, run, rank, around.secrets, around.spools, around.clock, around.say
                )
                sources = Sources(
                    own, around.secrets, around.cwd, lambda: held_in(around.store, run, around.environ),
                    environ=around.environ,
                )  # fmt: skip
                known = self._sessions[run] = Session(
                    own, around.secrets, around.cwd, around.say, sources, describe=around.describe
                )
            return known

    def forget(self) -> None:
        """In a fork's child: these are the parent's."""
        self._sessions, self._lock = {}, threading.RLock()

    def close(self) -> None:
        """The interpreter leaves, or the worker: what was owed is done."""
        for session in self._sessions.values():
            if session is not None and session.pid == os.getpid():
                with apart:
                    _close(session)
        self._sessions = {}


def _close(session: Session) -> None:
    until = time.monotonic() + session.recording.policy.seal_within
    try:
        session.settle(lambda: time.monotonic() >= until)
        if not session.told_end:
            session.state_process_end(left_by(last_error(), session.secrets.mask_text))
        session.sources.state(lambda: time.monotonic() >= until)
    except Exception as fault:  # noqa: BLE001  after the start no fault of ours rises into the user's code
        let_pass(fault)
        session.recording.lost("the end of the process", f"{type(fault).__name__}: {fault}")
    session.recording.close()


guests = Guests()


def _join(
    store: Store,
    policy: Policy,
    run: str,
    rank: Rank | None,
    secrets: Secrets,
    spools: Spools | None,
    clock: Callable[[], int],
    say: Callable[[str], None],
) -> Recording:
    argv = secrets.mask_argv(sys.orig_argv)
    process = identity(host=os.uname().nodename)
    recording = attach.join(
        store, policy, run, process, rank=rank, argv=argv, spools=spools, clock=clock, say=say, mask=secrets.mask_text
    )
    multiprocessing: Any = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:
        # Its workers leave by os._exit, which runs its finalizers and no other.
        multiprocessing.Finalize(None, guests.close, exitpriority=0)
    return recording
