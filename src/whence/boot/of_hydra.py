"""Hydra: what a job runs with, right before its function is called, and right after.

`run_job` enters `env_override` around the function; no frame of ours stands between Hydra and the user's code, since
Hydra shows a user's error from the frame after `run_job` on.
"""

from __future__ import annotations

import os
import sys

from .caller import Caller, calling_frame
from .guard import Guard
from .parsed import plain_mapping
from .plain import is_dict
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

FILES = ("config.yaml", "overrides.yaml", "hydra.yaml")
MULTIRUN = ("MULTIRUN", 2)
"""How the mode of several jobs is written, as a text or as `RunMode`; before 1.2 there is none."""

OURS = os.O_NOCTTY | os.O_SYNC
"""Tell whoever watches the command, in an open of `/dev/null`, that it is us who read, or not any more: `whence.boot`
has no part of `whence.system.apart`, which does the same."""

LARGEST = 4 << 20
"""Bytes of one of these files that are noted."""


def adapt(utils: ModuleType, notes: Notes) -> None:
    """Of `hydra.core.utils`."""
    replace(utils, "env_override", lambda original: _around(original, notes))


def _around(original: Any, notes: Notes) -> Any:
    def env_override(*args: Any, **named: Any) -> Any:
        inner = original(*args, **named)
        job: Any = calling_frame(1)
        config = job.f_locals.get("task_cfg")
        return inner if config is None else _Job(inner, config, notes)

    return env_override


class _Job:
    """The context of a job's function."""

    def __init__(self, inner: Any, config: Any, notes: Notes) -> None:
        self._inner = inner
        self._config = config
        self._notes = notes

    def __enter__(self) -> Any:
        entered = self._inner.__enter__()
        with Guard("hydra"):
            _note(self._notes, self._config)
        return entered

    def __exit__(self, *error: Any) -> Any:
        with Guard("hydra"):
            self._notes.parsed.look_at(self._config)
        return self._inner.__exit__(*error)


def _note(notes: Notes, config: Any) -> None:
    hydra: Any = plain_mapping(sys.modules["hydra.core.hydra_config"].HydraConfig.get())
    runtime: Any = hydra.get("runtime") or {}
    given: Any = hydra.get("overrides") or {}
    task: Any = given.get("task") or []
    overrides = [str(one) for one in task]
    options: Any = runtime.get("choices") or {}
    folder = os.path.join(str(runtime.get("output_dir") or ""), str(hydra.get("output_subdir") or ""))
    job: Any = hydra.get("job") or {}
    notes.parsed.note(
        "hydra",
        Caller("own", str(job.get("name") or "?")),
        config,
        plain_mapping,
        origins=dict(_file_origins(config), **{_name(one): "command_line" for one in overrides}),
        overrides=overrides,
        choices={str(group): str(option) for group, option in options.items()},
        files=_files(folder),
        folder=str(runtime.get("output_dir") or ""),
        job=job.get("num") if hydra.get("mode") in MULTIRUN else None,
    )


def _file_origins(config: Any) -> dict[str, str]:
    """Each value is from a file, but for what asks the environment. Structured defaults are not told apart."""
    from omegaconf import OmegaConf

    raw: Any = OmegaConf.to_container(config, resolve=False)
    origins: dict[str, str] = {}
    _walk(raw, "", origins)
    return origins


def _walk(value: Any, name: str, origins: dict[str, str]) -> None:
    if is_dict(value) and value:
        for key, item in value.items():
            _walk(item, f"{name}.{key}" if name else str(key), origins)
    else:
        origins[name] = "environment" if isinstance(value, str) and "${oc.env:" in value else "file"


def _name(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _files(folder: str) -> list[dict[str, str]]:
    _say(os.O_RDONLY)
    try:
        return [file for file in (_file(folder, name) for name in FILES) if file]
    finally:
        _say(os.O_WRONLY)


def _say(access: int) -> None:
    try:
        os.close(os.open(os.devnull, access | OURS))
    except OSError:
        return  # It was noticed all the same.


def _file(folder: str, name: str) -> dict[str, str] | None:
    """Noted now: a program may move its folder before the end."""
    path = os.path.join(folder, name)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        text = os.read(fd, LARGEST)
    finally:
        os.close(fd)
    return {"path": path, "text": text.decode("utf-8", "surrogateescape")}
