"""What becomes of an observation at the end: inputs, artifacts, programs, hosts, and how complete all that is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from ..capture.hashing import Measured
from ..capture.observed import ObservedFile, ObservedFolder, Role, gone_folder, list_folder, look
from ..capture.outputs import NOTHING_BEFORE, Before, BeforeBy, OutputDigest, found_output
from ..capture.outputs import Role as ArtifactRole
from ..capture.places import recorded_path
from ..records import events
from ..records.base import Missing
from ..records.code import OutsideSource
from ..records.observation import Connection, Observation
from ..records.seal import Pending
from ..rules.classes import Word, word
from ..rules.folders import Entry, Gathered, at_and_above, gather, is_at_or_below
from ..rules.programs import host_and_port, is_notable, is_shared_library
from ..rules.seen import Identity
from ..rules.snapshot import matches
from ..rules.track import FileUse
from ..store.digest_cache import DigestCache
from ..store.held import Held, State, held_by
from ..store.objects import put_bytes, sync_objects
from ..store.results import add_artifacts
from ..system.leases import is_written_to
from .before_run import BeforeRun
from .launch import Launch
from .masking import is_named_as_secret, why_secret, why_secret_output, without_digest
from .observed import Observed
from .outputs import state_outputs
from .ran_python import state_environment
from .source_keeping import SourceKeeping
from .sources import MOST, TICK
from .used_programs import UsedPrograms

BY = "opens"
"""How source code was seen: its files were opened."""

AFTERWARDS = "strace tells of it afterwards: whether something was there before, and what, is not known"

NAMED = 20
"""Paths that an anomaly names; the rest is counted."""


def watch(launch: Launch, mechanism: str, because: str | None = None) -> Observed:
    """Begin to fold what the command does; the launch's end states it."""
    observed = Observed(launch, mechanism, because)
    launch.observed = Settling(observed)
    return observed


