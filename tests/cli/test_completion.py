"""Completion as a user meets it: TAB in a bash on a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from workplace import LIMIT, Workplace

Typed = Callable[[str], str]


@pytest.fixture
def typed(lab: Any) -> Iterator[Typed]:
    """What a line becomes when TAB is pressed at its end, as the arguments that the command then gets."""
    script = lab.place.whence("completion", "bash").ok().out
    setup = lab.place.write("../completion.bash", script)
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(lab.place.path)
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], {**lab.place.environ, "TERM": "dumb"})
    seen = b""

    def until(pattern: bytes) -> bytes:
        nonlocal seen
        deadline = time.monotonic() + LIMIT
        while pattern not in seen:
            if select.select([fd], [], [], 0.1)[0]:
                seen += os.read(fd, 65536)
            assert time.monotonic() < deadline, seen
        shown, _, seen = seen.partition(pattern)
        return shown

    def press(line: str) -> str:
        # The completed words are printed instead of the command: a function stands in for it.
        os.write(fd, f"{line}\tDONE\n".encode())
        return until(b"=END").rpartition(b"GOT=")[2].decode()

    os.write(fd, f'. {setup}; whence() {{ if [ "$1" = completion ]; then command whence "$@"; '
                 'else printf "GO""T=%s=EN""D" "$*"; fi; }; echo rea""dy\n'.encode())  # fmt: skip
    until(b"ready\r\n")
    yield press
    os.close(fd)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("whence cat good:outp", "cat good:output DONE"),
        ("whence cat @:conf", "cat @:config DONE"),
        ("whence get good:mod", "get good:model.json DONE"),
        ("whence get @:data", "get @:data.csv DONE"),
        ("whence get goo", "get good DONE"),
        ("whence get good:outp", "get good:outpDONE"),
    ],
)
def test_tab_completes_the_parts_of_a_run(typed: Typed, line: str, expected: str) -> None:
    assert typed(line) == expected


def test_a_word_that_a_shell_would_evaluate_is_never_offered(workplace: Workplace) -> None:
    names = ("$(touch bad)", "`touch${IFS}bad`", "a;b", "two words", "plain-1.csv")
    outputs = [word for name in names for word in ("--output", name)]
    for name in names:
        workplace.write(name, "1\n")
    workplace.whence("run", "--name", "$(touch${IFS}bad)", *outputs, "--", "true").ok()
    assert workplace.whence("completion", "--parts", "get", "@:").ok().out == "@:plain-1.csv\n"
    assert "touch" not in workplace.whence("completion", "--references").ok().out


def test_the_other_shells_ask_for_parts_too(workplace: Workplace) -> None:
    asked = "whence completion --parts (commandline -opc)[2] (commandline -ct)"
    assert asked in workplace.whence("completion", "fish").ok().out
    assert "whence completion --parts" in workplace.whence("completion", "zsh").ok().out
