"""What the rows on being watched run: `python watched.py opens|preads|imports|files|steps WORDS…`.

Each verb does nothing when its count is 0, so that what a watcher costs by itself can be taken off.
"""

from __future__ import annotations

import os
import sys


def opens(path: str, count: str, processes: str) -> None:
    """Open a file `count` times, in each of so many processes."""
    for _ in range(int(processes)):
        if os.fork() == 0:
            for _ in range(int(count)):
                os.close(os.open(path, os.O_RDONLY))
            os._exit(0)
    for _ in range(int(processes)):
        os.wait()


def preads(path: str, count: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    for _ in range(int(count)):
        os.pread(fd, 4096, 0)


def imports(count: str) -> None:
    if int(count):
        import h5py  # noqa: F401  to import it is the work
        import pandas  # noqa: F401
        import pyarrow.parquet  # noqa: F401


def files(folder: str, count: str) -> None:
    for name in sorted(os.listdir(folder))[: int(count)]:
        with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123  the plainest way to read
            file.read()


def steps(path: str, count: str) -> None:
    """A training loop: batches of a mapped file, a product of matrices, a line of a log each step."""
    if not int(count):
        return
    import numpy

    data = numpy.memmap(path, dtype="float32", mode="r").reshape(-1, 64)
    weights = numpy.zeros((64, 64), dtype="float32")
    with open("steps.log", "w") as log:  # noqa: PTH123
        for step in range(int(count)):
            batch = data[step * 16 % (len(data) - 256) :][:256]
            weights -= 1e-6 * (batch.T @ (batch @ weights - batch))
            log.write(f"{step} {weights[0, 0]}\n")


globals()[sys.argv[1]](*sys.argv[2:])
