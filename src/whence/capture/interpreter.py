"""The Python that a command runs, and the folders it imports from; found on disk, started only where that fails.

Starting an interpreter costs 10 ms and more, so `pyvenv.cfg` and the layout of the folders are read instead. Where they
are not understood (a shim, a build of a new form) the interpreter is asked.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..records.environment import Python
from ..rules.interpreters import (
    SHELLS,
    ToolRun,
    header_version,
    implementation_of,
    is_python,
    launched,
    pyenv_choice,
    shebang,
    tool_run,
    venv_settings,
    venv_version,
)
from ..system.processes import ProgramError, find_program, run
from .attempts import Attempts
from .hostfiles import home_of, regular_bytes

LIMIT = 5.0
"""Seconds that an interpreter may take to answer."""

_DEPTH = 8
"""Launchers in front of launchers."""

_LIBRARY = r"(?:python|pypy|graalpy)\d+\.\d+t?"

_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}

_QUESTION = (
    "import json,sys;print(json.dumps([sys.version,sys.implementation.name,sys.prefix,sys.base_prefix,"
    "[p for p in sys.path if p.endswith('-packages')]]))"
)


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


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter with the folders that its packages lie in."""

    python: Python
    folders: tuple[str, ...]
    """In the order in which the import system asks them."""
    conda_prefix: str | None = None


class _Candidate(msgspec.Struct, frozen=True):
    executable: str
    evidence: str


def running_environment(running: Running, environ: Mapping[str, str]) -> Environment:
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
    return Environment(python=python, folders=tuple(folders), conda_prefix=_conda(running.prefix))


def command_environment(
    program: str, argv: Sequence[str], cwd: Path, environ: Mapping[str, str], attempts: Attempts
) -> Environment | None:
    """The Python environment of a command, or nothing when it is no Python.

    Raises LookupError with the reason when it is one that cannot be found, OSError or ProgramError when it cannot be
    read or asked.
    """
    candidate = _find(program, argv, cwd, environ, _DEPTH)
    if candidate is None:
        return None
    path = _python_path(environ)
    found = _from_layout(candidate, environ) or _asked(candidate, environ, attempts)
    return Environment(python=found.python, folders=(*path, *found.folders), conda_prefix=found.conda_prefix)


