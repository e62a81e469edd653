"""`whence stop`: ask a living run to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

from ..actions.references import resolve_run
from ..actions.stop import stop
from .arguments import REFERENCE, CommandParser, Place, seconds
from .output import json_document, say

SIGNALS = ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "KILL")


def parser() -> CommandParser:
    parser = CommandParser(
        "stop",
        "Send a signal to a run's own recorder, which hands it to the command, and wait for the end. Works on the host"
        " where the run is; exit code 1 when the run does not end, or has ended already. KILL"
        " goes to the command itself, and the recorder tells of it.",
        examples=("whence stop @", "whence stop baseline --signal INT --wait 60"),
    )
    parser.add_argument("run", metavar="RUN", help=REFERENCE)
    parser.add_argument("--signal", default="TERM", choices=SIGNALS, metavar="NAME", help=f"{', '.join(SIGNALS)}; TERM")
    parser.add_argument(
        "--wait", type=seconds, default=30.0, metavar="SECONDS", help="how long to wait for the end; 30"
    )
    parser.add_argument("--plan", action="store_true", help="say which process would get the signal, and send none")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    run = resolve_run(place.store, options.run)
    name = signal.Signals[f"SIG{options.signal}"].name
    stopped = stop(place.store, run, signal=name, seconds=options.wait, sleep=time.sleep, plan=options.plan)
    if options.json:
        json_document({"id": run, "status": stopped.status, "signal": name, "process": stopped.process})
    elif options.plan:
        say(f"{run}: process {stopped.process.pid} would get {name}")
    else:
        say(f"{run}: {stopped.status} after {name} to process {stopped.process.pid}")
    return 0
