"""What it means that a command could not be executed: the exit code of a shell, why, and what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..system.processes import find_program

NOT_EXECUTABLE = 126
NOT_FOUND = 127

FIRST_LINE = 256
"""Bytes of a script in which the kernel looks for its interpreter."""


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing was started."""

    code: int
    because: str
    hint: str | None = None

    def said(self, name: str) -> str:
        """For a person, with what to do on a line of its own."""
        hint = f"\nhint: {self.hint}" if self.hint else ""
        shown = name.replace("\n", "\\n")  # A name makes no line of its own.
        return f"{shown or repr(shown)}: {self.because}{hint}"


def refusal(number: int, name: str, environ: Mapping[str, str], shown: str | None = None) -> Refusal:
    """What the error of an exec means for this command. `shown` stands for the name where secrets are masked."""
    said = name if shown is None else shown
    if number in (errno.ENOENT, errno.ENOTDIR):
        return _not_found(name, environ, said)
    hint = None
    if os.path.isdir(name):
        hint = "it is a folder; name a program in it"
    elif number == errno.EACCES and os.path.isfile(name):
        hint = f"`chmod +x {said}` makes it a program; or name its interpreter: `whence run -- python {said}`"
    return Refusal(NOT_EXECUTABLE, os.strerror(number), hint)


def _not_found(name: str, environ: Mapping[str, str], said: str) -> Refusal:
    path = name if "/" in name else find_program(name, environ)
    if path and os.path.isfile(path):
        return Refusal(NOT_FOUND, _without_interpreter(path), "install it, or mend the first line of the script")
    return Refusal(NOT_FOUND, "command not found", _hint(name, said))


def _hint(name: str, said: str) -> str | None:
    if not name:
        return "the first word behind `--` is empty: perhaps a variable that is not set"
    if re.match(r"[A-Za-z_][A-Za-z0-9_]*=", name):
        return "`env` sets a variable for a command: `whence run -- env NAME=VALUE COMMAND`"
    if len(name.split()) > 1:
        return f"it is one word with blanks in it; without the quotes: `whence run -- {said}`"
    if "/" not in name and os.path.isfile(name):
        return f"it is in this folder, which is not on PATH: `whence run -- ./{said}`"
    return None


def _without_interpreter(path: str) -> str:
    try:
        with Path(path).open("rb") as script:
            first = os.fsdecode(script.read(FIRST_LINE).split(b"\n")[0])
    except OSError:
        first = ""
    words = first.removeprefix("#!").split() if first.startswith("#!") else []
    return f"its interpreter {words[0]} was not found" if words else "its loader was not found"
