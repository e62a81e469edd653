"""What a file held right before it may be written over is copied while its caller is held, or it is said why not."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from observed import kill, wait_for

from whence.answerer.pool import PAGE, Pool

SMALL = 1 << 20
PYTHON = [sys.executable, "-I", "-c"]

MMAP = "import mmap\nf = open('a', 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close(); m[0:3] = b'new'; m.flush()"
WRITERS = {
    "Python, r+": [*PYTHON, "open('a', 'r+').write('new')"],
    "Python, emptied": [*PYTHON, "open('a', 'w').write('new')"],
    "a mapping": [*PYTHON, MMAP],
    "os.truncate": [*PYTHON, "import os; os.truncate('a', 2)"],
    "creat": [*PYTHON, "import ctypes; ctypes.CDLL(None).creat(b'a', 0o644)"],
    "a folder's descriptor": [
        *PYTHON, "import os; os.open('a', os.O_WRONLY, dir_fd=os.open('.', os.O_RDONLY | os.O_DIRECTORY))",
    ],
    "a link": ["sh", "-c", "ln -s a l; echo new > l"],
    "a descriptor of its own": ["sh", "-c", "exec 3< a; echo new > /proc/self/fd/3"],
    "a shell's >": ["sh", "-c", "echo new > a"],
    "a shell's >>": ["sh", "-c", "echo new >> a"],
    "dd conv=notrunc": ["dd", "if=/dev/zero", "of=a", "bs=1", "count=3", "conv=notrunc", "status=none"],
    "truncate": ["truncate", "-s", "0", "a"],
    "cp": ["sh", "-c", "echo new > b; cp b a"],
    "tee": ["sh", "-c", "echo new | tee a"],
    "awk": ["awk", "BEGIN { print 1 > \"a\" }"],
}  # fmt: skip


def sha(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def kept(observed: Any) -> dict[str, str]:
    """By name: digests, or why there are none."""
    return {os.fsdecode(os.path.basename(one.path)): one.preimage or one.because for one in observed.preimages}


@pytest.mark.parametrize("command", WRITERS.values(), ids=WRITERS.keys())
def test_whatever_writes_over_a_file_its_bytes_before_are_kept(observed: Any, command: list[str]) -> None:
    content = random.Random(1).randbytes(30_000)
    (observed.work / "a").write_bytes(content)
    before = (observed.work / "a").stat()
    done = observed.run(*command)
    assert (done.returncode, done.stderr) == (0, b"")
    (told,) = [one for one in observed.preimages if one.identity[:2] == [before.st_dev, before.st_ino]]
    assert (told.preimage, told.because) == (sha(content), "")
    assert told.identity[3:] == [before.st_size, before.st_mtime_ns, before.st_ctime_ns]
    assert (observed.work / "a").stat().st_ctime_ns != before.st_ctime_ns or "dir_fd" in command[-1]
    assert observed.observation["gaps"] == []


def test_a_database_that_is_updated_is_kept_as_it_was(observed: Any) -> None:
    with sqlite3.connect(observed.work / "d.db") as database:
        database.execute("create table t (x)")
    database.close()
    before = (observed.work / "d.db").read_bytes()
    update = "import sqlite3; d = sqlite3.connect('d.db'); d.execute('insert into t values (1)'); d.commit()"
    assert observed.run(*PYTHON, update).returncode == 0
    assert (observed.work / "d.db").read_bytes() != before
    assert kept(observed) == {"d.db": sha(before)}


@pytest.mark.parametrize("command", ["echo new > a", "dd if=/dev/zero of=a count=1 conv=notrunc status=none"])
def test_a_file_up_to_a_mebibyte_is_copied_and_a_larger_one_told_of(observed: Any, command: str) -> None:
    whole = bytes(range(256)) * (SMALL // 256)
    (observed.work / "a").write_bytes(whole)
    assert observed.run("sh", "-c", command).returncode == 0
    assert kept(observed) == {"a": sha(whole)}
    (observed.work / "a").write_bytes(whole * 5)
    assert observed.run("sh", "-c", command).returncode == 0
    (said,) = kept(observed).values()
    assert said.startswith(f"it has {5 * SMALL} bytes, more than are copied ({SMALL}), and it")


QUIET = {
    "to read": "cat a; : < a",
    "what is empty": "echo x > empty",
    "what is not there": "echo x > new; echo y >> new; echo z > new",
    "to make it, which fails": "set -C; echo x > a || true",
    "a pipe": "mkfifo p; cat p & echo x > p; wait",
    "a folder, a device": "(echo x > .) 2>&-; echo x > /dev/null",
}


@pytest.mark.parametrize("script", QUIET.values(), ids=QUIET.keys())
def test_what_cannot_be_lost_is_not_copied(observed: Any, script: str) -> None:
    (observed.work / "a").write_text("content")
    (observed.work / "empty").touch()
    observed.run("sh", "-c", script)
    assert kept(observed) == {}


def test_only_the_first_open_of_a_file_has_it_copied_whatever_its_name_is(observed: Any) -> None:
    (observed.work / "a").write_text("first")
    observed.run("sh", "-c", "echo x >> a; echo y >> a; ln a b; echo z > b; mv b c; truncate -s 1 c")
    assert kept(observed) == {"a": sha(b"first")}


def test_two_writers_at_once_have_the_bytes_from_before_both(observed: Any) -> None:
    (observed.work / "a").write_bytes(b"content" * 1000)
    script = "for n in 1 2 3 4 5 6 7 8; do (echo $n >> a) & done; wait"
    assert observed.run("sh", "-c", script).returncode == 0
    assert kept(observed) == {"a": sha(b"content" * 1000)}


@pytest.mark.skipif(os.geteuid() != 0, reason="others may not write there")
def test_files_that_are_the_kernels_own_are_not_read(observed: Any) -> None:
    place = "/sys/kernel/mm/transparent_hugepage/enabled"
    if not Path(place).exists():
        pytest.skip("this kernel has no such file")
    observed.run("sh", "-c", f": >> {place}")
    assert kept(observed) == {"enabled": "it lies on a file system that holds no files at rest"}


def test_what_may_not_be_read_is_written_all_the_same(observed: Any) -> None:
    (observed.work / "a").write_text("content")
    patch = """
