"""An interpreter and the folders that it imports from, and those of the interpreter that we are in ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..records.environment import Python


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """The interpreter that we are in ourselves, as it says."""

    version: str
    """`sys.version`, whole."""
    implementation: str
    """`platform.python_implementation()`: `CPython`."""
    executable: str
    prefix: str
    base_prefix: str
    path: Sequence[str]
    """`sys.path`."""


class PythonEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter with the folders that its packages lie in."""

    python: Python
    folders: tuple[str, ...]
    """In the order in which the import system asks them."""
    conda_prefix: str | None = None


def running_environment(running: Running) -> PythonEnvironment:
    """The environment of our own process."""
    python = Python(
        version=running.version.split()[0],
        implementation=running.implementation,
        executable=running.executable,
        prefix=running.prefix,
        base=running.base_prefix if running.base_prefix != running.prefix else None,
        build=running.version.partition(" ")[2] or None,
        evidence="this process",
    )
    folders = [folder for folder in running.path if folder and not folder.endswith(".zip")]
    return PythonEnvironment(python=python, folders=tuple(folders), conda_prefix=conda_prefix(running.prefix))


def conda_prefix(prefix: str) -> str | None:
    return prefix if Path(prefix, "conda-meta").is_dir() else None
