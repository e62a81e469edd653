"""Whose exception it is: ours, or that of a signal handler of the user's that ran in the midst of our code."""

from __future__ import annotations

import functools
import os
import signal
import timeit
from collections.abc import Callable
from typing import Any

import pytest

from whence.handlers import came_from_handler


def _plain(number: int, frame: object) -> None:
    raise TimeoutError("the user's")


def _drops(number: int, frame: object) -> None:
    del number, frame
    raise TimeoutError("the user's")


def _any(*given: object) -> None:
    raise TimeoutError("the user's")


def _deeper(number: int, frame: object) -> None:
    _fails()


class _Object:
    def method(self, number: int, frame: object) -> None:
        raise TimeoutError("the user's")


def _fails() -> None:
    raise TimeoutError("the callee's")


HANDLERS: dict[str, Callable[..., Any]] = {
    "a function": _plain,
    "one that deletes its arguments": _drops,
    "one that takes anything": _any,
    "one that calls what raises": _deeper,
    "a method": _Object().method,
    "a part of a function": functools.partial(_any, 1),
    "a lambda": lambda *given: _fails(),
}


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS.keys())
def test_what_a_handler_raised_in_the_midst_of_a_call_is_known_to_be_its_own(handler: Callable[..., Any]) -> None:
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        signal.raise_signal(signal.SIGUSR1)
        pytest.fail("the handler did not raise")
    except TimeoutError as error:
        assert came_from_handler(error)
    finally:
        signal.signal(signal.SIGUSR1, before)


OURS: dict[str, Callable[[], Any]] = {
    "a system call": lambda: os.stat("/nowhere"),
    "a function that was called": _fails,
    "a callback": lambda: [_fails() for _ in [0]],
}


@pytest.mark.parametrize("call", OURS.values(), ids=OURS.keys())
def test_what_a_call_raised_is_not_taken_for_a_handlers(call: Callable[[], Any]) -> None:
    try:
        call()
        pytest.fail("it did not raise")
    except OSError as error:
        assert not came_from_handler(error)


def test_to_ask_whose_a_fault_is_is_cheap() -> None:
    def fault() -> None:
        try:
            _fails()
        except TimeoutError as error:
            came_from_handler(error)

    def seconds(act: Callable[[], object]) -> float:
        return min(timeit.repeat(act, number=100, repeat=10))

    # Which makes a member of an enumeration for each signal, and so did the question, several times.
    assert seconds(fault) < seconds(signal.valid_signals)
