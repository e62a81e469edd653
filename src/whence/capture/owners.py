"""The installed package that a program or shared library belongs to: by the lists that package managers keep.

The lists of dpkg and conda are read; those of rpm are a database, so rpm itself is asked, once for all files. What the
machine's own manager said is remembered as long as it has changed nothing. A file that no list names belongs to nobody
that is known here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from ..records.encoding import encode
from ..records.observation import Package
from ..system.files import write_whole
from ..system.processes import ProgramError, run

DPKG = Path("/var/lib/dpkg")
RPM = (Path("/usr/lib/sysimage/rpm"), Path("/var/lib/rpm"))
"""Where the database of rpm lies, on newer and on older systems."""

RPM_SECONDS = 0.5
"""How long rpm may take at most."""

_MERGED = ("/bin/", "/sbin/", "/lib/", "/lib64/", "/lib32/")
"""Folders that are links into /usr on most systems; lists name either way."""

_SYSTEM = ("/usr/bin/", "/usr/sbin/", "/usr/lib", "/usr/games/", "/usr/share/", *_MERGED)

Names = Mapping[str, Package | None]
Ask = Callable[[Sequence[str], Callable[[], bool]], "dict[str, Package | None] | None"]


class _Known(msgspec.Struct, frozen=True):
    """What was found, and what it holds for."""

    state: list[int]
    names: dict[str, Package | None]


def find_packages(paths: Iterable[str], cache: Path, enough: Callable[[], bool]) -> Names:
    """By path, for absolute ones; nothing for those of nobody, or that were not found when time was up."""
    real = {path: os.path.realpath(path) for path in paths}
    of_system = sorted({path for path in real.values() if path.startswith(_SYSTEM)})
    known = _remembered(of_system, cache / "packages.json", enough)
    found: dict[str, Package | None] = {}
    for path, target in real.items():
        prefix = None if target in known else conda_prefix(target)
        found[path] = of_conda(target, prefix, enough) if prefix is not None else known.get(target)
    return found


# conda: one JSON document a package, named NAME-VERSION-BUILD, with the paths below the prefix.


def conda_prefix(path: str) -> Path | None:
    """The environment that a file lies in."""
    return next((above for above in Path(path).parents if (above / "conda-meta").is_dir()), None)


def of_conda(path: str, prefix: Path, enough: Callable[[], bool]) -> Package | None:
    wanted = b'"%s"' % os.fsencode(os.path.relpath(path, prefix))
    for document in (prefix / "conda-meta").glob("*.json"):
        if enough():
            return None
        if wanted in _read(document):
            name, version, _ = document.stem.rsplit("-", 2)
            return Package(name=name, version=version, manager="conda")
    return None


# The machine's own manager, and what it said before.


def _remembered(paths: list[str], cache: Path, enough: Callable[[], bool]) -> Names:
    manager = _manager() if paths else None
    if manager is None:
        return {}
    state, ask = manager
    known = _load(cache, state)
    new = [path for path in paths if path not in known]
    if new and not enough():
        found = ask(new, enough)
        if found is None:
            return known
        known.update(found)
        _save(cache, _Known(state, known))
    return known


def _manager() -> tuple[list[int], Ask] | None:
    """The state of its database, and whom to ask."""
    if state := _state(DPKG / "status"):
        return state, lambda paths, enough: of_dpkg(paths, DPKG, enough)
    for folder in RPM:
        for name in ("rpmdb.sqlite", "Packages.db", "Packages"):
            if state := _state(folder / name):
                return state, lambda paths, _, folder=folder: of_rpm(paths, folder)
    return None


def _state(file: Path) -> list[int] | None:
    """What tells whether something was installed or removed since; nothing where nothing is listed."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns] if stat.st_size else None


# dpkg: one list of paths a package (dpkg-query(1)), and one file with a stanza for each (deb-control(5)).


def of_dpkg(paths: Iterable[str], dpkg: Path, enough: Callable[[], bool]) -> dict[str, Package | None] | None:
    """By path; nothing when time was up."""
    names = {os.fsencode(name): path for path in paths for name in names_of(path)}
    lists: dict[str, str] = {}
    for file in sorted((dpkg / "info").glob("*.list")):
        if enough():
            return None
        lists.update((names[line], file.stem) for line in names.keys() & _read(file).split(b"\n"))
    stanzas = _stanzas(_read(dpkg / "status"), {_name(one) for one in lists.values()}) if lists else {}
    return {path: _package(lists[path], stanzas) if path in lists else None for path in set(names.values())}


def names_of(path: str) -> set[str]:
    """The ways in which a list may name a file."""
    if path.startswith(tuple("/usr" + folder for folder in _MERGED)):
        return {path, path.removeprefix("/usr")}
    return {path, "/usr" + path} if path.startswith(_MERGED) else {path}


def _stanzas(status: bytes, wanted: Collection[str]) -> dict[str, list[bytes]]:
    """By package, in one pass: the file has a megabyte. A name that is installed for two architectures has two."""
    found: dict[str, list[bytes]] = {}
    for stanza in status.split(b"\n\n"):
        first = stanza.partition(b"\n")[0].decode(errors="replace")
        if (name := first.removeprefix("Package: ")) in wanted:
            found.setdefault(name, []).append(stanza)
    return found


def _name(of_list: str) -> str:
    return of_list.partition(":")[0]


def _package(of_list: str, stanzas: Mapping[str, Sequence[bytes]]) -> Package:
    """`libc6:amd64` or `make`, with the version of its stanza."""
    name, _, architecture = of_list.partition(":")
    for stanza in stanzas.get(name, ()):
        if not architecture or _field(b"Architecture", stanza) == architecture:
            return Package(name=name, version=_field(b"Version", stanza), manager="dpkg")
    return Package(name=name, manager="dpkg")


def _field(name: bytes, stanza: bytes) -> str | None:
    found = re.search(rb"(?m)^%s: (.*)$" % name, stanza)
    return found[1].decode(errors="replace") if found else None


# rpm: every file of the packages that own one of these is listed, since a file may have two owners, or none (rpm(8)).


def of_rpm(paths: Sequence[str], folder: Path) -> dict[str, Package | None] | None:
    """By path; nothing when rpm is not there, or does not answer in time."""
    listed = "[%{=NAME}\t%{=EVR}\t%{FILENAMES}\n]"
    asked = ["rpm", "--dbpath", str(folder), "-qf", "--queryformat", listed, *paths]
    try:
        done = run(asked, seconds=RPM_SECONDS, environ={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    except ProgramError:
        return None
    names = {os.fsencode(name): path for path in paths for name in names_of(path)}
    found: dict[str, Package | None] = dict.fromkeys(paths)
    for line in done.out.splitlines():
        words = line.split(b"\t")
        if len(words) == 3 and (path := names.get(words[2])):
            found[path] = Package(name=os.fsdecode(words[0]), version=os.fsdecode(words[1]), manager="rpm")
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


# What was found before.


def _load(cache: Path, state: list[int]) -> dict[str, Package | None]:
    try:
        known = msgspec.json.decode(cache.read_bytes(), type=_Known)
    except (OSError, msgspec.MsgspecError):
        return {}
    return known.names if known.state == state else {}


def _save(cache: Path, known: _Known) -> None:
    try:
        write_whole(cache, encode(known))
    except OSError:
        return  # It is found again.
