"""The keeper: relays what the command prints, records it, and completes the record when the command has ended.

It is in a process group of its own with every signal blocked, so that only a SIGKILL of itself ends it: it records
how the command ended whatever became of the front. What the command leaves running keeps its outputs: the keeper then
relays on in the background, without recording, until the last of them is closed.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

from ..records.events import Event, OutputCaptured, RunEnded
from ..records.result import Output, PrintedTo
from ..records.run import Process
from ..system.descriptors import release
from ..system.processes import ended_status, identity, is_stopped, start_time
from ..system.threads import begun
from .descriptors import Channel, PassedFile
from .ending import Usage, never_ran, never_started, not_known, run_ended
from .lines import Lines
from .observing import Watch
from .output_log import OutputLog
from .parent import Ended, Job
from .recording import HEARTBEAT
from .refusals import refusal
from .relay import CHUNK, Relay
from .starting import Starting
from .terminal import RawMode, pass_plainly

DRAIN = 0.5
"""Seconds after the command's end in which what it left running may still be heard."""

RELEASE = 0.05
"""Seconds after the end of a stream in which the command's own end explains it."""

WAKE = 0.05
"""Seconds after the command goes on in which the front must go on, too."""

COLLECTED = 0.2
"""Seconds in which the end of a command is told whose parent was killed."""

TAIL = 16 << 10
"""Bytes of a stream's end in which the reason of a failure is looked for."""

SIGNALS_TO_HURRY = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM})
"""After these a batch system, or a person, will not wait long."""


LISTEN = 1.0
"""Seconds after the start when what programs tell is first listened to; each wait is twice the last, to a heartbeat."""


class Recorded(Protocol):
    """The part of a recording that the keeper needs; `Recording` is the real one."""

    def set_off(self) -> None: ...
    def state(self, event: Event) -> None: ...
    def start(self, process: Process, *, terminal: bool = False, printed_to: Sequence[PrintedTo] = ()) -> None: ...
    def end(self, ended: RunEnded) -> None: ...
    def lost(self, what: str, because: str) -> None: ...
    def heartbeat(self) -> None: ...
    def release(self) -> None: ...


