"""Observation by the Python programs themselves: what they say they opened is what strace says, and nothing is claimed
of others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import straced
from cases import SCRIPTS
from observed import Observed

from whence.errors import FormatError
from whence.recorder.hooked import NOBODY, ONLY_PYTHON
from whence.rules.hooked import read_line

PYTHON = [sys.executable, "-c"]

BENEATH = {
    "a folder's descriptor": "the event of os.open does not name it",
    "raw system calls": "they pass Python by",
    "pointers that lead nowhere": "they pass Python by",
    "a program by its descriptor": "it has no name",
    "spawn": "what another program reads",
    "a nameless file": "it has no name",
    "a file of a database": "SQLite's own journal",
}
"""Cases of which the audit hook sees a part at most."""


@pytest.fixture
def hooked(observed: Observed) -> Observed:
    observed.environ["OBSERVE"] = "python"
    return observed


def begin(work: Path) -> None:
    shutil.rmtree(work)
    work.mkdir()
    for name in "abc":
        (work / name).write_text("content\n")


def within(work: Path, told: set[tuple[str | bytes, ...]]) -> set[tuple[str | bytes, ...]]:
    """What was done in the folder."""
    return {one for one in told if os.fsencode(one[1]).startswith(bytes(work) + b"/")}


@pytest.mark.skipif(not shutil.which("strace"), reason="nothing to hold it against: no strace")
@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in BENEATH])
def test_what_python_opens_is_what_strace_says(hooked: Observed, name: str) -> None:
    script = SCRIPTS[name].replace("\\n", "\n")
    begin(hooked.work)
    log = hooked.folder.parent / "strace.log"
    subprocess.run(straced.argv(log, *PYTHON, script), cwd=hooked.work, capture_output=True, check=False)
    calls = straced.calls(log, hooked.work)
    truth = within(hooked.work, {(call.kind, *call.paths) for call in calls if call.told and call.done})
    begin(hooked.work)
    done = hooked.run(*PYTHON, script)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (hooked.observation["mechanism"], hooked.observation["gaps"]) == ("python", [ONLY_PYTHON])
    ours = [one for one in hooked.seen if one.identity or one.op == "create"]  # The others fail: nothing is there.
    assert within(hooked.work, {(one.kind, *filter(None, (one.path, one.other))) for one in ours}) >= truth


def test_the_identity_is_that_right_before_the_call(hooked: Observed) -> None:
    begin(hooked.work)
    before = os.stat(hooked.work / "a")
    hooked.run(*PYTHON, "open('a', 'r+').write('another'); open('a').read(); open('a').read()")
    first, second = hooked.of(hooked.work / "a")
    assert (first.op, first.late) == ("update", False)
    assert first.identity == [
        before.st_dev, before.st_ino, before.st_mode, before.st_size, before.st_mtime_ns, before.st_ctime_ns,
    ]  # fmt: skip
    assert (second.op, second.identity is not None and second.identity[3]) == ("read", 8)


def test_programs_and_hosts_that_it_asks_for_are_told(hooked: Observed) -> None:
    script = """
import os, socket, subprocess
subprocess.run(['true']); os.system('true')
try: socket.create_connection(('127.0.0.1', 9))
except OSError: pass
"""
    hooked.run(*PYTHON, script)
    told = [(one.op, one.path.rpartition(b"/")[2]) for one in hooked.seen if one.op in ("execute", "connect")]
    assert told == [("execute", b"true"), ("execute", b"sh"), ("connect", b"inet:127.0.0.1:9")]


def test_what_a_killed_program_opened_is_there(hooked: Observed) -> None:
    begin(hooked.work)
    hooked.run(*PYTHON, "import os, signal; open('a').read(); os.kill(os.getpid(), signal.SIGKILL)")
    assert hooked.ops(hooked.work / "a") == ["read"]


def test_where_no_python_program_told_the_record_says_so(hooked: Observed) -> None:
    done = hooked.run("sh", "-c", "echo fine; exit 3")
    assert (done.returncode, done.stdout) == (3, b"fine\n")
    assert hooked.observation["gaps"] == [ONLY_PYTHON, NOBODY]


def test_a_program_sees_no_fault_of_ours_and_is_not_asked_twice(hooked: Observed) -> None:
    begin(hooked.work)
    script = """
import os
os.rename(os.environ['WHENCE_BOOT'], os.environ['WHENCE_BOOT'] + '.gone')
class Odd:
    def __fspath__(self): print('asked'); return 'a'
os.close(os.open(Odd(), os.O_RDONLY))
print(open('a').read(), end='')
"""
    done = hooked.run(*PYTHON, script)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"asked\ncontent\n", b"")
    gone = "what programs told of their files is gone: No such file or directory"
    assert hooked.observation["gaps"] == [ONLY_PYTHON, NOBODY, gone]


@pytest.mark.parametrize("line", [b"", b"1.0 2 read", b"1.0 2 leap 2f - 0 - -", b"1.0 2 read 2f - 0 1,2 -", b"\xff"])
def test_a_line_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(FormatError, match="found a line that is none of ours"):
        read_line(line)
