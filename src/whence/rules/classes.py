"""What a file is to a run, by where it lies and how it is called: one table, read from the top, the first row counts.

The patterns of policy stand above the table: `inputs` and `outputs` say that what they match is one, `ignore` that it
is not to be recorded. A file that no row knows is data. Writing knows fewer rows: what a compiler makes is a result,
whatever it is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from .snapshot import matches
from .track import Fate, FileUse

FileClass = Literal["data", "code", "config", "library", "system", "cache", "device", "ignored"]
"""`library` is software that came from elsewhere, `system` what an account or machine is set up with."""


HIDDEN = "~/.*"
"""Each hidden folder of the home."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Where a file lies, and how it is called; what a row leaves empty it does not ask."""

    name: FileClass
    what: str
    """For a reader of the table."""
    below: tuple[str, ...] = ()
    """Absolute folders; `~` is the home, `HIDDEN` each hidden folder in it. One that holds the code's folder says
    nothing about what is in that."""
    within: tuple[str, ...] = ()
    """Or names of a folder on the way, below the code's folder if the file is there."""
    called: tuple[str, ...] = ()
    """Patterns of the file's own name."""
    reading: bool = False
    """Only of what was read."""


TABLE: tuple[Row, ...] = (
    Row(name="data", what="disks that were plugged in", below=("/run/media",)),
    Row(name="device", what="semaphores and buffers that processes share", below=("/dev/shm",),
        called=("sem.*", "psm_*", "torch_*", "mp-*", "pym-*")),
    Row(name="data", what="files in shared memory", below=("/dev/shm",)),
    Row(name="device", what="devices and the kernel's own files", below=("/dev", "/proc", "/sys", "/run", "/var/run")),
    Row(
        name="cache",
        what="what tools derive, and version control's own",
        within=("__pycache__", ".git", ".hg", ".svn", ".mypy_cache", ".ruff_cache", ".pytest_cache",
                ".ipynb_checkpoints", ".snakemake", ".nextflow"),
    ),
    Row(
        name="library",
        what="installed packages, and the environment's own folders",
        within=("site-packages", "dist-packages", "node_modules", "site-library", ".venv", ".tox", ".nox", ".pixi",
                "*.dist-info", "*.egg-info"),
    ),
    Row(
        name="data",
        what="data and models that libraries keep in hidden folders of the home",
        below=(HIDDEN,),
        called=("*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt", "*.onnx", "*.gguf", "*.h5", "*.keras", "*.npz",
                "*.npy", "*.parquet", "*.arrow", "*.csv", "*.jsonl"),
    ),
    Row(name="cache", what="caches of the account and the machine",
        below=("~/.cache", "~/.nv", "~/.triton", "~/.ccache", "/var/cache")),
    Row(name="cache", what="compiled modules", called=("*.pyc", "*.pyo", "*.nbi", "*.nbc")),
    Row(
        name="cache",
        what="languages, fonts, time zones, terminals",
        below=("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts", "/usr/share/locale",
               "/usr/lib/locale", "/usr/share/zoneinfo", "/usr/share/terminfo", "/lib/terminfo", "/usr/share/mime",
               "/usr/share/fontconfig"),
    ),
    Row(
        name="cache",
        what="tables of the C library",
        below=("/etc", "/usr", "/lib"),
        called=("ld.so.cache", "ld.so.preload", "gconv-modules.cache", "locale-archive", "locale.alias", "*.mo"),
    ),
    Row(
        name="library",
        what="the system's software",
        below=("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store", "/snap", "/opt/conda",
               "/opt/intel", "/opt/nvidia", "/opt/rocm", "/System", "/Library", "/opt/homebrew", "~/R", "~/go/pkg",
               "~/.pyenv", "~/.local", "~/.julia", "~/.cargo", "~/.rustup", "~/.nvm", "~/.rbenv", "~/.asdf"),
    ),
    Row(name="library", what="shared libraries", called=("*.so", "*.so.*", "*.dylib"), reading=True),
    Row(
        name="system",
        what="how the machine and the account are set up",
        below=("/etc", "/var/lib", HIDDEN),
    ),
    Row(name="system", what="the account's own settings", below=("~",), called=(".*",)),
    Row(name="system", what="how a Python environment is set up", called=("pyvenv.cfg", "*._pth")),
    Row(
        name="code",
        what="source code",
        called=(
            "*.py", "*.pyx", "*.pxd", "*.pyi", "*.ipynb", "*.r", "*.R", "*.Rmd", "*.qmd", "*.jl", "*.m", "*.c", "*.h",
            "*.cc", "*.cpp", "*.cxx", "*.hh", "*.hpp", "*.hxx", "*.cu", "*.cuh", "*.f", "*.f90", "*.f95", "*.f03",
            "*.for", "*.rs", "*.go", "*.java", "*.scala", "*.kt", "*.js", "*.mjs", "*.ts", "*.lua", "*.pl", "*.pm",
            "*.rb", "*.sh", "*.bash", "*.zsh", "*.tcl", "*.sql", "*.awk", "*.sed", "*.smk", "*.nf", "*.wdl", "*.cwl",
            "*.mk", "*.cmake", "*.ninja", "*.stan", "Makefile", "makefile", "GNUmakefile", "Snakefile", "SConstruct",
            "CMakeLists.txt", "Dockerfile", "meson.build", "wscript", "configure", "configure.ac", "Justfile",
        ),
    ),
    Row(
        name="config",
        what="configuration",
        called=(
            "*.yaml", "*.yml", "*.toml", "*.ini", "*.cfg", "*.conf", "*.gin", "*.properties", "*.env", ".env", ".env.*",
            "uv.lock", "poetry.lock", "pdm.lock", "pixi.lock", "Cargo.lock", "renv.lock", "requirements*.txt", ".git*",
            ".editorconfig", ".python-version", ".tool-versions", "matplotlibrc", ".Rprofile", ".Renviron",
            "*config.json", "*configs.json", "*settings.json", "*params.json", "*args.json", "package.json",
        ),
    ),
)  # fmt: skip


