"""How a command's end is told from its status and the last things it printed."""

from __future__ import annotations

import pytest

from whence.rules.ending import ended, find_exception, last_lines, out_of_memory

TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\n'
CHAIN = "\nDuring handling of the above exception, another exception occurred:\n\n"


def end(exit_code: int | None = None, signal: str | None = None, tail: str = "", **options: object):
    return ended(exit_code=exit_code, signal=signal, tail=tail, duration=1.0, resources=None, **options)  # type: ignore[arg-type]


STATUS = {
    "code 0": ({"exit_code": 0}, "succeeded"),
    "another code": ({"exit_code": 3}, "failed"),
    "an interrupt": ({"signal": "SIGINT"}, "interrupted"),
    "a request to end": ({"signal": "SIGTERM"}, "killed"),
    "130 after an interrupt": ({"exit_code": 130, "interrupted": True}, "interrupted"),
    "130 without one": ({"exit_code": 130}, "failed"),
}


@pytest.mark.parametrize(("given", "status"), STATUS.values(), ids=STATUS.keys())
def test_the_status_follows_from_the_exit(given: dict[str, object], status: str) -> None:
    assert end(**given).status == status  # type: ignore[arg-type]


def test_success_has_no_error_whatever_was_printed() -> None:
    assert end(0, tail=TRACE + "ValueError: x").error is None


EXCEPTIONS = {
    "plain": (TRACE + "ValueError: x\n", ("ValueError", "x")),
    "of a module": (TRACE + "torch.cuda.OutOfMemoryError: CUDA out of memory: 1 GiB\n",
                    ("torch.cuda.OutOfMemoryError", "CUDA out of memory: 1 GiB")),
    "without message": (TRACE + "KeyboardInterrupt\n", ("KeyboardInterrupt", "")),
    "of a terminal": ((TRACE + "ValueError: x\n").replace("\n", "\r\n"), ("ValueError", "x")),
    "of several lines": (TRACE + "ValueError: a\nb: c\n", ("ValueError", "a\nb: c")),
    "the last of two": (TRACE + "KeyError: 1\nwent on\n" + TRACE + "ValueError: x\n", ("ValueError", "x")),
}  # fmt: skip


@pytest.mark.parametrize(("tail", "expected"), EXCEPTIONS.values(), ids=EXCEPTIONS.keys())
def test_a_traceback_at_the_end_is_the_error(tail: str, expected: tuple[str, str]) -> None:
    error = end(1, tail="epoch 1\n" + tail).error
    assert error and (error.type, error.message) == expected


def test_a_chain_of_exceptions_is_kept_whole() -> None:
    tail = "x\n" + TRACE + "KeyError: 1\n" + CHAIN + TRACE + "ValueError: x"
    error = find_exception(tail)
    assert error and error.traceback == tail[2:]


def test_a_traceback_that_was_only_printed_is_not_the_error_of_another_code() -> None:
    error = end(3, tail=TRACE + "ValueError: x").error
    assert error and error.type == "exit_code"


def test_the_last_lines_that_were_printed_are_called_so() -> None:
    errors = [end(3, tail=tail).error for tail in ("", "13\n", "a\nb\n")]
    assert [error and error.message for error in errors] == [
        "exit code 3",
        "exit code 3; printed last: 13",
        "exit code 3; printed last:\na\nb",
    ]


def test_a_torn_traceback_is_not_one() -> None:
    assert find_exception(TRACE) is None


def test_the_last_lines_are_as_they_were_shown() -> None:
    assert last_lines("a\n 10%\r 20%\nb\r\n\n") == "a\n 20%\nb"


def test_a_kill_for_want_of_memory_needs_the_kernels_evidence() -> None:
    evidence = out_of_memory({"/a": 1, "/b": 4}, {"/a": 2, "/b": 4})
    assert evidence == "oom_kill in /a rose from 1 to 2"
    assert out_of_memory({"/a": 1}, {"/a": 1, "/c": 3}) is None
    error = end(signal="SIGKILL", out_of_memory=evidence).error
    assert error and error.type == "out_of_memory"
    error = end(signal="SIGKILL").error
    assert error and (error.type, error.message) == ("signal", "ended by SIGKILL")
