"""Which mechanism observes a command: the first of a table that can be used here, or the one that was asked for.

A mechanism that cannot be used never keeps a command from running: the reason becomes part of the record.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import msgspec

from ..answerer.privileged import ADMIN, capable, needs_privileges
from ..answerer.syscalls import MACHINES
from ..system.processes import ProgramError, find_program, run

OLDEST = (5, 19)
"""The first kernel whose callers cannot be interrupted by their own timers while they are held."""

VIA_OUTER = "seccomp via outer"
"""The mechanism of a run that the run around it tells what its command does."""

KERNELS = ("seccomp", VIA_OUTER, "strace")
"""Mechanisms by which the kernel tells."""

TRIAL = 10.0
"""Seconds for strace to show that it works."""


NOTHING: Mapping[str, str] = {}


class Choice(msgspec.Struct, frozen=True):
    """How a command is observed; `because` says why not, or why not otherwise."""

    mechanism: str
    because: str = ""


def choose(mode: str, command: str | None, barred: Mapping[str, str] = NOTHING, *, inside: bool = False) -> Choice:
    """`auto` takes the first mechanism of the table that can be used here; a named one is taken or the reason given.

    `barred` are mechanisms that something else rules out, with the reason. `inside`: a run around this one watches, and
    nobody else can.
    """
    if mode == "off":
        return Choice("none", "it is switched off")
    if inside and mode in ("auto", "seccomp"):
        return Choice(VIA_OUTER)
    if mode != "auto":
        reason = barred.get(mode) or ASKED_FOR[mode](command)
        return Choice("none", f"{mode}: {reason}") if reason else Choice(mode)
    reasons: list[str] = []
    for name, find_reason in MECHANISMS.items():
        reason = barred.get(name) or find_reason(command)
        if not reason:
            return Choice(name, "; ".join(reasons))
        reasons.append(f"{name}: {reason}")
    return Choice("none", "; ".join(reasons))


def _why_not_seccomp(command: str | None) -> str:
    because = _why_no_filters()
    if because:
        return because
    release = os.uname().release
    if kernel(release) < OLDEST:
        return f"Linux {release} is older than {OLDEST[0]}.{OLDEST[1]}"
    actions = _text("/proc/sys/kernel/seccomp/actions_avail")
    if actions and b"user_notif" not in actions.split():
        return "this kernel cannot notify"
    if command is not None and not capable(_text("/proc/self/status"), ADMIN):
        because = needs_privileges(command)
    return because or why_no_listener()


def holds_down(mechanism: str) -> bool:
    """Whether what is watched in this way cannot gain privileges (no_new_privs; or strace, as anybody)."""
    status = _text("/proc/self/status")
    return b"\nNoNewPrivs:\t1" in status or (mechanism in KERNELS and not capable(status, ADMIN))


def _why_no_filters() -> str:
    if sys.platform != "linux":
        return f"{sys.platform} does not have it"
    machine = os.uname().machine
    return "" if machine in MACHINES and sys.maxsize > 1 << 32 else f"not on this architecture ({machine})"


@cache
def why_no_listener() -> str:
    """What somebody else's filter, if we are under one, says to ours; asked once."""
    if b"\nSeccomp:\t0\n" in _text("/proc/self/status"):
        return ""
    from ..answerer.filter import why_not  # with what it needs, where it has to be tried
    from ..answerer.native import Native
    from ..answerer.program import FOLDER, program

    machine = os.uname().machine
    try:
        return why_not(Native(MACHINES[machine]), program(MACHINES[machine], FOLDER[machine]))
    except ImportError:
        return ""  # Without ctypes: that is said where it is begun.
    except OSError as error:
        return f"it could not be tried: {error.strerror}"


def _why_not_strace(command: str | None) -> str:
    """With a filter that stops no other calls than those that count."""
    because = _why_no_strace(command)
    if not because and stops_every_call():
        return "where another program's filter notifies it would have to stop every call"
    return because


def stops_every_call() -> bool:
    """Whether a filter of ours would be overruled: one that notifies goes before one that traces."""
    return why_no_listener() == ANOTHER_LISTENS


ANOTHER_LISTENS = "another program watches this one already (a listener is set)"


def _why_no_strace(command: str | None) -> str:
    because = _why_no_filters() or (needs_privileges(command) if command is not None else "")
    if because:
        return because
    strace = find_strace()
    return why_strace_fails(strace) if strace else "there is no strace on PATH"


def find_strace() -> str | None:
    found = find_program("strace", os.environ)
    return os.path.abspath(found) if found else None


@cache
def why_strace_fails(strace: str) -> str:
    """Why it cannot trace here, or not as we need it; found by having it trace itself."""
    trial = [strace, "--seccomp-bpf", "-f", "-qq", "-e", "trace=execve", "-o", os.devnull, "--", strace, "-V"]
    try:
        done = run(trial, seconds=TRIAL, environ=os.environ)
    except ProgramError as error:
        return str(error)
    said = done.err.decode(errors="replace").strip().splitlines()
    return "" if done.ok else f"it does not work here: {said[0] if said else f'exit code {done.code}'}"


def _why_not_python(command: str | None) -> str:
    """Any command may start a Python program."""
    return ""


Reason = Callable[[str | None], str]

MECHANISMS: Mapping[str, Reason] = {
    "seccomp": _why_not_seccomp, "strace": _why_not_strace, "python": _why_not_python,
}  # fmt: skip
"""In the order in which `auto` tries them; each says why it cannot be used, or nothing."""

ASKED_FOR: Mapping[str, Reason] = {**MECHANISMS, "strace": _why_no_strace}
"""Who asks for strace gets it also where it is slow."""


def kernel(release: str) -> tuple[int, ...]:
    """`(6, 1)` for `6.1.0-18-amd64`."""
    numbers: list[int] = []
    for word in release.split("-")[0].split(".")[:2]:
        if not word.isdigit():
            break
        numbers.append(int(word))
    return tuple(numbers)


def _text(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
