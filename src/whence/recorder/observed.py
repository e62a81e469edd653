"""What a watched command does, folded while it runs; files that it reads are digested beside it.

Lives in the keeper. `take` gets the stream's records; `settling` says at the end what became of them. Nothing here is
imported before the command has started. What looks at a file system is done in threads: it may be served by the
command itself, which may be waiting for the keeper to relay what it prints.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ..answerer.preimages import OP as PREIMAGE
from ..capture.hashing import Measured
from ..capture.observed import digest_opened, look, stat_of
from ..capture.scripts import Scripts
from ..records import events
from ..rules.classes import Classes, Place
from ..rules.observation import Files
from ..rules.programs import Programs
from ..rules.seen import Identity, Seen, seen
from ..store.digest_cache import DigestCache
from ..system.threads import begun
from .choosing import holds_down
from .folding import Folding
from .launch import Launch
from .preimages import PreImages
from .so_far import SoFar
from .waiting import Clone

_NAMING = frozenset({"create", "rename", "link"})
"""Calls that give written bytes a name."""

_OPENING = frozenset({"read", "write", "update", "create", "truncate"})
"""Calls whose identity is that of the file which the path leads to, links followed."""

GENTLE = 10
"""The niceness of digesting beside the command, of which only the idle processors are asked."""


class Observed:
    """One command's observation."""

    def __init__(self, launch: Launch, mechanism: str, because: str | None = None) -> None:
        self.launch = launch
        self.mechanism = mechanism
        self.because = because
        self.files = Files(_real_folder)
        self.programs = Programs(held_down=holds_down(mechanism))
        self.classes = Classes(_place(launch))
        self.cache = DigestCache(launch.around.store.cache)
        self.preimages = PreImages()
        self.count = 0
        self.complete = False
        """Whether the source of the stream says that it saw everything."""
        self.interrupted = 0
        self.gaps: dict[str, None] = {}
        self._handed: set[tuple[int, int]] = set()
        self._scripts = Scripts()
        self._strangers: set[int] = set()
        """Processes that have mounts of their own."""
        self._folding = Folding(self._fold)
        self._so_far = SoFar(self)
        self._digests = _Beside(self.cache, self._so_far.state)
        launch.recording.state(events.ObservationStarted(mechanism=mechanism, because=because))

    def take(self, records: Sequence[tuple[Any, ...]]) -> None:
        """Add records of the stream, in the order of their numbers. Waits for nobody."""
        self._folding.add(records)

    def _fold(self, record: tuple[Any, ...]) -> None:
        if record[3] == PREIMAGE:
            if (large := self.preimages.take(record)) is not None:
                self._digests.add_clone(large)
            return
        call = seen(record)
        self.count += 1
        self.programs.take(call)
        if call.op == "execute" and call.pid not in self._strangers:
            for one in self._scripts.executed_with(call):
                self.programs.take(one)
        if call.pid == 0 and call.identity is not None:
            self._handed.add(call.identity.key)
        if call.op == "namespace":
            self._strangers.add(call.pid)
        if call.pid in self._strangers and not _leads_us_there(call):
            return  # That its paths may be those of other files is a gap.
        path = self.files.take(call)
        if path is not None and call.identity is not None:
            self._was_read(path, call.real or path, call.identity)
        if call.op in _NAMING and call.path:
            self._was_named(call)

    def _was_read(self, path: bytes, real: bytes, opened: Identity) -> None:
        found = self.classes.of(os.fsdecode(path))
        if found in ("data", "code", "config"):
            self._digests.add(real, opened)
        if found == "data":
            self._so_far.read(path, opened)

    def _was_named(self, call: Seen) -> None:
        path, real = (call.other, call.real_other) if call.other else (call.path, call.real)
        track = self.files.find(path, real=real)
        if track is not None and track.written and self.classes.of(os.fsdecode(path), written=True) == "data":
            self._so_far.written(path)

    def state_so_far(self) -> None:
        """Have it stated, beside the command, what was read and written until now."""
        self._digests.interrupt()

    def declared(self) -> Collection[str]:
        """Where the inputs lie that were declared or pinned, links followed."""
        declared = (one.found.absolute for one in self.launch.inputs if one.found.absolute)
        return {os.path.realpath(path) for path in (*declared, *_pinned(self.launch))}

    def gap(self, what: str) -> None:
        """Something that was not seen, in words for a person."""
        self.gaps[what] = None

    def stop(self) -> None:
        """The stream has ended: fold what is left of it. No digest is taken beside the command any more."""
        if left := self._folding.finish():
            self.gap(f"calls that could not be followed: {left}")
        for because, times in self._folding.failed.items():
            self.gap(f"calls that could not be followed ({because}): {times}")
        self._digests.stop()

    def measured(self, opened: Identity | None, folder: str | None = None) -> Measured | None:
        """The digest of what was opened, if it was taken while the command ran; by an earlier run as well, where the
        folder says in which it lies."""
        if opened is None:
            return None
        stat = stat_of(opened)
        digest = self.cache.taken(stat, folder)
        return Measured(digest=digest, size=opened.size, stat=stat, began=0) if digest is not None else None

    def is_only_held_above(self, device: int, inode: int) -> bool:
        """Whether whoever holds the file open is not of the command: it was handed over (`command > file`), so that the
        shell and ourselves have it, and everything that the command started is gone."""
        return (device, inode) in self._handed and self.complete and not self.all_gaps()

    def all_gaps(self) -> Sequence[str]:
        """Everything that makes the observation incomplete."""
        gaps = [*self.gaps, *self.programs.all_gaps()]
        if self.files.beyond:
            gaps.append(f"more than {self.files.count} files: {self.files.beyond} calls on others were only counted")
        return gaps


