"""What the machine allows: the same work with nothing but the operating system.

What only one kind of work needs is imported there: the trivial script is to cost no more than it would by itself.
"""

import os
import signal
import sys


def trivial() -> None:
    print("done")


def points(count: int) -> None:
    fd = os.open("points.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for step in range(count):
        os.write(fd, b'[%d,1795243229.12,{"loss":%r}]\n' % (step, 1 / (step + 1)))
    os.kill(os.getpid(), signal.SIGKILL)


def many(count: int) -> None:
    import uuid

    for _ in range(count):
        folder = f"runs/{uuid.uuid4()}"
        os.makedirs(folder)
        for name in ("main.jsonl", "record.json", "seal.json"):
            with open(f"{folder}/{name}", "wb", buffering=0) as file:  # noqa: PTH123  pathlib is not the floor
                file.write(b"x" * 2000)


def first(path: str) -> None:
    import hashlib

    buffer = bytearray(1 << 20)
    for file in [entry.path for entry in _files(path)] if os.path.isdir(path) else [path]:
        digest, fd = hashlib.sha256(), os.open(file, os.O_RDONLY)
        while size := os.readv(fd, [buffer]):
            digest.update(memoryview(buffer)[:size])
        os.close(fd)


def again(path: str) -> None:
    for entry in _files(path):
        entry.stat()


def pack(path: str) -> None:
    """Every file below a folder read, hashed and written into one."""
    import hashlib

    with open("packed", "wb") as packed:  # noqa: PTH123  pathlib is not the floor
        for entry in _below(path):
            fd = os.open(entry.path, os.O_RDONLY)
            data = os.read(fd, entry.stat().st_size)
            os.close(fd)
            hashlib.sha256(data).digest()
            packed.write(data)
        packed.flush()
        os.fsync(packed.fileno())


def stats(path: str) -> None:
    for entry in _below(path):
        entry.stat()


def _below(path: str) -> list[os.DirEntry[str]]:
    found = _files(path)
    folders = [entry for entry in found if entry.is_dir(follow_symlinks=False)]
    files = [entry for entry in found if not entry.is_dir(follow_symlinks=False)]
    return files + [entry for folder in folders for entry in _below(folder.path)]


def _files(path: str) -> list[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        return sorted(entries, key=lambda entry: entry.name)


VERBS = {"trivial": trivial, "points": points, "many": many, "first": first, "again": again,
         "pack": pack, "stats": stats}  # fmt: skip

if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    VERBS[verb](*(int(a) if a.isdigit() else a for a in rest))