class Keeper:
    """One command's keeper. `finish(hurried)` completes and seals the record once the command has ended."""

    def __init__(
        self,
        recording: Recorded,
        job: Job,
        log: OutputLog,
        *,
        reports: int,
        front: int,
        raw: RawMode | None,
        mask: Callable[[str], str],
        finish: Callable[[bool], None],
        starting: Starting,
        watch: Watch | None = None,
        listen: Callable[[], None] = lambda: None,
    ) -> None:
        self.recording = recording
        self.job = job
        self.log = log
        self.relay = Relay(job.descriptors.channels, take=self._take, closed=self._closed)
        self.usage = Usage()
        self.tails: dict[str, bytes] = {}
        self.signals: set[int] = set()
        self._reports = Lines(reports)
        self._front = Lines(front)
        self._raw = raw
        self._mask = mask
        self._finish = finish
        self._starting = starting
        self._watch = watch
        self._listen = listen
        self._front_pid = os.getppid()
        self._pid = 0
        self._pidfd = -1
        self._began = time.monotonic()
        self._ended: Ended | None = None
        self._refused: int | None = None
        self._heard = False
        """Nothing more of what is printed is recorded."""
        self._over_at = float("inf")
        self._sample_at = float("inf")
        self._beat_at = self._began + HEARTBEAT
        self._listen_at = float("inf")
        self._listen_after = LISTEN
        self._wake_at = float("inf")
        self._to_release: list[tuple[Channel, float]] = []

    def keep(self) -> None:
        """See the command to its end, complete the record, and tell the front."""
        while not self._over():
            self._turn()
        self._complete()
        for channel in self.relay.channels:
            if channel.terminal and channel.open:
                pass_plainly(channel.source)
        self._wake_front()
        self._tell("recorded")
        self._release_until(float("inf"))
        while not self.relay.idle:
            self._relay(self._poll(None))
            self._release_until(float("inf"))

    # The loop.

    def _over(self) -> bool:
        now = time.monotonic()
        if self._over_at == float("inf"):
            return False
        if self._watch and not self._watch.settled(self._over_at - DRAIN):
            return False
        return self.relay.idle or (now >= self._over_at and self.relay.settled)

    def _turn(self) -> None:
        ready = self._poll(self._next())
        # Asked first: below, a descriptor may be closed and its number given to the next one.
        gone = self._pidfd in ready
        self._relay(ready)
        if self._watch:
            self._watch.turn(ready)
        for line in self._reports.ready(ready):
            self._reported(line.split())
        for line in self._front.ready(ready):
            self.signals.add(int(line.split()[1]))
        if self._front.ended_now() and self._raw:
            self._raw.restore()
        if self._reports.ended_now():
            self._parent_gone()
        if gone:
            self._command_gone()
        self._by_the_clock()

    def _next(self) -> float:
        due = [until for _, until in self._to_release] if self._over_at == float("inf") else []
        if self._watch:
            due.append(self._watch.next(None if self._over_at == float("inf") else self._over_at - DRAIN))
        return min(self._sample_at, self._beat_at, self._listen_at, self._over_at, self._wake_at, *due)

    def _poll(self, until: float | None) -> dict[int, int]:
        poll = select.poll()
        wanted: dict[int, int] = {}
        for fd, events in self.relay.interest():
            wanted[fd] = wanted.get(fd, 0) | events
        for fd in (self._reports.fd, self._front.fd, self._pidfd, *(self._watch.interest() if self._watch else ())):
            if fd >= 0:
                wanted[fd] = select.POLLIN
        for fd, events in wanted.items():
            poll.register(fd, events)
        # Past the drain's end only what is owed still counts, and that wakes us by itself.
        wait = None if until is None else max(0.0, until - time.monotonic())
        if wait == 0.0 and until == self._over_at:
            wait = 0.05
        return dict(poll.poll(None if wait is None else wait * 1000))

    def _relay(self, ready: dict[int, int]) -> None:
        try:
            self.relay.turn(ready)
        except OSError as error:
            self.recording.lost("printed output", error.strerror or str(error))

    def _by_the_clock(self) -> None:
        now = time.monotonic()
        if now >= self._sample_at:
            self.usage.look(self._pid, time.monotonic)
            self._sample_at = now + self.usage.interval
        if self._over_at == float("inf"):
            self._release_until(now)
        if now >= self._wake_at:
            self._wake_at = float("inf")
            self._wake_front()
        if now >= self._beat_at:
            self.recording.heartbeat()
            self._beat_at = now + HEARTBEAT
        if now >= self._listen_at:
            self._listen()
            self._listen_after = min(2 * self._listen_after, HEARTBEAT)
            self._listen_at = now + self._listen_after

    # What the others tell.

    def _reported(self, words: list[str]) -> None:
        if words[0] == "started":
            self._started(int(words[1]), int(words[2]), float(words[3]))
        elif words[0] == "continued":
            self._wake_at = time.monotonic() + WAKE
        elif words[0] == "failed":
            self._starting.over()
            self._refused = int(words[1])
            self._stop_watching()
        elif words[0] == "ended":
            self._ended = Ended.parse(words)
            self._stop_watching()

    def _started(self, pid: int, start: int, began: float) -> None:
        self._starting.over()
        self._pid = pid
        self._began = began
        self._sample_at = self._began + self.usage.interval
        self._listen_at = self._began + self._listen_after
        us = identity()  # The command may have ended by now, and /proc would say little of it.
        process = Process(pid=pid, start=start or None, boot_id=us.boot_id, pid_namespace=us.pid_namespace)
        descriptors = self.job.descriptors
        self.recording.start(process, terminal=descriptors.terminal, printed_to=descriptors.printed_to())

    def _wake_front(self) -> None:
        """The front is stopped as long as the command is: not when it heard of that too late, not after the end."""
        ours = self._front.fd >= 0 and os.getppid() == self._front_pid
        if ours and is_stopped(self._front_pid) and not is_stopped(self._pid):
            os.kill(self._front_pid, signal.SIGCONT)

    def _stop_watching(self) -> None:
        self._starting.over()
        self.relay.count_owed()
        self._over_at = time.monotonic() + DRAIN
        self._sample_at = float("inf")
        self._listen_at = float("inf")
        self._reports.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _parent_gone(self) -> None:
        """Somebody killed the command's parent: watch the command itself, and ask the kernel how it ended."""
        if self._over_at != float("inf"):
            return
        if not self._pid and not self.job.begun.pid:
            self._start_again()
            return
        if not self._pid and (start := start_time(self.job.begun.pid)):
            self._started(self.job.begun.pid, start, time.monotonic())
        try:
            self._pidfd = os.pidfd_open(self._pid) if self._pid and hasattr(os, "pidfd_open") else -1
        except OSError:
            self._pidfd = -1
        if self._pidfd < 0:
            self._command_gone()

    def _start_again(self) -> None:
        """All that were to start the command were killed before anything was executed."""
        reports = self._starting.again()
        if reports is None:
            self._starting.tell("given up")
            self._command_gone()
            return
        self._reports = Lines(reports)
        if self._watch:
            self._watch.passed_by()

    def _without_parent(self) -> Ended | None:
        """How the command ended, from the kernel, whom somebody else lets know at once that it is collected."""
        until = time.monotonic() + COLLECTED
        while (status := ended_status(self._pid, self._pidfd)) is None and time.monotonic() < until:
            time.sleep(0.01)
        return None if status is None else Ended(status=status, at=time.monotonic())

    def _command_gone(self) -> None:
        if self._over_at == float("inf"):
            if self._pidfd >= 0:
                self._ended = self._without_parent()
            self._stop_watching()

    # What is printed.

    def _take(self, channel: Channel, data: bytes) -> None:
        if not self._heard and (self._over_at == float("inf") or channel.owed + len(data) > 0):
            self.log.write(channel.stream, data, terminal=channel.terminal)
            self._remember(channel.stream, data)

    def _remember(self, stream: str, data: bytes) -> None:
        self.tails[stream] = (self.tails.get(stream, b"") + data)[-TAIL:]

    def _closed(self, channel: Channel) -> None:
        """Tell the front at once; but give the target up only if the command goes on without it."""
        self._tell(f"closed {channel.index}")
        if not channel.terminal:
            self._to_release.append((channel, time.monotonic() + RELEASE))

    def _release_until(self, now: float) -> None:
        """Whoever reads our output learns that the command has closed its own."""
        for channel, due in self._to_release:
            if due <= now:
                release(channel.fds)
                self._tell(f"released {channel.index}")
        self._to_release = [(channel, due) for channel, due in self._to_release if due > now]

    def _tell(self, line: str) -> None:
        try:
            os.write(self._front.fd, f"{line}\n".encode())
        except OSError:
            return  # The front is gone.

    # The end.

    def _complete(self) -> None:
        self.recording.end(self._ending())
        with self._relaying_on():
            self._state_rest()

    @contextmanager
    def _relaying_on(self) -> Generator[None]:
        """What stays of the command may print meanwhile, and may serve the very file system that is to be read."""
        self._heard = True
        if self.relay.idle:
            yield
            return
        over, end = os.pipe()
        beside = begun(lambda: self._relay_until(over), "whence-relay")
        try:
            yield
        finally:
            os.close(end)
            if beside is not None:
                beside.join()
            os.close(over)

    def _relay_until(self, over: int) -> None:
        """Relay until the other end of a pipe is closed."""
        while True:
            poll = select.poll()
            poll.register(over, select.POLLIN)
            for fd, events in self.relay.interest():
                poll.register(fd, events)
            ready = dict(poll.poll())
            if over in ready:
                return
            self._relay(ready)

    def _state_rest(self) -> None:
        if self._watch:
            self._watch.finish()
            self._watch = None
        if output := self._captured():
            self.recording.state(OutputCaptured(output=output))
        if self.log.fault:
            self.recording.lost("printed output", self.log.fault.strerror or "it could not be written")
        self._finish(bool(self.signals & SIGNALS_TO_HURRY))

    def _ending(self) -> RunEnded:
        if self._refused is not None:
            refused = refusal(self._refused, self.job.argv[0], self.job.environ)
            return never_ran(self.job.shown, refused.code, self._mask(refused.because))
        if self._ended is None:
            if not self._pid and not self.job.begun.pid:
                return never_started()
            return not_known(time.monotonic() - self._began, started=bool(self._pid))
        return run_ended(
            self._ended,
            began=self._began,
            usage=self.usage,
            tail=self._tail(),
            interrupted=signal.SIGINT in self.signals,
            mask=self._mask,
        )

    def _tail(self) -> bytes:
        """The end of standard error, or of what it was printed together with; else of standard output."""
        for file in self.job.descriptors.files:
            self._remember(file.stream, _end_of(file))
        for stream in ("stderr", "terminal", "both", "stdout"):
            if self.tails.get(stream):
                return self.tails[stream]
        return b""

    def _captured(self) -> Output | None:
        # What was not executed printed nothing: what is in the file is our own word on it.
        for file in self.job.descriptors.files if self._refused is None else ():
            try:
                _copy_range(file, self.log)
            except OSError as error:
                self.recording.lost("printed output", f"{file.path or file.stream}: {error.strerror}")
        output = self.log.finish()
        if output is None and self.job.descriptors.unrecorded:
            output = Output()
        if output is None or output.because or not self.job.descriptors.unrecorded:
            return output
        return Output(
            bytes=output.bytes,
            kept=output.kept,
            cut=output.cut,
            parts=output.parts,
            because="; ".join(self.job.descriptors.unrecorded),
        )


def _end_of(file: PassedFile) -> bytes:
    try:
        fd = file.open()
    except OSError:
        return b""
    try:
        end = file.end()
        start = max(file.start, end - TAIL)
        return os.pread(fd, end - start, start)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _copy_range(file: PassedFile, log: OutputLog) -> None:
    """Feed the log with what the command wrote into a file; the middle of a long range is not even read."""
    start, end = file.start, file.end()
    if end <= start:
        return
    fd = file.open()
    try:
        middle = end - log.tail_room
        while start < end:
            if start < middle and log.head_is_full:
                log.skip(middle - start)
                start = middle
            data = os.pread(fd, min(CHUNK, end - start), start)
            if not data:
                return
            log.write(file.stream, data, source=file.path or "")
            start += len(data)
    finally:
        os.close(fd)
