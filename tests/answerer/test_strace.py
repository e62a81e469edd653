"""Observation by strace: where a filter that notifies cannot be had, and what then is seen and what it costs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import straced
from cases import PYTHON, SCRIPTS, SHELLS
from observed import Observed, wait_for

from whence.recorder.tracing import found
from whence.rules.seen import CREATE
from whence.rules.strace import Did, Op

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="this is about strace")


@pytest.fixture
def traced(observed: Observed) -> Observed:
    observed.environ["OBSERVE"] = "strace"
    return observed


def begin(work: Path) -> None:
    """The folder as every command of a table finds it."""
    for path in work.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in "abc":
        (work / name).write_text("content\n")
    (work / "d").mkdir()


def of_nobody(path: bytes) -> bytes:
    """A path without the number of a process."""
    return re.sub(rb"^/proc/\d+", b"/proc/N", path)


def test_every_mechanism_is_told_apart_by_name(traced: Observed) -> None:
    done = traced.run("sh", "-c", "echo fine; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"fine\n", b"")
    assert (traced.observation["mechanism"], traced.observation["gaps"]) == ("strace", [])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root may do that")
@pytest.mark.parametrize(
    ("way", "named"), [(["unshare", "--mount"], True), (["unshare", "--uts"], False)], ids=["mounts", "a name"]
)
def test_who_takes_mounts_of_its_own_is_a_gap(traced: Observed, way: list[str], named: bool) -> None:
    assert traced.run(*way, "true").returncode == 0
    gap = "a program took mounts of its own: paths after that may be those of other files"
    assert traced.observation["gaps"] == ([gap] if named else [])


COMMANDS = {
    **{name: (*PYTHON, script.replace("\\n", "\n")) for name, script in SCRIPTS.items() if "'d'" not in script},
    **{name: ("sh", "-c", script) for name, script in SHELLS.items() if not name.startswith("many")},
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_what_was_opened_is_what_another_trace_says(traced: Observed, command: tuple[str, ...]) -> None:
    begin(traced.work)
    log = traced.folder.parent / "strace.log"
    plainly = subprocess.run(straced.argv(log, *command), cwd=traced.work, capture_output=True, check=False)
    truth = {
        (call.kind, *map(of_nobody, call.paths)) for call in straced.calls(log, traced.work) if call.told and call.done
    }
    begin(traced.work)
    done = traced.run(*command)
    assert (done.returncode, done.stdout) == (plainly.returncode, plainly.stdout)
    assert (traced.observation["mechanism"], traced.observation["gaps"]) == ("strace", [])
    ours = [one for one in traced.seen if one.pid and one.op != "connect"]
    told = {(one.kind, *map(of_nobody, filter(None, (one.path, one.other)))) for one in ours}
    assert _by_path(told) == _by_path(truth)


def _by_path(told: set[tuple[str | bytes, ...]]) -> set[tuple[str | bytes, ...]]:
    """What was there before a truncation may not be known: then it is told as a file that was written anew."""
    return {("open", *one[1:]) if one[0] == "truncate" else one for one in told}


def test_every_one_of_many_short_processes_is_seen(traced: Observed) -> None:
    begin(traced.work)
    traced.run("sh", "-c", "i=0; while [ $i -lt 200 ]; do (read x < a); i=$((i+1)); done")
    reads = traced.of(traced.work / "a")
    assert (len(reads), len({one.pid for one in reads})) == (200, 200)


def test_threads_are_told_as_their_process_and_share_its_folder(traced: Observed) -> None:
    begin(traced.work)
    script = """
