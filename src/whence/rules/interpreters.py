"""Which Python a command line runs, as far as its words say: launchers, `#!` lines, `pyvenv.cfg`.

Everything here is text; `capture.interpreter` and `capture.python_environment` look the answers up on disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

_PYTHON = r"(?:python|pypy|graalpy|pythonw)(?:\d(?:\.\d+)?t?)?"

_PLAIN: dict[str, frozenset[str]] = {
    "nohup": frozenset(),
    "setsid": frozenset(),
    "time": frozenset({"-f", "-o", "--format", "--output"}),
    "nice": frozenset({"-n", "--adjustment"}),
    "ionice": frozenset({"-c", "-n", "-p", "--class", "--classdata"}),
    "chrt": frozenset(),
    "stdbuf": frozenset({"-i", "-o", "-e", "--input", "--output", "--error"}),
    "taskset": frozenset(),
    "numactl": frozenset({"-C", "-N", "-m", "-i", "-p", "-l"}),
    "timeout": frozenset({"-k", "-s", "--kill-after", "--signal"}),
    "env": frozenset({"-u", "-C", "--unset", "--chdir"}),
    "xvfb-run": frozenset({"-n", "-s", "-e", "-f", "-l"}),
    "catchsegv": frozenset(),
    "strace": frozenset({"-e", "-o", "-s", "-P"}),
    "mpirun": frozenset(
        {"-n", "-np", "--n", "--np", "-N", "-H", "--host", "--hostfile", "-x", "--map-by", "--bind-to"}
    ),
    "srun": frozenset({"-n", "-N", "-c", "-p", "-t", "-J", "-A", "-w", "-G", "-q", "--ntasks"}),
    "winpty": frozenset(),
}
"""Launchers that run another command of their own command line, and which of their options take a value."""

_PLAIN["mpiexec"] = _PLAIN["orterun"] = _PLAIN["prterun"] = _PLAIN["mpirun"]

_OPERANDS = {"timeout": 1, "taskset": 1, "chrt": 1}
"""How many words stand between such a launcher's options and the command."""

PROJECT_TOOLS = frozenset({"uv", "poetry", "pdm", "pixi", "pipenv", "hatch", "rye", "conda", "mamba", "micromamba"})
"""Tools whose `run` starts a command in an environment of the tool's choice."""

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "make", "just", "snakemake", "parallel", "xargs"})
"""Programs that start others by name: the active environment is where they find Python."""

_TOOL_VALUES = frozenset(
    {"-n", "--name", "-p", "--prefix", "--python", "--with", "--extra", "--group", "--env-file", "-e", "--environment"}
    | {"--project", "--directory", "-C", "--package", "--cwd", "--manifest-path", "--index", "--with-editable"}
    | {"--with-requirements", "--only-group", "--no-group", "--venv", "--index-url", "--extra-index-url"}
)


def is_python(name: str) -> bool:
    """Whether a program's file name is an interpreter's: `python3.12`, `pypy3`, `python3.13t`."""
    return re.fullmatch(_PYTHON, name) is not None


class ToolRun(msgspec.Struct, frozen=True, kw_only=True):
    """A command that a project tool starts."""

    tool: str
    options: dict[str, str]
    """Options with their values, as far as they choose an environment."""
    command: tuple[str, ...]


def launched(name: str, argv: Sequence[str]) -> tuple[str, ...] | None:
    """The command that a launcher runs, or nothing if `name` is no launcher that we know, or runs none."""
    if name not in _PLAIN:
        return None
    rest = _after_options(argv[1:], _PLAIN[name])
    rest = rest[_OPERANDS.get(name, 0) :]
    while rest and name == "env" and "=" in rest[0]:
        rest = rest[1:]
    return tuple(rest) or None


def _after_options(words: Sequence[str], with_value: frozenset[str]) -> Sequence[str]:
    at = 0
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "--":
            return words[at + 1 :]
        at += 2 if words[at] in with_value else 1
    return words[at:]


def tool_run(name: str, argv: Sequence[str]) -> ToolRun | None:
    """What `uv run`, `conda run` and the like start, or nothing if this is no such command."""
    if name not in PROJECT_TOOLS or "run" not in argv:
        return None
    at = list(argv).index("run")
    options: dict[str, str] = {}
    words = [*argv[1:at], *argv[at + 1 :]]
    before = at - 1
    place = 0
    while place < len(words) and (place < before or words[place].startswith("-")):
        word = words[place]
        place += 1
        if word == "--":
            break
        key, equals, value = word.partition("=")
        if equals:
            options[key] = value
        elif word in _TOOL_VALUES and place < len(words):
            options[word] = words[place]
            place += 1
    return ToolRun(tool=name, options=options, command=tuple(words[place:]))


def shebang(head: bytes) -> tuple[str, ...] | None:
    """The command of a script's first line; `env` and its `-S` are seen through by `launched`.

    Scripts with long or spaced paths start with `#!/bin/sh` and hand themselves over in the second line:
    `'''exec' '/long path/python' "$0" "$@"`.
    """
    if not head.startswith(b"#!"):
        return None
    line, _, rest = head[2:].partition(b"\n")
    words = line.decode("utf-8", "surrogateescape").split()
    handed = re.match(rb"'''exec' '?([^'\"\n]+?)'? \"\$0\"", rest)
    if handed:
        return (handed[1].decode("utf-8", "surrogateescape"),)
    if len(words) > 2 and words[1] == "-S":
        return (words[0], *words[2:])
    return tuple(words) or None


def venv_settings(text: str) -> dict[str, str]:
    """The `key = value` lines of a `pyvenv.cfg`, keys in lower case."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, equals, value in pairs if equals}


def venv_version(settings: dict[str, str]) -> str | None:
    """`3.11.7` from `version` (venv), `version_info` (uv: `3.11.7`, virtualenv: `3.11.7.final.0`)."""
    text = settings.get("version_info") or settings.get("version") or ""
    found = re.match(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", text)
    return found[0] if found else None


def header_version(patchlevel: str) -> str | None:
    """`PY_VERSION` of the header that an installation carries, `include/python3.11/patchlevel.h`."""
    found = re.search(r'^#define\s+PY_VERSION\s+"([^"]+)"', patchlevel, re.MULTILINE)
    return found[1].rstrip("+") if found else None


def implementation_of(name: str) -> str:
    """The implementation by the interpreter's file name."""
    return "PyPy" if name.startswith("pypy") else "GraalPy" if name.startswith("graalpy") else "CPython"


def pyenv_choice(wanted: str, available: Sequence[str]) -> str | None:
    """The installed version that pyenv means: the exact one, or the newest of a prefix such as `3.11`."""
    if wanted in available:
        return wanted
    matching = [version for version in available if version.startswith(f"{wanted}.")]
    return max(matching, key=_numbers, default=None)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
