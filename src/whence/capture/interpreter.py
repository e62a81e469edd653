"""The Python interpreter that a command runs: launchers, project tools, scripts and shims are seen through, on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ..rules.interpreters import SHELLS, ToolRun, is_python, launched, pyenv_choice, shebang, tool_run
from ..system.files import read_regular
from ..system.processes import find_program
from .hostfiles import home_of, regular_bytes

_DEPTH = 8
"""Launchers in front of launchers."""


class Candidate(msgspec.Struct, frozen=True):
    """What should be the interpreter, and what led to it."""

    executable: str
    evidence: str


def find_interpreter(
    program: str, argv: Sequence[str], cwd: Path, environ: Mapping[str, str], depth: int = _DEPTH
) -> Candidate | None:
    """The interpreter, or nothing for what is no Python. Raises LookupError where a project tool hides it."""
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
        return Candidate(os.path.abspath(os.path.join(cwd, program)), "the program")
    if name in SHELLS:
        return _active(environ)
    return _of_script(name, head, cwd, environ, depth)


def _find_named(command: Sequence[str], cwd: Path, environ: Mapping[str, str], depth: int) -> Candidate | None:
    program = find_program(command[0], environ)
    return find_interpreter(program, command, cwd, environ, depth - 1) if program else None


def _head(program: str) -> bytes:
    try:
        return read_regular(program, 1024)
    except (OSError, ValueError):
        return b""


def _of_script(name: str, head: bytes, cwd: Path, environ: Mapping[str, str], depth: int) -> Candidate | None:
    words = shebang(head)
    if words is None:
        return None
    found = _find_named(words, cwd, environ, depth)
    return Candidate(found.executable, f"#! of {name}") if found and found.evidence == "the program" else found


def _active(environ: Mapping[str, str]) -> Candidate | None:
    """The environment that a shell has activated: where the commands of a script find their Python."""
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if (prefix := environ.get(variable)) and (executable := _python_in(prefix)):
            return Candidate(executable, variable)
    return None


def _python_in(prefix: str) -> str | None:
    for name in ("python", "python3", "pypy3"):
        path = f"{prefix}/bin/{name}"
        if os.access(path, os.X_OK):
            return path
    return None


def _of_pyenv(program: str, argv: Sequence[str], cwd: Path, environ: Mapping[str, str], depth: int) -> Candidate | None:
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
            found = find_interpreter(path, argv, cwd, environ, depth - 1)
            return Candidate(found.executable, f"pyenv {version}") if found else None
    # `system`, or a version that is not there: the next program of that name on the PATH.
    folders = [f for f in environ.get("PATH", "").split(os.pathsep) if not f.rstrip("/").endswith("/shims")]
    other = find_program(name, {"PATH": os.pathsep.join(folders)})
    return find_interpreter(other, argv, cwd, environ, depth - 1) if other else None


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


def _of_tool(tool: ToolRun, program: str, cwd: Path, environ: Mapping[str, str]) -> Candidate:
    """The environment that `uv run`, `conda run` … choose. Raises LookupError when it is not there yet."""
    for prefix in _tool_prefixes(tool, program, cwd, environ):
        if executable := _python_in(prefix):
            return Candidate(executable, f"{tool.tool} run")
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
