"""`python supervise.py FOLDER CMD…`: run a command under the supervisor, with a recording that only notes events.

FOLDER takes `events.jsonl` and `output.log`. It is what `whence run` does, without capture and store.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from whence.recorder.command import run_command
from whence.records.encoding import encode
from whence.records.events import Event, RunEnded, RunStarted
from whence.records.run import Process
from whence.system.descriptors import hold_standard_descriptors


class Notes:
    """A recording whose journal is a plain file."""

    def __init__(self, folder: Path) -> None:
        self.fd = os.open(folder / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def state(self, event: Event) -> None:
        os.write(self.fd, encode(event) + b"\n")

    def start(self, process: Process, *, terminal: bool = False) -> None:
        self.state(RunStarted(process=process, terminal=terminal))

    def end(self, ended: RunEnded) -> None:
        self.state(ended)

    def lost(self, what: str, because: str) -> None:
        os.write(self.fd, encode({"kind": "lost", "what": what, "because": because}) + b"\n")

    def heartbeat(self) -> None:
        os.utime(self.fd)

    def release(self) -> None:
        os.close(self.fd)

    def finish(self, hurried: bool) -> None:
        os.write(self.fd, encode({"kind": "finished", "hurried": hurried, "keeper": os.getpid()}) + b"\n")
        os.close(self.fd)


def say(text: str) -> None:
    os.write(2, f"whence: {text}\n".encode())


def main() -> int:
    hold_standard_descriptors()
    folder = Path(sys.argv[1])
    notes = Notes(folder)
    limit = int(os.environ.get("LIMIT", 64 << 20))
    return run_command(
        notes,
        sys.argv[2:],
        environ=os.environ,
        log=folder / "output.log",
        output_log_limit=limit,
        finish=notes.finish,
        say=say,
    )


if __name__ == "__main__":
    sys.exit(main())
