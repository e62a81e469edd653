"""Stores and runs for the tests of `store`: made with its own writers, without a command."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from whence.digests import digest_of
from whence.ids import new_id
from whence.records.act import Act
from whence.records.checked import encode_checked
from whence.records.encoding import decode, encode, timestamp
from whence.records.events import Event, NoteAdded, RunCreated, RunEnded, RunSealed, RunStarted
from whence.records.run import Host, Process, User
from whence.records.seal import Seal
from whence.rules.fold import fold
from whence.store.journal import JournalWriter
from whence.store.layout import Store, create_store
from whence.store.pack_writer import PackWriter
from whence.store.points import PointsWriter
from whence.store.run_files import FolderFiles
from whence.store.run_fold import by_writer, read_journals, read_metrics
from whence.store.seal import close_run, measure
from whence.system.files import make_folders
from whence.system.processes import identity


def a_store(path: Path) -> Store:
    return create_store(path, now_ns=time.time_ns(), random=os.urandom(10))


def an_id(seconds: float | None = None) -> str:
    return new_id(int((time.time() if seconds is None else seconds) * 1000), os.urandom(10))


def forge(act: Path, **fields: object) -> None:
    """Change what the body of an act says, under all its names, with the check that its bytes have then."""
    found = decode(act.read_bytes(), Act, where=act.name)
    act.chmod(0o644)
    act.write_bytes(encode_checked(replace(found, body={**found.body, **fields})))


def follow(act: Path, before: Path) -> None:
    """Let an act say that it follows another one, as that is now."""
    found = decode(act.read_bytes(), Act, where=act.name)
    act.write_bytes(encode_checked(replace(found, prior=[digest_of(before.read_bytes())])))


def a_pack(store: Store, *contents: bytes) -> Path:
    """A pack of these objects; where it lies."""
    writer = PackWriter(store, an_id())
    for data in contents:
        writer.add(digest_of(data), data)
    return writer.finish()


def pack_everything(store: Store) -> Path:
    """Put every object into one pack, and remove the files that they were."""
    files = sorted(path for path in store.objects.rglob("*") if path.is_file())
    pack = a_pack(store, *(file.read_bytes() for file in files))
    for file in files:
        file.unlink()
    return pack


def created(run: str, process: Process | None = None) -> RunCreated:
    return RunCreated(
        id=run,
        command=["true"],
        cwd="/",
        mode="command",
        host=Host(name="lab"),
        user=User(name="ada"),
        process=process or identity(host=os.uname().nodename),
        recorder="whence 0, CPython 3",
    )


def ended() -> RunEnded:
    return RunEnded(status="succeeded", exit_code=0, duration=0.5)


def open_writer(store: Store, run: str, writer: str = "main") -> JournalWriter:
    make_folders(store.run_folder(run))
    return JournalWriter.create(store.run_folder(run), writer, time.time_ns)


def record_of(folder: Path) -> bytes:
    files = FolderFiles(folder)
    names = files.names()
    folded = fold(by_writer(read_journals(files, names, None)), metrics=read_metrics(files, names, None))
    assert folded is not None
    return encode(folded.record) + b"\n"


def seal(store: Store, run: str, status: str = "succeeded") -> str:
    return seal_folder(store.run_folder(run), run, status)


def seal_folder(folder: Path, run: str, status: str = "succeeded") -> str:
    files, journals = measure(folder)
    draft = Seal(run=run, at=timestamp(time.time_ns()), status=status, code_digest=None, files=files, journals=journals)
    return close_run(folder, draft, record_of(folder))


def a_sealed_run(store: Store, *events: Event, run: str = "", points: Sequence[float] = (0.5, 0.25)) -> str:
    """A run with a journal, points and printed output, sealed; its id."""
    run = run or an_id()
    with_points = bool(points)
    writer = open_writer(store, run)
    writer.append(created(run))
    writer.append(RunStarted(process=identity()))
    for event in events or (NoteAdded(text="warm-up off"),):
        writer.append(event)
    if with_points:
        log = PointsWriter.create(store.run_folder(run), "main")
        for step, value in enumerate(points):
            log.write({"loss": value}, step, 1795243229.12 + step)
        log.close()
    (store.run_folder(run) / "output.log").write_bytes(b"epoch 1\nepoch 2\n")
    writer.append(ended())
    writer.append(RunSealed())
    writer.close()
    seal(store, run)
    return run
