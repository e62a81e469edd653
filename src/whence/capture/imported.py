"""The distributions that files in site-packages belong to, by what each lists as its own (PEP 376, PEP 627).

Only as many lists are read as it takes: that of a distribution which is named like the file comes first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

import msgspec

from ..records.environment import Imported
from ..rules.packages import normalise
from .hostfiles import regular_bytes
from .packages import Edited, name_of_dist_info, name_of_egg

_LIMIT = 64 << 20
"""Bytes of a list: the largest known are of some MB."""

_FOLDER = re.compile(r"(.*?/(?:site|dist)-packages)/(.+)")


class Belonging(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of some files."""

    distributions: list[Imported] = []
    unknown: list[str] = []
    """Files that no distribution lists, by their path in their folder."""


def distributions_of(files: Iterable[str]) -> Belonging:
    """The distributions that the files belong to, sorted by name and version. What cannot be read is unknown."""
    folders: dict[str, set[str]] = {}
    for file in files:
        if found := _FOLDER.fullmatch(file):
            folders.setdefault(found[1], set()).add(found[2])
    known: set[tuple[str, str]] = set()
    unknown: list[str] = []
    for folder, within in folders.items():
        known |= set(_in_folder(folder, within))
        unknown += within  # Those that are left.
    return Belonging(
        distributions=[Imported(name=name, version=version) for name, version in sorted(known)],
        unknown=sorted(unknown),
    )


def edited_distributions(modules: Sequence[tuple[str, str]], edited: Iterable[Edited]) -> set[Imported]:
    """Those of the distributions that are edited in place of which one of the modules was imported, each with its file.
    What lies in the project's folder beside them (a script that was started) is none of them."""
    return {
        Imported(name=one.package.name, version=one.package.version)
        for one in edited
        if modules and (provided := _provided(one)) and any(_provides(provided, *module) for module in modules)
    }


class _Provided(msgspec.Struct, frozen=True, kw_only=True):
    """The modules of a distribution that lie elsewhere."""

    roots: list[str]
    """Folders that are searched for modules for it."""
    mapped: dict[str, str]
    """Module to its file or folder, where a finder is told so."""
    tops: set[str] | None
    """The names at the top that are its own; nothing where it does not say."""


_MAPPED = re.compile(rb"""['"]([\w.]+)['"]\s*[:,]\s*['"](/[^'"\n]+)['"]""")
"""Of the finders that setuptools (`MAPPING = {'a': '/x/a'}`) and editables (`map_module('a', '/x/a.py')`) write."""


def _provided(one: Edited) -> _Provided:
    site = os.path.dirname(one.metadata)
    record = _text(f"{one.metadata}/RECORD")
    names = [] if record is None else [line.partition(b",")[0] for line in record.splitlines()]
    files = {name: _text(f"{site}/{os.fsdecode(name)}") or b"" for name in names if name.endswith((b".pth", b".py"))}
    lines = [line.strip() for name, text in files.items() if name.endswith(b".pth") for line in text.splitlines()]
    roots = [os.path.join(site, os.fsdecode(line)) for line in lines if line and not line.startswith((b"import", b"#"))]
    mapped = {
        os.fsdecode(module): os.fsdecode(path)
        for name, text in files.items()
        if name.endswith(b".py")
        for module, path in _MAPPED.findall(text)
    }
    said = _text(f"{one.metadata}/top_level.txt")
    tops = None if said is None else {os.fsdecode(word) for word in said.split()}
    if not roots and not mapped:
        project = unquote((one.package.url or "").removeprefix("file://"))
        roots, tops = [project, f"{project}/src"], tops or {one.package.name.replace("-", "_")}
    return _Provided(roots=[os.path.realpath(root) for root in roots], mapped=mapped, tops=tops)


def _provides(provided: _Provided, module: str, path: str) -> bool:
    path = os.path.realpath(path)
    for name, place in provided.mapped.items():
        place = os.path.realpath(place).removesuffix("/__init__.py")
        if f"{module}.".startswith(f"{name}.") and (path == place or path.startswith((f"{place}/", f"{place}."))):
            return True
    if provided.tops is not None and module.partition(".")[0] not in provided.tops:
        return False
    stem = module.replace(".", "/")
    return any(path.startswith((f"{root}/{stem}.", f"{root}/{stem}/__init__.")) for root in provided.roots)


def _in_folder(folder: str, within: set[str]) -> Iterator[tuple[str, str]]:
    """Takes out of `within` what belongs to a distribution that it gives."""
    for entry, named in _by_likeness(_distributions(folder), within):
        if not within:
            return
        mine = _own(folder, entry, named[0], within)
        if mine:
            within -= mine
            yield named


def _distributions(folder: str) -> dict[str, tuple[str, str]]:
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    infos = {name: name_of_dist_info(folder, name) for name in names if name.endswith(".dist-info")}
    eggs = {name: name_of_egg(folder, name) for name in names if name.endswith((".egg-info", ".egg"))}
    return {name: named for name, named in {**infos, **eggs}.items() if named is not None}


def _by_likeness(
    distributions: Mapping[str, tuple[str, str]], within: Iterable[str]
) -> list[tuple[str, tuple[str, str]]]:
    tops = {normalise(_top(file)) for file in within}
    return sorted(distributions.items(), key=lambda item: (item[1][0] not in tops, item[0]))


def _own(folder: str, entry: str, name: str, within: Iterable[str]) -> set[str]:
    """Those of the files that a distribution lists; by its modules' names where its list is not there (Debian)."""
    if entry.endswith(".egg"):
        return {file for file in within if file.startswith(entry + "/")}
    path = f"{folder}/{entry}"
    if (record := _text(f"{path}/RECORD")) is not None:
        lines = b"\n" + record
        return {file for file in within if any(form in lines for form in _forms(os.fsencode(file)))}
    modules = _text(f"{path}/top_level.txt")
    tops = {name} if modules is None else {os.fsdecode(word) for word in modules.split()}
    return {file for file in within if _top(file) in tops or (modules is None and normalise(_top(file)) == name)}


def _forms(file: bytes) -> tuple[bytes, bytes]:
    return b"\n" + file + b",", b'\n"' + file.replace(b'"', b'""') + b'",'


def _top(file: str) -> str:
    """The module, or the package, that a file is or lies in."""
    return re.split(r"[/.]", file)[0]


def _text(path: str) -> bytes | None:
    try:
        return regular_bytes(path, _LIMIT)
    except (OSError, ValueError):
        return None
