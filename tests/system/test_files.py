"""Files appear whole or not at all; digests are those of sha256sum; file systems are told apart."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.digests import digest_of
from whence.system.files import copy_new, hash_file, make_folders, write_new, write_whole
from whence.system.mounts import file_system, find_mount


def test_a_file_is_put_over_another_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, b"one")
    first = path.stat().st_ino
    write_whole(path, b"two", sync=True)
    assert path.read_bytes() == b"two" and path.stat().st_ino != first
    assert os.listdir(tmp_path) == ["a"]


def test_modes_respect_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", b"")
        write_new(tmp_path / "b", b"", mode=0o600)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"] == [0o640, 0o600]


def test_of_many_threads_one_creates_the_file(tmp_path: Path) -> None:
    won: list[int] = []
    start = threading.Barrier(16)

    def claim(number: int) -> None:
        start.wait()
        if write_new(tmp_path / "a", b"%d" % number):
            won.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and (tmp_path / "a").read_bytes() == b"%d" % won[0]
    assert os.listdir(tmp_path) == ["a"]


def test_where_links_are_refused_creation_is_exclusive_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert write_new(tmp_path / "a", b"one") is True
    assert write_new(tmp_path / "a", b"two") is False
    assert (tmp_path / "a").read_bytes() == b"one" and os.listdir(tmp_path) == ["a"]


SMALL = 256 << 10

FULL = """
import os, sys
from pathlib import Path
import stored
from whence.errors import StoreError
from whence.records.events import NoteAdded, RunStarted
from whence.store.journal import JournalLost
from whence.store.objects import put_bytes, put_file
from whence.store.points import PointsWriter
from whence.system.files import (write_new, write_whole)
from whence.system.processes import identity
disk = Path(sys.argv[1])
store = stored.a_store(disk / ".whence")
run = stored.an_id()
writer = stored.open_writer(store, run)
points = PointsWriter.create(store.run_folder(run), "main")
writer.append(stored.created(run))
writer.append(RunStarted(process=identity()))
ballast = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT)
try:
    while os.write(ballast, bytes(4096)):
        pass
except OSError:
    pass
for act in (
    lambda: write_whole(disk / "whole", bytes(100_000)),
    lambda: write_new(disk / "new", bytes(100_000)),
    lambda: put_bytes(store, bytes(100_000)),
    lambda: put_file(store, sys.executable),
):
    try:
        act()
        raise SystemExit("the disk was to be full")
    except OSError:
        pass
lost = 0
for number in range(200):
    try:
        writer.append(NoteAdded(text="x" * 100))
    except JournalLost:
        lost += 1
    try:
        points.write({"a": 1.0}, number, 1.0)
    except OSError:
        lost += 1
