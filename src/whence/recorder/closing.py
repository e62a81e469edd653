"""Close a run after its end: late facts, digests, `run.sealed`, `record.json`, the seal.

The status is fixed by then. Each step may fail by itself: what it would have said is stated as lost, and the next goes
on. Only when no seal can be set does the run stay open; any later process then closes it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from ..capture.inputs import InputDigest
from ..capture.outputs import UNTOUCHED
from ..errors import WhenceError
from ..handlers import came_from_handler
from ..records import events
from ..records.data import ManifestEntry
from ..records.encoding import decode, encode, timestamp
from ..records.record import Record
from ..records.seal import Pending, Seal
from ..rules.fold import MAIN
from ..rules.kinds import is_source
from ..rules.products import no_version
from ..store.journal import POINTS_SUFFIX, SUFFIX
from ..store.objects import sync_objects
from ..store.results import add_results
from ..store.run_files import FolderFiles, RunFiles, SpooledFiles
from ..store.run_fold import fold_run, read_journals
from ..store.seal import close_run, measure
from ..store.snapshots import changed_since
from ..system.files import read_regular
from ..system.held_signals import Signalled, held
from ..system.locks import lock_state
from ..system.printing import passed_on_to
from .beside import Beside, complete_code
from .launch import Launch
from .launched_code import snapshot_terms
from .outcome import described, ended_by, left_by
from .outputs import restated, state_outputs

RANKS = 10.0
"""Seconds that rank 0 waits at most for the other ranks of its job."""

NAMED = 100
"""Source files that were edited and are named; the rest is counted."""

HURRIED = 2.0
"""Seconds for all digests together when a batch system, or a person, will not wait."""


Enough = Callable[[], bool]
"""Whether the time for digests is over."""


def finish(
    launch: Launch,
    beside: Beside | None = None,
    *,
    hurried: bool = False,
    sources: Callable[[Enough], None] | None = None,
) -> str | None:
    """Everything that is owed after `run.ended`; the digest of the seal, or nothing if it could not be set.

    `sources` states which source files ran, where this is the process in which they did.
    """
    seconds = HURRIED if hurried else launch.around.policy.seal_within
    until = time.monotonic() + seconds
    pending: list[Pending] = []

    def enough() -> bool:
        return time.monotonic() >= until

    if (before_seal := launch.before_seal) is not None:
        attempt(launch, "what programs told", lambda: before_seal(enough))
    attempt(launch, "work beside the run", lambda: _end_beside(launch, beside, seconds))
    attempt(launch, "outputs", lambda: _outputs(launch, pending, enough))
    if launch.observed is not None:
        settle = launch.observed.settle
        attempt(launch, "what the command was seen to do", lambda: settle(enough, pending))
    attempt(launch, "the check of inputs", lambda: _inputs(launch, enough))
    attempt(launch, "the check of sources", lambda: _sources(launch))
    if sources is not None:
        attempt(launch, "the look at sources that ran", lambda: sources(enough))
    attempt(launch, "the digest cache", launch.digests.save)
    if launch.recording.writer != MAIN:
        launch.recording.close()
        return None
    if launch.request.rank is not None:
        _await_ranks(launch, min(until, time.monotonic() + RANKS))
    return _seal(launch, pending)


def abandon(launch: Launch, fault: BaseException) -> None:
    """Ended by a signal while we captured, or by a fault of ours: the run is there and says that it never started."""
    held.defer()
    try:
        launch.recording.end(_abandoned(launch, fault))
        finish(launch, hurried=True)
    except WhenceError as second:
        launch.around.say(second.message)


def _abandoned(launch: Launch, fault: BaseException) -> events.RunEnded:
    mask = launch.around.secrets.mask_text
    if not isinstance(fault, KeyboardInterrupt | Signalled):
        return events.RunEnded(status="failed", error=described(fault, mask))
    ending = ended_by(fault.number) if isinstance(fault, Signalled) else left_by(fault, mask)
    return events.RunEnded(status=ending.status, signal=ending.signal, error=ending.error)


def _await_ranks(launch: Launch, until: float) -> None:
    """Give the other ranks, which end about now, a moment to say so before the seal."""
    while time.monotonic() < until and _ranks_go_on(launch):
        time.sleep(0.05)


def _ranks_go_on(launch: Launch) -> bool:
    """Ranks on this host hold a lock. Those on others hold one, too, if locks are shared, and say that they end."""
    here, store = launch.recording.folder, _folder_in_store(launch)
    if any(lock_state(path) == "held" for path in _journals_of_ranks(here)):
        return True
    if here == store:
        return False
    own = {path.name for path in _journals_of_ranks(here)}
    elsewhere = (path for path in _journals_of_ranks(store) if path.name not in own)
    return any(lock_state(path) == "held" or b'"kind":"process.ended"' not in read_regular(path) for path in elsewhere)


def _journals_of_ranks(folder: Path) -> list[Path]:
    return [path for path in folder.glob(f"rank-*{SUFFIX}") if not path.name.endswith(POINTS_SUFFIX)]


def _folder_in_store(launch: Launch) -> Path:
    return launch.around.store.run_folder(launch.recording.id)


def attempt(launch: Launch, what: str, step: Callable[[], None]) -> None:
    """Take a step; a fault of it costs what it would have said, which is stated as lost.

    What a signal handler of the user's raised ends the step, too; the others are still taken before it goes its way.
    """
    try:
        step()
    except Exception as fault:  # noqa: BLE001  any fault of ours costs detail, never the rest of the record; it is stated
        if came_from_handler(fault):
            launch.passing.append(fault)
        cause = fault.strerror if isinstance(fault, OSError) else None
        launch.recording.lost(what, f"{type(fault).__name__}: {fault}", cause=cause)


def _end_beside(launch: Launch, beside: Beside | None, seconds: float) -> None:
    if beside is not None and beside.started:
        beside.finish(seconds)
    elif (stored := complete_code(launch, "end")) is not None:
        launch.recording.state(stored)


def _outputs(launch: Launch, pending: list[Pending], enough: Callable[[], bool]) -> None:
    made = _datasets(launch)
    found = [output for expected in launch.outputs for output in expected.produced(cache=launch.digests)]
    outputs = found + restated(launch)
    for output in outputs:
        output.advance(enough)
    artifacts = state_outputs(launch, outputs, pending)
    launch.written += [output.found.absolute for output in outputs if output.found.absolute]
    launch.written += [os.path.join(launch.cwd, path) for path in made]
    written = made + [artifact.path for artifact in artifacts if not artifact.missing]
    written += [output.found.path for output in launch.stated]
    written += [*(one.path for one in launch.printed), *_passed_on(launch)]
    add_results(launch.around.store, launch.cwd, written)
    if stored := [artifact.digest for artifact in artifacts if artifact.kept and artifact.digest]:
        sync_objects(launch.around.store, stored)


def _datasets(launch: Launch) -> list[str]:
    """Make versions of what was to become datasets; the paths. What a run wrote that did not succeed, or wrote
    nothing, is an output as any other, and so is what could not be made a version."""
    made: list[str] = []
    for name, path, expected in launch.products:
        because = None if launch.recording.status == "succeeded" else "the run did not succeed"
        if because is None and expected.untouched:
            because = UNTOUCHED
        elif because is None and (launch.cwd / path).exists():
            because = _dataset(launch, name, path)
            made += [] if because else [path]
        if because is not None:
            launch.recording.state(events.CaptureFailed(missing=no_version(name, path, because, "end")))
        if path not in made:
            launch.outputs.append(expected)
    return made


def _dataset(launch: Launch, name: str, path: str) -> str | None:
    """Why it is no version, if so."""
    from .produced import state_dataset  # with all that writes datasets, where one is made

    around = launch.around
    describe = around.describe and around.describe(around.store, False)
    try:
        state_dataset(launch.recording, launch.cwd, name, path, "end", describe)
    except WhenceError as error:
        return error.message
    return None


def _passed_on(launch: Launch) -> list[str]:
    """The files in the code's folder to which others write what is printed, also who came later."""
    root = launch.code.root if launch.code else None
    files = {*launch.passed_on(), *passed_on_to()} if root else ()
    return sorted(path for path in files if path.startswith(f"{root}/"))