def _python_path(environ: Mapping[str, str]) -> list[str]:
    return [folder for folder in environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


# --- which interpreter


def _find(program: str, argv: Sequence[str], cwd: Path, environ: Mapping[str, str], depth: int) -> _Candidate | None:
    """See through launchers, scripts and shims to an interpreter."""
    if depth == 0:
        return None
    name = os.path.basename(program)
    if (inner := launched(name, argv)) is not None:
        return _find_named(inner, cwd, environ, depth)
    if (tool := tool_run(name, argv)) is not None:
        return _of_tool(tool, program, cwd, environ)
    head = _head(program)
    if b"pyenv" in head and "/shims/" in program:
        return _of_pyenv(program, argv, cwd, environ, depth)
    if is_python(name) or is_python(os.path.basename(os.path.realpath(program))):
        return _Candidate(os.path.abspath(os.path.join(cwd, program)), "the program")
    if name in SHELLS:
        return _active(environ)
    return _of_script(name, head, cwd, environ, depth)


def _find_named(command: Sequence[str], cwd: Path, environ: Mapping[str, str], depth: int) -> _Candidate | None:
    program = find_program(command[0], environ)
    return _find(program, command, cwd, environ, depth - 1) if program else None


def _head(program: str) -> bytes:
    try:
        fd = os.open(program, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 1024)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _of_script(name: str, head: bytes, cwd: Path, environ: Mapping[str, str], depth: int) -> _Candidate | None:
    words = shebang(head)
    if words is None:
        return None
    found = _find_named(words, cwd, environ, depth)
    return _Candidate(found.executable, f"#! of {name}") if found and found.evidence == "the program" else found


def _active(environ: Mapping[str, str]) -> _Candidate | None:
    """The environment that a shell has activated: where the commands of a script find their Python."""
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if (prefix := environ.get(variable)) and (executable := _python_in(prefix)):
            return _Candidate(executable, variable)
    return None


def _python_in(prefix: str) -> str | None:
    for name in ("python", "python3", "pypy3"):
        path = f"{prefix}/bin/{name}"
        if os.access(path, os.X_OK):
            return path
    return None


def _of_pyenv(
    program: str, argv: Sequence[str], cwd: Path, environ: Mapping[str, str], depth: int
) -> _Candidate | None:
    """What a pyenv shim starts: the first version named by PYENV_VERSION, a `.python-version` or the global file."""
    root = environ.get("PYENV_ROOT") or program.partition("/shims/")[0]
    name = os.path.basename(program)
    try:
        available = os.listdir(f"{root}/versions")
    except OSError:
        available = []
    for wanted in _pyenv_wanted(root, cwd, environ):
        version = pyenv_choice(wanted, available)
        path = f"{root}/versions/{version}/bin/{name}"
        if version and os.access(path, os.X_OK):
            found = _find(path, argv, cwd, environ, depth - 1)
            return _Candidate(found.executable, f"pyenv {version}") if found else None
    # `system`, or a version that is not there: the next program of that name on the PATH.
    folders = [f for f in environ.get("PATH", "").split(os.pathsep) if not f.rstrip("/").endswith("/shims")]
    other = find_program(name, {"PATH": os.pathsep.join(folders)})
    return _find(other, argv, cwd, environ, depth - 1) if other else None


def _pyenv_wanted(root: str, cwd: Path, environ: Mapping[str, str]) -> list[str]:
    if stated := environ.get("PYENV_VERSION"):
        return stated.split(":")
    for file in (*(folder / ".python-version" for folder in (cwd, *cwd.parents)), Path(root, "version")):
        try:
            words = regular_bytes(file, 65536).decode("utf-8", "replace").split()
        except (OSError, ValueError):
            continue
        if words:
            return words
    return []


def _of_tool(tool: ToolRun, program: str, cwd: Path, environ: Mapping[str, str]) -> _Candidate:
    """The environment that `uv run`, `conda run` … choose. Raises LookupError when it is not there yet."""
    for prefix in _tool_prefixes(tool, program, cwd, environ):
        if executable := _python_in(prefix):
            return _Candidate(executable, f"{tool.tool} run")
    raise LookupError(f"`{tool.tool} run` chooses the environment, and none was found where it usually lies")


def _tool_prefixes(tool: ToolRun, program: str, cwd: Path, environ: Mapping[str, str]) -> Iterator[str]:
    options = tool.options
    named = options.get("--project") or options.get("--directory") or options.get("-C") or options.get("--cwd")
    start = cwd / named if named else cwd
    if tool.tool in ("conda", "mamba", "micromamba"):
        yield from _conda_prefixes(options, program, environ)
        return
    if tool.tool == "uv" and "--active" not in options:
        if own := environ.get("UV_PROJECT_ENVIRONMENT"):
            yield os.path.join(_project(start) or start, own)
    elif active := environ.get("VIRTUAL_ENV"):
        yield active
    for folder in (start, *start.parents):
        if tool.tool == "pixi":
            yield f"{folder}/.pixi/envs/{options.get('-e') or options.get('--environment') or 'default'}"
        elif tool.tool == "pdm" and (chosen := _pdm_choice(folder)):
            yield chosen
        yield f"{folder}/.venv"
    if active := environ.get("VIRTUAL_ENV"):
        yield active


def _project(start: Path) -> Path | None:
    return next((folder for folder in (start, *start.parents) if (folder / "pyproject.toml").exists()), None)


def _pdm_choice(folder: Path) -> str | None:
    try:
        executable = regular_bytes(folder / ".pdm-python", 65536).decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return None
    return os.path.dirname(os.path.dirname(executable)) or None


def _conda_prefixes(options: Mapping[str, str], program: str, environ: Mapping[str, str]) -> Iterator[str]:
    if prefix := options.get("-p") or options.get("--prefix"):
        yield prefix
        return
    name = options.get("-n") or options.get("--name")
    if name is None and (prefix := environ.get("CONDA_PREFIX")):
        yield prefix
        return
    executable = environ.get("CONDA_EXE") or os.path.realpath(program)
    roots = [
        environ.get("MAMBA_ROOT_PREFIX"),
        os.path.dirname(os.path.dirname(executable)),
        environ.get("CONDA_PREFIX"),
    ]
    for root in filter(None, roots):
        yield root if name in (None, "base") else f"{root}/envs/{name}"
    if home := home_of(environ):
        yield f"{home}/.conda/envs/{name}"


# --- its environment


def _from_layout(candidate: _Candidate, environ: Mapping[str, str]) -> Environment | None:
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
    candidate: _Candidate, prefix: str, settings: Mapping[str, str], environ: Mapping[str, str]
) -> Environment | None:
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
    return Environment(python=python, folders=tuple(folders), conda_prefix=_conda(prefix))


def _trusted_version(executable: str, prefix: str, settings: Mapping[str, str]) -> str | None:
    """The version in `pyvenv.cfg`, unless the interpreter was replaced since the file was written."""
    try:
        replaced = Path(executable).stat().st_ctime_ns > Path(prefix, "pyvenv.cfg").stat().st_ctime_ns
    except OSError:
        return None
    return None if replaced else venv_version(dict(settings))


def _from_installation(candidate: _Candidate, environ: Mapping[str, str]) -> Environment | None:
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
    return Environment(python=python, folders=tuple(folders), conda_prefix=_conda(prefix))


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


def _conda(prefix: str) -> str | None:
    return prefix if Path(prefix, "conda-meta").is_dir() else None


def _asked(candidate: _Candidate, environ: Mapping[str, str], attempts: Attempts) -> Environment:
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
    return Environment(python=python, folders=tuple(folders), conda_prefix=_conda(prefix))
