"""On a terminal: the command cannot tell ours from the real one, and the real one is given back as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from slow_start import SLOW_START
from workplace import LIMIT, wait_until

PY = sys.executable


class Shell:
    """An interactive bash on a pseudo-terminal of ours: the job control that a user has."""

    def __init__(self, cwd: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])
        self.seen = b""
        self.resize(33, 101)
        self.type("PS1='$ '; bind 'set enable-bracketed-paste off' 2>/dev/null; stty -echo; echo rea''dy\n")
        self.until(b"ready\r\n")

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def until(self, pattern: bytes, seconds: float = LIMIT) -> bytes:
        """What was shown up to the pattern; the limit only ends a broken test."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self.fd], [], [], 0.1)
            if ready:
                self.seen += os.read(self.fd, 65536)
            assert time.monotonic() < deadline, self.seen
        shown, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return shown

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.fd)

    def do(self, command: str) -> bytes:
        """What a command shows, and its code."""
        self.type(f"{command}; echo code=$?=\n")
        return self.until(rb"code=\d+=\r\n").replace(b"$ ", b"")

    def close(self) -> None:
        os.close(self.fd)
        try:
            os.kill(self.pid, signal.SIGKILL)
        finally:
            os.waitpid(self.pid, 0)


@pytest.fixture
def shell(tmp_path: Any) -> Iterator[Shell]:
    shell = Shell(str(tmp_path))
    yield shell
    shell.close()


@pytest.fixture
def ours(supervised: Any) -> Callable[[str], str]:
    """The same script, under the supervisor, as a line for a shell."""

    def line(script: str) -> str:
        supervised.forget()
        quoted = script.replace("'", "'\\''")
        return " ".join(supervised.argv("sh", "-c")) + f" '{quoted}'"

    return line


def bare(script: str) -> str:
    quoted = script.replace("'", "'\\''")
    return f"sh -c '{quoted}'"


SAME = {
    "output": "echo out; echo err >&2",
    "is it a terminal": "test -t 0; echo $?; test -t 1; echo $?; test -t 2; echo $?",
    "window size": "stty size",
    "modes": "stty -a | head -20",
    "a failure": "exit 3",
    "tabs and control characters": "printf 'a\\tb\\033[1mc\\033[0m\\007'",
    "the controlling terminal": "echo x > /dev/tty",
    "the foreground": f"{PY} -c 'import os; print(os.tcgetpgrp(0) == os.getpgrp())'",
}


@pytest.mark.parametrize("script", SAME.values(), ids=SAME.keys())
def test_a_terminal_shows_the_same(shell: Shell, ours: Callable[[str], str], script: str) -> None:
    expected = shell.do(bare(script))
    before = shell.modes()
    assert shell.do(ours(script)) == expected
    assert shell.modes() == before


def test_keys_reach_the_command_and_end_of_file_does(shell: Shell, ours: Callable[[str], str], supervised: Any) -> None:
    shell.type(ours("cat; echo over") + "\n")
    wait_for_start(supervised)
    shell.type("hello\n")
    shell.until(rb"hello\r\n")
    shell.type("\x04")
    shell.until(rb"over\r\n")
    assert b"hello\nover\n" in supervised.log


def test_control_c_interrupts_and_the_shell_knows(shell: Shell, ours: Callable[[str], str], supervised: Any) -> None:
    line = ours("sleep 30")
    shell.type(f"for i in 1 2 3; do {line}; echo next; done; echo never\n")
    wait_for_start(supervised)
    shell.type("\x03")
    supervised.awaited("finished")
    time.sleep(0.5)
    assert shell.do("echo alive").endswith(b"alive\r\ncode=0=\r\n")
    assert b"next" not in shell.seen
    ended = supervised.awaited("run.ended")
    assert (ended["status"], ended["signal"]) == ("interrupted", "SIGINT")


@pytest.fixture
def typed_at_the_start(shell: Shell, supervised: Any, tmp_path: Path) -> Callable[[str], None]:
    """Start `cat`, type a key while it is being started, and only then let it begin."""

    def typed(key: str) -> None:
        gate, script = tmp_path / "gate", tmp_path / "supervise.py"
        os.mkfifo(gate)
        script.write_text(SLOW_START.format(support=supervised.argv()[1].rpartition("/")[0], gate=str(gate)))
        shell.type(f"{PY} {script} {supervised.folder} cat; echo code=$?=\n")
        wait_until(lambda: not shell.modes()[3] & termios.ICANON, what="a raw terminal")
        shell.type(key)
        real = os.open(os.readlink(f"/proc/{shell.pid}/fd/0"), os.O_RDONLY | os.O_NOCTTY)
        for _ in range(50):  # Who takes it now, takes it too soon.
            if not int.from_bytes(fcntl.ioctl(real, termios.FIONREAD, b"\0" * 4), "little"):
                break
            time.sleep(0.02)
        os.close(real)
        gate.write_bytes(b"")

    return typed


