"""The distributions that files in site-packages belong to, by what each lists as its own (PEP 376, PEP 627).

Only as many lists are read as it takes: that of a distribution which is named like the file comes first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

import msgspec

from ..records.environment import Imported
from ..rules.packages import normalise
from .hostfiles import regular_bytes
from .packages import name_of_dist_info, name_of_egg

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


def edited_distributions(paths: Iterable[str], edited: Mapping[str, Imported]) -> set[Imported]:
    """Those of the distributions that are edited in place, by the URLs of their folders, in which a path lies."""
    parts = [(unquote(url.removeprefix("file://")).rstrip("/") + "/", one) for url, one in edited.items()]
    return {one for path in paths for folder, one in parts if path.startswith(folder)} if parts else set()


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
