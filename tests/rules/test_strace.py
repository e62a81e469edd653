"""Traces, line by line."""

from __future__ import annotations

from whence.rules.strace import Trace

MARKER = b"/marker"


def hexed(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def told(*lines: str) -> list[bytes]:
    """The paths of what counts, of a trace that begins with the marker."""
    trace = Trace(b"/work", MARKER)
    first = f'openat(AT_FDCWD, "{hexed("/marker")}", O_RDONLY) = -1'
    found = [trace.take(line) for line in ("10 1.0 " + first, *lines)]
    return [did.path for did in found if did is not None]


OURS = f'openat(AT_FDCWD, "{hexed("/dev/null")}", O_RDWR|O_SYNC|O_NOCTTY) = 3'
EXECUTED = f'execve("{hexed("/bin/cat")}", ["cat"], 0x1 /* 1 var */) = 0'


def test_a_process_that_is_heard_of_before_the_call_that_makes_it_ends_is_ours_if_its_maker_is() -> None:
    whole = ("20 1.0 " + OURS, "20 1.0 clone(child_stack=NULL, flags=SIGCHLD) = 21", "21 1.0 " + EXECUTED)
    before = (
        "20 1.0 " + OURS,
        "20 1.0 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>",
        "21 1.0 " + EXECUTED,
        "20 1.0 <... clone resumed>) = 21",
        "21 1.0 " + EXECUTED,
    )
    assert told(*whole) == told(*before) == []
    assert told(*before[1:]) == [b"/bin/cat", b"/bin/cat"]


def test_of_two_that_make_a_process_at_once_neither_speaks_for_it_unless_both_are_ours() -> None:
    making = "clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>"
    two = ("22 1.0 chdir() = 0", "20 1.0 " + OURS, "20 1.0 " + making, "22 1.0 " + making)
    assert told(*two, "21 1.0 " + EXECUTED) == [b"/bin/cat"]
    assert told("22 1.0 " + OURS, *two, "21 1.0 " + EXECUTED) == []
