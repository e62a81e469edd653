"""The shell sees no difference: bytes, codes, signals, descriptors; and what was seen is noted."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from slow_start import SLOW_START
from workplace import LIMIT, wait_until

from whence.recorder.relay import CHUNK
from whence.recorder.target import tells_of_others

PY = sys.executable
SUPERVISE = Path(__file__).parent.parent / "support" / "supervise.py"


def bare(*command: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command, capture_output=True, timeout=LIMIT, check=False, **options)


SAME = {
    "two streams": "echo out; echo err >&2",
    "an exit code": "exit 3",
    "nothing": ":",
    "no newline at the end": "printf abc",
    "binary bytes": "head -c 100000 /usr/bin/env",
    "closed output": "exec >&-; echo x; echo code $? >&2",
    "the arguments of the kernel": "cat /proc/$$/status | grep -E '^(SigIgn|SigBlk|SigCgt)'",
    "open descriptors": "ls -l /proc/self/fd | wc -l",
    "is it a terminal": "test -t 0; echo $?; test -t 1; echo $?; test -t 2; echo $?",
    "priority and limits": "ulimit -a; nice; umask; pwd",
    "standard input": "cat",
}


@pytest.mark.parametrize("script", SAME.values(), ids=SAME.keys())
def test_bytes_and_code_are_those_of_the_command(supervised: Any, script: str) -> None:
    expected = bare("sh", "-c", script, input=b"from\0stdin\n" * 20_000, stdin=None)
    found = supervised.run("sh", "-c", script, input=b"from\0stdin\n" * 20_000, stdin=None)
    assert (found.returncode, found.stdout, found.stderr) == (expected.returncode, expected.stdout, expected.stderr)


def test_streams_into_one_pipe_keep_their_order(supervised: Any) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done"
    found = subprocess.run(
        supervised.argv("sh", "-c", script),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=LIMIT,
    )
    expected = b"".join(b"out %d\nerr %d\n" % (i, i) for i in range(1, 10))
    assert found.stdout == expected
    assert supervised.log == expected
    assert supervised.event("output.captured")["output"]["parts"][0]["stream"] == "both"


@pytest.mark.scenario("H4")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL", "SIGSEGV", "SIGUSR1"])
def test_a_signal_of_its_own_is_a_status_and_a_shells_code(supervised: Any, name: str) -> None:
    number = signal.Signals[name]
    found = supervised.run("sh", "-c", f"kill -{number} $$")
    assert found.returncode == 128 + number
    ended = supervised.event("run.ended")
    assert ended["status"] == ("interrupted" if name == "SIGINT" else "killed")
    assert (ended["signal"], ended["exit_code"]) == (name, None)


BEFORE_THE_EXEC = """
import os, signal, sys
from whence.recorder import parent
sys.path.insert(0, {support!r})
import supervise
real = parent.{step}
def step(*given):
    os.kill(os.getpid(), signal.{name})
    return real(*given)
parent.{step} = step
sys.exit(supervise.main())
"""


@pytest.mark.parametrize("step", ["_join_group", "restore_signals", "_execute"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_right_before_the_command_is_there_is_a_signal_to_the_command(
    supervised: Any, step: str, name: str
) -> None:
    script = BEFORE_THE_EXEC.format(support=str(SUPERVISE.parent), step=step, name=name)
    done = bare(PY, "-c", script, str(supervised.folder), "echo", "ran")
    number = signal.Signals[name]
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, b"", b"")
    ended = supervised.event("run.ended")
    assert (ended["signal"], ended["exit_code"]) == (name, None)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_the_group_that_the_command_has_not_joined_yet_reaches_it(
    supervised: Any, name: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = SLOW_START.format(support=str(SUPERVISE.parent), gate=str(gate))
    argv = [PY, "-c", script, str(supervised.folder), "sleep", "600"]
    front = subprocess.Popen(argv, start_new_session=True)
    witness = wait_until(lambda: witness_of(front.pid), what="the witness")
    os.killpg(front.pid, signal.Signals[name])
    for pid in (front.pid, witness):
        wait_until(lambda pid=pid: not pending(pid), what="the signal to be taken")
    time.sleep(0.3)  # The witness tells it, and the front hears it.
    gate.write_bytes(b"")
    assert front.wait(timeout=LIMIT) == 128 + signal.Signals[name]
    assert supervised.awaited("run.ended")["signal"] == name


def pending(pid: int) -> bool:
    """Whether a signal that was sent to the process waits to be taken."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nShdPnd:")[2].split()[0], 16) != 0


