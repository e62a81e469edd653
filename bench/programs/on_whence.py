"""The work of the benchmark with whence, in process."""

import os
import signal
import sys

import whence


def trivial() -> None:
    with whence.start():
        print("done")


def points(count: int) -> None:
    with whence.start() as run:
        for step in range(count):
            run.log({"loss": 1 / (step + 1)}, step=step)
        os.kill(os.getpid(), signal.SIGKILL)


def many(count: int) -> None:
    for _ in range(count):
        with whence.start():
            pass


VERBS = {"trivial": trivial, "points": points, "many": many}

if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    VERBS[verb](*map(int, rest))
