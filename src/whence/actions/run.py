"""Record a command: create the run, capture, start it, see it to its end."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..capture.attempts import reason
from ..capture.host import capture_user
from ..digests import digest_of
from ..errors import RefusedError, WhenceError
from ..recorder.attach import DRY_RUN, VARIABLE, find_outer, named
from ..recorder.beside import Beside
from ..recorder.boot_folder import BootFolder, Hearing, make_boot_folder
from ..recorder.capturing import capture, capture_beside, refuse
from ..recorder.closing import abandon, attempt, finish
from ..recorder.command import die_of, run_command
from ..recorder.following import Following
from ..recorder.launch import Launch, create, join
from ..recorder.observing import VARIABLE as VARIABLE_OF_WATCH
from ..recorder.parent import restore_signals
from ..recorder.ranks import take_seat, world_of
from ..recorder.refusals import refusal
from ..recorder.request import Request, Surroundings
from ..recorder.terminal import in_foreground
from ..records.encoding import decode, encode, timestamp
from ..records.events import RunEnded
from ..records.record import Record
from ..records.seal import ClosedBy
from ..rules.fold import MAIN
from ..rules.permission import raise_together
from ..rules.pins import Pin, variable, with_places
from ..store.closing import close_lost_run
from ..store.layout import Store
from ..store.run_files import RECORD, SEAL
from ..store.runs import load_run
from ..system.files import read_regular, write_over
from ..system.held_signals import Signalled, held, number_of
from ..system.processes import find_program
from .summary import summary

if TYPE_CHECKING:
    from ..recorder.outer_run import OuterRun

Told = Callable[[Record], None]


def run(request: Request, around: Surroundings, report: Path | None, told: Told | None = None) -> int:
    """Run the command and record it; its exit code. `report` gets the run's line of `log --json` at the end, `told`
    its record.

    Raises RefusedError after the refusal is recorded and sealed, StoreError when nothing can be recorded.
    """
    watching = _run_that_watches(around.environ)
    outer = find_outer(around.environ)
    seat = take_seat(world_of(around, around.environ, request.argv))
    asked = replace(
        request,
        program=find_program(request.argv[0], around.environ),
        parent=seat.parent or (outer.id if outer else None),
        rerun_of=seat.rerun_of,
        relation="rerun" if seat.rerun_of else None,
        rank=seat.rank,
        run=seat.run,
    )
    with held:  # Until the command's front takes the signals.
        launch = join(asked, around) if seat.joins else create(asked, around)
        try:
            return _prepare(launch, report, told, watching)()
        except RefusedError as refusal:
            refuse(launch, refusal)
            finish(launch)
            _report(launch, report, told)
            raise
        except (KeyboardInterrupt, Signalled) as cut:
            abandon(launch, cut)
            return _cut_short(launch, number_of(cut), report, told)


def _run_that_watches(environ: Mapping[str, str]) -> OuterRun | None:
    """Before anything is captured: what we read for that is no part of what the run around us does."""
    if VARIABLE_OF_WATCH not in environ:
        return None
    from ..recorder.outer_run import find_outer_run  # only inside another run

    return find_outer_run(environ)


def _prepare(launch: Launch, report: Path | None, told: Told | None, watching: OuterRun | None) -> Callable[[], int]:
    """Capture everything, and what then starts the command. Raises RefusedError, or what a signal raises; whatever
    else ends it is stated."""
    try:
        capture(launch) if launch.recording.writer == MAIN else capture_beside(launch)
        held.check()
        return _start(launch, report, told, watching)
    except (RefusedError, KeyboardInterrupt, Signalled):
        raise
    except OSError as error:
        raise RefusedError(f"cannot record: {reason(error)}") from error
    except BaseException as fault:
        abandon(launch, fault)
        raise


def _cut_short(launch: Launch, number: int, report: Path | None, told: Told | None) -> int:
    """A signal came before the command was started, and the record says so: the code that a shell shows for it."""
    status = launch.recording.status
    launch.around.say(
        f"{signal.Signals(number).name}: the command was not started; {launch.recording.id} is recorded as {status}"
    )
    _report(launch, report, told)
    if number == signal.SIGINT and in_foreground(0):
        die_of(signal.SIGINT)
    return 128 + number


def _start(launch: Launch, report: Path | None, told: Told | None, watching: OuterRun | None) -> Callable[[], int]:
    recording, around = launch.recording, launch.around
    beside, following = Beside(launch), Following(launch, watching)

    def begin() -> None:
        beside.start()
        following.begin()

    booted = make_boot_folder(launch, opens=following.mechanism == "python")
    environ = around.environ if booted is None else booted.environ(around.environ)
    hearing = None if booted is None or recording.writer != MAIN else Hearing(launch, booted)
    if booted is not None:
        launch.ours = booted.ours
    if hearing is not None:
        launch.before_seal = hearing.finish
    recording.when_started = begin
    recording.give_to_child()
    return partial(
        run_command,
        recording,
        launch.request.argv,
        environ={**environ, **launch.variables, VARIABLE: named(recording.id, around.store.path)},
        log=recording.folder / ("output.log" if recording.writer == MAIN else f"{recording.writer}.output.log"),
        output_log_limit=around.policy.output_log_limit,
        finish=lambda hurried: _finish(launch, beside, hurried),
        say=around.say,
        mask=around.secrets.mask_text,
        shown=around.secrets.mask_argv(launch.request.argv[:1])[0],
        unrecorded=lambda ended: _close_unrecorded(launch, ended),
        before_leaving=lambda: _leave(launch, report, told, booted),
        observer=following.observer(None if booted is None else booted.path),
        listen=lambda: _listen(launch, hearing),
    )


def _listen(launch: Launch, hearing: Hearing | None) -> None:
    if hearing is not None:
        attempt(launch, "what programs told", hearing.listen)
    if launch.observed is not None:
        launch.observed.state_so_far()


def _finish(launch: Launch, beside: Beside, hurried: bool) -> None:
    finish(launch, beside, hurried=hurried)


def _close_unrecorded(launch: Launch, ended: RunEnded) -> None:
    """The keeper was killed: this process closes the run, as any may, and is the one that knows how it ended."""
    recording, around = launch.recording, launch.around
    if recording.writer != MAIN or recording.forward is not None:
        return  # Rank 0 closes the run; what lies in a spool is forwarded first, by doctor.
    evidence = "the keeper was killed; the process that the shell waited for was told how the command ended"
    by = ClosedBy(host=os.uname().nodename, pid=os.getpid(), user=capture_user().name, evidence=evidence)
    try:
        close_lost_run(around.store, recording.id, by=by, at=timestamp(recording.now()), ended=ended)
    except (WhenceError, OSError) as error:
        around.say(f"{recording.id}: not closed: {error}; `whence doctor --close` closes it")


def _leave(launch: Launch, report: Path | None, told: Told | None, booted: BootFolder | None) -> None:
    """In the front, at the very end: the keeper that would have removed the folder may have been killed."""
    if booted is not None:
        booted.remove()
    _report(launch, report, told)


def _report(launch: Launch, report: Path | None, told: Told | None) -> None:
    if report is None and told is None:
        return
    try:
        record = _record(launch)
        if report is not None:
            # Not renamed into place: the file may be a pipe, a device or a link of the user's.
            write_over(report, encode(summary(_as_listed(launch, record))) + b"\n")
        if told is not None:
            told(record)
    except (WhenceError, OSError) as error:
        launch.around.say(f"{report or launch.recording.id}: not reported: {error}")


def _as_listed(launch: Launch, record: Record) -> Record:
    """The record with what acts said of it meanwhile, as `log` has it."""
    from ..rules.acts import with_acts
    from ..store.acts import acts_about  # only where a line is asked for

    said = [act for _, act in acts_about(launch.around.store, launch.recording.id)]
    return with_acts(record, said, launch.recording.now())


def _record(launch: Launch) -> Record:
    """What the store holds, or will: a spool may still be on its way there."""
    folder = launch.recording.folder
    if folder != launch.around.store.run_folder(launch.recording.id):
        with suppress(FileNotFoundError):
            record, seal = read_regular(folder / RECORD), read_regular(folder / SEAL)
            return replace(decode(record, Record, where=str(folder / RECORD)), seal=digest_of(seal))
    return load_run(launch.around.store, launch.recording.id).record


def dry_run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    data: Sequence[Pin] = (),
    find_store: Callable[[], Store] | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> int:
    """Become the command: nothing of ours is left but a variable, and nothing is recorded, also by what the command
    runs. Returns only when it cannot be executed.

    Data that are pinned are laid out, in the store's cache. Raises RefusedError.
    """
    if data and find_store is not None:
        folders = _laid_out(find_store(), data, say)
        argv = with_places(argv, folders)
        environ = {**environ, **{variable(name): folder for name, folder in folders.items()}}
    environ = {**environ, DRY_RUN: "1"}
    program = find_program(argv[0], environ)
    if program is None:
        there = "/" in argv[0] and os.path.exists(argv[0])
        return _refuse(errno.EACCES if there else errno.ENOENT, argv[0], environ)
    sys.stdout.flush()
    restore_signals()
    try:
        os.execve(program, [os.fsencode(word) for word in argv], environ)
    except OSError as error:
        return _refuse(error.errno or errno.EACCES, argv[0], environ)


def _laid_out(store: Store, data: Sequence[Pin], say: Callable[[str], None]) -> dict[str, str]:
    """The folder of each. Raises RefusedError."""
    from ..recorder.pins import find_pins, refusal  # only where data are pinned

    pinned, refusals = find_pins(store, data)
    for one in () if refusals else pinned:
        try:
            one.lay_out(store, say)
        except WhenceError as error:
            refusals.append(refusal(one.pin, error))
    raise_together(refusals)
    return {one.pin.name: os.fspath(one.folder) for one in pinned}


def _refuse(number: int, name: str, environ: Mapping[str, str]) -> int:
    refused = refusal(number, name, environ)
    sys.stderr.write(f"whence: {refused.said(name)}\n")
    return refused.code