def test_control_c_while_the_command_is_being_started_interrupts_it(
    shell: Shell, typed_at_the_start: Callable[[str], None], supervised: Any
) -> None:
    typed_at_the_start("\x03")
    shell.until(rb"\$ ")
    ended = supervised.awaited("run.ended")
    assert (ended["status"], ended["signal"]) == ("interrupted", "SIGINT")


def test_control_z_while_the_command_is_being_started_stops_it(
    shell: Shell, typed_at_the_start: Callable[[str], None], supervised: Any
) -> None:
    typed_at_the_start("\x1a")
    shell.until(rb"Stopped")
    shell.do("true")
    shell.type("fg\n")
    shell.until(rb"supervise")
    time.sleep(0.3)
    shell.type("\x04")
    assert supervised.awaited("run.ended")["status"] == "succeeded"


def test_what_is_typed_while_the_command_is_being_started_is_for_the_command(
    shell: Shell, typed_at_the_start: Callable[[str], None], supervised: Any
) -> None:
    typed_at_the_start("early\n\x04")
    shell.until(rb"early\r\ncode=0=")


def test_control_z_stops_the_job_and_fg_goes_on(shell: Shell, ours: Callable[[str], str], supervised: Any) -> None:
    before = shell.modes()
    shell.type(ours("cat") + "\n")
    wait_for_start(supervised)
    shell.type("one\n")
    shell.until(rb"one\r\n")
    shell.type("\x1a")
    shell.until(rb"Stopped")
    assert shell.modes()[:4] == before[:4]
    shell.do("true")
    shell.type("fg\n")
    shell.until(rb"supervise")
    time.sleep(0.3)
    shell.type("two\n")
    shell.until(rb"two\r\n")
    shell.type("\x04")
    supervised.awaited("finished")
    time.sleep(0.5)  # What is typed before the command has ended is the command's.
    assert shell.do("echo back").endswith(b"back\r\ncode=0=\r\n")
    assert supervised.event("run.ended")["status"] == "succeeded"


def test_a_new_window_size_reaches_the_command(shell: Shell, ours: Callable[[str], str]) -> None:
    shell.type(ours(f"trap 'stty size' WINCH; {PY} -c 'print(\"up\", flush=True)'; while :; do sleep 0.1; done") + "\n")
    shell.until(rb"up\r\n")
    shell.resize(44, 55)
    shell.until(rb"44 55\r\n")
    shell.type("\x03")


def test_a_job_in_the_background_leaves_the_terminal_alone(
    shell: Shell, ours: Callable[[str], str], supervised: Any
) -> None:
    before = shell.modes()
    shell.type(ours("sleep 0.5; echo from behind; test -t 1; exit 4") + " &\n")
    shell.until(rb"from behind\r\n")
    assert shell.modes()[:4] == before[:4]
    shell.do("wait")
    assert supervised.awaited("run.ended")["exit_code"] == 4
    assert shell.do("echo typed").endswith(b"typed\r\ncode=0=\r\n")


def test_reading_in_the_background_stops_the_job(shell: Shell, ours: Callable[[str], str]) -> None:
    shell.type(ours("cat") + " &\n")
    time.sleep(0.5)
    assert b"Stopped" in shell.do("sleep 0.3; jobs")
    shell.type("fg\n")
    shell.until(rb"supervise")
    shell.type("two\n\x04")
    shell.until(rb"two\r\n")


def test_a_pager_in_the_pipe_keeps_the_keys(shell: Shell, ours: Callable[[str], str]) -> None:
    reader = f"{PY} -c 'import sys; sys.stdin.read(); print(open(\"/dev/tty\").readline())'"
    shell.type(ours("sleep 1; echo x") + f" | {reader}\n")
    time.sleep(0.3)
    shell.type("for the pager\n")
    shell.until(rb"for the pager\r\n\r\n")


def test_the_front_killed_gives_the_terminal_back(shell: Shell, ours: Callable[[str], str], supervised: Any) -> None:
    before = shell.modes()
    shell.type(ours("sleep 2; echo still here; exit 5") + "\n")
    pid = wait_for_start(supervised)["process"]["pid"]
    os.kill(front_of(pid), signal.SIGKILL)
    shell.until(rb"Killed")
    shell.until(rb"still here")
    assert shell.modes()[:4] == before[:4]
    assert supervised.awaited("run.ended")["exit_code"] == 5


