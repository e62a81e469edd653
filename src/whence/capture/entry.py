"""What was started: resolved from the arguments of a command as a shell and the interpreters would resolve them.

Launchers (`uv run`, `torchrun`, `srun`, `time` …) stand in one table, with the options that take a value, and are
looked through: the user's file is the entry, not the tool's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..digests import digest_of
from ..records.base import Missing
from ..records.code import Entry, EntryKind
from ..system.files import hash_descriptor, open_regular, read_regular
from ..system.processes import find_program

_PYTHON = r"(python|pypy|pythonw)[0-9.]*(t|d)?"
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "fish"})
_SCRIPTERS = frozenset({"Rscript", "julia", "perl", "ruby", "node", "octave", "lua", "ipython"})
_ASSIGNMENT = r"[A-Za-z_][A-Za-z0-9_]*="

_LAUNCHERS: dict[str, frozenset[str]] = {
    "env": frozenset({"-u", "--unset", "-C", "--chdir", "-S"}),
    "nice": frozenset({"-n", "--adjustment"}),
    "ionice": frozenset({"-c", "-n"}),
    "nohup": frozenset(),
    "stdbuf": frozenset({"-i", "-o", "-e"}),
    "setsid": frozenset(),
    "taskset": frozenset({"-c"}),
    "numactl": frozenset({"-N", "-m", "-C", "-i"}),
    "time": frozenset({"-f", "-o"}),
    "timeout": frozenset({"-s", "--signal", "-k", "--kill-after"}),
    "xvfb-run": frozenset({"-s", "-n", "-e"}),
    "srun": frozenset({"-n", "-N", "-c", "-p", "-t", "-J", "-A", "-w", "-G"}),
    "mpirun": frozenset({"-n", "-np", "-H", "--host", "--hostfile", "-x"}),
    "mpiexec": frozenset({"-n", "-np", "-host", "-hosts", "-f"}),
    "uv": frozenset({"--with", "-p", "--python", "--project", "--directory", "--extra", "--group", "--env-file",
                     "--with-editable", "--with-requirements", "--index"}),
    "poetry": frozenset({"-C", "--directory", "-P", "--project"}),
    "pdm": frozenset({"-p", "--project"}),
    "pixi": frozenset({"-e", "--environment", "--manifest-path"}),
    "hatch": frozenset({"-e", "--env"}),
    "pipenv": frozenset(),
    "conda": frozenset({"-n", "--name", "-p", "--prefix", "--cwd"}),
    "mamba": frozenset({"-n", "--name", "-p", "--prefix"}),
    "micromamba": frozenset({"-n", "--name", "-p", "--prefix"}),
    "torchrun": frozenset({"--nproc_per_node", "--nproc-per-node", "--nnodes", "--node_rank", "--node-rank",
                           "--master_addr", "--master-addr", "--master_port", "--master-port", "--rdzv_backend",
                           "--rdzv-backend", "--rdzv_endpoint", "--rdzv-endpoint", "--rdzv_id", "--rdzv-id",
                           "--max_restarts", "--max-restarts", "--log_dir", "--log-dir"}),
    "accelerate": frozenset({"--config_file", "--num_processes", "--num_machines", "--mixed_precision",
                             "--main_process_port", "--machine_rank"}),
    "deepspeed": frozenset({"--num_gpus", "--num_nodes", "--include", "--hostfile", "--master_port"}),
}  # fmt: skip
"""Programs that start another one -> their options that take the next word as value."""

_VERBS = {"uv": "run", "poetry": "run", "pdm": "run", "pixi": "run", "hatch": "run", "pipenv": "run", "conda": "run",
          "mamba": "run", "micromamba": "run", "accelerate": "launch"}  # fmt: skip
_FILE_LAUNCHERS = frozenset({"torchrun", "accelerate", "deepspeed"})
"""They take a Python file (or `-m module`) where others take a program."""
_OWN_WORDS = {"timeout": 1}
"""Words of their own that stand before the command: `timeout 5 …`."""
_PYTHON_VALUES = frozenset({"-W", "-X", "--check-hash-based-pycs"})


def resolve_entry(argv: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> Entry:
    """The entry of a command line, its path absolute. Files that cannot be read have no digest."""
    words = list(argv)
    for _ in range(8):
        if not words:
            return Entry(kind="unknown")
        name = words[0].rpartition("/")[2]
        if re.fullmatch(_PYTHON, name):
            return _python(words[1:], cwd)
        if name in _LAUNCHERS and (inner := _looked_through(name, words)) is not None:
            if name in _FILE_LAUNCHERS or _starts_python(name, inner):
                return _python(inner, cwd)
            words = inner
            continue
        return _program(words, cwd, environ)
    return _program(words, cwd, environ)


def _starts_python(launcher: str, inner: list[str]) -> bool:
    """`uv run x.py` and `uv run -m pkg` go to the project's interpreter."""
    return launcher in ("uv", "pdm") and (inner[0] == "-m" or inner[0].endswith(".py") or inner[0] == "-")