from whence.answerer import preimages
def refused(named):
    raise PermissionError(13, "Permission denied")
preimages._open_to_read = refused
"""
    assert observed.run_patched(patch, "sh", "-c", "echo x > a").returncode == 0
    assert kept(observed) == {"a": "it could not be read: Permission denied"}


def test_a_file_that_somebody_else_changes_meanwhile_is_not_taken_for_what_it_was(observed: Any) -> None:
    (observed.work / "a").write_text("content")
    patch = f"""
from whence.answerer import preimages
def opened(named, real=preimages._open_to_read):
    fd = real(named)
    with open({str(observed.work / "a")!r}, "a") as other:
        other.write("more")
    return fd
preimages._open_to_read = opened
"""
    done = observed.run_patched(patch, "sh", "-c", "echo x > a")
    assert done.returncode == 0
    assert kept(observed) == {"a": "it was changed by somebody else while it was copied"}


def test_where_nobody_digests_in_time_there_is_no_room_and_nobody_waits(observed: Any) -> None:
    for n in range(20):
        (observed.work / f"{n}").write_text(f"content {n}")
    patch = f"""
from whence.answerer import pool
from whence.recorder import listening
listening.Pool = lambda: pool.Pool(4 * {PAGE})
supervise.Notes.take = lambda self, records, real=supervise.Notes.take: held.extend(records)
supervise.Notes.observed = lambda self, told, real=supervise.Notes.observed: (take(self, held), real(self, told))
"""
    patch = f"held = []\ntake = supervise.Notes.take\n{patch}"
    done = observed.run_patched(patch, "sh", "-c", "for n in $(seq 0 19); do echo x > $n; done")
    assert done.returncode == 0
    told = kept(observed)
    assert {name: told[name] for name in "0123"} == {f"{n}": sha(b"content %d" % n) for n in range(4)}
    assert {told[f"{n}"] for n in range(4, 20)} == {"too many others waited to be digested"}


def test_a_small_pool_is_enough_where_it_is_read(observed: Any) -> None:
    for n in range(60):
        (observed.work / f"{n}").write_text(f"content {n}")
    small = f"listening.Pool = lambda: pool.Pool(4 * {PAGE})"
    patch = f"from whence.answerer import pool\nfrom whence.recorder import listening\n{small}"
    script = "for n in $(seq 0 59); do echo x > $n; sleep 0.1; done"
    assert observed.run_patched(patch, "sh", "-c", script).returncode == 0
    told = kept(observed)
    assert {f"{n}" for n in range(60) if told[f"{n}"] == sha(b"content %d" % n)} >= set("0123")
    assert set(told.values()) <= {sha(b"content %d" % n) for n in range(60)} | {"too many others waited to be digested"}
    assert len([one for one in told.values() if one.startswith("sha256:")]) > 4


# Kills.

MOMENTS = {
    "before it is put": ("Pool", "put", "before"),
    "before it is told": ("Pool", "put", "after"),
    "after it is told": ("PreImages", "_tell", "after"),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
def test_a_kill_at_any_moment_of_a_copy_costs_neither_the_call_nor_the_bytes(
    observed: Any, moment: tuple[str, str, str]
) -> None:
    names, method, when = moment
    for name in "abc":
        (observed.work / name).write_text(f"content of {name}")
    patch = f"""
