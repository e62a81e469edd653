"""The front: the process that the shell started and waits for, a stub for the command.

It hands on what the shell sends: signals, job control and, for an interactive command, keys and the window's size.
It leaves with the command's exit code when the keeper has completed the record. Should the keeper be killed, the
front relays on in its place, and tells at the end how the command ended.

A signal is forwarded when it was sent to the front alone. One that the kernel sent, or that the witness saw too, went
to the whole process group, so the command has it already.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import struct
import time
from collections.abc import Callable

from ..records.events import RunEnded
from ..system.descriptors import release
from ..system.processes import is_orphaned
from .descriptors import Channel
from .ending import Usage, never_started, run_ended
from .keeper import DRAIN
from .lines import Lines
from .parent import Ended, Job
from .refusals import refusal
from .relay import Relay
from .starting import Starting
from .target import Target, tells_of_others
from .terminal import RawMode
from .witness import next_signal

WITNESS_WAIT = 0.03
"""Seconds that a signal waits for the witness to say that the whole group got it."""

CREDIT = 0.2
"""Seconds for which the witness's word holds for a signal that has not reached us yet."""

PATIENCE = 0.5
"""Seconds after the command's end from which an interrupt means: do not wait for the record."""

OUR_FAULT = 70

NAMES = (
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGCONT",
    "SIGTSTP", "SIGXCPU", "SIGPWR", "SIGIO", "SIGURG", "SIGWINCH",
    "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSTKFLT", "SIGSYS",
)  # fmt: skip
"""The last line's are here as somebody sent them: for a fault of our own the kernel ends us, blocked or not."""


