"""The command as somebody to send signals to."""

from __future__ import annotations

import signal
import subprocess
import sys

from whence.recorder.target import Target


def test_a_command_that_ended_before_we_heard_of_it_is_held_by_nobody() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    target = Target(own_group=False)
    target.found(ended.pid)
    assert (target.alive(), target.stopped()) == (False, False)
    target.send(signal.SIGTERM)
