"""Lock files: what they lock, read without the tools that wrote them, and whether what is installed agrees.

- *Disagreement* is a version that no entry of the lock allows, or a package that the lock needs without a condition and
  that is not there. Conditions (markers, extras, groups, other platforms) are not evaluated: such entries are only held
  against what is installed.
- Installed and not in the lock is told apart: the lock does not forbid it, but would not rebuild it.
- uv, poetry and pdm locks are scanned line by line: a TOML parser takes 60 ms for one of 1 MB, the scan 3 ms. They are
  written by one program each, in one form; a test holds the scan against `tomllib`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..records.environment import Package
from .packages import normalise

Format = Literal["uv", "poetry", "pdm", "pixi", "conda", "requirements", "pylock", "pipfile"]

_NAMES: dict[str, Format] = {
    "uv.lock": "uv",
    "poetry.lock": "poetry",
    "pdm.lock": "pdm",
    "pixi.lock": "pixi",
    "conda-lock.yml": "conda",
    "Pipfile.lock": "pipfile",
}
"""In the order of preference when a folder has several."""

_SEEDS = frozenset({"pip", "setuptools", "wheel", "uv", "distribute"})
"""What environments are made with; never reported as not locked."""


def format_of(file: str) -> Format | None:
    """The format of a lock file by its name; requirements files still have to be looked into, see `is_requirements`."""
    if file in _NAMES:
        return _NAMES[file]
    if file.startswith("pylock.") and re.fullmatch(r"pylock\.([^.]+\.)?toml", file):
        return "pylock"
    if file.startswith("requirements") and re.fullmatch(r"requirements[\w.-]*\.(txt|lock)", file):
        return "requirements"
    return None


def preference(kind: Format) -> int:
    """Sort key of formats: a tool's own lock before exports."""
    return [*_NAMES.values(), "pylock", "requirements"].index(kind)


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """What a lock file says."""

    versions: Mapping[str, frozenset[str]]
    """Every version that some entry of a name has."""
    needed: frozenset[str] = frozenset()
    """Names that must be installed whatever the platform, as far as that can be decided."""
    unpinned: tuple[str, ...] = ()
    """What it asks for without saying one version, in its words."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of a lock with what is installed."""

    mismatches: list[str]
    unlocked: list[str]


def read_lock(kind: Format, text: bytes, platform: str) -> Locked:
    """What the lock says; `platform` is conda's name of this one. Raises ValueError if it is unreadable."""
    return _READERS[kind](text, platform)


def compare(locked: Locked, installed: Iterable[Package]) -> Agreement:
    """Hold the lock against what is installed; editable and local packages are code, not dependencies."""
    present: dict[str, list[Package]] = {}
    for package in installed:
        present.setdefault(package.name, []).append(package)
    mismatches = [line for name, found in present.items() if (line := _mismatch(name, found, locked))]
    absent = [
        f"{name}: locked {_either(locked.versions.get(name, ()))}, not installed"
        for name in locked.needed
        if name not in present
    ]
    unlocked = [
        f"{name}=={found[0].version}"
        for name, found in present.items()
        if name not in locked.versions and name not in _SEEDS and found[0].source not in ("editable", "local", "conda")
    ]
    return Agreement(mismatches=sorted(mismatches + absent), unlocked=sorted(unlocked))


def _mismatch(name: str, found: Sequence[Package], locked: Locked) -> str | None:
    """A name may be installed twice (conda's record and the distribution): one that agrees is enough."""
    allowed = locked.versions.get(name)
    if not allowed or any(p.source in ("editable", "local") for p in found):
        return None
    if any(_same_version(p.version, version) for p in found for version in allowed):
        return None
    return f"{name}: locked {_either(allowed)}, installed {_either(p.version for p in found)}"


def _either(versions: Iterable[str]) -> str:
    return " or ".join(sorted(set(versions))) or "any version"


def _same_version(installed: str, locked: str) -> bool:
    """Equality of PEP 440 without the local part that an index page may add: `2.1.0+cu121` is `2.1.0`."""
    if installed == locked:
        return True
    return _plain(installed) == _plain(locked) or _plain(installed.partition("+")[0]) == _plain(locked)


def _plain(version: str) -> str:
    return re.sub(r"(\.0)+(?=$|[+])", "", version.lower()).replace("-", ".")


