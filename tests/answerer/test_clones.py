"""A large file that is about to be written over is cloned where its file system can: nothing waits, nothing is left."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from observed import Observed

SIZE = 3 << 20
CONTENT = random.Random(1).randbytes(SIZE)
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()

RESTED = "from whence.answerer import clones\nclones.RESTS = 0\n"
COPIED = """
def copied(clone, number, file):
    assert number == clones.FICLONE
    clones.os.sendfile(clone, file, 0, 1 << 30)
clones.fcntl = type("fcntl", (), {"ioctl": staticmethod(copied)})
"""
"""What a file system without reflinks can do instead, slowly."""


@pytest.fixture(params=["copied", "xfs"])
def able(request: pytest.FixtureRequest, observed: Observed, tmp_path: Path) -> Iterator[str]:
    """A patch with which `observed.work` lies where files can be cloned."""
    if request.param == "copied":
        yield RESTED + COPIED
        return
    image, place = tmp_path / "image", tmp_path / "xfs"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(320 << 20)
    if os.geteuid() != 0 or not shutil.which("mkfs.xfs"):
        pytest.skip("no file system with reflinks can be made")
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False, capture_output=True).returncode:
        pytest.skip("it cannot be mounted here")
    try:
        observed.work = place / "work"
        observed.work.mkdir()
        yield RESTED
        observed.close()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def kept(observed: Observed) -> dict[str, str]:
    return {os.fsdecode(os.path.basename(one.path)): one.preimage or one.because for one in observed.preimages}


def write(observed: Observed, *names: str) -> None:
    for name in names:
        (observed.work / name).write_bytes(CONTENT)


@pytest.mark.parametrize("command", ["echo new > a", "echo new >> a", "truncate -s 5 a", "ln -s a l; echo new > l"])
def test_its_bytes_before_are_known_and_nothing_is_left(observed: Observed, able: str, command: str) -> None:
    write(observed, "a")
    done = observed.run_patched(able, "sh", "-c", command)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (observed.work / "a").read_bytes() != CONTENT
    assert set(kept(observed).values()) == {DIGEST}
    assert set(os.listdir(observed.work)) <= {"a", "l"}


def test_more_than_wait_at_a_time_come_one_after_the_other(observed: Observed, able: str) -> None:
    names = [f"{n}" for n in range(12)]
    write(observed, *names)
    done = observed.run_patched(able, "sh", "-c", "for n in $(seq 0 11); do echo x >> $n; sleep 0.3; done")
    assert done.returncode == 0
    told = kept(observed)
    assert told.keys() == set(names)
    assert list(told.values()).count(DIGEST) > 4


REFUSED = {
    "it had been changed within the last minute, and may not be on the disk yet": "clones.RESTS = 60 * 10**9",
    "its file system has not the room to keep what was there as well": "clones.ROOM = 1 << 40",
    f"it has {SIZE} bytes, more than are cloned (1)": "clones.LARGEST = 1",
    "too many others waited to be digested": "clones.MOST = 0",
    "it could not be cloned: Input/output error": """
def failing(clone, number, file):
    raise OSError(5, "Input/output error")
clones.fcntl = type("fcntl", (), {"ioctl": staticmethod(failing)})""",
    "its file system cannot share blocks between files": """
def without(clone, number, file):
    raise OSError(95, "Operation not supported")
clones.fcntl = type("fcntl", (), {"ioctl": staticmethod(without)})""",
    "it was changed by somebody else while it was cloned": """
def changing(clone, number, file):
    with open("/proc/self/fd/%d" % file, "ab") as other:
        other.write(b"more")
clones.fcntl = type("fcntl", (), {"ioctl": staticmethod(changing)})""",
}


@pytest.mark.parametrize(("because", "patch"), REFUSED.items(), ids=REFUSED.keys())
def test_where_it_is_not_cloned_the_reason_is_said(observed: Observed, because: str, patch: str) -> None:
    write(observed, "a", "b")
    done = observed.run_patched(RESTED + COPIED + patch, "sh", "-c", "echo x >> a; echo x >> b")
    assert (done.returncode, done.stderr) == (0, b"")
    said = f"it has {SIZE} bytes, more than are copied ({1 << 20}), and {because}"
    assert kept(observed) == {"a": said, "b": said}


@pytest.mark.parametrize("moment", ["before it is sent", "after it was sent"])
def test_a_kill_around_the_sending_costs_neither_the_call_nor_the_bytes(
    observed: Observed, able: str, moment: str
) -> None:
    write(observed, "a", "b", "c")
    patch = f"""
import os, signal
sent = []
def fatal(self, clone, real=clones.Clones._send):
    sent.append(1)
    number = real(self, clone) if {moment.startswith("after")} else self._pool.next_clone(4)
    if len(sent) == 2 and not os.path.exists({str(observed.folder / "died")!r}):
        os.close(os.open({str(observed.folder / "died")!r}, os.O_CREAT))
        os.kill(os.getpid(), signal.SIGKILL)
    if {moment.startswith("before")}:
        self._pool.take_back_clone(number)
        number = real(self, clone)
    return number
clones.Clones._send = fatal
"""
    done = observed.run_patched(able + patch, "sh", "-c", "for n in a b c; do echo x >> $n; sleep 0.3; done; exit 5")
    assert (done.returncode, done.stderr) == (5, b"")
    assert (observed.folder / "died").exists()
    assert kept(observed) == dict.fromkeys("abc", DIGEST)
    assert observed.observation["gaps"] == ["answerer died"]


def test_the_record_has_the_digest_of_what_was_cloned(workplace: Any) -> None:
    (workplace.path / "large.bin").write_bytes(CONTENT)
    argv = ["run", "--policy", "untracked_limit=1MiB", "--", "sh", "-c", "printf x | dd of=large.bin conv=notrunc"]
    main = f"{RESTED}{COPIED}\nfrom whence.cli.main import main\nraise SystemExit(main({json.dumps(argv)}))"
    done = subprocess.run([sys.executable, "-c", main], cwd=workplace.path, env=workplace.environ, check=False)
    assert done.returncode == 0
    record = workplace.show()
    (made,) = record["artifacts"]
    assert (made["role"], made["digest_before"], made["before_by"]) == ("changed", DIGEST, "pre-image")
    (read,) = record["inputs"]
    assert (read["digest"], read["digest_after"], read["changed"]) == (DIGEST, made["digest"], "yes")
