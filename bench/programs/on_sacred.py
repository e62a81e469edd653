"""The work of the benchmark with sacred and its file observer."""

import json
import os
import signal
import sys
from pathlib import Path

from sacred import Experiment
from sacred.observers import FileStorageObserver


def experiment(main) -> Experiment:
    made = Experiment("bench", save_git_info=True)
    made.observers.append(FileStorageObserver("sacred"))
    made.captured_out_filter = None
    made.main(main)
    return made


def trivial() -> None:
    experiment(lambda: print("done")).run()


def points(count: int) -> None:
    def main(_run) -> None:
        for step in range(count):
            _run.log_scalar("loss", 1 / (step + 1), step)
        os.kill(os.getpid(), signal.SIGKILL)

    experiment(main).run()


def many(count: int) -> None:
    for _ in range(count):
        experiment(lambda: None).run()


def count_points() -> None:
    files = Path("sacred").glob("*/metrics.json")
    print(sum(len(m["values"]) for f in files for m in json.loads(f.read_text()).values()))


def count_runs() -> None:
    runs = [f for f in Path("sacred").glob("*/run.json") if json.loads(f.read_text())["status"] == "COMPLETED"]
    print(len(runs))


VERBS = {"trivial": trivial, "points": points, "many": many, "count_points": count_points, "count_runs": count_runs}

if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    VERBS[verb](*map(int, rest))
