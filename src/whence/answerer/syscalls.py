"""The system calls that are watched, by machine: their numbers, and those of the 32-bit interfaces beside them.

Sources: the kernel's arch/x86/entry/syscalls/*.tbl, arch/arm64/tools/syscall_64.tbl, arch/arm/tools/syscall.tbl and
include/uapi/linux/audit.h.
"""

from __future__ import annotations

X32_BIT = 0x40000000
"""Set in the number of a call through the x32 interface, whose architecture reads as x86-64."""

X86_64 = {
    "open": 2, "connect": 42, "execve": 59, "truncate": 76, "rename": 82, "rmdir": 84, "creat": 85, "link": 86,
    "unlink": 87, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166, "openat": 257, "unlinkat": 263,
    "renameat": 264, "linkat": 265, "unshare": 272, "setns": 308, "renameat2": 316, "execveat": 322,
    "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "openat2": 437, "open_by_handle_at": 304,
}  # fmt: skip
AARCH64 = {
    "unlinkat": 35, "linkat": 37, "renameat": 38, "umount2": 39, "mount": 40, "pivot_root": 41, "truncate": 45,
    "chroot": 51, "openat": 56, "unshare": 97, "connect": 203, "execve": 221, "setns": 268, "renameat2": 276,
    "execveat": 281, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "openat2": 437,
    "open_by_handle_at": 265,
}  # fmt: skip
I386 = {"open": 5, "creat": 8, "execve": 11, "openat": 295, "execveat": 358, "openat2": 437}
X32 = {"open": 2, "creat": 85, "openat": 257, "openat2": 437, "execve": 520, "execveat": 545}
ARM = {"open": 5, "creat": 8, "execve": 11, "openat": 322, "execveat": 387, "openat2": 437}

MOVES = {
    "x86_64": {
        "seccomp": 317,
        "clone": 56,
        "fork": 57,
        "vfork": 58,
        "chdir": 80,
        "fchdir": 81,
        "symlink": 88,
        "symlinkat": 266,
        "clone3": 435,
    },
    "aarch64": {"seccomp": 277, "symlinkat": 36, "chdir": 49, "fchdir": 50, "clone": 220, "clone3": 435},
}
"""What a tracer must see as well, to know where a process is, as it gets the paths as they were named, which names are
links, as it looks at them too late, and whether a filter of others goes before it."""


class Machine:
    """One architecture, as a filter sees it."""

    def __init__(
        self,
        audit: int,
        calls: dict[str, int],
        foreign: dict[int, dict[str, int]],
        x32: dict[str, int],
        seccomp: int,
        openat2: int,
    ) -> None:
        self.audit = audit
        """What `seccomp_data.arch` says of a native call."""
        self.calls = calls
        self.foreign = foreign
        """Interfaces of 32 bits that the same kernel offers, by what `seccomp_data.arch` says of theirs."""
        self.x32 = x32
        """Numbers without `X32_BIT`; empty where there is no such interface."""
        self.seccomp = seccomp
        """The number of seccomp(2)."""
        self.openat2 = openat2

    def watching(self, more: dict[str, int]) -> Machine:
        """The same, where other calls are watched as well."""
        return Machine(self.audit, {**self.calls, **more}, self.foreign, self.x32, self.seccomp, self.openat2)


MACHINES = {
    "x86_64": Machine(0xC000003E, X86_64, {0x40000003: I386}, X32, 317, 437),
    "aarch64": Machine(0xC00000B7, AARCH64, {0x40000028: ARM}, {}, 277, 437),
}
"""By the name that `uname -m` gives."""
