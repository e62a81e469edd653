"""`python opening.py PROCESSES FOLDER`: open files as fast as may be until FOLDER/stop is there.

Each process counts its opens in FOLDER/counts, 8 bytes a process; at the end each prints what failed, or `ok`.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys


def work(number: int, folder: str, counts: mmap.mmap) -> str:
    place, stop, done = f"{folder}/file", f"{folder}/stop", 0
    try:
        while not os.access(stop, os.F_OK):
            os.close(os.open(place, os.O_RDONLY))
            if done % 10 == 0:
                os.close(os.open(f"{place}.{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
                os.rename(f"{place}.{number}", f"{place}.{number}.done")
            done += 1
            struct.pack_into("Q", counts, number * 8, done)
    except OSError as error:
        return f"{error}"
    return "ok"


def main() -> None:
    processes, folder = int(sys.argv[1]), sys.argv[2]
    with open(f"{folder}/file", "w") as file:  # noqa: PTH123
        file.write("content")
    fd = os.open(f"{folder}/counts", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 4096)
    counts = mmap.mmap(fd, 4096)
    for number in range(processes):
        if os.fork() == 0:
            os.write(1, f"{work(number, folder, counts)}\n".encode())
            os._exit(0)
    for _ in range(processes):
        os.wait()


main()
