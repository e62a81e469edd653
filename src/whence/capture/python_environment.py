"""The Python environment of a command: its interpreter, and the folders that it imports from.

Starting an interpreter costs 10 ms and more, so `pyvenv.cfg` and the layout of the folders are read instead. Where they
are not understood (a build of a new form) the interpreter is asked.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..records.environment import Python
from ..rules.interpreters import header_version, implementation_of, venv_settings, venv_version
from ..system.processes import ProgramError, run
from .attempts import Attempts
from .hostfiles import home_of, regular_bytes
from .interpreter import Candidate, find_interpreter
from .running import PythonEnvironment, conda_prefix

LIMIT = 5.0
"""Seconds that an interpreter may take to answer."""

_LIBRARY = r"(?:python|pypy|graalpy)\d+\.\d+t?"

_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}

_QUESTION = (
    "import json,sys;print(json.dumps([sys.version,sys.implementation.name,sys.prefix,sys.base_prefix,"
    "[p for p in sys.path if p.endswith('-packages')]]))"
)


def command_environment(
    program: str, argv: Sequence[str], cwd: Path, environ: Mapping[str, str], attempts: Attempts
) -> PythonEnvironment | None:
    """The Python environment of a command, or nothing when it is no Python.

    Raises LookupError with the reason when it is one that cannot be found, OSError or ProgramError when it cannot be
    read or asked.
    """
    candidate = find_interpreter(program, argv, cwd, environ)
    if candidate is None:
        return None
    path = _python_path(environ)
    found = _from_layout(candidate, environ) or _asked(candidate, environ, attempts)
    return PythonEnvironment(python=found.python, folders=(*path, *found.folders), conda_prefix=found.conda_prefix)


def _python_path(environ: Mapping[str, str]) -> list[str]:
    return [folder for folder in environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


def _from_layout(candidate: Candidate, environ: Mapping[str, str]) -> PythonEnvironment | None:
    """The environment by its files; nothing when they are not understood."""
    folder = os.path.dirname(candidate.executable)
    for prefix in (os.path.dirname(folder), folder):
        try:
            text = regular_bytes(f"{prefix}/pyvenv.cfg", 65536).decode("utf-8", "replace")
        except (OSError, ValueError):
            continue
        return _from_venv(candidate, prefix, venv_settings(text), environ)
    return _from_installation(candidate, environ)


def _from_venv(
    candidate: Candidate, prefix: str, settings: Mapping[str, str], environ: Mapping[str, str]
) -> PythonEnvironment | None:
    base = os.path.dirname(os.path.dirname(os.path.realpath(candidate.executable)))
    library = _library(prefix)
    version = _installed_version(base, library) or _trusted_version(candidate.executable, prefix, settings)
    if library is None or version is None:
        return None
    folders = _package_folders(prefix, library)
    if settings.get("include-system-site-packages", "false").lower() == "true":
        folders += _user_folder(library, environ) + _package_folders(base, library)
    python = Python(
        version=version,
        implementation=settings.get("implementation") or implementation_of(library),
        executable=candidate.executable,
        prefix=prefix,
        base=base,
        evidence=candidate.evidence,
    )
    return PythonEnvironment(python=python, folders=tuple(folders), conda_prefix=conda_prefix(prefix))


def _trusted_version(executable: str, prefix: str, settings: Mapping[str, str]) -> str | None:
    """The version in `pyvenv.cfg`, unless the interpreter was replaced since the file was written."""
    try:
        replaced = Path(executable).stat().st_ctime_ns > Path(prefix, "pyvenv.cfg").stat().st_ctime_ns
    except OSError:
        return None
    return None if replaced else venv_version(dict(settings))


def _from_installation(candidate: Candidate, environ: Mapping[str, str]) -> PythonEnvironment | None:
    real = os.path.realpath(candidate.executable)
    prefix = os.path.dirname(os.path.dirname(real))
    name = os.path.basename(real)
    library = name if re.fullmatch(_LIBRARY, name) and Path(prefix, "lib", name).is_dir() else _library(prefix)
    version = _installed_version(prefix, library)
    if library is None or version is None:
        return None
    python = Python(
        version=version,
        implementation=implementation_of(library),
        executable=candidate.executable,
        prefix=prefix,
        evidence=candidate.evidence,
    )
    folders = _user_folder(library, environ) + _package_folders(prefix, library)
    return PythonEnvironment(python=python, folders=tuple(folders), conda_prefix=conda_prefix(prefix))


def _library(prefix: str) -> str | None:
    """The one folder `lib/python3.11`; nothing if there are none or several, as in `/usr`."""
    try:
        names = [name for name in os.listdir(f"{prefix}/lib") if re.fullmatch(_LIBRARY, name)]
    except OSError:
        return None
    return names[0] if len(names) == 1 else None


def _installed_version(prefix: str, library: str | None) -> str | None:
    """The full version of an installation, from its header or from conda's record of it."""
    if library is None:
        return None
    try:
        header = regular_bytes(f"{prefix}/include/{library}/patchlevel.h", 65536).decode("utf-8", "replace")
    except (OSError, ValueError):
        return _conda_version(prefix)
    return header_version(header)


def _conda_version(prefix: str) -> str | None:
    try:
        names = os.listdir(f"{prefix}/conda-meta")
    except OSError:
        return None
    found = (re.fullmatch(r"python-(\d+\.\d+\.[^-]+)-[^-]+\.json", name) for name in names)
    return next((match[1] for match in found if match), None)


def _package_folders(prefix: str, library: str) -> list[str]:
    """Where an installation or virtual environment keeps packages; Debian's places for those below `/usr`."""
    folders = [f"{prefix}/lib/{library}/site-packages"]
    if not Path(prefix, "lib64").is_symlink():
        folders.append(f"{prefix}/lib64/{library}/site-packages")
    if prefix == "/usr":
        folders += [f"/usr/local/lib/{library}/dist-packages", "/usr/lib/python3/dist-packages"]
    return folders


def _user_folder(library: str, environ: Mapping[str, str]) -> list[str]:
    if environ.get("PYTHONNOUSERSITE"):
        return []
    home = home_of(environ)
    base = environ.get("PYTHONUSERBASE") or (f"{home}/.local" if home else None)
    return [f"{base}/lib/{library}/site-packages"] if base else []


def _asked(candidate: Candidate, environ: Mapping[str, str], attempts: Attempts) -> PythonEnvironment:
    """Start the interpreter and let it say. Raises ProgramError or ValueError."""
    done = run([candidate.executable, "-c", _QUESTION], seconds=attempts.seconds(LIMIT), environ=environ)
    if not done.ok:
        last = done.err.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ProgramError(f"{candidate.executable} ended with {done.code}: {last[:200]}")
    answer: list[Any] = json.loads(done.out)
    version, name, prefix, base, folders = answer
    python = Python(
        version=str(version).split()[0],
        implementation=_IMPLEMENTATIONS.get(str(name), str(name)),
        executable=candidate.executable,
        prefix=prefix,
        base=base if base != prefix else None,
        build=str(version).partition(" ")[2] or None,
        evidence=candidate.evidence,
    )
    return PythonEnvironment(python=python, folders=tuple(folders), conda_prefix=conda_prefix(prefix))
