"""A signal that comes while nothing may be left half done is lost by nobody."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from workplace import Workplace

from whence.system.held_signals import held

SCRIPT = """
import os, signal, sys
from whence.system.held_signals import Signalled, held
def send(name):
    os.kill(os.getpid(), getattr(signal, name))
"""

ENDS = {
    "at the end of the block": ("with held:\n    send('SIGTERM')\n    print('done')\nprint('never')", "done\n", -15),
    "at a check": ("with held:\n    send('SIGHUP')\n    held.check()\n    print('never')", "", -1),
    "after the check was answered": (
        (
            "with held:\n    send('SIGTERM')\n    try:\n        held.check()\n"
            "    except Signalled as cut:\n        print(cut.number)\nprint('on')"
        ),
        "15\non\n",
        0,
    ),
    "not at a check that is too late": (
        "with held:\n    held.defer()\n    send('SIGTERM')\n    held.check()\n    print('done')",
        "done\n",
        -15,
    ),
    "one that is ignored": (
        (
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "with held:\n    send('SIGTERM')\n    held.check()\nprint(signal.getsignal(signal.SIGTERM).name)"
        ),
        "SIG_IGN\n",
        0,
    ),
    "one that the program handles": (
        (
            "signal.signal(signal.SIGINT, lambda number, frame: print('theirs'))\n"
            "with held:\n    send('SIGINT')\n    print('done')"
        ),
        "theirs\ndone\n",
        0,
    ),
    "one that is handled since": (
        (
            "with held:\n    send('SIGTERM')\n"
            "    signal.signal(signal.SIGTERM, lambda number, frame: print('theirs'))\nprint('done')"
        ),
        "theirs\ndone\n",
        0,
    ),
    "an interrupt after an interrupt": (
        (
            "try:\n    with held:\n        send('SIGINT')\n        try:\n            held.check()\n"
            "        finally:\n            send('SIGINT')\n            print('closed')\n"
            "except KeyboardInterrupt:\n    print('once')"
        ),
        "closed\nonce\n",
        0,
    ),
}


@pytest.mark.parametrize(("body", "out", "code"), ENDS.values(), ids=ENDS)
def test_a_signal_that_is_held_is_acted_upon(body: str, out: str, code: int, workplace: Workplace) -> None:
    done = workplace.python("-u", "-c", SCRIPT + body)
    assert (done.code, done.out, done.err) == (code, out, "")


def test_an_interrupt_waits_for_the_end_of_the_outermost_block() -> None:
    seen: list[str] = []
    with pytest.raises(KeyboardInterrupt), held:
        with held:
            os.kill(os.getpid(), signal.SIGINT)
        seen.append("inner")
    assert seen == ["inner"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_neither_holds_nor_is_interrupted() -> None:
    seen: list[object] = []

    def beside() -> None:
        with held:
            held.check()
        seen.append(held.handler(signal.SIGINT))

    with pytest.raises(KeyboardInterrupt), held:
        os.kill(os.getpid(), signal.SIGINT)
        thread = threading.Thread(target=beside)
        thread.start()
        thread.join()
        held.check()
    assert seen == [signal.default_int_handler]