class Front:
    """One command's front, from right after the forks to the exit code."""

    def __init__(
        self,
        job: Job,
        *,
        keeper: int,
        reports: int,
        keeper_socket: int,
        witness: int,
        raw: RawMode | None,
        say: Callable[[str], None],
        starting: Starting,
    ) -> None:
        self.job = job
        self.relay = Relay(job.descriptors.channels)
        self.keys = _keys(job.descriptors.channels[0]) if raw else None
        self._keeper_pid = keeper
        self._reports = Lines(reports)
        self._keeper = Lines(keeper_socket)
        self._witness = witness
        self._raw = raw
        self._say = say
        self._starting = starting
        self._command = Target(job.descriptors.interactive)
        self._signals, self._signals_in = os.pipe()
        self._waiting: list[tuple[int, float]] = []
        self._credits: list[tuple[int, float]] = []
        self._ended: Ended | None = None
        self._code: int | None = None
        self._ended_at = float("inf")
        self._recorded = False
        self._keeper_died = False
        self._parent_died = False
        self._given_up = False
        self._began = time.monotonic()
        self._interrupted = False
        self._looks_itself = False
        """Whether there is no room for a thread that waits for signals: then they are looked for now and then."""
        self.interrupted_at_the_terminal = False

    def wait(self) -> int:
        """See the command to its end; gives the exit code for the shell. The terminal is raw by now."""
        try:
            _thread.start_new_thread(_collect, (self._signals_in,))
        except (RuntimeError, MemoryError):
            self._looks_itself = True
        try:
            while not self._over():
                self._turn()
        finally:
            if self._raw:
                self._raw.leave()
        return self._exit_code()

    # The loop.

    def _over(self) -> bool:
        if self._recorded:
            return self._code is not None or (self._reports.fd < 0 and not self._may_be_known())
        if not self._keeper_died:
            return False
        if self._code is None:
            return self._parent_died and not self._may_be_known() and (self.relay.idle or not self._command.alive())
        return self.relay.idle or (time.monotonic() >= self._ended_at + DRAIN and self.relay.settled)

    def _turn(self) -> None:
        ready = self._poll()
        if self._looks_itself:
            self._look_for_signals()
        if self._keeper_died:
            self.relay.turn(ready)
        self._hear_reports(ready)
        self._hear_keeper(ready)
        self._hear_witness(ready)
        self._hear_signals(ready)
        if self.keys:
            self.keys.turn(ready)
        self._forward_due()
        if self._parent_died and self._code is None and (status := self._command.status()) is not None:
            self._told(Ended(status=status, at=time.monotonic()))

    def _may_be_known(self) -> bool:
        """Whether how the command ended may still be told, where its parent was killed."""
        if not self._parent_died or not self._command.pid:
            return False
        if self._command.alive():
            return self._ended_at == float("inf")
        if self._ended_at == float("inf"):
            self._end()
        return time.monotonic() < self._ended_at + PATIENCE

    def _poll(self) -> dict[int, int]:
        sources = (self._reports.fd, self._keeper.fd, self._witness, self._signals)
        wanted = {fd: select.POLLIN for fd in sources if fd >= 0}
        # Before the command is there, nobody would take the signal of a key.
        listens = self.keys and self._raw and self._raw.on and self._command.pid
        interests = [self.keys.interest()] if self.keys and listens else []
        if self._keeper_died:
            interests.append(list(self.relay.interest()))
        for interest in interests:
            for fd, events in interest:
                wanted[fd] = wanted.get(fd, 0) | events
        poll = select.poll()
        for fd, events in wanted.items():
            poll.register(fd, events)
        return dict(poll.poll(self._patience()))

    def _patience(self) -> float | None:
        """Milliseconds until something is due without anybody telling."""
        if self._looks_itself:
            return 50
        if self._waiting and self._command.pid:
            return max(0.0, self._waiting[0][1] - time.monotonic()) * 1000 + 1
        return 50 if self._parent_died or (self._keeper_died and self._code is not None) else None

    # What the others tell.

    def _hear_reports(self, ready: dict[int, int]) -> None:
        for line in self._reports.ready(ready):
            words = line.split()
            match words[0]:
                case "started":
                    self._starting.over()
                    self._command.found(int(words[1]))
                    self._began = float(words[3])
                    self._hand_on(float("inf"))
                case "failed":
                    self._starting.over()
                    refused = refusal(int(words[1]), self.job.argv[0], self.job.environ, self.job.shown)
                    self._code = refused.code
                    self._say(refused.said(self.job.shown))
                    self._end()
                case "stopped":
                    self._stop(int(words[1]))
                case "ended":
                    self._told(Ended.parse(words))
                case "given":
                    self._give_up()
                case _:
                    continue  # `continued` is for the keeper.
        if self._reports.ended_now() and self._code is None and not self._parent_died:
            self._nobody_reports()

    def _told(self, ended: Ended) -> None:
        self._ended = ended
        self._code = ended.shell_code
        if self.job.descriptors.interactive and ended.signal == signal.SIGINT:
            self.interrupted_at_the_terminal = True
        self._end()

    def _nobody_reports(self) -> None:
        """The command's parent was killed, or all that were to start the command, and the keeper with them."""
        if not self._command.pid and self.job.begun.pid:
            self._starting.over()
            self._command.found(self.job.begun.pid)
        if self._command.pid:
            self._parent_died = True
            if not tells_of_others():
                self._say("the process that waits for the command was killed; its exit code may not be known")
        elif (reports := self._starting.again()) is not None:
            self._reports = Lines(reports)
        else:
            self._give_up()

    def _give_up(self) -> None:
        self._starting.over()
        self._parent_died = self._given_up = True
        self._say("the processes that were to start the command were killed; it was never started")

    def _end(self) -> None:
        self._ended_at = time.monotonic()
        self.relay.count_owed()

    def _hear_keeper(self, ready: dict[int, int]) -> None:
        for line in self._keeper.ready(ready):
            words = line.split()
            if words[0] == "recorded":
                self._recorded = True
            elif words[0] == "closed":
                self.relay.close(self.job.descriptors.channels[int(words[1])])
            elif words[0] == "released":
                release(self.job.descriptors.channels[int(words[1])].fds)
        if self._keeper.ended_now() and not self._recorded:
            self._keeper_died = True
            self._say("the recorder was killed; the command goes on, its record stays incomplete")

    def _hear_witness(self, ready: dict[int, int]) -> None:
        if not ready.get(self._witness):
            return
        seen = os.read(self._witness, 64)
        if not seen:
            os.close(self._witness)
            self._witness = -1
        for number in seen:
            self._group_got(number)

    def _group_got(self, number: int) -> None:
        if not self._command.pid:
            return  # The command may have come to the group after that: it gets the signal when it is there.
        for waiting in self._waiting:
            if waiting[0] == number:
                self._waiting.remove(waiting)
                self._to_the_group(number)
                return
        self._credits.append((number, time.monotonic() + CREDIT))

    def _hear_signals(self, ready: dict[int, int]) -> None:
        if not ready.get(self._signals):
            return
        data = os.read(self._signals, _ARRIVAL.size * 64)
        for number, by_kernel in _ARRIVAL.iter_unpack(data):
            self._arrived(number, bool(by_kernel))

    # Signals.

    def _look_for_signals(self) -> None:
        while (info := signal.sigtimedwait(_collected(), 0)) is not None:
            self._arrived(info.si_signo, info.si_code > 0)

    def _arrived(self, number: int, by_kernel: bool) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGWINCH:
            self._resized(number)
        else:
            self._tell_keeper(number)
            self._interrupted |= number == signal.SIGINT
            if number == signal.SIGCONT:
                self._continued()
            if by_kernel and self._command.pid:
                self.interrupted_at_the_terminal |= number == signal.SIGINT
                self._to_the_group(number)
            else:
                self._weigh(number)
            self._lose_patience(number)

    def _weigh(self, number: int) -> None:
        """Whether the whole group got it, or we alone: ask the witness."""
        now = time.monotonic()
        self._credits = [credit for credit in self._credits if credit[1] > now]
        for credit in self._credits:
            if credit[0] == number:
                self._credits.remove(credit)
                self._to_the_group(number)
                return
        self._waiting.append((number, now + WITNESS_WAIT if self._witness >= 0 else now))

    def _forward_due(self) -> None:
        """Hand on what nobody else got; not before the command is there to take it."""
        if self._command.pid:
            self._hand_on(time.monotonic())

    def _hand_on(self, now: float) -> None:
        while self._waiting and self._waiting[0][1] <= now:
            number, _ = self._waiting.pop(0)
            if number == signal.SIGCONT:
                self._command.send_to_group(number)
            self._command.send(number)

    def _to_the_group(self, number: int) -> None:
        """The group has it; only a command with a terminal of its own is in another one."""
        if self.job.descriptors.interactive:
            self._command.send_to_group(number)

    def _tell_keeper(self, number: int) -> None:
        try:
            os.write(self._keeper.fd, f"signal {number}\n".encode())
        except OSError:
            return  # The keeper is gone.

    def _lose_patience(self, number: int) -> None:
        if number == signal.SIGINT and time.monotonic() > self._ended_at + PATIENCE:
            self._say("not waiting for the record, which is completed in the background")
            self._recorded = True  # For us.

    def _resized(self, number: int) -> None:
        self.job.descriptors.copy_size()
        if self.job.descriptors.interactive:
            return
        if self.job.descriptors.terminal:
            self._command.send(number)
        else:
            self._weigh(number)

    def _stop(self, number: int) -> None:
        """The command has been stopped: the shell sees it in us.

        Unless it goes on already: what stopped the whole group had stopped us, too, before we heard of it. The order
        matters: a SIGCONT that comes now takes back the signal that is pending.
        """
        if not self._command.stopped():
            return
        if number != signal.SIGSTOP and is_orphaned():
            # The kernel ignores a stop in such a group; the terminal of ours made it one that it takes.
            self._command.send_to_group(signal.SIGCONT)
            return
        if self._raw:
            self._raw.leave()
        if number == signal.SIGSTOP:
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        before = signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        if not self._command.stopped():
            signal.signal(number, signal.SIG_IGN)  # It is no longer pending then.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        signal.signal(number, before)

    def _continued(self) -> None:
        self.job.descriptors.copy_size()
        if self._raw:
            self._raw.enter()

    def _reap(self) -> None:
        """Also of strangers: as the first process of a container every orphan is ours."""
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    return
            except ChildProcessError:
                return

    @property
    def ended_by(self) -> int | None:
        """The signal that ended the command."""
        return self._ended.signal if self._ended else None

    def unrecorded(self) -> RunEnded | None:
        """How the command ended, if the keeper was killed and so could not record it."""
        if not self._keeper_died or (self._ended is None and not self._given_up):
            return None
        self._await_keeper()
        if self._ended is None:
            return never_started()
        return run_ended(
            self._ended, began=self._began, usage=Usage(), tail=b"", interrupted=self._interrupted, mask=str
        )

    def _await_keeper(self) -> None:
        """Collect the killed keeper, which looks alive until then; not for ever, as its disk may not answer."""
        until = time.monotonic() + PATIENCE
        self._reap()
        while _is_there(self._keeper_pid) and time.monotonic() < until:
            time.sleep(0.01)
            self._reap()

    def _exit_code(self) -> int:
        return OUR_FAULT if self._code is None else self._code


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _keys(channel: Channel):
    from .keys import Keys  # for an interactive command alone

    return Keys(channel)


_ARRIVAL = struct.Struct("=BB")


def _collect(out: int) -> None:
    """In a thread: each signal that arrives, as two bytes in a pipe."""
    while True:
        number, by_kernel = next_signal(_collected())
        os.write(out, _ARRIVAL.pack(number, by_kernel))


def _collected() -> set[int]:
    return forwarded() | {int(signal.SIGCHLD)}


def forwarded() -> set[int]:
    """What is handed on to the command: also real-time signals, where the machine has them."""
    named: set[int] = {int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)}
    return named | set(range(signal.SIGRTMIN, signal.SIGRTMAX + 1)) if hasattr(signal, "SIGRTMIN") else named
