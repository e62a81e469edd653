"""What /proc and the control groups tell about a process and its descendants. Nothing where they do not say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(root: int) -> Iterator[int]:
    """The process and everything below it, as far as it is still there."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += _children(pid)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        with os.scandir(f"/proc/{pid}/task") as tasks:
            for task in tasks:
                found += map(int, _read(f"{task.path}/children").split())
    except OSError:
        return found
    return found


def resident(pid: int) -> int:
    """Resident bytes of one process; 0 when it is gone."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE if len(fields) > 1 else 0


def sample(root: int) -> tuple[int, int, int]:
    """Resident bytes of the tree, of its largest process, and the number of processes."""
    sizes = [size for pid in descendants(root) if (size := resident(pid))]
    return sum(sizes), max(sizes, default=0), len(sizes)


def transferred(pid: int) -> tuple[int, int] | None:
    """Bytes that the process and its reaped children passed to read and write calls; also of a zombie."""
    fields = dict(line.split(b": ", 1) for line in _read(f"/proc/{pid}/io").splitlines() if b": " in line)
    try:
        return int(fields[b"rchar"]), int(fields[b"wchar"])
    except (KeyError, ValueError):
        return None


def out_of_memory_kills() -> dict[str, int]:
    """How often the kernel killed for memory, by the file that says so: the control group's, and the machine's."""
    found: dict[str, int] = {}
    for path in _memory_files(_read("/proc/self/cgroup")):
        _count(found, path, "oom_kill")
    _count(found, "/proc/vmstat", "oom_kill")
    return found


def _memory_files(groups: bytes) -> Iterator[str]:
    """The files of a version 2 and a version 1 control group; in a container its own root."""
    for line in os.fsdecode(groups).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _first_there(f"/sys/fs/cgroup{path}/memory.events", "/sys/fs/cgroup/memory.events")
        elif "memory" in controllers.split(","):
            base = "/sys/fs/cgroup/memory"
            yield from _first_there(f"{base}{path}/memory.oom_control", f"{base}/memory.oom_control")


def _first_there(*paths: str) -> Iterator[str]:
    for path in paths:
        if Path(path).exists():
            yield path
            return


def _count(found: dict[str, int], path: str, name: str) -> None:
    for line in _read(path).splitlines():
        key, _, value = line.partition(b" ")
        if key == name.encode() and value.strip().isdigit():
            found[path] = int(value)


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return b"".join(iter(lambda: os.read(fd, 1 << 16), b""))
    except OSError:
        return b""
    finally:
        os.close(fd)
