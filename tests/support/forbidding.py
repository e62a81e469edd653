"""A machine that lacks what observation needs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

FORBID = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number, error, *command = sys.argv[1:]
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, int(number)), (0x06, 0, 0, 0x50000 | int(error)), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter) == 0
os.execv(command[0], command)
"""
"""Run a command with one system call that gives an error, as a container may forbid it."""


def forbidding(number: int, error: int, *command: str) -> list[str]:
    """A command as it runs where one system call gives an error."""
    return [sys.executable, "-I", "-c", FORBID, str(number), str(error), *command]


def without_strace(folder: Path) -> str:
    """A PATH on which there is none."""
    folder.mkdir()
    for name in ("sh", "cat", "env"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)
