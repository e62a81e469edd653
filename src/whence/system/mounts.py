"""Which file system a path lies on, from `/proc/self/mountinfo` (proc(5)); without /proc unknown, taken as local."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

NETWORK = frozenset(
    (
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "lustre", "gpfs", "beegfs", "beegfs_nodev", "ceph",
        "glusterfs", "afs", "pvfs2", "orangefs", "panfs", "wekafs", "daos", "ocfs2", "gfs2", "vboxsf", "prl_fs",
    )
)  # fmt: skip
"""Kinds whose bytes live on another kernel: a stalled server stalls a write."""

_LOCKS_ACROSS_HOSTS = frozenset({"nfs4", "gpfs", "ceph", "ocfs2", "gfs2", "wekafs"})
_OCTAL = rb"\\([0-7]{3})"


class FileSystem(msgspec.Struct, frozen=True, kw_only=True):
    """The file system under a path."""

    kind: str
    """As the kernel names it: `ext4`, `nfs4`, `fuse.sshfs`; `unknown` where /proc does not say."""
    network: bool
    mount: str
    """Where it is mounted."""
    shared_locks: bool = False
    """A network file system whose `flock` is seen from every host."""


UNKNOWN = FileSystem(kind="unknown", network=False, mount="/")


def file_system(path: Path | str) -> FileSystem:
    """The file system that holds the path, or its nearest parent that exists."""
    try:
        table = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return UNKNOWN
    return find_mount(table, os.path.realpath(path))


def find_mount(table: bytes, path: str) -> FileSystem:
    """The last mount in the table whose point is the longest that the absolute path lies under."""
    wanted = os.fsencode(path)
    best, found = b"", UNKNOWN
    for line in table.splitlines():
        left, _, right = line.partition(b" - ")
        point = left.split()[4]
        if b"\\" in point:
            point = re.sub(_OCTAL, lambda digits: bytes([int(digits[1], 8)]), point)
        under = wanted == point or wanted.startswith(point.rstrip(b"/") + b"/")
        if under and len(point) >= len(best):
            best, found = point, _describe(os.fsdecode(point), right.decode("ascii", "replace").split())
    return found


def _describe(mount: str, fields: list[str]) -> FileSystem:
    kind, options = fields[0], fields[-1].split(",")
    # A FUSE file system may be anything; all of them answer from another process, which can stall like a server.
    network = kind in NETWORK or kind.startswith("fuse.")
    return FileSystem(kind=kind, network=network, mount=mount, shared_locks=_shared_locks(kind, options))


def _shared_locks(kind: str, options: list[str]) -> bool:
    if kind == "lustre":
        return "flock" in options
    if kind in ("nfs", "nfs4"):
        return "nolock" not in options and not any(o in ("local_lock=all", "local_lock=flock") for o in options)
    return kind in _LOCKS_ACROSS_HOSTS
