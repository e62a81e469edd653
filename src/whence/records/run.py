"""A run: who asked for what, where, and what became of the process."""

from typing import Any, Literal

from .base import Struct

Status = Literal["created", "running", "succeeded", "failed", "interrupted", "killed", "lost"]
"""What happened to the process. `interrupted`: SIGINT or KeyboardInterrupt; `killed`: any other signal."""

TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "interrupted", "killed", "lost"})


class Process(Struct, frozen=True, kw_only=True):
    """A process, told apart from any later one with the same number."""

    pid: int
    start: int | None = None
    """Clock ticks after boot (field 22 of /proc/PID/stat)."""
    boot_id: str | None = None
    pid_namespace: str | None = None
    host: str | None = None


class User(Struct, frozen=True, kw_only=True):
    name: str | None = None
    uid: int | None = None


class Host(Struct, frozen=True, kw_only=True):
    name: str
    machine_id: str | None = None
    """A keyed hash of the machine's id, so that two hosts of one name differ."""
    boot_id: str | None = None


class Rank(Struct, frozen=True, kw_only=True):
    """The place of a writer among processes that were started together."""

    rank: int
    world_size: int | None = None
    job: str | None = None


class Error(Struct, frozen=True, kw_only=True):
    """Why a run did not succeed."""

    type: str
    """An exception's qualified name, or `refused`, `not_found`, `not_executable`, `never_started`, `signal`,
    `out_of_memory`."""
    message: str
    traceback: str | None = None


class Resources(Struct, frozen=True, kw_only=True):
    """Of the whole process tree; seconds and bytes; nothing where the machine does not tell."""

    wall: float | None = None
    cpu_user: float | None = None
    cpu_system: float | None = None
    peak_memory: int | None = None
    """The largest sum of resident memory over the tree that was sampled."""
    peak_memory_process: int | None = None
    """The largest resident memory of any single process, from the kernel."""
    read_bytes: int | None = None
    """Passed to `read` and its like, whether from a disk, a cache or a pipe."""
    written_bytes: int | None = None
    """Passed to `write` and its like."""
    processes: int | None = None
    """The most processes seen at one sample."""


class Ending(Struct, frozen=True, kw_only=True):
    """How a command ended, but for its status."""

    exit_code: int | None = None
    signal: str | None = None
    error: Error | None = None
    duration: float | None = None
    """Seconds by a monotonic clock since `run.started`."""
    resources: Resources | None = None


class Difference(Struct, frozen=True, kw_only=True):
    """An intentional difference of a rerun or variant."""

    what: str
    before: Any = None
    after: Any = None
    because: str | None = None
