"""Find what an input or output is said to be: `PATH`, `NAME=PATH`, `IDENTIFIER=PATH`, a glob, a URL.

A thing is named by its path as it was written (relative to the run's working directory where it lies below it), so
that `a/m.pt` and `b/m.pt` never collide and the same file has the same name in every run of a project.
"""

from __future__ import annotations

import glob
import os
import re
import stat as modes
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec

from ..errors import UsageError
from ..handlers import let_pass
from ..records.data import Identifier, Kind, Location
from ..rules.identifiers import STATED, of_address, of_text
from ..system.mounts import find_mount
from .identifying import identify

# Compiled by `re` when first used, here and elsewhere: most runs need none of them.
_URL = r"[A-Za-z][A-Za-z0-9+.-]*://"
_NAMED = r"(?s)([A-Za-z_][\w .-]{0,200})=(.+)"
_PERCENT = rb"%([0-9A-Fa-f]{2})"
_IDENTIFIERS = r"(?i)(doi|swh|ark|hdl|urn):\S+"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Something that lies where it was said to lie, not yet read."""

    name: str
    path: str
    """As it is recorded: relative to the working directory, absolute, or a URL."""
    absolute: str | None
    """Where it can be opened; nothing for what is not a file here."""
    kind: Kind
    stat: os.stat_result | None = None
    """Of what a link resolves to."""
    location: Location | None = None
    identifier: Identifier | None = None
    because: str | None = None
    """Why it has no bytes that could be digested."""


class Mounts:
    """Which file system a path lies on, asked of the kernel once."""

    def __init__(self, host: str | None) -> None:
        self._host = host
        self._table: bytes | None = None
        self._known: dict[int, tuple[str | None, str | None]] = {}

    def locate(self, absolute: str, stat: os.stat_result | None) -> Location:
        """Host, mount and file system; and the target when links were on the way."""
        real = os.path.realpath(absolute)
        device = -1 if stat is None else stat.st_dev
        if device not in self._known:
            self._known[device] = self._look_up(real)
        mount, kind = self._known[device]
        return Location(
            host=self._host, mount=mount, file_system=kind, target=real if real != os.path.normpath(absolute) else None
        )

    def _look_up(self, real: str) -> tuple[str | None, str | None]:
        if self._table is None:
            try:
                self._table = Path("/proc/self/mountinfo").read_bytes()
            except OSError as error:
                let_pass(error)
                self._table = b""
        if not self._table:
            return None, None
        mount = find_mount(self._table, real)
        return mount.mount, mount.kind


def statements(said: object) -> list[tuple[str | None, str]]:
    """(name, place) of each thing said in Python: a path, `{name: path}`, or a list of such.

    Raises UsageError for anything else.
    """
    if said is None:
        return []
    if isinstance(said, str | bytes | os.PathLike):
        return [(None, os.fsdecode(cast("str | bytes | os.PathLike[str]", said)))]
    if isinstance(said, Mapping):
        items = cast("Mapping[object, object]", said).items()
        return [(str(name), place) for name, value in items for _, place in statements(value)]
    if isinstance(said, Iterable):
        return [statement for item in cast("Iterable[object]", said) for statement in statements(item)]
    raise UsageError(f"{said!r}: expected a path, a mapping of names to paths, or a list of them")


def find(spec: str, *, cwd: str, name: str | None, mounts: Mounts, mask_url: Callable[[str], str]) -> list[Found]:
    """What a statement names, in the order of the paths; nothing when there is nothing."""
    if not _exists(cwd, spec):
        if (copy := _copy_of(spec, cwd)) is not None:
            identifier, path = copy
            return [_called(found, identifier, mask_url) for found in _here(path, path, name, cwd, mounts)]
        if name is None:
            name, spec = _split(spec)
    if re.match(_URL, spec) and not spec.startswith("file://"):
        return [_url(spec, name, mask_url)]
    if re.fullmatch(_IDENTIFIERS, spec) and not _exists(cwd, spec):
        return [_identifier(spec, name)]
    return _here(_path_of_url(spec) if spec.startswith("file://") else spec, spec, name, cwd, mounts)


def _copy_of(spec: str, cwd: str) -> tuple[str, str] | None:
    """`IDENTIFIER=PATH` of something that is there; the identifier may have `=` in it."""
    parts = spec.split("=")
    cuts = (("=".join(parts[:n]), "=".join(parts[n:])) for n in range(1, len(parts)))
    return next((cut for cut in cuts if re.fullmatch(STATED, cut[0]) and _exists(cwd, cut[1])), None)


def _called(found: Found, text: str, mask_url: Callable[[str], str]) -> Found:
    """A local copy of what has an identifier."""
    shown = mask_url(text) if "://" in text else text
    return msgspec.structs.replace(found, identifier=of_text(shown))


def _here(path: str, shown: str, name: str | None, cwd: str, mounts: Mounts) -> list[Found]:
    if _exists(cwd, path):
        return [_local(path, recorded_path(shown, cwd), name, cwd, mounts)]
    matches = _matches(path, cwd)
    return [_local(match, own := recorded_path(match, cwd), name and f"{name}/{own}", cwd, mounts) for match in matches]


def _split(spec: str) -> tuple[str | None, str]:
    named = re.fullmatch(_NAMED, spec)
    return (named[1], named[2]) if named else (None, spec)


def _exists(cwd: str, path: str) -> bool:
    return path != "" and os.path.lexists(os.path.join(cwd, os.path.expanduser(path)))


def _matches(path: str, cwd: str) -> list[str]:
    if not glob.has_magic(path):
        return []
    try:
        return sorted(glob.glob(path, root_dir=cwd, recursive=True), key=os.fsencode)
    except (OSError, ValueError) as error:
        let_pass(error)
        return []


def recorded_path(path: str, cwd: str) -> str:
    """A path as it is recorded: relative to the working directory where it lies below it."""
    if path.startswith("file://"):
        return path
    if path.startswith(cwd.rstrip("/") + "/"):
        path = path[len(cwd.rstrip("/")) + 1 :]
    # `..` stays as it was written: through a symbolic link it is not the folder before.
    return path if ".." in path.split("/") else os.path.normpath(path or ".")


def _url(url: str, name: str | None, mask_url: Callable[[str], str]) -> Found:
    shown = mask_url(url)
    return Found(
        name=name or shown,
        path=shown,
        absolute=None,
        kind="url",
        identifier=of_address(shown),
        because="a URL is recorded as it was declared; nothing was fetched",
    )


def _identifier(text: str, name: str | None) -> Found:
    return Found(
        name=name or text,
        path=text,
        absolute=None,
        kind="url",
        identifier=of_text(text),
        because="an identifier is recorded as it was declared; nothing was fetched",
    )


def _path_of_url(url: str) -> str:
    """The path of a `file:` URL (RFC 8089)."""
    rest = url.removeprefix("file://")
    path = rest if rest.startswith("/") else "/" + rest.partition("/")[2]
    return os.fsdecode(re.sub(_PERCENT, lambda digits: bytes([int(digits[1], 16)]), os.fsencode(path)))


def _local(path: str, recorded: str, name: str | None, cwd: str, mounts: Mounts) -> Found:
    absolute = os.path.join(cwd, os.path.expanduser(path))
    own = os.lstat(absolute)
    try:
        stat = os.stat(absolute) if modes.S_ISLNK(own.st_mode) else own
    except OSError as error:
        let_pass(error)
        kind, stat, because = "link", None, f"the link leads nowhere: {error.strerror}"
    else:
        kind, because = _kind(own, stat)
    return Found(
        name=name or recorded,
        path=recorded,
        absolute=absolute,
        kind=kind,
        stat=stat,
        location=mounts.locate(absolute, stat),
        identifier=identify(absolute, stat),
        because=because,
    )


def _kind(own: os.stat_result, stat: os.stat_result) -> tuple[Kind, str | None]:
    if not (modes.S_ISREG(stat.st_mode) or modes.S_ISDIR(stat.st_mode)):
        return "special", f"{_special(stat.st_mode)} has no bytes that could be digested without taking them"
    if modes.S_ISLNK(own.st_mode):
        return "link", None
    return ("folder" if modes.S_ISDIR(stat.st_mode) else "file"), None


def _special(mode: int) -> str:
    if modes.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if modes.S_ISSOCK(mode) else "a device"


def one_each(found: Sequence[Found]) -> list[Found]:
    """Without those that were named twice."""
    return list({(item.name, item.path): item for item in found}.values())