def _looked_through(name: str, words: list[str]) -> list[str] | None:
    """The words of the inner command, or nothing when this use starts none (`uv sync`)."""
    values = _LAUNCHERS[name]
    verb = _VERBS.get(name)
    own = _OWN_WORDS.get(name, 0)
    index = 1
    while index < len(words):
        word = words[index]
        if word == "--":
            index += 1
            break
        if verb is None and word == "-m" and name in (*_FILE_LAUNCHERS, "uv"):
            break
        if word.startswith("-") and len(word) > 1:
            index += 2 if word in values else 1
        elif name == "env" and re.match(_ASSIGNMENT, word):
            index += 1
        elif verb is not None:
            if word != verb:
                return None
            verb = None
            index += 1
        elif own:
            own -= 1
            index += 1
        else:
            break
    inner = words[index:]
    return inner if inner and verb is None else None


def _python(words: list[str], cwd: Path) -> Entry:
    """The command line of an interpreter (python(1)): options, then `-c`, `-m`, `-`, a file or nothing."""
    index = 0
    while index < len(words):
        word = words[index]
        if word in _PYTHON_VALUES:
            index += 2
        elif word.startswith("-m") and len(word) > 2 and not word.startswith("--"):
            return module_entry(word[2:], cwd)
        elif word == "-m" or (_bundled(word) and word.endswith("m")):
            return module_entry(words[index + 1], cwd) if index + 1 < len(words) else Entry(kind="unknown")
        elif word == "-c" or (_bundled(word) and word.endswith("c")):
            return inline_entry(words[index + 1]) if index + 1 < len(words) else Entry(kind="unknown")
        elif word == "-":
            return Entry(kind="stdin")
        elif word.startswith("-"):
            index += 1
        else:
            return _file("file", cwd / word)
    return Entry(kind="interactive") if _interactive(words) else Entry(kind="stdin")


def _bundled(word: str) -> bool:
    """Several one-letter options in one word: `-Bm`, `-uc`."""
    return re.fullmatch(r"-[bBdEhiIOPqsSuvx]+[cm]", word) is not None


def _interactive(words: list[str]) -> bool:
    return "-i" in words or os.isatty(0)


def inline_entry(source: str) -> Entry:
    """`python -c`: the digest is of the source text."""
    return Entry(kind="inline", digest=digest_of(os.fsencode(source)))


def interactive_entry() -> Entry:
    """A prompt: nothing on disk says what was typed."""
    return Entry(kind="interactive")


def notebook_entry(path: Path | None) -> Entry:
    """A notebook's kernel; the path where the front end tells."""
    return Entry(kind="notebook") if path is None else _file("notebook", path)


