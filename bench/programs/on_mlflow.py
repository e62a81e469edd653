"""The work of the benchmark with mlflow and its SQLite store."""

import os
import signal
import sqlite3
import sys

if not sys.argv[1].startswith("count"):
    import mlflow

    mlflow.set_tracking_uri("sqlite:///mlflow.db")


def trivial() -> None:
    with mlflow.start_run():
        print("done")


def points(count: int) -> None:
    with mlflow.start_run():
        for step in range(count):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        os.kill(os.getpid(), signal.SIGKILL)


def many(count: int) -> None:
    for _ in range(count):
        with mlflow.start_run():
            pass


def data(path: str) -> None:
    with mlflow.start_run():
        (mlflow.log_artifacts if os.path.isdir(path) else mlflow.log_artifact)(path)


def count_points() -> None:
    print(sqlite3.connect("mlflow.db").execute("select count(*) from metrics").fetchone()[0])


def count_runs() -> None:
    print(sqlite3.connect("mlflow.db").execute("select count(*) from runs where status = 'FINISHED'").fetchone()[0])


VERBS = {
    "trivial": trivial,
    "points": points,
    "many": many,
    "data": data,
    "count_points": count_points,
    "count_runs": count_runs,
}

if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    VERBS[verb](*(int(a) if a.isdigit() else a for a in rest))
