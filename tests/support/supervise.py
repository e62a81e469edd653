"""`python supervise.py FOLDER CMD…`: run a command under the supervisor, with a recording that only notes events.

FOLDER takes `events.jsonl`, `output.log`, and with OBSERVE=MODE in the environment `seen.jsonl`. It is
what `whence run` does, without capture and store.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from whence.recorder.boot_folder import SITE
from whence.recorder.choosing import choose
from whence.recorder.command import run_command
from whence.recorder.observing import Observation, Observer
from whence.recorder.waiting import Clone, Waiting
from whence.records.encoding import encode
from whence.records.events import Event, RunEnded, RunStarted
from whence.records.result import PrintedTo
from whence.records.run import Process
from whence.rules.boot_environment import with_boot
from whence.system.descriptors import hold_standard_descriptors
from whence.system.processes import find_program


class Notes:
    """A recording whose journal is a plain file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fd = os.open(folder / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def set_off(self) -> None:
        return

    def state(self, event: Event) -> None:
        os.write(self.fd, encode(event) + b"\n")

    def start(self, process: Process, *, terminal: bool = False, printed_to: Sequence[PrintedTo] = ()) -> None:
        self.state(RunStarted(process=process, terminal=terminal, printed_to=[*printed_to]))

    def end(self, ended: RunEnded) -> None:
        self.state(ended)

    def lost(self, what: str, because: str) -> None:
        os.write(self.fd, encode({"kind": "lost", "what": what, "because": because}) + b"\n")

    def heartbeat(self) -> None:
        os.utime(self.fd)

    def release(self) -> None:
        os.close(self.fd)

    def take(self, records: list[tuple[Any, ...]]) -> None:
        with (self.folder / "seen.jsonl").open("ab") as file:
            for record in records:
                file.write(json.dumps([_plain(word) for word in record]).encode() + b"\n")

    def observed(self, observation: Observation) -> None:
        os.write(self.fd, encode({"kind": "observed", **msgspec.structs.asdict(observation)}) + b"\n")

    def finish(self, hurried: bool) -> None:
        os.write(self.fd, encode({"kind": "finished", "hurried": hurried, "keeper": os.getpid()}) + b"\n")
        os.close(self.fd)


def _plain(word: object) -> object:
    if isinstance(word, Clone):
        word.advance(lambda: False)
    if isinstance(word, Waiting | Clone):
        return "; ".join(filter(None, word.told()))
    return word.decode("utf-8", "surrogateescape") if isinstance(word, bytes) else word


def say(text: str) -> None:
    os.write(2, f"whence: {text}\n".encode())


def main() -> int:
    hold_standard_descriptors()
    folder = Path(sys.argv[1])
    notes = Notes(folder)
    mode = os.environ.pop("OBSERVE", "off")
    program = find_program(sys.argv[2], os.environ)
    told_in = folder / "boot"
    environ: dict[str, str] = dict(os.environ)
    choice = choose(mode, program)
    if choice.mechanism == "python":
        told_in.mkdir()
        environ = with_boot(environ, str(SITE), str(told_in))
    observer = Observer(choice=choice, take=notes.take, ended=notes.observed, program=program, told_in=told_in)
    limit = int(os.environ.get("LIMIT", 64 << 20))
    return run_command(
        notes,
        sys.argv[2:],
        environ=environ,
        log=folder / "output.log",
        output_log_limit=limit,
        finish=notes.finish,
        say=say,
        observer=None if mode == "off" else observer,
    )


if __name__ == "__main__":
    sys.exit(main())