def _inputs(launch: Launch, enough: Callable[[], bool]) -> None:
    for one in launch.inputs:
        if one.pending and one.advance(enough):
            launch.keep_input(one)
            launch.recording.state(one.digested("end"))
        opened = _was_opened(launch, one.found.absolute)
        launch.recording.state(_as_opened(launch, one, replace(one.check("end", enough), opened=opened)))
    for pinned in launch.pins:
        opened = _was_opened(launch, os.fspath(pinned.folder))
        checked = pinned.check(launch.around.store, "end", opened)
        if launch.observed is not None and opened:
            checked = pinned.as_opened(launch.around.store, checked, launch.observed)
        launch.recording.state(checked)


def _as_opened(launch: Launch, one: InputDigest, checked: events.InputChecked) -> events.InputChecked:
    """The check, as far as what was opened tells more."""
    path, measured = one.found.absolute, one.measured
    if launch.observed is None or path is None or measured is None:
        return checked
    from .held_against import file_as_opened, folder_as_opened  # the observation is there

    if measured.files is None:
        return file_as_opened(checked, measured.stat, measured.digest, path, launch.observed)
    entries = decode(measured.manifest or b"[]", list[ManifestEntry], where=path)
    digests = {entry.path: entry.digest for entry in entries}
    return folder_as_opened(checked, digests, path, launch.observed)


