"""Programs that a filter would break, set by somebody who is not privileged: it costs all that it watches the right to
gain privileges (no_new_privs), and these live from that."""

from __future__ import annotations

import os
import stat
from pathlib import Path

NAMES = frozenset(
    (
        "sudo", "su", "doas", "pkexec", "apptainer", "singularity", "podman", "fusermount", "fusermount3", "newuidmap",
        "newgidmap", "snap", "chrome-sandbox",
    )
)  # fmt: skip
"""Known for it, also where the file itself does not show it."""

ADMIN = 21
"""CAP_SYS_ADMIN."""
TRACE = 19
"""CAP_SYS_PTRACE."""


def capable(status: bytes, capability: int) -> bool:
    """Whether `/proc/self/status` says that we have this capability."""
    for line in status.splitlines():
        if line.startswith(b"CapEff:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return False


def needs_privileges(program: str) -> str:
    """Why this program, or the interpreter that its first line names, must be able to gain privileges; empty if not."""
    for path in (program, _interpreter(program)):
        because = path and _because(path)
        if because:
            return because
    return ""


def _because(path: str) -> str:
    name = os.path.basename(path)
    if name in NAMES or name.lower().endswith(".appimage"):
        return f"{name} must be able to gain privileges"
    try:
        mode = os.stat(path).st_mode
        if mode & (stat.S_ISUID | stat.S_ISGID) and stat.S_ISREG(mode):
            return f"{name} changes its user or group when it starts"
        os.getxattr(path, "security.capability")
    except (OSError, AttributeError):
        return ""
    return f"{name} has capabilities of its own"


def _interpreter(path: str) -> str:
    """The program that a script's first line names; empty for anything else."""
    try:
        with Path(path).open("rb") as file:
            line = file.read(256).split(b"\n", 1)[0]
    except OSError:
        return ""
    words = line[2:].split() if line.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else ""