def _leads_us_there(call: Seen) -> bool:
    """Whether the path of an open leads us to the file that it led its caller to; true where nothing tells."""
    if call.identity is None or call.op not in _OPENING:
        return True
    found = look(call.real or call.path)
    return found is not None and found.key == call.identity.key


class _Beside:
    """A thread that digests what was opened, while it is still there, into the cache. Begins with the first file."""

    def __init__(self, cache: DigestCache, between: Callable[[], None]) -> None:
        """`between` is called in the thread when it is interrupted: it may wait for a file system, as digests may."""
        self._cache = cache
        self._between = between
        self._interrupted = threading.Event()
        self._todo: deque[tuple[bytes, Identity] | Clone] = deque()
        self._wake = threading.Semaphore(0)
        self._enough = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused = False
        """Whether the machine has no room for the thread: then what was opened is digested at the end."""

    def add(self, path: bytes, opened: Identity) -> None:
        self._todo.append((path, opened))
        self._wake.release()
        self._begin()

    def add_clone(self, clone: Clone) -> None:
        """Before the others: it takes room on the disk."""
        self._todo.appendleft(clone)
        self._wake.release()
        self._begin()

    def interrupt(self) -> None:
        self._interrupted.set()
        self._wake.release()
        self._begin()

    def _begin(self) -> None:
        if self._thread is None and not self._refused:
            self._thread = begun(self._work, "whence-observed")
            self._refused = self._thread is None

    def stop(self) -> None:
        """Stop where it is; what was not digested is left to others."""
        self._enough.set()
        self._wake.release()
        if self._thread is not None:
            self._thread.join()
        self._todo.clear()

    def _work(self) -> None:
        _be_gentle()
        while True:
            self._wake.acquire()
            if self._pause():
                return
            if not self._todo:
                continue
            one = self._todo.popleft()
            if isinstance(one, Clone):
                one.advance(self._pause)
            else:
                path, opened = one
                digest_opened(os.fsdecode(path), opened, self._cache, self._pause)

    def _pause(self) -> bool:
        """Between two pieces of work: whether it is to stop."""
        if self._interrupted.is_set() and not self._enough.is_set():
            self._interrupted.clear()
            self._between()
        return self._enough.is_set()


def _be_gentle() -> None:
    """On Linux a thread has a niceness of its own."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GENTLE)
    except OSError:
        return


def _real_folder(folder: bytes) -> bytes:
    try:
        return os.path.realpath(folder)
    except OSError:  # A link was removed between two looks at it (Python 3.11).
        return folder


def _pinned(launch: Launch) -> tuple[str, ...]:
    return tuple(os.path.realpath(one.folder) for one in launch.pins)


def _place(launch: Launch) -> Place:
    around, policy = launch.around, launch.around.policy
    root = launch.snapshot.root if launch.snapshot else launch.code.root if launch.code else None
    return Place(
        root=os.fspath(root or launch.cwd),
        home=os.fspath(around.home) if around.home else None,
        libraries=launch.libraries,
        own=(os.fspath(around.store.path), *launch.ours, *(one.path for one in launch.printed if one.size)),
        pinned=_pinned(launch),
        inputs=policy.inputs,
        outputs=policy.outputs,
        ignore=policy.ignore,
    )