def test_the_keeper_killed_leaves_an_interactive_command_alone(
    shell: Shell, ours: Callable[[str], str], supervised: Any
) -> None:
    before = shell.modes()
    shell.type(ours("read line; echo got $line; exit 5") + "; echo code=$?=\n")
    pid = wait_for_start(supervised)["process"]["pid"]
    os.kill(keeper_of(pid), signal.SIGKILL)
    shell.until(rb"the recorder was killed")
    shell.type("this\n")
    shell.until(rb"got this\r\ncode=5=\r\n")
    assert shell.modes()[:4] == before[:4]


def test_what_is_left_running_keeps_its_terminal(shell: Shell, ours: Callable[[str], str], supervised: Any) -> None:
    shell.do(ours("(sleep 1; echo later; test -t 1 && echo on a terminal) & echo now"))
    shell.until(rb"later\r\non a terminal\r\n")
    assert supervised.log == b"now\n"


def test_a_hung_up_terminal_hangs_up_the_command(tmp_path: Any, ours: Callable[[str], str], supervised: Any) -> None:
    shell = Shell(str(tmp_path))
    shell.type(ours("sleep 60") + "\n")
    wait_for_start(supervised)
    os.close(shell.fd)
    ended = supervised.awaited("run.ended")
    assert (ended["status"], ended["signal"]) == ("killed", "SIGHUP")
    os.waitpid(shell.pid, 0)


def test_a_hang_up_that_is_ignored_is_survived(tmp_path: Any, ours: Callable[[str], str], supervised: Any) -> None:
    shell = Shell(str(tmp_path))
    shell.type("nohup " + ours(f"sleep 1; echo done > {tmp_path}/done; exit 6") + "\n")
    wait_for_start(supervised)
    os.close(shell.fd)
    assert supervised.awaited("run.ended")["exit_code"] == 6
    os.waitpid(shell.pid, 0)


def test_a_session_of_its_own_needs_no_terminal(supervised: Any) -> None:
    found = subprocess.run(
        ["setsid", "--wait", *supervised.argv("sh", "-c", "echo x; exit 3")], capture_output=True, check=False
    )
    assert (found.returncode, found.stdout) == (3, b"x\n")


def wait_for_start(supervised: Any) -> Any:
    found = supervised.awaited("run.started")
    time.sleep(0.2)
    return found


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 -- a line of /proc
        return int(stat.read().rpartition(")")[2].split()[1])


def ours_above(pid: int) -> list[int]:
    """The command's parent, and so on up to the keeper and the front."""
    found: list[int] = []
    while b"supervise.py" in Path(f"/proc/{parent_of(pid)}/cmdline").read_bytes():
        pid = parent_of(pid)
        found.append(pid)
    return found


def front_of(pid: int) -> int:
    return ours_above(pid)[-1]


def keeper_of(pid: int) -> int:
    return ours_above(pid)[-2]


@pytest.mark.parametrize("above", ["nobody", "a shell without job control"])
def test_control_z_is_ignored_where_no_shell_would_continue_it(
    tmp_path: Path, ours: Callable[[str], str], above: str
) -> None:
    # No program is started meanwhile: a shell that waits for one to be executed would not be seen to stop.
    command = ours("echo rea''dy; while [ ! -e go ]; do :; done; echo en''d; exit 6")
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        script = f"exec {command}" if above == "nobody" else f"{command}; exit $?"
        os.execvp("sh", ["sh", "-c", script])
    shown = read_until(fd, b"ready")
    os.write(fd, b"\x1a")
    shown += read_until(fd, b"^Z")
    time.sleep(0.2)
    (tmp_path / "go").touch()
    shown += read_until(fd, b"end")
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    assert os.waitstatus_to_exitcode(status) == 6, shown


def read_until(fd: int, word: bytes) -> bytes:
    seen, deadline = b"", time.monotonic() + LIMIT
    while word not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([fd], [], [], 0.1)[0]:
            seen += os.read(fd, 65536)
    return seen


def test_a_stop_in_a_session_without_a_shell_is_ignored_as_without_us(supervised: Any) -> None:
    process = supervised.start(
        "sh", "-c", "kill -TSTP $$; echo x; exit 3", stdout=subprocess.PIPE, start_new_session=True
    )
    out, _ = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (3, b"x\n")