def test_a_stop_right_before_the_command_is_there_stops_us_too(supervised: Any) -> None:
    script = BEFORE_THE_EXEC.format(support=str(SUPERVISE.parent), step="_execute", name="SIGSTOP")
    argv = [PY, "-c", script, str(supervised.folder), "sh", "-c", "exit 6"]
    process = subprocess.Popen(argv, start_new_session=True)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(timeout=LIMIT) == 6


COUNT = """
import os, signal, sys, time
seen = []
for name in "INT TERM HUP QUIT USR1 USR2 URG WINCH ILL TRAP ABRT BUS FPE SEGV STKFLT SYS".split():
    signal.signal(getattr(signal, "SIG" + name), lambda number, frame: seen.append(signal.Signals(number).name))
print("ready", flush=True)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end and "SIGUSR2" not in seen:
    time.sleep(0.02)
time.sleep(0.3)
print(",".join(s for s in seen if s != "SIGUSR2"), flush=True)
"""


def counted(process: subprocess.Popen[bytes], send: Any) -> str:
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    send(process)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGUSR2)
    return process.communicate(timeout=LIMIT)[0].decode().strip()


FAULTS = ["SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSTKFLT", "SIGSYS"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGURG", "SIGWINCH", *FAULTS])
def test_a_signal_to_the_front_alone_reaches_the_command_once(supervised: Any, name: str) -> None:
    process = supervised.start(PY, "-c", COUNT, "20", stdout=subprocess.PIPE, start_new_session=True)
    assert counted(process, lambda p: os.kill(p.pid, signal.Signals[name])) == name


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_to_the_group_reaches_the_command_once(supervised: Any, name: str) -> None:
    process = supervised.start(PY, "-c", COUNT, "20", stdout=subprocess.PIPE, start_new_session=True)
    assert counted(process, lambda p: os.killpg(p.pid, signal.Signals[name])) == name


UNTIL_INTERRUPTED = COUNT.replace("while time.monotonic() < end and", "while time.monotonic() < end and not seen and")


@pytest.mark.slow
def test_a_time_limit_interrupts_it_as_it_would_without_us(supervised: Any) -> None:
    """The limit is long enough for a busy machine to have started the command."""
    found = subprocess.run(
        ["timeout", "-s", "INT", "15", *supervised.argv(PY, "-c", UNTIL_INTERRUPTED, "60")],
        capture_output=True,
        check=False,
    )
    assert found.stdout.decode().splitlines()[1] in ("SIGINT", "SIGINT,SIGINT")
    assert found.returncode == 124


def test_what_is_not_there_is_127_and_what_cannot_run_126(supervised: Any, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("echo from a script without a first line; exit 4\n")
    assert supervised.run("no-such-command-here").returncode == 127
    assert supervised.event("run.ended")["error"]["type"] == "not_found"
    assert supervised.event("run.started") is None
    assert supervised.run(str(plain)).returncode == 126
    assert supervised.event("run.ended")["error"]["type"] == "not_executable"
    plain.chmod(0o755)
    assert supervised.run(str(plain)).returncode == 4
    assert supervised.run(str(tmp_path)).returncode == 126
    assert supervised.run("").returncode == 127


def test_a_reader_that_leaves_ends_the_command_as_without_us(supervised: Any) -> None:
    script = " ".join(f"'{word}'" for word in supervised.argv("yes"))
    found = subprocess.run(
        ["bash", "-c", f"{script} | head -1; echo ${{PIPESTATUS[0]}}"], capture_output=True, timeout=LIMIT, check=False
    )
    assert found.stdout == b"y\n141\n"
    assert supervised.awaited("run.ended")["signal"] == "SIGPIPE"


def test_regular_files_are_passed_through_and_copied(supervised: Any, tmp_path: Path) -> None:
    target = tmp_path / "slurm.out"
    target.write_bytes(b"before\n")
    script = "echo one; echo two >&2; echo three; readlink /proc/$$/fd/1 >&2"
    with target.open("ab") as out:
        supervised.forget()
        subprocess.run(supervised.argv("sh", "-c", script), stdout=out, stderr=out, check=True, timeout=LIMIT)
    printed = b"one\ntwo\nthree\n%s\n" % os.fsencode(target)
    assert target.read_bytes() == b"before\n" + printed
    assert supervised.log == printed
    parts = supervised.event("output.captured")["output"]["parts"]
    assert parts == [{"stream": "both", "offset": 0, "length": len(printed), "source": str(target)}]


def test_closed_descriptors_stay_closed(supervised: Any) -> None:
    line = " ".join(f"'{word}'" for word in supervised.argv("sh", "-c", "ls /proc/self/fd | xargs; exit 5"))
    script = "ls /proc/self/fd"
    for closed in (">&-", "<&-", "2>&-", "<&- 2>&-"):
        supervised.forget()
        expected = subprocess.run(["bash", "-c", f"sh -c '{script}|xargs; exit 5' {closed}"], capture_output=True)
        found = subprocess.run(["bash", "-c", f"{line} {closed}"], capture_output=True, timeout=LIMIT, check=False)
        assert (found.returncode, found.stdout) == (expected.returncode, expected.stdout), closed
        assert supervised.event("run.ended")["exit_code"] == 5


def test_a_full_device_is_the_commands_own_error(supervised: Any) -> None:
    line = " ".join(f"'{word}'" for word in supervised.argv("echo", "x"))
    found = subprocess.run(["bash", "-c", f"{line} >/dev/full"], capture_output=True, timeout=LIMIT, check=False)
    assert (found.returncode, b"No space left" in found.stderr) == (1, True)


def test_what_is_left_running_neither_delays_the_end_nor_loses_its_output(supervised: Any, tmp_path: Path) -> None:
    script = f"(sleep 2; echo later; echo $? > {tmp_path}/code) & echo now"
    process = supervised.start("sh", "-c", script, stdout=subprocess.PIPE)
    assert process.wait(timeout=LIMIT) == 0
    assert not (tmp_path / "code").exists()
    assert process.communicate()[0] == b"now\nlater\n"
    assert (tmp_path / "code").read_text() == "0\n"
    assert supervised.log == b"now\n"


def test_the_front_killed_leaves_command_and_record_alone(supervised: Any) -> None:
    process = supervised.start("sh", "-c", "echo a; sleep 1; echo b; exit 7", stdout=subprocess.PIPE)
    supervised.awaited("run.started")
    process.kill()
    assert process.wait() == -9
    assert process.communicate()[0] == b"a\nb\n"
    assert supervised.awaited("run.ended")["exit_code"] == 7


def test_the_keeper_killed_leaves_command_and_code_alone(supervised: Any) -> None:
    process = supervised.start(
        "sh", "-c", "echo a; sleep 1; echo b; exit 7", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    supervised.awaited("run.started")
    os.kill(keeper_of(process.pid), signal.SIGKILL)
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (7, b"a\nb\n")
    assert err == b"whence: the recorder was killed; the command goes on, its record stays incomplete\n"
    assert supervised.event("run.ended") is None


def keeper_of(front: int) -> int:
    """The child of the front that is in a process group of its own."""
    children = [int(pid) for pid in Path(f"/proc/{front}/task/{front}/children").read_text().split()]
    return next(pid for pid in children if os.getpgid(pid) != os.getpgid(front))


def test_the_whole_group_killed_is_recorded(supervised: Any) -> None:
    process = supervised.start("sleep", "60", start_new_session=True)
    supervised.awaited("run.started")
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -9
    ended = supervised.awaited("run.ended")
    assert (ended["status"], ended["signal"]) == ("killed", "SIGKILL")


def with_the_parent_killed(supervised: Any, argv: list[str]) -> tuple[int, bytes, bytes]:
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    command = supervised.awaited("run.started")["process"]["pid"]
    parent = int(Path(f"/proc/{command}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, out, err


@pytest.mark.skipif(not tells_of_others(), reason="this kernel does not tell how others ended")
def test_with_the_commands_parent_killed_the_kernel_tells_how_it_ended(supervised: Any) -> None:
    argv = supervised.argv("sh", "-c", "sleep 1; echo b; exit 7")
    assert with_the_parent_killed(supervised, argv) == (7, b"b\n", b"")
    ended = supervised.event("run.ended")
    assert (ended["status"], ended["exit_code"], ended["resources"].get("cpu_user")) == ("failed", 7, None)
    # Recorded until the command itself was gone, not until its parent was.
    assert ended["duration"] >= 0.9


def test_with_the_commands_parent_killed_where_nobody_tells_it_is_lost_and_said(supervised: Any) -> None:
    script = supervised.folder.parent / "silent.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(supervised.argv()[1]).parent)!r})\n"
        "import supervise\nfrom whence.recorder import keeper, front, target\n"
        "keeper.ended_status = target.ended_status = lambda *_: None\nfront.tells_of_others = lambda: False\n"
        "sys.exit(supervise.main())\n"
    )
    argv = [PY, str(script), str(supervised.folder), "sh", "-c", "sleep 1; echo b"]
    code, out, err = with_the_parent_killed(supervised, argv)
    assert (code, out) == (70, b"b\n")
    assert b"its exit code may not be known" in err
    assert supervised.event("run.ended")["status"] == "lost"


def test_the_keeper_killed_while_much_is_printed_breaks_no_pipe(supervised: Any, tmp_path: Path) -> None:
    script = "import os, sys\nfor i in range(4000): os.write(1, b'%4095d\\n' % i)\nopen(sys.argv[1], 'w')"
    process = supervised.start(PY, "-c", script, str(tmp_path / "end"), stdout=subprocess.PIPE, stderr=-3, bufsize=0)
    supervised.awaited("run.started")
    printed = process.stdout.read(100_000)
    os.kill(keeper_of(process.pid), signal.SIGKILL)
    rest, _ = process.communicate(timeout=LIMIT)
    assert (process.returncode, (tmp_path / "end").exists()) == (0, True)
    # What the keeper had taken and not yet given is gone with it: one read at most.
    assert 4000 * 4096 - CHUNK <= len(printed + rest) <= 4000 * 4096
    assert rest.endswith(b" 3999\n")


def witness_of(front: int) -> int | None:
    """The child of the front that is in the front's process group; the keeper leaves it."""
    children = [int(pid) for pid in Path(f"/proc/{front}/task/{front}/children").read_text().split()]
    inside = [pid for pid in children if os.getpgid(pid) == os.getpgid(front)]
    return inside[0] if len(inside) == 1 < len(children) else None


def test_the_witness_holds_nothing_of_the_users_and_ends_with_the_front(supervised: Any) -> None:
    process = supervised.start("sleep", "60", stdout=subprocess.PIPE, start_new_session=True)
    command = supervised.awaited("run.started")["process"]["pid"]
    witness = wait_until(lambda: witness_of(process.pid), what="the witness")
    shared = os.readlink(f"/proc/self/fd/{process.stdout.fileno()}")
    wait_until(
        lambda: shared not in [os.readlink(path) for path in Path(f"/proc/{witness}/fd").iterdir()],
        what="the witness to let go of the pipe",
    )
    os.kill(witness, signal.SIGSTOP)
    process.kill()
    os.kill(command, signal.SIGKILL)
    assert process.communicate(timeout=LIMIT)[0] == b""
    os.kill(witness, signal.SIGCONT)
    wait_until(lambda: not alive(witness), what="the witness's end")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_stopping_and_continuing_the_whole_group_changes_nothing(supervised: Any) -> None:
    process = supervised.start(
        "sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done; exit 4",
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == b"1\n"
    for _ in range(5):
        os.killpg(process.pid, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        os.killpg(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=LIMIT)[0] == b"2\n3\n4\n5\n"
    assert process.returncode == 4


def test_a_stopped_command_that_is_killed_ends_us_too(supervised: Any) -> None:
    process = supervised.start("sleep", "60", start_new_session=True)
    command = supervised.awaited("run.started")["process"]["pid"]
    os.killpg(process.pid, signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    os.kill(command, signal.SIGKILL)
    assert process.wait(timeout=LIMIT) == 128 + signal.SIGKILL


def test_children_that_the_shell_ignores_are_still_waited_for(supervised: Any) -> None:
    line = shlex.join(supervised.argv("sh", "-c", "grep SigIgn /proc/self/status; exit 3"))
    found = bare("bash", "-c", f"trap '' CHLD; {line}")
    expected = bare("bash", "-c", "trap '' CHLD; sh -c 'grep SigIgn /proc/self/status; exit 3'")
    assert (found.returncode, found.stdout, found.stderr) == (3, expected.stdout, b"")
    assert supervised.event("run.ended")["exit_code"] == 3


def test_stop_and_continue_act_on_both(supervised: Any) -> None:
    process = supervised.start("sh", "-c", "kill -STOP $$; exit 6", start_new_session=True)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(timeout=LIMIT) == 6


@pytest.mark.slow
def test_a_hundred_megabytes_go_through_and_memory_stays_bounded(supervised: Any) -> None:
    supervised.environ["LIMIT"] = "1000000"
    line = " ".join(f"'{word}'" for word in supervised.argv("sh", "-c", "yes 0123456789abcdef | head -c 100000000"))
    found = subprocess.run(
        ["bash", "-c", f"{line} | sha256sum"], capture_output=True, timeout=LIMIT, check=False, env=supervised.environ
    )
    expected = bare("bash", "-c", "yes 0123456789abcdef | head -c 100000000 | sha256sum")
    assert found.stdout == expected.stdout
    output = supervised.event("output.captured")["output"]
    assert (output["bytes"], output["kept"], output["cut"]) == (100_000_000, 1_000_000, 99_000_000)
    assert b"[whence: 99000000 bytes left out here]" in supervised.log
    assert len(supervised.log) < 1_000_100


def test_peak_memory_and_io_are_those_of_the_tree(supervised: Any, tmp_path: Path) -> None:
    script = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "x = bytearray(80_000_000); import time; time.sleep(1)"])
x = bytearray(80_000_000)
open({str(tmp_path / "data")!r}, "wb").write(x)
child.wait()
"""
    assert supervised.run(PY, "-c", script).returncode == 0
    resources = supervised.event("run.ended")["resources"]
    assert resources["peak_memory"] > 160_000_000
    assert 80_000_000 < resources["peak_memory_process"] < 160_000_000
    assert resources["written_bytes"] >= 80_000_000
    assert resources["processes"] == 2
    assert resources["wall"] > 1


@pytest.mark.scenario("H3")
def test_an_exception_is_told_with_type_message_and_traceback(supervised: Any) -> None:
    supervised.run(PY, "-c", "print('x'); raise ValueError('two\\nlines')")
    error = supervised.event("run.ended")["error"]
    assert (error["type"], error["message"]) == ("ValueError", "two\nlines")
    assert error["traceback"].startswith("Traceback (most recent call last):\n  File")


@pytest.mark.scenario("H12")
@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ("import sys; sys.exit(0)", "succeeded", 0),
        ("import sys; sys.exit(3)", "failed", 3),
        ("import os; os._exit(4)", "failed", 4),
        ("import sys; sys.exit('why')", "failed", 1),
    ],
)
def test_every_way_to_exit_has_its_code(supervised: Any, script: str, status: str, code: int) -> None:
    assert supervised.run(PY, "-c", script).returncode == code
    ended = supervised.event("run.ended")
    assert (ended["status"], ended["exit_code"]) == (status, code)


def test_the_first_process_of_a_container_reaps_and_forwards(supervised: Any) -> None:
    unshare = ["unshare", "-pf" if os.geteuid() == 0 else "-Urpf", "--mount-proc"]
    if bare(*unshare, "true").returncode:
        pytest.skip("no `unshare`, or no right to make a process namespace")
    script = "(sleep 0.2 & exec sleep 0.1) & sleep 1; ps -eo stat= | grep -c Z; exit 9"
    supervised.forget()
    found = subprocess.run(
        [*unshare, *supervised.argv("sh", "-c", script)], capture_output=True, timeout=LIMIT, check=False
    )
    assert (found.returncode, found.stdout) == (9, b"0\n")
