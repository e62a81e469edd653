"""What is ours inside a command, by its own word: it is not told, and nothing else is left out."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from observed import Observed

from whence.answerer import ours
from whence.answerer.ours import BEGIN, END, PROCESS, Ours

WAYS = ["seccomp", "strace", "python"]

SOURCES = Path(ours.__file__).parents[2]


@pytest.fixture(params=WAYS)
def watched(request: pytest.FixtureRequest, observed: Observed) -> Observed:
    if request.param == "strace" and not shutil.which("strace"):
        pytest.skip("this is about strace")
    observed.environ["OBSERVE"] = request.param
    for name in "abcdefg":
        (observed.work / name).write_text(name)
    return observed


def read(watched: Observed, body: str) -> str:
    """The names of the files that were told to be opened, by a program that begins with our word for what is ours."""
    words = f"sys.path.insert(0, {str(SOURCES)!r})\nfrom whence.system import apart as ours\n"
    program = f"import os, sys, threading\n{words}{body}"
    done = watched.run(sys.executable, "-c", program)
    assert (done.returncode, done.stderr) == (0, b"")
    inside = [
        one.path for one in watched.seen if one.kind == "open" and one.path.startswith(bytes(watched.work) + b"/")
    ]
    return "".join(sorted({os.path.basename(path).decode() for path in inside}))


THREADS = """\
for work in (work, lambda: open('b')):
    it = threading.Thread(target=work); it.start(); it.join()
"""


@pytest.mark.parametrize(
    ("body", "told"),
    {
        "before, meanwhile and after": ("open('a')\nwith ours.apart: open('b')\nopen('c')", "ac"),
        "by both": ("with ours.apart: open('a')\nopen('a')", "a"),
        "within itself": ("with ours.apart:\n with ours.apart: pass\n open('a')\nopen('b')", "b"),
        "another thread": (
            "with ours.apart:\n it = threading.Thread(target=open, args=['a']); it.start(); it.join(); open('b')",
            "a",
        ),
        "a thread that is over": (f"def work():\n with ours.apart: open('a')\n{THREADS}", "b"),
        "an exception": ("try:\n with ours.apart: 1 / 0\nexcept ArithmeticError: open('a')", "a"),
        "a fork": (
            "with ours.apart: child = os.fork()\nif not child: open('a'); os._exit(0)\nos.waitpid(child, 0)", "a",
        ),
    }.values(),
    ids=["after", "both", "within", "thread", "over", "exception", "fork"],
)  # fmt: skip
def test_what_a_thread_does_is_told_but_while_it_is_ours(watched: Observed, body: str, told: str) -> None:
    assert read(watched, body) == told


def test_the_word_counts_where_no_file_can_be_opened(watched: Observed) -> None:
    full = "import resource\nkept = [os.open('a', 0)]\nlimit = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
    full += "with ours.apart:\n open('b').close()\n resource.setrlimit(resource.RLIMIT_NOFILE, (0, limit[1]))\n"
    assert read(watched, full + "resource.setrlimit(resource.RLIMIT_NOFILE, limit)\nopen('c')") == "ac"


PROGRAM = """
def run(*words, actions=()):
    os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', *words], os.environ, file_actions=actions), 0)
with ours.apart: run('read x < a; cat b; (cat c; sh -c "cat d; cat d"); true', actions=[ours.IN_PROGRAM])
run('cat e; cat f; true')
"""


def test_a_program_that_is_ours_is_not_told_with_all_that_comes_of_it(watched: Observed) -> None:
    told = read(watched, PROGRAM)
    if watched.environ["OBSERVE"] == "python":
        assert told == ""  # Nothing of it is Python.
        return
    assert told == "ef"
    programs = [Path(os.fsdecode(one.path)).name for one in watched.seen if one.op == "execute" and one.identity]
    assert programs.count("cat") == 2


@pytest.mark.parametrize("watched", ["seccomp", "strace"], indirect=True)
def test_a_program_that_another_thread_executes_meanwhile_is_not_ours(watched: Observed) -> None:
    cat = "threading.Thread(target=os.execv, args=['/bin/cat', ['cat', 'a']])"
    assert read(watched, f"with ours.apart:\n it = {cat}; it.start(); it.join()") == "a"
    assert [one for one in watched.seen if (one.op, one.path) == ("execute", b"/bin/cat")]


@pytest.fixture
def child() -> Iterator[int]:
    """A process that waits."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_thread_is_ours_from_its_first_word_to_its_second() -> None:
    known, us = Ours(), os.getpid()
    assert not known.has(us, us, 1)
    assert known.said(BEGIN, us, us) and known.has(us, us, 1)
    assert not known.has(threading.get_native_id() + 1, us, 1)
    assert not known.said(END, us, us) and not known.has(us, us, 1)


def test_what_comes_of_a_process_of_ours_is_ours(child: int) -> None:
    known, us = Ours(), os.getpid()
    assert known.said(PROCESS, us, us)
    assert known.has(child, child, us)


def test_a_number_that_another_process_has_by_now_is_not_ours(child: int, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Ours()
    assert known.said(BEGIN, child, child) and known.said(PROCESS, child, child)
    monkeypatch.setattr(ours, "_began", lambda thread: 1)
    assert not known.has(child, child, 1)
