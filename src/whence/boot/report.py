"""What is noted goes into a file of this process: one object of JSON a line, appended by one write.

The file is opened for each line and closed again: a program that closes all descriptors, or reuses their numbers,
must not meet one of ours. A forked child has a file of its own. What cannot be written is not noted.
"""

from __future__ import annotations

import os
import sys
import time

from .guard import tell_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST = 16 << 20
"""Bytes of a line; of a longer one only the beginning is told, as a fault."""


class Report:
    """This process's notes."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._pid = int(os.path.basename(file).partition(".")[0])
        self._introduced = False
        self._numbers = 0
        tell_by(self._fault)

    @property
    def folder(self) -> str:
        """The folder for notes."""
        return os.path.dirname(self._file)

    def number(self) -> int:
        """A number that no other note of this process has."""
        self._numbers += 1
        return self._numbers

    def note(self, kind: str, **what: Any) -> None:
        """Append a note. Raises OSError."""
        if os.getpid() != self._pid:
            self._move_to_own()
        if not self._introduced:
            self._introduced = True
            self._append(dict(_process(), note="process"))
        self._append(dict(what, note=kind, at=time.monotonic()))

    def _move_to_own(self) -> None:
        self._pid = os.getpid()
        name = f"{self._pid}.{time.monotonic_ns()}.jsonl"
        self._file = os.path.join(os.path.dirname(self._file), name)
        self._introduced = False

    def _fault(self, what: str, because: str) -> None:
        self.note("fault", what=what, because=because)

    def _append(self, note: dict[str, Any]) -> None:
        import json  # When there is something to note: 2 ms that an import of `random` alone does not cost.

        line = json.dumps(note).encode("ascii") + b"\n"
        if len(line) > LONGEST:
            because = f"{len(line)} bytes, more than {LONGEST}"
            line = json.dumps({"note": "fault", "what": str(note["note"]), "because": because}).encode("ascii") + b"\n"
        fd = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line)
        finally:
            os.close(fd)


def _process() -> dict[str, Any]:
    main = sys.modules.get("__main__")
    return {
        "at": time.monotonic(),
        "pid": os.getpid(),
        "parent": os.getppid(),
        "argv": [str(word) for word in getattr(sys, "argv", [])],
        "main": getattr(main, "__file__", None),
        "cwd": _cwd(),
        "hash_seed": None if sys.flags.ignore_environment else os.environ.get("PYTHONHASHSEED"),
    }


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


_reports: list[Report] = []


def report(file: str) -> Report:
    """The report of this process; the same one each time."""
    if not _reports:
        _reports.append(Report(file))
    return _reports[0]


def begun() -> Report | None:
    """The report, if anything was noted before."""
    return _reports[0] if _reports else None
