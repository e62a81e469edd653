"""Run a command so that the shell sees no difference, and record what becomes of it.

Right before the start this process splits: the *front* (this process, which the shell waits for), the *keeper* (its
child, which relays what is printed and writes the record), the command's *parent* (a child of the keeper, which
starts the command and reports its end to both) and the *witness* (a child of the front, in the command's process
group). Each may be killed alone; see the modules of these names for what the others then do, and `starting` for the
time before the command runs.
"""

from __future__ import annotations

import os
import signal
import sys

# `socket` is built upon it, and is 1.6 ms of classes and enumerations that a pair of descriptors does not need.
from _socket import socketpair
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..errors import RefusedError
from ..records.events import RunEnded
from ..system.descriptors import drop_inherited, release
from ..system.held_signals import held
from .descriptors import Descriptors, prepare
from .front import OUR_FAULT, Front, forwarded
from .keeper import Keeper, Recorded
from .observing import Observation, Observer, Watch, watch
from .output_log import OutputLog
from .parent import Job, fork_or_report, parent
from .starting import Begun, Starting
from .terminal import RawMode
from .witness import witness

if TYPE_CHECKING:
    from .outer_run import OuterRun


def run_command(
    recording: Recorded,
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    log: Path,
    output_log_limit: int,
    finish: Callable[[bool], None],
    say: Callable[[str], None],
    mask: Callable[[str], str] = lambda text: text,
    shown: str | None = None,
    unrecorded: Callable[[RunEnded], None] = lambda ended: None,
    before_leaving: Callable[[], None] = lambda: None,
    observer: Observer | None = None,
    listen: Callable[[], None] = lambda: None,
) -> int:
    """Run a command to its end; gives the exit code for the shell, after the record is sealed.

    Everything must be captured and written by now, and no thread may be running. `finish(hurried)` is called in the
    keeper after `run.ended`: it completes the record, seals and closes it. `mask` hides secrets in error messages, and
    `shown` is the first word with its own hidden. `unrecorded` is called in the front when the keeper was killed, with
    how the command ended.
    `before_leaving` is called in the front when the record is there; a command that Ctrl-C at the terminal ended takes
    the front with it right after, as a shell expects of what it runs. What the command prints is
    copied into the file `log`, and what it does with files is told to `observer`, where that can be seen. `listen` is
    called in the keeper now and then while the command runs.
    """
    descriptors = _prepare()
    mask_before = signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.valid_signals()))
    held.let_go()  # What came since the launch was last looked at waits behind the mask, and is forwarded.
    watched, finish = _observed(observer, finish)
    job = Job(
        argv=[*argv],
        shown=argv[0] if shown is None else shown,
        environ={**environ, **watched.environ} if watched else environ,
        descriptors=descriptors,
        group=os.getpgrp(),
        mask={int(n) for n in mask_before},
        begun=Begun(),
    )
    raw = RawMode(0) if descriptors.interactive else None
    try:
        reports = os.pipe(), os.pipe()
        life = os.pipe()
        ours, theirs = socketpair()
        if raw:
            raw.enter()  # Before the command prints: its line ends are made already.
        keeper = os.fork()
    except OSError as error:
        if raw:
            raw.leave()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask_before)
        raise RefusedError(f"cannot start a process beside the command: {error.strerror}") from error
    if keeper == 0:
        ours.close()
        os.close(reports[1][0])
        _keep(
            recording, job, reports=(reports[0][0], reports[0][1], reports[1][1]), life=life, front=theirs.detach(),
            log=OutputLog(log, output_log_limit), raw=raw, mask=mask, finish=finish,
            watch=watched, outer=observer and observer.outer, listen=listen,
        )  # fmt: skip
    theirs.close()
    if watched:
        watched.close()
    for fd in (reports[0][0], reports[0][1], reports[1][1], life[0]):
        os.close(fd)
    recording.release()
    pid, seen = _start_witness()
    starting = _starting(job, observer and observer.outer, keep_input=descriptors.interactive)
    front = Front(
        job, keeper=keeper, reports=reports[1][0], keeper_socket=ours.detach(), witness=seen, raw=raw, say=say,
        starting=starting,
    )  # fmt: skip
    code = front.wait()
    _stop_witness(pid)
    if (ended := front.unrecorded()) is not None:
        unrecorded(ended)
    before_leaving()
    if front.interrupted_at_the_terminal and front.ended_by == signal.SIGINT:
        die_of(signal.SIGINT)
    return code


def _prepare() -> Descriptors:
    try:
        return prepare()
    except OSError as error:
        raise RefusedError(f"cannot make the pipes for the command: {error.strerror}") from error


def _keep(
    recording: Recorded,
    job: Job,
    *,
    reports: tuple[int, int, int],
    life: tuple[int, int],
    front: int,
    log: OutputLog,
    raw: RawMode | None,
    mask: Callable[[str], str],
    finish: Callable[[bool], None],
    watch: Watch | None,
    outer: OuterRun | None,
    listen: Callable[[], None],
) -> NoReturn:
    """The keeper, from the fork to its end. A fault of ours ends it alone: the front then relays on."""
    code = OUR_FAULT
    try:
        recording.set_off()
        os.setpgid(0, 0)
        if fork_or_report(reports[1:]) == 0:
            os.close(front)
            os.close(life[1])
            parent(job, reports[1:], life[0], watch.part() if watch else outer and outer.apart())
        for fd in (reports[1], life[0]):
            os.close(fd)
        if watch:
            watch.begin()
        keeper = Keeper(
            recording, job, log, reports=reports[0], front=front, raw=raw, mask=mask, finish=finish, watch=watch,
            listen=listen, starting=_starting(job, outer, keep_input=False, reports=reports[2:]),
        )  # fmt: skip
        keeper.keep()
        code = 0
    except BaseException as fault:
        sys.excepthook(type(fault), fault, fault.__traceback__)
        raise
    finally:
        os._exit(code)


def _observed(observer: Observer | None, finish: Callable[[bool], None]) -> tuple[Watch | None, Callable[[bool], None]]:
    """Get ready to observe. Where nothing can be used, the observer is told so before the record is completed."""
    if observer is None:
        return None, finish
    because = observer.choice.because
    if observer.choice.mechanism != "none":
        try:
            return watch(observer), finish
        except (OSError, ImportError) as error:
            because = f"it could not be begun: {error}"

    def tell_and_finish(hurried: bool) -> None:
        observer.ended(Observation(mechanism="none", because=because))
        finish(hurried)

    return None, tell_and_finish


def _starting(job: Job, outer: OuterRun | None, *, keep_input: bool, reports: Sequence[int] = ()) -> Starting:
    def become(job: Job, reports: Sequence[int], life: int) -> NoReturn:
        parent(job, reports, life, outer and outer.apart())

    return Starting(job, become, let_go=lambda: _let_go(job.descriptors, keep_input=keep_input), reports=reports)


def _let_go(descriptors: Descriptors, *, keep_input: bool) -> None:
    """What only the command may hold: its ends, what the shell handed down, and standard input unless we relay it."""
    descriptors.close_inner()
    drop_inherited()
    if not keep_input:
        release([0])


def _start_witness() -> tuple[int, int]:
    seen, report = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(report)
        return 0, seen  # Without a witness every signal to us is forwarded.
    if pid == 0:
        try:
            witness(report, forwarded())
        finally:
            os._exit(OUR_FAULT)
    os.close(report)
    return pid, seen


def _stop_witness(pid: int) -> None:
    if not pid:
        return
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def die_of(number: int) -> NoReturn:
    """End as the command did, so that a shell's loop over runs ends, too."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os._exit(128 + number)