import os, signal
from whence.answerer.pool import Pool
from whence.answerer.preimages import PreImages
real = {names}.{method}
times = []
def fatal(self, *words):
    times.append(1)
    if {when == "after"}: real(self, *words)
    try:
        os.close(os.open({str(observed.work / "died")!r}, os.O_CREAT | os.O_EXCL)) if len(times) == 2 else None
    except FileExistsError:
        pass
    else:
        os.kill(os.getpid(), signal.SIGKILL) if len(times) == 2 else None
    if {when == "before"}: real(self, *words)
{names}.{method} = fatal
"""
    done = observed.run_patched(patch, "sh", "-c", "echo x > a; echo y > b; echo z > c; exit 5")
    assert (done.returncode, done.stderr) == (5, b"")
    assert (observed.work / "died").exists()
    assert kept(observed) == {name: sha(b"content of " + name.encode()) for name in "abc"}
    assert [observed.ops(observed.work / name) for name in "abc"] == [["create"]] * 3
    assert observed.observation["gaps"] == ["answerer died"]


OVERWRITING = """
import os, sys, time
first, step, most = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for n in range(first, most, step):
    flags = (os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND)[n // step % 3]
    fd = os.open(f"f{n}", flags)
    os.write(fd, b"written over" * 50)
    os.close(fd)
    open(f"f{n}", "a").close()
    time.sleep(0.001)
print("ok")
"""


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_kills_under_load_neither_stop_a_writer_nor_mix_up_bytes(observed: Any, watchers: Any, kills: int) -> None:
    files = 150 * kills
    chance = random.Random(kills)
    truth: dict[tuple[int, ...], str] = {}
    for n in range(files):
        path, content = observed.work / f"f{n}", chance.randbytes(chance.randrange(1, 12_000))
        path.write_bytes(content)
        stat = path.stat()
        truth[stat.st_dev, stat.st_ino, stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] = sha(content)
    (observed.work / "s.py").write_text(OVERWRITING)
    script = f"for n in 0 1 2; do {sys.executable} -I s.py $n 3 {files} & done; wait"
    process = observed.start("sh", "-c", script, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: (observed.work / "f0").read_bytes().startswith(b"written"))
    died = 0
    while died < kills and process.poll() is None:
        both = wait_for(lambda: process.poll() is not None or (p if len(p := watchers.pids()) == 2 else None))
        if isinstance(both, dict):
            kill(both[("answerer", "standby")[died % 2]])
            died += 1
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (0, b"ok\n" * 3, b"")
    told = {tuple(one.identity): one.preimage for one in observed.preimages if one.preimage}
    assert {key: told.get(key) for key in truth} == truth
    assert "answerer died" in observed.observation["gaps"]


def test_when_the_recorder_is_killed_nothing_is_copied_any_more(observed: Any) -> None:
    reader, writer = os.pipe()
    from whence.answerer.post import Post
    from whence.answerer.ring import Ring
    from whence.answerer.syscalls import MACHINES

    clones = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    post = Post(MACHINES[os.uname().machine], Ring(4096), Pool(PAGE), clones, writer)
    assert post.is_read()
    os.close(reader)
    assert not post.is_read()
    post.close()


def test_what_outlives_the_recorder_writes_over_files_as_it_would(observed: Any) -> None:
    (observed.work / "a").write_text("content")
    script = "echo $PPID > above; while [ ! -e go ]; do sleep 0.01; done; echo x >> a; echo done > end"
    process = observed.start("sh", "-c", script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: (observed.work / "above").exists() and (observed.work / "above").read_text().strip())
    keeper = next(
        int(place.name)
        for place in Path("/proc").glob("[0-9]*")
        if (place / "stat").exists() and (place / "stat").read_text().rpartition(")")[2].split()[1] == str(process.pid)
        and os.getpgid(int(place.name)) == int(place.name)
    )  # fmt: skip
    os.kill(keeper, signal.SIGKILL)
    (observed.work / "go").touch()
    wait_for((observed.work / "end").exists)
    process.wait(60)
    assert (observed.work / "a").read_text() == "contentx\n"
