"""How a command's end is told: its exit status, the last things it printed, and the evidence become `run.ended`."""

from __future__ import annotations

from collections.abc import Mapping

from ..records.events import RunEnded
from ..records.run import Error, Resources

LAST_LINES = 20
"""Lines of output that an exit code's message carries."""

LAST_BYTES = 4096

TRACEBACK = "Traceback (most recent call last):"
CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)


def ended(
    *,
    exit_code: int | None,
    signal: str | None,
    tail: str,
    duration: float | None,
    resources: Resources | None,
    out_of_memory: str | None = None,
    interrupted: bool = False,
) -> RunEnded:
    """The event for a command that ended by an exit code or by a signal.

    `tail` is the end of what it printed, `out_of_memory` the kernel's evidence for it, and `interrupted` whether an
    interrupt reached the run: a program that answers one with exit code 130 was interrupted, too.
    """
    status = _status(exit_code, signal, interrupted)
    return RunEnded(
        status=status,
        exit_code=exit_code,
        signal=signal,
        error=None if status == "succeeded" else _error(exit_code, signal, tail, out_of_memory),
        duration=duration,
        resources=resources,
    )


def _status(exit_code: int | None, signal: str | None, interrupted: bool):
    if signal is not None:
        return "interrupted" if signal == "SIGINT" else "killed"
    if exit_code == 0:
        return "succeeded"
    return "interrupted" if exit_code == 130 and interrupted else "failed"


def _error(exit_code: int | None, signal: str | None, tail: str, out_of_memory: str | None) -> Error:
    if out_of_memory and signal == "SIGKILL":
        return Error(type="out_of_memory", message=f"killed by the kernel for want of memory: {out_of_memory}")
    raised = find_exception(tail)
    if raised and (exit_code == 1 or signal == "SIGINT" or exit_code == 130):
        return raised
    if signal is not None:
        return Error(type="signal", message=f"ended by {signal}")
    return Error(type="exit_code", message=_with_last_lines(f"exit code {exit_code}", last_lines(tail)))


def _with_last_lines(what: str, printed: str) -> str:
    """What was printed last may be the reason, or have nothing to do with it: it says what it is."""
    if not printed:
        return what
    return f"{what}; printed last:" + ("\n" if "\n" in printed else " ") + printed


def out_of_memory(before: Mapping[str, int], after: Mapping[str, int]) -> str | None:
    """The evidence in two readings of the kernel's counters, the nearest to the command first; nothing if none rose."""
    for path, count in after.items():
        if count > before.get(path, count):
            return f"oom_kill in {path} rose from {before[path]} to {count}"
    return None


def last_lines(tail: str) -> str:
    """The last lines that say something, carriage returns resolved."""
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in tail[-LAST_BYTES:].split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines[-LAST_LINES:]).strip("\n")


def find_exception(tail: str) -> Error | None:
    """The exception of a Python traceback that ends the text, with the exceptions that led to it."""
    lines = tail.replace("\r\n", "\n").rstrip().split("\n")
    starts = [number for number, line in enumerate(lines) if line == TRACEBACK]
    if not starts:
        return None
    raised = _raised_at(lines, starts[-1])
    if raised is None:
        return None
    kind, _, message = "\n".join(lines[raised:]).partition(": ")
    return Error(type=kind, message=message, traceback="\n".join(lines[_first(lines, starts) :]))


def _raised_at(lines: list[str], start: int) -> int | None:
    """The line that names the exception: the first after the traceback that is not indented."""
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if line and not line.startswith(" "):
            return number if _is_name(line.partition(":")[0]) else None
    return None


def _is_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _first(lines: list[str], starts: list[int]) -> int:
    """Where the chain of tracebacks begins that the last one belongs to."""
    first = starts[-1]
    for start in reversed(starts[:-1]):
        if not any(line in CHAINED for line in lines[start:first]):
            break
        first = start
    return first