def function_entry(qualified_name: str, file: Path | None) -> Entry:
    """A function, method, class or partial that was handed over: its name, and the file that defines it."""
    found = Entry(kind="function") if file is None else _file("function", file)
    return Entry(kind="function", path=found.path, digest=found.digest, name=qualified_name)


def file_entry(path: Path) -> Entry:
    """A script that runs in this process."""
    return _file("file", path)


def module_entry(name: str, cwd: Path) -> Entry:
    """`python -m`: the file where the module lies in the working folder or `src`; else the name."""
    parts = name.split(".")
    for folder in (cwd, cwd / "src"):
        stem = folder.joinpath(*parts)
        for candidate in (stem.with_name(stem.name + ".py"), stem / "__main__.py"):
            if candidate.is_file():
                return _file("module", candidate, name)
    return Entry(kind="module", name=name)


def _program(words: list[str], cwd: Path, environ: Mapping[str, str]) -> Entry:
    name = words[0].rpartition("/")[2]
    found = _named(cwd / words[0]) if "/" in words[0] else find_program(words[0], environ)
    if name in _SHELLS or name in _SCRIPTERS:
        return _interpreted(name, words[1:], cwd)
    if found is None:
        return Entry(kind="command", name=words[0])
    path = cwd / found
    if _is_python_script(path):
        kind: EntryKind = "console_script" if path.parent.name in ("bin", "Scripts") else "file"
        return _file(kind, path, name if kind == "console_script" else None)
    return _file("command", path, name)


def _named(path: Path) -> str | None:
    """A word that is no path of a file is kept as it was given (a URL, an assignment), and not made one."""
    return str(path) if os.path.lexists(path) else None


def _interpreted(name: str, words: list[str], cwd: Path) -> Entry:
    """A shell or another interpreter: the script it is given, or the text after `-c` or `-e`."""
    for index, word in enumerate(words):
        if word in ("-c", "-e", "-lc", "-ec", "--eval") and index + 1 < len(words):
            return Entry(kind="inline", digest=digest_of(os.fsencode(words[index + 1])), name=name)
        if not word.startswith("-") and (cwd / word).is_file():
            return _file("file", cwd / word)
    return Entry(kind="command", name=name) if words else Entry(kind="stdin", name=name)


def _is_python_script(path: Path) -> bool:
    try:
        first = read_regular(path, 512)
    except (OSError, ValueError):
        return False
    line = first.split(b"\n", 1)[0]
    if not line.startswith(b"#!"):
        return False
    # uv and pip write `#!/bin/sh` and an exec line where the interpreter's path is too long or has blanks.
    return b"python" in line or (line.endswith(b"/sh") and b"'''exec'" in first)


def _file(kind: EntryKind, path: Path, name: str | None = None) -> Entry:
    whole = os.path.normpath(path)
    return Entry(kind=kind, path=whole, digest=_file_digest(whole), name=name)


ENTRY_LIMIT = 64 << 20
"""A larger program is not read for its digest at launch."""


def _file_digest(path: str) -> str | None:
    try:
        return _digest_of_file(path)
    except (OSError, ValueError):
        return None


def _digest_of_file(path: str) -> str | None:
    fd = open_regular(path)
    try:
        size = os.fstat(fd).st_size
        return hash_descriptor(fd, size)[0] if size <= ENTRY_LIMIT else None
    finally:
        os.close(fd)


def missing_digest(entry: Entry) -> Missing | None:
    """Why the entry's file has no digest, where it is there; what is not there the command itself will say."""
    if entry.path is None or entry.digest is not None:
        return None
    try:
        stat = os.stat(entry.path)
        os.close(open_regular(entry.path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        because = (isinstance(error, OSError) and error.strerror) or str(error)
        return Missing(what="code.entry.digest", because=f"the file was not read: {because}")
    if stat.st_size <= ENTRY_LIMIT:
        return None
    because = f"the file has {stat.st_size} bytes, and no more than {ENTRY_LIMIT} are read before the start"
    return Missing(what="code.entry.digest", because=because)
