"""Makes stores of very many runs through the real record format, for what is asked of many: `make(path, count)`.

Each run has 20 parameters, 10 metrics, 5 tags, a purpose, a note, an input and an artifact. The lineage is that of a
project: a run in ten prepares data, the others train on the latest that were prepared, and now and then one reports on
models. One in a hundred failed. Writers are those of whence, without waiting for the disk.
"""

from __future__ import annotations

import os
import random
import sys
import time
from hashlib import sha256
from pathlib import Path

from whence.digests import digest_of
from whence.ids import new_id
from whence.records.code import Code
from whence.records.configuration import Configuration
from whence.records.data import Artifact, Input
from whence.records.encoding import encode, timestamp
from whence.records.environment import Environment, Package, Python
from whence.records.events import (
    ArtifactProduced,
    CodeCaptured,
    ConfigResolved,
    EnvironmentCaptured,
    Event,
    InputDeclared,
    NoteAdded,
    RunCreated,
    RunEnded,
    RunSealed,
    RunStarted,
)
from whence.records.run import Error, Host, Process, User
from whence.records.seal import Seal
from whence.rules.fold import fold
from whence.store.journal import JournalWriter
from whence.store.layout import Store, create_store
from whence.store.objects import put_bytes
from whence.store.points import PointsWriter
from whence.store.run_files import FolderFiles
from whence.store.run_fold import by_writer, read_journals, read_metrics
from whence.store.seal import close_run, measure
from whence.system.files import make_folders

DAYS = 365
PROCESS = Process(pid=1, start=1, boot_id="boot", pid_namespace="pid:[1]", host="lab")
PACKAGES = [Package(name=f"package-{n}", version=f"1.{n}.0") for n in range(60)] + [
    Package(name="torch", version="2.4")
]
PARAMETERS = [f"p{n}" for n in range(18)]
METRICS = [f"m{n}" for n in range(9)]
WORDS = ("warm-up", "decay", "baseline", "overfit", "augmentation", "ablation", "dropout", "curriculum")


class Maker:
    """Makes run after run, from the oldest on; the same seed makes the same runs but for their hosts' clocks."""

    def __init__(self, store: Store, count: int, seed: int) -> None:
        self.store = store
        self.count = count
        self.random = random.Random(seed)
        self.data = [digest_of(b"raw")]
        self.models: list[str] = []
        self.environment = put_bytes(store, encode({"schema": "whence-environment/1", "packages": PACKAGES}))
        self.start = time.time() - DAYS * 86400

    def run(self, number: int) -> str:
        """Make one run; its id."""
        at = self.start + (number + 1) * DAYS * 86400 / (self.count + 1)
        run = new_id(int(at * 1000), self.random.randbytes(10))
        folder = self.store.run_folder(run)
        make_folders(folder)
        failed = self.random.random() < 0.01
        writer = JournalWriter.create(folder, "main", lambda: int(at * 1e9))
        for event in self.events(run, number, failed):
            writer.append(event)
        points = PointsWriter.create(folder, "main")
        for step in range(2):
            points.write({"acc": self.random.random(), **{name: self.random.gauss(0, 1) for name in METRICS}}, step, at)
        points.close()
        writer.append(RunSealed())
        writer.close()
        self.seal(folder, run, "failed" if failed else "succeeded", at)
        return run

    def events(self, run: str, number: int, failed: bool) -> list[Event]:
        choose = self.random
        kind = "prepare" if number % 10 == 0 else "report" if number % 25 == 1 and self.models else "train"
        values = {name: round(choose.random(), 3) for name in PARAMETERS}
        values |= {"lr": choose.choice([0.1, 0.01, 0.001]), "optim": {"name": choose.choice(["adam", "sgd"])}}
        made = f"sha256:{sha256(f'{run}'.encode()).hexdigest()}"
        given = self.models[-1] if kind == "report" else choose.choice(self.data[-5:])
        (self.data if kind == "prepare" else self.models).append(made)
        tree = sha256(str(number // 20).encode()).hexdigest()[:40]
        error = Error(type="RuntimeError", message="CUDA out of memory: tried to allocate 2 GiB") if failed else None
        return [
            RunCreated(
                id=run, name=f"{kind}-{number}", command=["python", f"{kind}.py", "--lr", str(values["lr"])],
                cwd="/home/ada/project", mode="command", host=Host(name="lab"), user=User(name="ada"), process=PROCESS,
                recorder="whence 0, CPython 3", purpose=" ".join(choose.choices(WORDS, k=4)),
                tags={"kind": kind, "fold": str(number % 5), "group": f"g{number % 40}", "paper": "", "seed": "1"},
            ),
            CodeCaptured(
                code=Code(vcs="git", root="/home/ada", id=f"git-tree:{tree}", tree=tree, commit=tree, dirty=False)
            ),
            EnvironmentCaptured(
                environment=Environment(
                    fingerprint=self.environment, hardware_class="x86_64",
                    python=Python(version="3.11.7", implementation="CPython", executable="python", prefix="/usr"),
                )
            ),
            InputDeclared(
                input=Input(name="data", path="data/in.parquet", kind="file", digest=given, size=1000, changed="no")
            ),
            ConfigResolved(config=Configuration(values=values, origins=dict.fromkeys(values, "command_line"))),
            RunStarted(process=PROCESS),
            NoteAdded(text=f"note {number}: {choose.choice(WORDS)}"),
            ArtifactProduced(
                artifact=Artifact(
                    name="out", path=f"out/{kind}-{number}.bin", digest=made, size=number,
                    kind={"prepare": "dataset", "report": "report"}.get(kind, "model"),
                )
            ),
            RunEnded(
                status="failed" if failed else "succeeded", exit_code=int(failed), error=error,
                duration=choose.expovariate(1 / 600),
            ),
        ]  # fmt: skip

    def seal(self, folder: Path, run: str, status: str, at: float) -> None:
        names = (files := FolderFiles(folder)).names()
        folded = fold(by_writer(read_journals(files, names, None)), metrics=read_metrics(files, names, None))
        assert folded is not None
        record = folded.record
        if record.environment is not None:
            record = _with_packages(record)
        measured, journals = measure(folder)
        seal = Seal(
            run=run, at=timestamp(int(at * 1e9)), status=status, code_digest=None, files=measured, journals=journals
        )
        close_run(folder, seal, encode(record) + b"\n")


def _with_packages(record):
    import msgspec

    environment = msgspec.structs.replace(record.environment, packages=PACKAGES)
    return msgspec.structs.replace(record, environment=environment)


def make(path: Path, count: int, *, seed: int = 1) -> Store:
    """A store of so many runs, spread over a year."""
    os.fsync = lambda fd: None  # What a power cut would do to them does not matter here.
    store = create_store(path, now_ns=time.time_ns(), random=os.urandom(10))
    maker = Maker(store, count, seed)
    for number in range(count):
        maker.run(number)
    return store


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