def _was_opened(launch: Launch, path: str | None) -> bool | None:
    return launch.observed.was_opened(path) if launch.observed is not None and path is not None else None


def _sources(launch: Launch) -> None:
    if launch.snapshot is None:
        return
    touched = changed_since(launch.snapshot, snapshot_terms(launch, launch.snapshot.root).is_result)
    changed = [path for path in touched if is_source(path)]
    if changed:
        shown = [launch.around.secrets.mask_text(path) for path in changed[:NAMED]]
        launch.recording.state(events.CodeChanged(when="end", paths=shown, more=len(changed) - len(shown)))


def _seal(launch: Launch, pending: list[Pending]) -> str | None:
    recording, store = launch.recording, launch.around.store
    try:
        recording.state(events.RunSealed())
        if recording.unsaid:
            raise WhenceError("the end of the command could not be written")
        beside = _folder_in_store(launch) if recording.spools is not None else None
        # First, as a worker that outlives its run goes on: what it adds from here on is late, in the record too.
        files, journals = measure(recording.folder, beside)
        seal = Seal(
            run=recording.id,
            at=timestamp(recording.now()),
            status="running",
            code_digest=None,
            pending=pending,
            files=files,
            journals=journals,
        )
        record = _record(launch, seal)
        seal = replace(seal, status=record.status, code_digest=record.code.digest if record.code else None)
        return close_run(recording.folder, seal, encode(record) + b"\n")
    except (OSError, WhenceError) as error:
        launch.around.say(f"{store.run_folder(recording.id)}: not sealed: {error}; {_cure(launch)}")
        return None
    finally:
        # The lock is held until the seal is there: nobody takes the run for one that was left unsealed.
        recording.close()


def _cure(launch: Launch) -> str:
    if launch.recording.folder.is_dir():
        return "`whence doctor --close` seals it"
    return "its folder was removed while it ran, and nothing of the record is left"


def _record(launch: Launch, seal: Seal) -> Record:
    """The fold of what the seal lists."""
    store, run = launch.around.store, launch.recording.id
    files = _files(launch)
    names = files.names()
    folded = fold_run(store, files, names, read_journals(files, names, seal), seal, None)
    if folded is None:
        raise WhenceError(f"{store.run_folder(run)}: main.jsonl is gone")
    return folded.record


def _files(launch: Launch) -> RunFiles:
    folder = launch.recording.folder
    return FolderFiles(folder) if launch.recording.spools is None else SpooledFiles(folder, _folder_in_store(launch))
