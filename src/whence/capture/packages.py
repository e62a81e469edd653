"""The distributions installed in an environment, from its folders alone: no interpreter is started, no METADATA read.

A folder's name says name and version; `direct_url.json` is tried in each `dist-info`, which costs some 5 us where there
is none. 100 packages take about 2 ms, where `importlib.metadata` takes 100.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ..records.environment import Package
from ..rules.packages import from_conda, from_direct_url, from_folder, from_metadata, normalise
from ..rules.secrets import Mask
from ..system.files import open_regular
from .hostfiles import regular_bytes

_TAIL = 2048
"""Bytes at the end of a `conda-meta` file that hold checksum and URL."""

_METADATA_LIMIT = 4 << 20


class Edited(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution that is installed to be edited in place."""

    package: Package
    metadata: str
    """The folder that says what it provides: `…/NAME-VERSION.dist-info`, `…/NAME.egg-info`."""


class Installed(msgspec.Struct, kw_only=True):
    """What an environment's folders hold."""

    packages: list[Package] = []
    edited: list[Edited] = []
    libraries: list[str] = []
    """BLAS and LAPACK libraries that wheels carry: `numpy.libs/libscipy_openblas64_-ff651d7f.so`."""
    faults: list[str] = []
    """Metadata that could not be read; such a package is listed by its folder's name."""


def read_installed(folders: Sequence[str], conda_prefix: str | None, mask: Mask) -> Installed:
    """Everything installed. Of two copies in two folders the first counts, as it does for the import system."""
    installed = Installed()
    found: dict[str, list[Package]] = {}
    for folder in dict.fromkeys(folders):
        here = list(_distributions(folder, mask, installed))
        for name in {p.name for p in here} - found.keys():
            found[name] = [p for p in here if p.name == name]
    for package in _conda_packages(conda_prefix):
        same = found.setdefault(package.name, [])
        same[:] = [p for p in same if p.version != package.version] + [package]
    installed.packages = [package for same in found.values() for package in same]
    installed.edited = [one for one in installed.edited if one.package in found.get(one.package.name, [])]
    return installed


def _distributions(folder: str, mask: Mask, installed: Installed) -> Iterator[Package]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        installed.faults.append(f"{folder}: {error.strerror}")
        return
    for name in names:
        if name.endswith(".dist-info"):
            package = _from_dist_info(folder, name, mask, installed)
        elif name.endswith((".egg-info", ".egg")):
            package = _from_egg(folder, name)
        elif name.endswith(".egg-link"):
            package = _from_egg_link(folder, name, installed)
        else:
            if name in ("numpy.libs", "scipy.libs"):
                installed.libraries.extend(_blas(folder, name))
            continue
        if package is not None:
            yield package


def _from_dist_info(folder: str, name: str, mask: Mask, installed: Installed) -> Package | None:
    named = name_of_dist_info(folder, name)
    if named is None:
        return None
    try:
        text = regular_bytes(f"{folder}/{name}/direct_url.json", _METADATA_LIMIT)
        package = from_direct_url(*named, text, mask)
    except (FileNotFoundError, NotADirectoryError):
        # PEP 610: without the file it came from an index; Debian's folder is filled by dpkg.
        return Package(name=named[0], version=named[1], source="unknown" if "dist-packages" in folder else "index")
    except (OSError, ValueError) as error:
        installed.faults.append(f"{name}/direct_url.json: {error}")
        return Package(name=named[0], version=named[1])
    if package.source == "editable":
        installed.edited.append(Edited(package=package, metadata=f"{folder}/{name}"))
    return package


def name_of_dist_info(folder: str, name: str) -> tuple[str, str] | None:
    """Normalised name and version of a distribution, by its folder's name where that says them."""
    named = from_folder(name)
    if named is None or "_" in named[1]:  # no version in the name, or one that the name could not carry
        named = _stated(f"{folder}/{name}/METADATA") or named
    return named


def name_of_egg(folder: str, name: str) -> tuple[str, str] | None:
    """Likewise of an egg, or of what setuptools wrote beside the modules."""
    path = f"{folder}/{name}"
    return from_folder(name) or _stated(f"{path}/PKG-INFO") or _stated(f"{path}/EGG-INFO/PKG-INFO") or _stated(path)


def _from_egg(folder: str, name: str) -> Package | None:
    named = name_of_egg(folder, name)
    return Package(name=named[0], version=named[1]) if named else None


def _from_egg_link(folder: str, name: str, installed: Installed) -> Package | None:
    """What `setup.py develop` leaves: a file that holds the path of the project."""
    try:
        project = regular_bytes(f"{folder}/{name}", _METADATA_LIMIT).decode("utf-8", "replace").splitlines()[0].strip()
        infos = [entry for entry in os.listdir(project) if entry.endswith(".egg-info")]
    except (OSError, ValueError, IndexError):
        return None
    named = next((stated for info in infos if (stated := _stated(f"{project}/{info}/PKG-INFO"))), None)
    if named is None:
        named = (normalise(name.removesuffix(".egg-link")), "unknown")
    package = Package(name=named[0], version=named[1], source="editable", url=f"file://{project}")
    installed.edited += [Edited(package=package, metadata=f"{project}/{info}") for info in infos[:1]]
    return package


def _stated(path: str) -> tuple[str, str] | None:
    try:
        return from_metadata(regular_bytes(path, _METADATA_LIMIT))
    except (OSError, ValueError):
        return None


def _blas(folder: str, name: str) -> list[str]:
    marks = ("blas", "lapack", "mkl", "blis")
    try:
        return sorted(f"{name}/{file}" for file in os.listdir(f"{folder}/{name}") if any(m in file for m in marks))
    except OSError:
        return []


def _conda_packages(prefix: str | None) -> Iterable[Package]:
    if prefix is None:
        return
    folder = f"{prefix}/conda-meta"
    for name in os.listdir(folder):
        if name.endswith(".json") and (package := from_conda(name, _tail(f"{folder}/{name}"))):
            yield package


def _tail(path: str) -> bytes:
    try:
        fd = open_regular(path)
    except OSError:
        return b""
    try:
        return os.pread(fd, _TAIL, max(0, os.fstat(fd).st_size - _TAIL))
    except OSError:
        return b""
    finally:
        os.close(fd)
