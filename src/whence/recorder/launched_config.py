"""The configuration of a launch: of files, objects and the command line, resolved."""

from __future__ import annotations

from ..capture.configuration import ReadConfig, resolve
from ..records import events
from ..records.configuration import UNREAD_FORMAT
from ..store.objects import put_bytes
from .launch import Launch


def state_config(launch: Launch) -> None:
    around, request = launch.around, launch.request
    files = _config_files(launch) if request.config_files or request.hydra.files else []
    for file in files:
        put_bytes(around.store, file.content)
    for file in (read.file for read in files[: len(request.config_files)]):
        fault = f"could not be parsed: {file.error}" if file.error is not None else None
        fault = UNREAD_FORMAT if file.format == "text" else fault
        if fault is not None:
            around.say(f"warning: {file.path} {fault}; its bytes are kept, its values are not")
    config = resolve(
        argv=request.argv,
        files=files,
        objects=[] if request.config is None else [request.config],
        params=request.params,
        secrets=around.secrets,
        hydra=request.hydra,
        params_from="command_line" if request.mode == "command" else "declared",
    )
    launch.recording.state(events.ConfigResolved(config=config))


def _config_files(launch: Launch) -> list[ReadConfig]:
    """Those that were named, then Hydra's own."""
    from ..capture.config_files import read_config_file  # with its parsers, where a file is named

    cwd, secrets, request = str(launch.cwd), launch.around.secrets, launch.request
    named = [read_config_file(path, cwd=cwd, secrets=secrets) for path in request.config_files]
    return named + [read_config_file(path, cwd=cwd, secrets=secrets, merge=False) for path in request.hydra.files]
