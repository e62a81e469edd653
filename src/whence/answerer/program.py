"""The filter's program (classic BPF): which calls wait for the answerer, and which go straight on.

What need not be seen is skipped here, where it costs nothing: opens with O_PATH, which read no byte, and opens of
folders. Calls that are always allowed stay in the kernel's bitmap, so `read` and `write` cost the same as without us.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from .syscalls import X32_BIT, Machine

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K

ALLOW = 0x7FFF0000
NOTIFY = 0x7FC00000
TRACE = 0x7FF00000
"""Stops for a tracer; without one the call fails (ENOSYS)."""

NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; an argument takes 8 bytes, its low half comes first."""

PATH_ONLY = 0o10000000
FOLDER = {"x86_64": 0o200000, "aarch64": 0o40000}
"""O_DIRECTORY, by machine."""
NAMELESS = 0o20000000
"""The bit that makes O_TMPFILE of O_DIRECTORY."""

SET_FILTER = 1
NEW_LISTENER = 1 << 3
"""SECCOMP_SET_MODE_FILTER and SECCOMP_FILTER_FLAG_NEW_LISTENER."""

FLAGS_OF = {"open": 1, "openat": 2, "open_by_handle_at": 2}
"""Which argument has the flags of an open; those of openat2 lie in memory, where a filter cannot look."""


class Step:
    """One instruction; jumps name the label that they go to, and fall through where they name none."""

    def __init__(self, code: int, value: int, then: str = "", other: str = "") -> None:
        self.code = code
        self.value = value
        self.then = then
        self.other = other


class Label:
    def __init__(self, name: str) -> None:
        self.name = name


def program(machine: Machine, folder: int, action: int = NOTIFY) -> bytes:
    """The instructions, as the kernel takes them. `folder` is the machine's O_DIRECTORY."""
    return assemble(
        [
            *_by_architecture(machine),
            *_native(machine),
            *_foreign(machine),
            *_opens(folder),
            *_filters(),
            *_ends(action),
        ]
    )


def _by_architecture(machine: Machine) -> Iterable[Step | Label]:
    yield Step(LOAD, ARCHITECTURE)
    yield Step(EQUAL, machine.audit, then="native")
    for audit in machine.foreign:
        yield Step(EQUAL, audit, then=f"foreign {audit}")
    yield Step(RETURN, ALLOW)


def _native(machine: Machine) -> Iterable[Step | Label]:
    yield Label("native")
    yield Step(LOAD, NUMBER)
    if machine.x32:
        yield Step(AT_LEAST, X32_BIT, then="x32")
    for name, number in machine.calls.items():
        yield Step(EQUAL, number, then=name if name in FLAGS_OF else "notify")
    yield Step(EQUAL, machine.seccomp, then="seccomp")
    yield Step(RETURN, ALLOW)


def _foreign(machine: Machine) -> Iterable[Step | Label]:
    for audit, calls in machine.foreign.items():
        yield Label(f"foreign {audit}")
        yield Step(LOAD, NUMBER)
        yield from (Step(EQUAL, number, then="notify") for number in calls.values())
        yield Step(RETURN, ALLOW)
    if machine.x32:
        yield Label("x32")
        yield from (Step(EQUAL, X32_BIT | number, then="notify") for number in machine.x32.values())
        yield Step(RETURN, ALLOW)


def _opens(folder: int) -> Iterable[Step | Label]:
    for name, argument in FLAGS_OF.items():
        yield Label(name)
        yield Step(LOAD, ARGUMENTS + 8 * argument)
        yield Step(ANY_BIT, PATH_ONLY, then="allow")
        yield Step(AND, folder | NAMELESS)
        yield Step(EQUAL, folder, then="allow", other="notify")


def _filters() -> Iterable[Step | Label]:
    """Filters that notify, of which the kernel allows one: a second one is refused."""
    yield Label("seccomp")
    yield Step(LOAD, ARGUMENTS)
    yield Step(EQUAL, SET_FILTER, other="allow")
    yield Step(LOAD, ARGUMENTS + 8)
    yield Step(ANY_BIT, NEW_LISTENER, then="notify", other="allow")


def _ends(action: int) -> Iterable[Step | Label]:
    yield Label("notify")
    yield Step(RETURN, action)
    yield Label("allow")
    yield Step(RETURN, ALLOW)


def assemble(source: Iterable[Step | Label]) -> bytes:
    """Resolve the labels and encode (`struct sock_filter`: code, jump if true, jump if false, value)."""
    places: dict[str, int] = {}
    steps: list[Step] = []
    for item in source:
        if isinstance(item, Label):
            places[item.name] = len(steps)
        else:
            steps.append(item)
    return b"".join(
        struct.pack("HBBI", step.code, _jump(step.then, at, places), _jump(step.other, at, places), step.value)
        for at, step in enumerate(steps)
    )


def _jump(label: str, at: int, places: dict[str, int]) -> int:
    return places[label] - at - 1 if label else 0
