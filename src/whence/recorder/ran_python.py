"""The Python that a command was seen to run, where the launch could not know it: a job script, `make`, a workflow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from ..records import events
from ..records.base import Missing
from ..rules.interpreters import is_python
from .launch import Launch
from .launched_environment import environment_of

NAMED = 3
"""Further interpreters that are named."""


def state_environment(launch: Launch, executed: Iterable[str]) -> None:
    """State the environment of the first Python that ran, unless the launch captured that of one which ran.

    `executed` are paths of programs in the order in which they were first executed.
    """
    ran = [path for path in executed if is_python(os.path.basename(path))]
    if not ran or launch.request.running is not None or any(_is_of(path, launch.prefix) for path in ran):
        return
    captured = environment_of(launch, ran[0], ran[:1])
    python = captured.environment.python
    if python is None:
        return
    launch.recording.state(events.EnvironmentCaptured(environment=replace(captured.environment, when="end")))
    others = [path for path in ran if not _is_of(path, python.prefix)]
    for missing in [*(one for one in captured.missing if one.what == "environment.packages"), *_not_captured(others)]:
        launch.recording.state(events.CaptureFailed(missing=replace(missing, when="end")))


def _not_captured(others: Sequence[str]) -> list[Missing]:
    if not others:
        return []
    named = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")
    return [Missing(what="environment.packages", because=f"those of other interpreters that ran, too: {named}")]


def _is_of(path: str, prefix: str | None) -> bool:
    """Whether it is an interpreter of that environment; that of a virtual one is a link to another's."""
    folder = os.path.realpath(os.path.dirname(path))
    return prefix is not None and folder in (os.path.realpath(prefix), os.path.realpath(os.path.join(prefix, "bin")))
