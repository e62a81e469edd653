"""Gathers what can be seen of a run's writer; `rules.liveness` decides what it means."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..records.run import Process
from ..rules.liveness import Evidence
from ..system.files import temporary_name
from ..system.locks import LockState, lock_state
from ..system.mounts import file_system
from ..system.processes import identity, start_time
from .journal import POINTS_SUFFIX, SUFFIX
from .layout import Store

_SIGNS = (SUFFIX, POINTS_SUFFIX, ".log")


def gather(store: Store, folder: Path, *, writer: Process | None, command: Process | None) -> Evidence:
    """The evidence on the run in this folder. Costs a few system calls; never waits."""
    place = file_system(folder)
    reader = identity()
    lock = _lock(folder / "main.jsonl")
    same_boot = writer is not None and writer.boot_id is not None and writer.boot_id == reader.boot_id
    return Evidence(
        lock=lock,
        lock_decides=not place.network and (same_boot or _same_host(writer)),
        shared_locks=place.shared_locks,
        writer=alive(writer, reader),
        command=alive(command, reader),
        silence=silence(store, folder),
        where=(writer.host if writer else None) or "its host",
    )


def alive(process: Process | None, reader: Process) -> bool | None:
    """Whether the process is there; nothing unless boot and pid namespace are the reader's own."""
    if process is None or process.start is None or process.boot_id is None or process.pid_namespace is None:
        return None
    if (process.boot_id, process.pid_namespace) != (reader.boot_id, reader.pid_namespace):
        return None
    return start_time(process.pid) == process.start


def _same_host(writer: Process | None) -> bool:
    """A local disk of the same host with another boot: it was restarted, and nothing of then is left."""
    return writer is not None and writer.host is not None and writer.host == os.uname().nodename


def _lock(path: Path) -> LockState:
    try:
        return lock_state(path)
    except OSError:
        return "unsupported"


def silence(store: Store, folder: Path) -> float | None:
    """Seconds since anything of the run was written or touched, both times taken by the file system's own clock."""
    last = max((_changed(folder / name) for name in _signs(folder)), default=None)
    now = _now(store) if last is not None else None
    return None if last is None or now is None else max(0.0, (now - last) / 1e9)


def last_sign(folder: Path) -> int | None:
    """When anything of the run was last written or touched, in Unix nanoseconds."""
    return max((_changed(folder / name) for name in _signs(folder)), default=None)


def _signs(folder: Path) -> Iterable[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(_SIGNS)]
    except OSError:
        return []


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _now(store: Store) -> int | None:
    """The time as the server of the store's files tells it: that of a fresh file. Nothing if none can be made."""
    for folder in (store.cache, store.path):
        path = temporary_name(folder)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            continue
        try:
            os.utime(fd)
            return os.fstat(fd).st_mtime_ns
        finally:
            os.close(fd)
            os.unlink(path)
    return None
