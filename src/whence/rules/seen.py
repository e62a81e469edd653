"""One call that a program made, as the answerer saw it right before the call went on: the stream that becomes facts.

A record is an attempt: the kernel decides only afterwards. One that names a file that is there is taken as done; one
that names nothing, and would not create it, is a failing call and says nothing. Whether a rename was done shows later,
by where the file is met again, or lies at the end.
"""

from __future__ import annotations

import stat
from typing import Any, Literal, cast, get_args

import msgspec

Op = Literal[
    "read", "write", "update", "create", "truncate", "rename", "link", "unlink", "execute", "connect", "io_uring",
    "foreign", "handle", "namespace", "listener", "mount", "unmount",
]  # fmt: skip
"""`foreign`: a program of another instruction set. `handle`: an open by a file handle, which names no path.
`namespace`: what this process names is looked up in mounts of its own. `listener`: it asked for a filter that
notifies, which it cannot have. `mount`, `unmount`: at the path, if it names one, another file system lies from now on,
or no more."""

OPS: frozenset[str] = frozenset(get_args(Op))

# The flags of open(2) that decide something; equal on x86-64 and aarch64 (asm-generic/fcntl.h).
WRITE_ONLY = 0o1
READ_WRITE = 0o2
ACCESS = 0o3
CREATE = 0o100
EXCLUSIVE = 0o200
TRUNCATE = 0o1000
PATH_ONLY = 0o10000000

OURS = 0o4010400
"""O_SYNC and O_NOCTTY, which say nothing of `/dev/null`: with both, an open of it says that what this thread does from
now on is ours, or is the program's again."""

NO_REPLACE = 1
"""Of renameat2(2): it fails where the other name is taken."""
EXCHANGE = 2
"""Of renameat2(2): both names stay, their files change places."""


class Identity(msgspec.Struct, frozen=True, gc=False):
    """What a stat says of a file; times in nanoseconds."""

    device: int
    inode: int
    mode: int
    size: int
    mtime: int
    ctime: int

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def key(self) -> tuple[int, int]:
        """Equal for two names of one file."""
        return self.device, self.inode

    def same_content(self, other: Identity) -> bool:
        """Whether nothing was written between: also an edit that restores the mtime moves the ctime."""
        return self.key == other.key and (self.size, self.mtime, self.ctime) == (other.size, other.mtime, other.ctime)


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One record, in the order of the ring's fields."""

    seq: int
    """Gap-free from 0: a jump means that records were lost."""
    at: float
    """Seconds of the monotonic clock."""
    pid: int
    """The process, in our pid namespace; the thread where that is not known."""
    op: Op
    path: bytes
    """Absolute, symbolic links not followed; of a connection its address: `inet:192.0.2.1:443`, `unix:/run/x`. Empty
    where the call names none, and where its caller may not be looked at: then `because` says who that is."""
    other: bytes = b""
    """The second path of a rename or link; of a program the root of who executes it, where that is not `/`."""
    flags: int = 0
    """Of the open, as the kernel got them; of a rename those of renameat2."""
    identity: Identity | None = None
    """Of the file right before the call, links followed. Nothing: it was not there, or could not be looked at."""
    late: bool = False
    """It was looked at after the call had gone on: on a network or FUSE file system."""
    because: str = ""
    """Why the identity is not known, where something may have been there."""
    replaced: Identity | None = None
    """Of a rename or link: what lay at the second path right before, links not followed. Nothing: nothing did, or it is
    not known."""
    real: bytes = b""
    """The path without links, as they led at the time of the call; of a name that is given or taken, one at its end is
    not followed. Empty where nobody looked."""
    real_other: bytes = b""
    """The same of the second path of a rename or link."""


SAME = b"="
"""Stands in a record for a path without links that is the path itself."""

_UNSAID = (None, b"", b"")


def seen(record: tuple[Any, ...]) -> Seen:
    """The value of one tuple of the ring."""
    seq, at, pid, op, path, other, flags, identity, late, because, *more = record
    there = None if identity is None else Identity(*identity)
    replaced, real, real_other = cast("tuple[Any, bytes, bytes]", (*more, *_UNSAID[len(more) :]))
    return Seen(
        seq, at, pid, op, path, other, flags, there, late, because,
        Identity(*replaced) if replaced else None,
        path if real == SAME else real,
        other if real_other == SAME else real_other,
    )  # fmt: skip
