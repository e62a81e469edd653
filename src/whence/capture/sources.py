"""The source files that an interpreter has loaded, but for those of the standard library and of installed packages,
which the environment describes. Modules are looked at without asking them: an attribute of one may be an import.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec

_LONGEST = 4096
"""Bytes of a path, its end included (PATH_MAX, limits.h)."""

_INSTALLED = ("site-packages", "dist-packages")


class Loaded(msgspec.Struct, frozen=True):
    """A module, and the file that it came from, links followed."""

    module: str
    path: str


class Installation(msgspec.Struct, frozen=True):
    """The folders whose modules the environment describes, each with a slash at its end."""

    folders: tuple[str, ...]

    def holds(self, path: str) -> bool:
        """Whether a module at that path is described by the environment."""
        return path.startswith(self.folders)


def installation(prefixes: Iterable[str], standard: str, path: Iterable[str], libraries: str) -> Installation:
    """Of an interpreter: `prefixes` are its own and that of what it was made from, `standard` the folder of the
    standard library, `path` its `sys.path`, `libraries` its `sys.platlibdir`.

    A folder on `PYTHONPATH` counts only if it is one that installers fill; the target of an editable install is none.
    """
    version = os.path.basename(standard)
    folders = [standard, *(folder for folder in path if os.path.basename(folder.rstrip("/")) in _INSTALLED)]
    for prefix in prefixes:
        folders += [f"{prefix}/bin", f"{prefix}/{libraries}/{version}", f"{prefix}/lib/{version}"]
        folders.append(f"{prefix}/{libraries}/{version.replace('.', '')}.zip")
    return Installation(tuple(dict.fromkeys(folder.rstrip("/") + "/" for folder in folders)))


def loaded_sources(
    modules: Mapping[str, object], installed: Installation, *, cwd: str, known: set[str]
) -> Iterator[Loaded]:
    """The modules that came from files of the user's own, each file once; names in `known` are passed over, and what
    was looked at is added to it. Costs a microsecond a module, and a walk along its path where it is the user's own.
    """
    new = [name for name in modules if name not in known]
    known.update(new)
    seen: set[str] = set()
    for name in new:
        names = _names(modules[name])
        file = names.get("__file__")
        if not isinstance(file, str) or not file or file.startswith("<") or installed.holds(file):
            continue
        if not _is_path(file) or not _was_executed(modules[name]):
            continue
        archive = _archive(names)
        real = os.path.realpath(os.path.join(cwd, archive if archive and _is_path(archive) else _source(file)))
        if real not in seen and not installed.holds(real):
            seen.add(real)
            yield Loaded(name, real)


def _is_path(text: str) -> bool:
    """Whether a file could have that name: programs make modules of their own, with any text as their file."""
    try:
        name = os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return b"\0" not in name and len(name) < _LONGEST


def _was_executed(module: object) -> bool:
    """Not so a module of `importlib.util.LazyLoader` that still waits for its first use."""
    kind = type(module)
    return (kind.__module__, kind.__name__) != ("importlib.util", "_LazyModule")


def _archive(names: Mapping[str, Any]) -> str | None:
    """The archive that holds the module: it is the file that is there."""
    loader = _names(names.get("__spec__")).get("loader")
    return _names(loader).get("archive") if type(loader).__name__ == "zipimporter" else None


def _source(file: str) -> str:
    """The file whose bytes ran: of `__pycache__/x.cpython-311.pyc` the source beside the folder."""
    folder, base = os.path.split(file)
    if os.path.basename(folder) == "__pycache__" and base.endswith(".pyc"):
        return os.path.join(os.path.dirname(folder), base.partition(".")[0] + ".py")
    return file


def _names(value: object) -> Mapping[str, Any]:
    """What the value itself holds; `vars` and `getattr` would run code of classes that load lazily."""
    try:
        return cast("dict[str, Any]", object.__getattribute__(value, "__dict__"))
    except AttributeError:
        return {}