def _gather(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    versions: dict[str, set[str]] = {}
    for name, version in pairs:
        versions.setdefault(normalise(name), set()).add(version)
    return {name: frozenset(found) for name, found in versions.items()}


# --- TOML locks, scanned


class _Block(msgspec.Struct, frozen=True):
    """The head of one `[[package]]` table: its own lines, before any sub-table."""

    name: str
    version: str | None
    lines: str


def _blocks(text: bytes) -> Iterator[_Block]:
    document = "\n" + text.decode("utf-8").replace("\r\n", "\n")
    for chunk in document.split("\n[[package]]\n")[1:]:
        head = chunk.split("\n[", 1)[0]
        name, version = _value(head, "name"), _value(head, "version")
        if name is None:
            raise ValueError("a [[package]] has no name")
        yield _Block(name, version, head)


def _value(head: str, key: str) -> str | None:
    found = re.search(rf'^{key} = "((?:[^"\\]|\\.)*)"$', head, re.MULTILINE)
    return found[1] if found else None


def _read_uv(text: bytes, platform: str) -> Locked:
    if b"[[package]]" not in text and b"version = " not in text:
        raise ValueError("no [[package]] in it")
    blocks = list(_blocks(text))
    return Locked(versions=_gather((b.name, b.version) for b in blocks if b.version), needed=_uv_needed(blocks))


_UV_ROOT = r'(?m)^source = \{ (?:editable|virtual) = "\." \}$'
_UV_DEPENDENCIES = r"(?ms)^dependencies = \[\n(.*?)^\]$"
_UV_DEPENDENCY = r'(?m)^ +\{ name = "([^"]+)"(?:(?!marker = )[^\n])*\},?$'


def _uv_needed(blocks: Sequence[_Block]) -> frozenset[str]:
    """The root project's dependencies and theirs, as long as no marker stands between."""
    edges: dict[str, set[str]] = {}
    roots: list[str] = []
    for block in blocks:
        listed = re.search(_UV_DEPENDENCIES, block.lines)
        if listed:
            edges.setdefault(block.name, set()).update(re.findall(_UV_DEPENDENCY, listed[1]))
        if re.search(_UV_ROOT, block.lines):
            roots.append(block.name)
    return _reachable(roots, edges) - set(roots)


def _reachable(roots: Iterable[str], edges: Mapping[str, set[str]]) -> frozenset[str]:
    seen: set[str] = set()
    queue = list(roots)
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue.extend(edges.get(name, ()))
    return frozenset(seen)


def _read_poetry(text: bytes, platform: str) -> Locked:
    blocks = list(_blocks(text))
    main = re.compile(r'^groups = \[[^\]]*"main"', re.MULTILINE)
    needed = (b for b in blocks if main.search(b.lines) and "\nmarkers = " not in b.lines and _required(b))
    return Locked(
        versions=_gather((b.name, b.version) for b in blocks if b.version),
        needed=frozenset(normalise(b.name) for b in needed),
    )


def _required(block: _Block) -> bool:
    return "\noptional = true" not in block.lines


def _read_pdm(text: bytes, platform: str) -> Locked:
    """pdm states markers of transitive dependencies only under its strategy `inherit_metadata`."""
    blocks = list(_blocks(text))
    default = re.compile(r'^groups = \[[^\]]*"default"', re.MULTILINE)
    inherits = b'"inherit_metadata"' in text
    needed = (b for b in blocks if inherits and default.search(b.lines) and "\nmarker = " not in b.lines)
    return Locked(
        versions=_gather((b.name, b.version) for b in blocks if b.version),
        needed=frozenset(normalise(b.name) for b in needed),
    )


# --- the others


def _read_pylock(text: bytes, platform: str) -> Locked:
    import tomllib  # 4 ms, and only these files need it

    packages: list[dict[str, Any]] = tomllib.loads(text.decode("utf-8")).get("packages", [])
    return Locked(
        versions=_gather((p["name"], p["version"]) for p in packages if "version" in p),
        needed=frozenset(normalise(p["name"]) for p in packages if "marker" not in p),
    )


def _read_pipfile(text: bytes, platform: str) -> Locked:
    document: dict[str, Any] = json.loads(text)
    default: dict[str, dict[str, Any]] = document.get("default", {})
    develop: dict[str, dict[str, Any]] = document.get("develop", {})
    pairs = [
        (name, str(entry["version"]).removeprefix("=="))
        for section in (default, develop)
        for name, entry in section.items()
        if "version" in entry
    ]
    needed = (normalise(name) for name, entry in default.items() if "markers" not in entry)
    return Locked(versions=_gather(pairs), needed=frozenset(needed))


_REQUIREMENT = r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*={2,3}\s*([\w.!+-]+)(?=[\s;\\]|$)\s*([^\\]*)"
"""One version: `==2.*` and `==2.1,<3` are ranges."""


def is_requirements(text: bytes) -> bool:
    """Whether a requirements file is a lock: it pins something to one version, with hashes or without."""
    return b"==" in text and any(re.match(_REQUIREMENT, line) for line in text.decode("utf-8", "replace").splitlines())


def has_hashes(text: bytes) -> bool:
    """Whether a requirements file was written by a program, as the list of all that is needed."""
    return b"--hash=" in text


def _read_requirements(text: bytes, platform: str) -> Locked:
    lines = text.decode("utf-8").splitlines()
    pins = [found for line in lines if (found := re.match(_REQUIREMENT, line))]
    asked = (line for line in lines if line[:1].isalnum() and not re.match(_REQUIREMENT, line))
    return Locked(
        versions=_gather((pin[1], pin[2]) for pin in pins),
        needed=frozenset(normalise(pin[1]) for pin in pins if ";" not in pin[3]),
        unpinned=tuple(line.partition(" #")[0].strip() for line in asked),
    )


def _read_conda(text: bytes, platform: str) -> Locked:
    """conda-lock's unified file: YAML, but each package is a block of plain `key: value` lines."""
    entries = [_yaml_pairs(chunk) for chunk in re.split(r"^- ", text.decode("utf-8"), flags=re.MULTILINE)[1:]]
    here = [e for e in entries if e.get("platform") == platform and "name" in e and "version" in e]
    needed = (normalise(e["name"]) for e in here if e.get("category") == "main" and e.get("optional") != "true")
    return Locked(versions=_gather((e["name"], e["version"]) for e in here), needed=frozenset(needed))


def _yaml_pairs(chunk: str) -> dict[str, str]:
    lines = re.findall(r"^(?: {2})?([a-z_]+): (\S.*?)\s*$", chunk, re.MULTILINE)
    return {key: value.strip("'\"") for key, value in lines}


_CONDA_URL = r"/([a-z0-9-]+)/([^/\s]+)-([^-/\s]+)-[^-/\s]+\.(?:conda|tar\.bz2)$"


def _read_pixi(text: bytes, platform: str) -> Locked:
    """pixi's file lists conda packages by URL and PyPI ones by URL, name and version; other platforms are left out."""
    document = text.decode("utf-8")
    listed = document.split("\npackages:\n", 1)
    if len(listed) != 2:
        raise ValueError("no list of packages in it")
    return Locked(versions=_gather(_pixi_pairs(listed[1], platform)))


def _pixi_pairs(listed: str, platform: str) -> Iterator[tuple[str, str]]:
    for chunk in re.split(r"^- ", listed, flags=re.MULTILINE)[1:]:
        entry = _yaml_pairs(chunk)
        found = re.search(_CONDA_URL, entry.get("conda", ""))
        if found and found[1] in (platform, "noarch"):
            yield found[2], found[3]
        elif not found and "name" in entry and "version" in entry:
            yield entry["name"], entry["version"]


_READERS: dict[Format, Callable[[bytes, str], Locked]] = {
    "uv": _read_uv,
    "poetry": _read_poetry,
    "pdm": _read_pdm,
    "pixi": _read_pixi,
    "conda": _read_conda,
    "requirements": _read_requirements,
    "pylock": _read_pylock,
    "pipfile": _read_pipfile,
}

_CREDENTIALS = rb"(?<=://)[^/@\s\"'<>]+:[^/@\s\"'<>]+@"


def without_credentials(text: bytes) -> bytes:
    """The lock's bytes with users and passwords taken out of URLs; the same bytes when there are none."""
    return re.sub(_CREDENTIALS, b"", text) if b"@" in text else text


_CONDA_SYSTEMS = {"Linux": "linux", "Darwin": "osx"}
_CONDA_MACHINES = {"x86_64": "64", "amd64": "64", "i686": "32"}


def conda_platform(kernel: str, machine: str) -> str:
    """conda's name of a platform, `linux-64` or `osx-arm64`, from what uname says."""
    system = _CONDA_SYSTEMS.get(kernel, kernel.lower())
    return f"{system}-{_CONDA_MACHINES.get(machine, machine)}"