class _Names:
    """Patterns of names, so that most are answered by a look into a set."""

    def __init__(self, patterns: Sequence[str]) -> None:
        plain = [p for p in patterns if p.startswith("*.") and not set(p[2:]) & set("*?[.")]
        self._suffixes = frozenset(p[2:] for p in plain)
        self._whole = frozenset(p for p in patterns if not set(p) & set("*?["))
        self._rest = tuple(p for p in patterns if p not in self._whole and p not in plain)

    def match(self, name: str) -> bool:
        return (
            name in self._whole
            or name.rpartition(".")[2] in self._suffixes
            or any(fnmatchcase(name, pattern) for pattern in self._rest)
        )


Word = Literal[
    "input", "output", "intermediate", "changed", "removed", "code", "config", "library", "system", "cache", "device",
    "ignored",
]  # fmt: skip
"""What becomes of a file in the record (docs/format.md, section 5)."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run takes place: what the table's rows and the patterns are held against. Paths are absolute."""

    root: str
    """The folder of the code: what patterns that are not absolute are relative to."""
    home: str | None = None
    libraries: tuple[str, ...] = ()
    """The environment's own folders: of the interpreter, and of the installation under a virtual environment."""
    own: tuple[str, ...] = ()
    """The store and what else is ours: never recorded."""
    pinned: tuple[str, ...] = ()
    """Folders of pinned data: they are data wherever they lie."""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


_WROTE: dict[Fate, Word] = {
    "written": "output",
    "again": "intermediate",
    "changed": "changed",
    "temporary": "intermediate",
    "removed": "removed",
}
_READ: dict[FileClass, Word] = {"data": "input", "code": "code", "config": "config"}


def word(use: FileUse, classes: Classes, path: str) -> Word | None:
    """The word for what a run did with a file; nothing when it did nothing."""
    if use.fate == "untouched":
        return None
    wrote = use.fate != "read"
    name = classes.of(path, written=wrote)
    if name not in ("data", "code", "config"):
        return name  # Counted only.
    if not wrote:
        return _READ[name]
    return "output" if use.now is not None and classes.is_output(path) else _WROTE[use.fate]