class Settling:
    """The end of one observation."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._launch = observed.launch
        self._before_run = BeforeRun(observed.launch)
        self._pending: list[Pending] = []
        self._opened: dict[str, FileUse] = {}
        """By each path that was read, where something is declared that it could be; not what is counted only."""
        self._own: set[str] = set()
        """Likewise what the run read after it had written to it."""
        self._moved: set[str] = set()
        """The folders that the run moved, by their names before and after."""
        self._settled = False
        self._counts: dict[str, int] = {}
        self._uses: dict[Word, dict[str, FileUse]] = {}
        self._libraries: list[str] = []

    def state_so_far(self) -> None:
        """Have it stated, beside the command, what was read and written until now."""
        self._observed.state_so_far()

    def settle(self, enough: Callable[[], bool], pending: list[Pending]) -> None:
        """State it all. Digests that are not done when `enough` says so stay pending."""
        self._pending = pending
        self._observed.stop()
        self._observed.preimages.finish(enough)
        for use in self._observed.files.uses(look):
            self._sort(use)
        self._moved = {os.fsdecode(path) for path in self._observed.files.folders_moved}
        self._observed.files.forget()
        self._state_code(enough)
        self._state_files("config", self._all("config"), enough)
        self._state_outputs(enough)
        self._state_inputs(enough)
        self._state_anomalies()
        self._state_end(enough)
        self._cache.save()
        self._settled = True

    def was_opened(self, path: str) -> bool | None:
        """Whether the command opened a file there, or below; nothing when silence proves nothing."""
        if not self._settled:
            return None
        if self.opened_at(path) or self.read_own(path):
            return True
        return False if self.saw_all else None

    def opened_at(self, path: str) -> dict[str, FileUse]:
        """The files that were read there or below, by the rest of their paths."""
        found: dict[str, FileUse] = {}
        for folder in {path.rstrip("/"), os.path.realpath(path)}:
            start = folder + "/"
            found |= {one[len(start) :]: use for one, use in self._opened.items() if one.startswith(start)}
            found |= {"": self._opened[folder]} if folder in self._opened else {}
        return found

    def read_own(self, path: str) -> bool:
        """Whether the run read something there or below after it had written to it, or moved a folder there or away."""
        places = {path.rstrip("/"), os.path.realpath(path)}
        changed = any(is_at_or_below(one, places) for one in (*self._own, *self._moved))
        return changed or any(is_at_or_below(place, self._moved) for place in places)

    @property
    def saw_all(self) -> bool:
        """Whether silence proves something."""
        return self._settled and self._observed.complete and not self._observed.all_gaps()

    def measured(self, opened: Identity | None) -> Measured | None:
        """The digest of what was opened, where it is known."""
        return self._observed.measured(opened)

    # Sorting.

    def _sort(self, use: FileUse) -> None:
        path = os.fsdecode(use.path)
        found = word(use, self._observed.classes, path)
        if found == "input" and use.path in self._observed.programs.executed:
            found = "code"  # A script without a suffix.
        if found is None:
            return
        self._counts[found] = self._counts.get(found, 0) + 1
        if found == "library":
            self._sort_library(use, path)
        if found not in ("library", "system", "cache", "device", "ignored"):
            self._uses.setdefault(found, {})[path] = use
            if self._launch.inputs or self._launch.pins:
                if use.read:
                    self._opened[path] = use
                if use.again:
                    self._own.add(path)

    def _sort_library(self, use: FileUse, path: str) -> None:
        """Shared libraries are programs; those of an installed package are counted, unless they change results."""
        if use.fate != "read":
            self._uses.setdefault("library", {})[path] = use
            return
        name = path.rpartition("/")[2]
        if is_shared_library(name) and (is_notable(name) or not self._is_packaged(path)):
            self._libraries.append(path)

    def _is_packaged(self, path: str) -> bool:
        if any(f"/{name}/" in path for name in ("site-packages", "dist-packages", "lib-dynload")):
            return True
        own = [prefix for prefix in self._launch.libraries if not prefix.startswith("/usr")]
        return any(path.startswith(prefix.rstrip("/") + "/") for prefix in own)

    def _all(self, name: Word) -> dict[str, FileUse]:
        return self._uses.get(name, {})

    # What was read.

    def _state_code(self, enough: Callable[[], bool]) -> None:
        """Source code that the snapshot does not hold is kept: it would not come back otherwise."""
        held = held_by(self._launch.snapshot) if self._launch.snapshot is not None else None
        sources = self._outside(held)
        if sources:
            self._keep_code(sources, held, enough)
        else:
            self._launch.recording.state(events.CodeObserved(when="end", by=BY))

    def _outside(self, held: Held | None) -> dict[str, tuple[FileUse, State]]:
        """What the snapshot does not hold, by real path; programs that lie elsewhere are named as programs."""
        executed = self._observed.programs.executed
        real = {os.path.realpath(path): use for path, use in self._all("code").items()}
        if held is None:
            absent: State = "absent"
            return {path: (use, absent) for path, use in real.items()}
        states = held.states(list(real))
        # What was opened as the snapshot has it ran with those bytes, whatever was written to the file since.
        found: dict[str, tuple[FileUse, State]] = {}
        for path, use in real.items():
            state = states[path]
            as_launched = state == "same" or (state == "changed" and _stood(use, held.taken))
            if not as_launched and not (state == "elsewhere" and use.path in executed):
                found[path] = use, state
        return found

    def _keep_code(
        self, sources: dict[str, tuple[FileUse, State]], held: Held | None, enough: Callable[[], bool]
    ) -> None:
        launch = self._launch
        part = held.root if held else os.fspath(launch.cwd)
        keeping = SourceKeeping.of(launch.around.store, launch.around.policy, launch.around.secrets, part, enough)
        told = [
            self._source(path, use, state, held.relative(path) if held else None, keeping)
            for path, (use, state) in sorted(sources.items())[:MOST]
        ]
        launch.recording.state(events.CodeObserved(when="end", by=BY, sources=told))
        if len(sources) > MOST:
            because = f"{len(sources) - MOST} more source files were read that the snapshot does not hold"
            missing = Missing(what="code.outside_snapshot", because=because, when="end")
            launch.recording.state(events.CaptureFailed(missing=missing))
        keeping.finish()

    def _source(
        self, path: str, use: FileUse, state: State, relative: str | None, keeping: SourceKeeping
    ) -> OutsideSource:
        kept = keeping.keep(path, relative or path)
        return OutsideSource(
            path=self._said(relative or path),
            state="absent" if state == "same" else state,
            digest=kept.digest,
            size=kept.size,
            kept=kept.kept,
            certain=use.opened is not None and use.now is not None and use.opened.same_content(use.now),
            because=kept.because,
        )

    def _state_inputs(self, enough: Callable[[], bool]) -> None:
        """Data, one by one or by folder; what came from outside and is another file now is an input as well."""
        for name in ("changed", "output"):
            self._state_files("data", {path: use for path, use in self._all(name).items() if use.read}, enough)
        self._state_files("data", self._only_written_into(), enough)
        self._state_gone(enough)
        data = self._undeclared(self._all("input"))
        gathered = self._gather(data)
        for entry in gathered.entries:
            self._state_folder(entry, [data[path] for path in entry.files], enough)
        self._state_files("data", {path: data[path] for path in gathered.files}, enough)

    def _state_gone(self, enough: Callable[[], bool]) -> None:
        """What was read and then removed, or overwritten and removed."""
        uses = {**self._all("removed"), **self._all("intermediate")}
        read = self._undeclared({path: use for path, use in uses.items() if use.read})
        gone = {path: use for path, use in read.items() if use.now is None and not is_named_as_secret(path)}
        gathered = self._gather(gone)
        for entry in gathered.entries:
            self._state_gone_folder(entry, [gone[path] for path in entry.files])
        self._state_files("data", {path: read[path] for path in (*(read.keys() - gone), *gathered.files)}, enough)

    def _state_gone_folder(self, entry: Entry, uses: list[FileUse]) -> None:
        stated, manifest = gone_folder(entry, uses, self._digest_then, cwd=os.fspath(self._launch.cwd))
        put_bytes(self._launch.around.store, manifest)
        self._launch.recording.state(events.InputObserved(input=stated))

    def _digest_then(self, use: FileUse) -> str | None:
        """Of what was opened, where that was known in time."""
        measured, _ = (None, None) if use.opened is None else self._kept(os.fsdecode(use.path), use.opened)
        return measured.digest if measured else None

    def _only_written_into(self) -> dict[str, FileUse]:
        """What was changed in place without being read: what is there now depends on it, where it is known."""
        unread = {path: use for path, use in self._all("changed").items() if not use.read}
        known = {path: use for path, use in unread.items() if self._before(use).digest}
        return {path: replace(use, opened=use.before) for path, use in known.items()}

    def _undeclared(self, uses: dict[str, FileUse]) -> dict[str, FileUse]:
        said = self._observed.declared()
        if not said:
            return uses
        return {path: use for path, use in uses.items() if not is_at_or_below(os.path.realpath(path), said)}

    def _state_files(self, role: Role, uses: dict[str, FileUse], enough: Callable[[], bool]) -> None:
        for path, use in sorted(self._undeclared(uses).items(), key=lambda item: _size(item[1])):
            one = self._observed_file(use, role, path)
            one.advance(enough)
            one.still_written = self._is_written_to(use)
            if not one.was_refused():
                self._state_file(one, role, path)

    def _observed_file(self, use: FileUse, role: Role, path: str) -> ObservedFile:
        measured, observed = self._observed.measured(use.opened), self._observed
        if measured is not None or use.opened is None or (use.now is not None and use.opened.same_content(use.now)):
            return ObservedFile(use, role, cache=self._cache, measured=measured)
        kept, _ = self._kept(path, use.opened)
        lost, after = observed.preimages.because(use.opened), observed.measured(use.now)
        return ObservedFile(use, role, cache=self._cache, measured=kept, after=after, lost=lost)

    def _state_file(self, one: ObservedFile, role: Role, path: str) -> None:
        launch = self._launch
        secret = why_secret(path, role, launch.around.secrets)
        if secret is None:
            launch.keep_input(one)
        stated = one.input(cwd=os.fspath(launch.cwd), mounts=launch.mounts)
        if secret is not None:
            stated = without_digest(stated, secret)
        launch.recording.state(events.InputObserved(input=stated))

    def _is_written_to(self, use: FileUse) -> bool:
        """Whether somebody who is not of the command may write to what it read, by a way that no stat shows."""
        now = use.now
        if now is None or not now.is_file or is_written_to(os.fsdecode(use.path)) is not True:
            return False
        return not self._observed.is_only_held_above(now.device, now.inode)

    def _state_folder(self, entry: Entry, uses: Sequence[FileUse], enough: Callable[[], bool]) -> None:
        launch = self._launch
        one = ObservedFolder(entry, uses, cache=self._cache)
        one.advance(enough)
        one.still_written = [os.fsdecode(use.path) for use in uses if not enough() and self._is_written_to(use)]
        launch.keep_input(one)
        if one.measured is not None and one.measured.manifest is not None:
            put_bytes(launch.around.store, one.measured.manifest)
        stated = one.input(cwd=os.fspath(launch.cwd), mounts=launch.mounts)
        launch.recording.state(events.InputObserved(input=stated))

    # What was written.

    def _state_outputs(self, enough: Callable[[], bool]) -> None:
        found = list(self._outputs())
        for one in found:
            if one.advance(enough) and one.absolute is not None and one.found.kind in ("file", "link"):
                one.still_written = is_written_to(one.absolute) is True and not self._is_only_held_above(one)
        artifacts = state_outputs(self._launch, found, self._pending)
        store = self._launch.around.store
        add_artifacts(store, self._launch.cwd, artifacts)
        if stored := [artifact.digest for artifact in artifacts if artifact.kept and artifact.digest]:
            sync_objects(store, stored)

    def _is_only_held_above(self, one: OutputDigest) -> bool:
        stat = one.found.stat
        return stat is not None and self._observed.is_only_held_above(stat.st_dev, stat.st_ino)

    def _outputs(self) -> Iterator[OutputDigest]:
        """What is to be kept first comes first."""
        said = {os.path.realpath(path) for path in self._launch.written}
        for name in ("output", "changed", "intermediate"):
            uses = {path: use for path, use in self._all(name).items() if use.now is not None}
            if said:
                uses = {path: use for path, use in uses.items() if not is_at_or_below(os.path.realpath(path), said)}
            secrets = [path for path in uses if is_named_as_secret(path)]
            gathered = self._gather({path: use for path, use in uses.items() if path not in secrets})
            for path in (*secrets, *gathered.files):
                yield from self._output(path, name, before=self._before(uses[path]))
            for entry in gathered.entries:
                names = [path[len(entry.folder) + 1 :] for path in entry.files]
                yield from self._output(entry.folder, name, some=None if entry.whole else names, whole=entry.whole)

    def _output(
        self,
        path: str,
        role: ArtifactRole,
        *,
        before: Before = NOTHING_BEFORE,
        some: Sequence[str] | None = None,
        whole: bool | None = None,
    ) -> Iterator[OutputDigest]:
        found = found_output(path, cwd=os.fspath(self._launch.cwd))
        if found is not None:
            one_file = found.kind in ("file", "link")
            yield OutputDigest(
                replace(found, name=self._said(found.name), path=self._said(found.path)),
                cache=self._cache,
                how="observed",
                role=role,
                before=before,
                some=some,
                whole=whole,
                secret=why_secret_output(path, self._launch.around.secrets) if one_file else None,
            )

    def _before(self, use: FileUse) -> Before:
        """What was there before the run wrote over it."""
        if use.before is None:
            because = AFTERWARDS if self._observed.mechanism == "strace" else use.because
            return Before(because=because or None)
        if not use.before.size:
            return NOTHING_BEFORE
        measured, by = self._kept(os.fsdecode(use.path), use.before)
        return Before(digest=measured.digest, by=by) if measured else Before(because=self._why_lost(use.before))

    def _kept(self, path: str, found: Identity) -> tuple[Measured | None, BeforeBy | None]:
        """The digest of what the run found at a path and wrote over, and how it is known."""
        measured = self._observed.measured(found, os.path.realpath(os.path.dirname(path)))
        if measured is not None:
            return measured, "cache"
        measured = self._observed.preimages.measured(found)
        if measured is not None:
            return measured, "pre-image"
        measured = self._before_run.measured(path, found)
        return measured, "snapshot" if measured else None

    def _why_lost(self, found: Identity) -> str:
        if self._observed.mechanism in ("strace", "python"):
            return f"where {self._observed.mechanism} watches, nothing is copied"
        return self._observed.preimages.because(found) or "no call was seen that opened it to be written over"

    def _gather(self, uses: dict[str, FileUse]) -> Gathered:
        launch = self._launch
        held = [os.fspath(launch.cwd), launch.snapshot.root if launch.snapshot else "", str(launch.around.home or "")]
        spread = {folder for one in held for folder in at_and_above(one)}
        return gather(uses, listing=list_folder, spread=lambda folder: folder in spread)

    # What else is to be said.

    def _state_anomalies(self) -> None:
        removed = [path for path, use in self._all("removed").items() if not self._is_result(path, use)]
        for what, paths in (
            ("the run deleted files that were there before", removed),
            ("the run changed installed software: the recorded environment is that of the launch", self._installed()),
        ):
            if paths:
                shown = [self._said(recorded_path(path, os.fspath(self._launch.cwd))) for path in sorted(paths)[:NAMED]]
                detail = [*shown, *([f"{len(paths) - NAMED} more"] if len(paths) > NAMED else [])]
                self._launch.recording.state(events.AnomalyRaised(what=what, detail=detail))

    def _is_result(self, path: str, use: FileUse) -> bool:
        """What policy calls an output may go."""
        return self._observed.classes.is_output(path)

    def _installed(self) -> list[str]:
        """Files written into an environment, without what Python compiles for itself."""
        there = [path for path, use in self._all("library").items() if use.now is not None]
        return [path for path in there if not matches(path.lstrip("/"), ("__pycache__/", "*.pyc"))]

    def _state_end(self, enough: Callable[[], bool]) -> None:
        observed = self._observed
        state_environment(self._launch, map(os.fsdecode, observed.programs.executed))
        used = UsedPrograms(self._launch, self._cache, enough)
        programs = used.of(observed.programs.executed.items(), sorted(self._libraries))
        gaps = list(observed.all_gaps())
        observation = Observation(
            mechanism=observed.mechanism,
            because=observed.because,
            complete=observed.complete and not gaps,
            events=observed.count,
            interrupted=observed.interrupted,
            files=dict(sorted(self._counts.items())),
            gaps=gaps,
        )
        network = [self._connection(address, one.times) for address, one in observed.programs.connected.items()]
        self._launch.recording.state(
            events.ObservationEnded(observation=observation, programs=programs, network=network)
        )

    def _said(self, path: str) -> str:
        """A path without what looks like a secret in it."""
        return self._launch.around.secrets.mask_text(path)

    def _connection(self, address: bytes, times: int) -> Connection:
        host, port = host_and_port(address)
        return Connection(host=host, port=port, times=times)

    @property
    def _cache(self) -> DigestCache:
        return self._observed.cache


def _stood(use: FileUse, taken: int) -> bool:
    """Whether a file had not been touched since the snapshot was taken when it was opened."""
    return use.opened is not None and use.opened.ctime + TICK <= taken


def _size(use: FileUse) -> int:
    return use.now.size if use.now is not None else 0
