"""The work of the benchmark with wandb, offline."""

import os
import signal
import sys
from pathlib import Path

import wandb


def start():
    return wandb.init(mode="offline", project="bench", dir=".", settings=wandb.Settings(silent=True))


def trivial() -> None:
    run = start()
    print("done")
    run.finish()


def points(count: int) -> None:
    run = start()
    for step in range(count):
        run.log({"loss": 1 / (step + 1)}, step=step)
    os.kill(os.getpid(), signal.SIGKILL)


def many(count: int) -> None:
    for _ in range(count):
        start().finish()


def data(path: str) -> None:
    run = start()
    artifact = wandb.Artifact("data", type="dataset")
    (artifact.add_dir if Path(path).is_dir() else artifact.add_file)(path)
    run.log_artifact(artifact)
    run.finish()


def count_runs() -> None:
    print(len(list(Path("wandb").glob("offline-run-*/run-*.wandb"))))


VERBS = {"trivial": trivial, "points": points, "many": many, "data": data, "count_runs": count_runs}

if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    VERBS[verb](*(int(a) if a.isdigit() else a for a in rest))
