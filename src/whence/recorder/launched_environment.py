"""The environment of a launch, what it consists of kept in the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..capture.environment import Captured as Environed
from ..capture.environment import capture_environment
from ..records import events
from ..rules.boot_environment import without_boot
from ..store.objects import put_bytes
from .launch import Launch


def state_environment(launch: Launch) -> None:
    request = launch.request
    captured = environment_of(launch, request.program, request.argv)
    launch.lacks(*captured.missing)
    launch.edited = captured.edited
    python = captured.environment.python
    if python is not None:
        launch.prefix = python.prefix
        launch.libraries = tuple(filter(None, (python.prefix, python.base)))
    launch.recording.state(events.EnvironmentCaptured(environment=captured.environment))


def environment_of(launch: Launch, program: str | None, argv: Sequence[str]) -> Environed:
    """The environment of a command, what it consists of kept in the store."""
    around = launch.around
    captured = capture_environment(
        program=program,
        argv=argv,
        cwd=around.cwd,
        root=Path(launch.code.root) if launch.code and launch.code.root else around.cwd,
        environ=without_boot(dict(around.environ)),  # `os.environ` decodes a value at each look.
        mask=around.secrets.mask_pair,
        allow=around.policy.environment_variables,
        running=launch.request.running,
    )
    for content in (captured.software, *captured.lock_bytes.values()):
        put_bytes(around.store, content)
    return captured
