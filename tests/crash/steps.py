"""Run in a process of its own: records one run again and again, killed after its first, second, third … system call.

`python steps.py FOLDER` makes FOLDER/<n>/ for each n with the store of a writer that SIGKILLed itself right after its
n-th call that changes the disk, `milestones` (what it had finished) and `synced` (how much of each file was flushed);
the last n is the one that came to its end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import stored

from whence.digests import digest_of
from whence.records.act import Act, Actor, Subject
from whence.records.data import Artifact
from whence.records.encoding import timestamp
from whence.records.events import ArtifactProduced, NoteAdded, RunSealed, RunStarted
from whence.store.acts import write_act
from whence.store.objects import put_bytes, sync_objects
from whence.store.points import PointsWriter
from whence.system.processes import identity

CALLS = ("write", "open", "mkdir", "rename", "link", "symlink", "unlink", "rmdir", "fsync", "ftruncate", "chmod")

_write, _open, _fsync = os.write, os.open, os.fsync

Work = Callable[[Path, Callable[[str], None]], None]
"""What is done in a folder; it calls back after each step that a reader must then see."""


def record(folder: Path, done: Callable[[str], None]) -> None:
    """A whole run, step by step; `done` is called after each step that a reader must then see."""
    store = stored.a_store(folder / ".whence")
    done("store")
    run = stored.an_id()
    writer = stored.open_writer(store, run)
    writer.append(stored.created(run))
    done("created")
    digest = put_bytes(store, b"weights" * 100)
    done("object")
    writer.append(RunStarted(process=identity()))
    writer.sync()
    done("started")
    points = PointsWriter.create(store.run_folder(run), "main")
    for step in range(3):
        points.write({"loss": 1.0}, step, 1.0)
        done("point")
        writer.append(NoteAdded(text=f"note {step}"))
        done("note")
    writer.append(
        ArtifactProduced(artifact=Artifact(name="m", path="m", digest=digest_of(b"weights" * 100), size=700, kept=True))
    )
    writer.append(stored.ended())
    done("ended")
    sync_objects(store, [digest])
    writer.append(RunSealed())
    stored.seal(store, run)
    done("sealed")
    writer.close()
    act = Act(id=stored.an_id(), kind="note", at=timestamp(time.time_ns()), subject=Subject(run=run), by=Actor())
    write_act(store, act)
    done("act")


def killed_after(number: int, folder: Path, work: Work) -> None:
    """Count the calls that change the disk, and die right after the one with this number."""
    left = number
    log = _open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def counted(name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def wrapper(*args: Any, **named: Any) -> Any:
            nonlocal left
            if name == "open" and not args[1] & os.O_CREAT:
                return call(*args, **named)
            result = call(*args, **named)
            if name == "fsync":
                path = os.readlink(f"/proc/self/fd/{args[0]}")
                _write(log, json.dumps(["synced", path, os.fstat(args[0]).st_size]).encode() + b"\n")
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapper

    for name in CALLS:
        setattr(os, name, counted(name))
    work(folder, lambda what: _write(log, json.dumps(["done", what]).encode() + b"\n") and None)


def main(folder: Path, work: Work = record) -> None:
    # Once without harm, so that no import of a killed one counts.
    (folder / "0").mkdir()
    work(folder / "0", lambda what: None)
    for number in range(1, 10_000):
        place = folder / str(number)
        place.mkdir()
        child = os.fork()
        if child == 0:
            killed_after(number, place, work)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