assert lost
os.close(ballast)
os.unlink(disk / "ballast")
writer.append(NoteAdded(text="there is room again"))
points.write({"a": 2.0}, 1000, 1.0)
writer.append(stored.ended())
stored.seal(store, run)
print(run)
"""


@pytest.mark.scenario("I2", "I11")
def test_a_full_disk_leaves_nothing_half_written_and_the_journal_goes_on(tmp_path: Path) -> None:
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", tmp_path], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("may not mount a small disk; a limit on file sizes stands for it in tests/store/test_journal.py")
    try:
        environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath}
        argv = [sys.executable, "-c", FULL, tmp_path]
        done = subprocess.run(argv, capture_output=True, text=True, env=environ, check=False)
        assert done.returncode == 0, done.stderr
        _reads_back(tmp_path / ".whence", done.stdout.strip())
        left = [path for path in tmp_path.rglob("*") if path.name.startswith(".tmp-") or path.parent == tmp_path]
        assert [path.name for path in left] == [".whence"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def _reads_back(path: Path, run_id: str) -> None:
    from whence.store.check import check_store
    from whence.store.layout import open_store
    from whence.store.runs import load_run

    store = open_store(path)
    assert check_store(store).damage == ()
    run = load_run(store, run_id)
    assert run.faults == ()
    assert run.record.notes[-1].text == "there is room again"
    assert run.record.metrics["a"].last == 2.0
    assert run.record.losses, "the cut journal is stated"


@given(data=st.binary(max_size=3000))
def test_a_digest_is_that_of_the_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("hash") / "a"
    path.write_bytes(data)
    hashed = hash_file(path)
    assert (hashed.digest, hashed.size, hashed.changed) == (digest_of(data), len(data), False)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real").write_bytes(b"x")
    for name in ("fifo", ".", "not there"):
        with pytest.raises(OSError):
            hash_file(tmp_path / name)
    with pytest.raises(OSError):
        hash_file(tmp_path / "link", follow=False)
    assert hash_file(tmp_path / "link").digest == digest_of(b"x")


def test_a_file_that_never_holds_still_is_said_to_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"start")
    read = os.read

    def read_and_grow(fd: int, size: int) -> bytes:
        data = read(fd, size)
        with path.open("ab") as stream:
            stream.write(b"more")
        return data

    monkeypatch.setattr(os, "read", read_and_grow)
    assert hash_file(path).changed


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x")
    with pytest.raises(FileExistsError):
        copy_new(tmp_path / "there", tmp_path / "there")
    with pytest.raises(OSError, match="not a regular file"):
        copy_new(tmp_path, tmp_path / "copy")
    assert os.listdir(tmp_path) == ["there"]


def test_folders_below_a_shared_one_are_shared(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team").chmod(0o2775)
    for base in ("team", "own"):
        make_folders(tmp_path / base / "a" / "b")
    assert stat.S_IMODE((tmp_path / "team/a/b").stat().st_mode) & 0o2070 == 0o2070
    assert stat.S_IMODE((tmp_path / "own/a/b").stat().st_mode) & 0o2020 == 0


MOUNTS = b"""\
21 1 254:0 / / rw - ext4 /dev/vda rw
30 21 0:30 / /home rw - nfs4 server:/home rw,vers=4.2
31 21 0:31 / /old rw - nfs server:/old rw,vers=3,local_lock=all
32 21 0:32 / /my\\040disk rw - xfs /dev/vdb rw
33 21 0:33 / /lustre rw shared:7 - lustre mgs:/fs rw,flock
34 30 0:34 / /home/ada/remote rw - fuse.sshfs ada@lab: rw
35 21 0:35 / /scratch rw - lustre mgs:/fs rw,localflock
"""

KINDS = {
    "/": ("ext4", False, False),
    "/homework": ("ext4", False, False),
    "/home/ada": ("nfs4", True, True),
    "/home/ada/remote/x": ("fuse.sshfs", True, False),
    "/old/x": ("nfs", True, False),
    "/my disk/x": ("xfs", False, False),
    "/lustre/x": ("lustre", True, True),
    "/scratch/x": ("lustre", True, False),
}


@pytest.mark.scenario("V2")
@pytest.mark.parametrize("path", KINDS)
def test_the_file_system_under_a_path_is_known(path: str) -> None:
    found = find_mount(MOUNTS, path)
    assert (found.kind, found.network, found.shared_locks) == KINDS[path]


def test_the_file_system_of_this_folder_is_local(tmp_path: Path) -> None:
    assert not file_system(tmp_path).network and file_system(tmp_path / "not there yet").kind != "unknown"


def test_a_folder_that_is_removed_the_moment_it_was_there_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a" / "b"
    path.mkdir(parents=True)
    mkdir = os.mkdir

    def racing(wanted: Path | str) -> None:
        try:
            mkdir(wanted)
        except FileExistsError:
            if path.exists():
                path.rmdir()
                path.parent.rmdir()
            raise

    monkeypatch.setattr(os, "mkdir", racing)
    make_folders(path)
    assert path.is_dir()