class Classes:
    """The table for one run. Folders are looked up once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._own = tuple(map(_open_ended, place.own))
        self._pinned = tuple(map(_open_ended, place.pinned))
        self._rows: dict[str, tuple[Row, ...]] = {}
        self._reaches = [(row, _Reach(row, place)) for row in TABLE]
        self._names = {row.what: _Names(row.called) for row in TABLE if row.called}

    def of(self, path: str, *, written: bool = False) -> FileClass:
        """The class of a file that was read, or written, at an absolute path."""
        if (said := self._said(path)) is not None:
            return said
        folder, _, name = path.rpartition("/")
        for row in self._rows_of(folder):
            if not (written and row.reading) and (not row.called or self._names[row.what].match(name)):
                return row.name
        return "data"

    def is_output(self, path: str) -> bool:
        """Whether policy says that it is one, whatever else the run did with it."""
        return self._matches(path, self._place.outputs)

    def _said(self, path: str) -> FileClass | None:
        """What policy says."""
        place = self._place
        if _open_ended(path).startswith(self._pinned):
            return "data"
        if _open_ended(path).startswith(self._own):
            return "ignored"
        if self._matches(path, (*place.inputs, *place.outputs)):
            return "data"
        return "ignored" if self._matches(path, place.ignore) else None

    def _matches(self, path: str, patterns: Sequence[str]) -> bool:
        """Gitignore patterns below the root; those that begin with `/` or `~/` name absolute paths."""
        if not patterns:
            return False
        absolute = [_at_home(self._place.home, p) for p in patterns if p.startswith(("/", "~/"))]
        if any(_matches_whole(path, pattern) for pattern in absolute):
            return True
        plain = [p for p in patterns if not p.startswith(("/", "~/"))]
        return bool(plain) and _is_below(path, self._place.root) and matches(self._relative(path), plain)

    def _relative(self, path: str) -> str:
        """Below the code's folder; any other path as it is."""
        return path[len(self._place.root.rstrip("/")) + 1 :] if _is_below(path, self._place.root) else path

    def _rows_of(self, folder: str) -> tuple[Row, ...]:
        """The rows that can hold for a file of this folder, in their order."""
        known = self._rows.get(folder)
        if known is None:
            if len(self._rows) > 100_000:
                self._rows.clear()
            in_code, parts = _is_below(folder, self._place.root), self._relative(folder).split("/")
            rows = tuple(row for row, reach in self._reaches if reach.holds(folder, in_code, parts))
            known = self._rows[folder] = rows
        return known


class _Reach:
    """Where a row of the table holds, for one run: made so that a folder is held against all its places at once."""

    def __init__(self, row: Row, place: Place) -> None:
        below = [_at_home(place.home, one) for one in row.below if one != HIDDEN]
        below += place.libraries if row.within and row.name == "library" else ()
        self._everywhere = not row.below and not row.within
        self._below = tuple(map(_open_ended, below))
        self._below_in_code = tuple(_open_ended(one) for one in below if not _is_below(place.root, one))
        self._home = (place.home or None) if HIDDEN in row.below else None
        self._root = place.root
        self._within = frozenset(one for one in row.within if "*" not in one)
        self._patterns = tuple(one for one in row.within if "*" in one)

    def holds(self, folder: str, in_code: bool, parts: Sequence[str]) -> bool:
        """Whether it says something about files of a folder, which has these parts below that of the code."""
        return (
            self._everywhere
            or _open_ended(folder).startswith(self._below_in_code if in_code else self._below)
            or (self._home is not None and self._is_hidden(folder, self._home, in_code))
            or not self._within.isdisjoint(parts)
            or any(fnmatchcase(part, pattern) for pattern in self._patterns for part in parts)
        )

    def _is_hidden(self, folder: str, home: str, in_code: bool) -> bool:
        hidden = _below_hidden(home + "/", folder)
        return hidden is not None and not (in_code and _is_below(self._root, hidden))


def _at_home(home: str | None, folder: str) -> str:
    """The absolute form; without a home nothing lies there."""
    return folder if not folder.startswith("~") else f"{home}{folder[1:]}" if home else "\0" + folder


def _below_hidden(home: str, folder: str) -> str | None:
    """The hidden folder of the home that a folder lies in."""
    name = folder[len(home) :].partition("/")[0]
    return home + name if folder.startswith(home) and name.startswith(".") else None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(_open_ended(folder))


def _open_ended(folder: str) -> str:
    """What all paths below begin with."""
    return folder.rstrip("/") + "/"


def _matches_whole(path: str, pattern: str) -> bool:
    """An absolute pattern matches the path, or a folder above it."""
    pattern = pattern.rstrip("/")
    return fnmatchcase(path, pattern) or fnmatchcase(path, pattern + "/*")