import os, threading
thread = threading.Thread(target=os.chdir, args=('d',)); thread.start(); thread.join()
os.rename('../a', 'x')
"""
    assert traced.run(*PYTHON, script).returncode == 0
    assert [(one.op, one.other) for one in traced.of(traced.work / "a")] == [("rename", bytes(traced.work / "d/x"))]


def did(op: Op, path: Path, *, later: float, flags: int = 0) -> list[tuple[str, bool, str]]:
    """What is told of a call that was made so many seconds after the file was changed: op, whether what was there is
    known, and why not."""
    at = path.stat().st_ctime + later if path.exists() else later
    call = Did(at=at, pid=1, op=op, path=bytes(path), flags=flags)
    return [(told, there is not None, because) for told, there, because in found(call)]


CHANGED = "it was changed, or put there, before it was looked at"
GONE = "it was gone before it was looked at"


def test_what_changed_before_it_was_looked_at_is_not_known(tmp_path: Path) -> None:
    file, gone = tmp_path / "file", tmp_path / "gone"
    file.write_text("content")
    assert did("read", file, later=1) == [("read", True, "")]
    assert did("read", file, later=-1) == [("read", False, CHANGED)]
    assert did("read", gone, later=1) == [("read", False, GONE)]
    assert did("update", file, later=1) == [("update", True, "")]
    assert did("update", file, later=-1) == [("read", False, CHANGED), ("create", False, CHANGED)]
    assert did("write", file, later=-1) == [("create", False, CHANGED)]
    assert did("write", file, later=-1, flags=CREATE) == [("create", False, "")]
    assert did("unlink", gone, later=1) == [("unlink", False, GONE)]


def tracer_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("TracerPid:")[2].split()[0])


def test_the_command_inherits_nothing_of_ours(traced: Observed) -> None:
    script = "ls -l /proc/$$/fd; grep -E '^(SigBlk|SigIgn|SigCgt)' /proc/self/status; ps -o pgid=,sid= -p $$"
    done = traced.run("sh", "-c", script)
    traced.environ["OBSERVE"] = "off"
    plain = traced.run("sh", "-c", script)
    assert len(re.findall(rb" -> ", done.stdout)) == 3
    sets = [re.findall(rb"Sig\w+:\t\w+", one.stdout) for one in (done, plain)]
    assert sets[0] == sets[1]


def test_a_program_that_is_not_there_fails_as_without_us(traced: Observed) -> None:
    done = traced.run("no-such-program")
    assert (done.returncode, done.stdout, done.stderr) == (127, b"", b"whence: no-such-program: command not found\n")


def test_a_script_without_an_interpreter_runs(traced: Observed) -> None:
    (traced.work / "script").write_text("echo $0 $1; exit 4")
    (traced.work / "script").chmod(0o755)
    done = traced.run("./script", "x")
    assert (done.returncode, done.stdout) == (4, b"./script x\n")


def test_stopped_and_continued_it_goes_on(traced: Observed) -> None:
    script = "echo $$ > started; while [ ! -e go ]; do sleep 0.01; done; exit 5"
    process = traced.start("sh", "-c", script)
    command = int(wait_for(lambda: _text(traced.work / "started")))
    os.kill(command, signal.SIGSTOP)
    wait_for(lambda: _state(process.pid) == "T")  # The shell sees it in us.
    (traced.work / "go").touch()
    os.kill(command, signal.SIGCONT)
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(60) == 5


def _text(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_strace_killed_leaves_no_command_hanging_and_is_said(traced: Observed) -> None:
    begin(traced.work)
    script = "echo $$ > started; while [ ! -e go ]; do read x < a; done; echo on > end; exit 6"
    process = traced.start(
        *PYTHON, f"import os; os.execv('/bin/sh', ['sh', '-c', {script!r}])", stderr=subprocess.DEVNULL
    )
    command = int(wait_for(lambda: _text(traced.work / "started")))
    strace = tracer_of(command)
    keeps = int(Path(f"/proc/{strace}/status").read_text().partition("PPid:")[2].split()[0])
    os.kill(strace, signal.SIGKILL)
    wait_for(lambda: _state(keeps) in ("Z", ""))  # It has told.
    (traced.work / "go").touch()
    process.wait(60)
    gaps = traced.observation["gaps"]
    assert gaps == ["strace was killed (SIGKILL): what was opened after that was not seen"]


def test_what_outlives_the_command_is_traced_until_its_own_end(traced: Observed) -> None:
    begin(traced.work)
    script = "(while [ ! -e go ]; do sleep 0.01; done; cat a > late; echo done > end) & echo $! > left; exit 3"
    process = traced.start("sh", "-c", script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.wait(60) == 3
    assert traced.observation["gaps"] == ["descendants outlived the command"]
    tracer = tracer_of(int(_text(traced.work / "left")))
    assert tracer
    (traced.work / "go").touch()
    wait_for((traced.work / "end").exists)
    assert (traced.work / "late").read_text() == "content\n"
    wait_for(lambda: _state(tracer) in ("Z", ""))


def test_it_costs_nothing_where_nothing_is_opened(traced: Observed) -> None:
    script = """
import os, resource
fd = os.open('a', os.O_RDONLY)
for _ in range(20000): os.pread(fd, 1, 0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw)
"""
    begin(traced.work)
    done = traced.run(*PYTHON, script)
    assert int(done.stdout) < 10_000, "each call was stopped, twice"


def test_a_filter_that_goes_before_it_is_a_gap(traced: Observed, tmp_path: Path) -> None:
    begin(traced.work)
    inner = tmp_path / "inner"
    inner.mkdir()
    supervise = str(Path(straced.__file__).parent / "supervise.py")
    done = traced.run("env", "OBSERVE=seccomp", sys.executable, supervise, str(inner), "cat", "a")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"content\n", b"")
    assert (
        "a program had its calls answered by another one: what it opened then was not seen"
        in traced.observation["gaps"]
    )


def test_inside_another_watched_run_it_still_sees_where_it_is_asked_for(traced: Observed, tmp_path: Path) -> None:
    begin(traced.work)
    inner = tmp_path / "inner"
    inner.mkdir()
    supervise = str(Path(straced.__file__).parent / "supervise.py")
    traced.environ["OBSERVE"] = "seccomp"
    done = traced.run("env", "OBSERVE=strace", sys.executable, supervise, str(inner), "cat", "a")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"content\n", b"")
    told = (inner / "seen.jsonl").read_text()
    assert str(traced.work / "a") in told
