"""Installed distributions, from the names of their metadata folders and PEP 610's `direct_url.json`.

A folder `ruamel.yaml-0.18.6.dist-info` says name and version without a read; sources are said by `direct_url.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, cast

from ..records.environment import Package

_USER_INFO = r"(?<=://)[^/@\s\"']*@"
_SSH_USER = r"(?:ssh|git\+ssh)://[A-Za-z0-9_.-]+@"
_EGG = r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-py\d.*)?"
_HEADER = rb"(?m)^(Name|Version):[ \t]*(.*?)[ \t]*\r?$"


def normalise(name: str) -> str:
    """The name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def from_folder(folder: str) -> tuple[str, str] | None:
    """Normalised name and version that a metadata folder or file is named after; nothing when its name is none.

    pip renames what it is about to remove to `~umpy-2.0.dist-info`: such leftovers are no distribution.
    """
    stem, _, suffix = folder.rpartition(".")
    if suffix == "dist-info":
        name, _, version = stem.rpartition("-")
    elif suffix in ("egg-info", "egg"):
        parts = re.fullmatch(_EGG, stem)
        name, version = (parts["name"], parts["version"]) if parts else ("", "")
    else:
        return None
    if not name or not version or not name[0].isalnum() or not version[0].isalnum():
        return None
    return normalise(name), version


def from_metadata(text: bytes) -> tuple[str, str] | None:
    """Name and version that a METADATA or PKG-INFO file states."""
    fields: dict[bytes, str] = {}
    for key, value in re.findall(_HEADER, text.split(b"\n\n", 1)[0]):
        fields.setdefault(key, value.decode("utf-8", "replace"))
    name, version = fields.get(b"Name"), fields.get(b"Version")
    return (normalise(name), version) if name and version else None


def without_credentials(url: str) -> str:
    """The URL without user and password; a bare `git@` of an ssh address stays, since it is no secret."""
    if re.match(_SSH_USER, url):
        return url
    return re.sub(_USER_INFO, "", url)


def from_direct_url(name: str, version: str, text: bytes, mask: Callable[[str, str], str]) -> Package:
    """The distribution whose `direct_url.json` this is (PEP 610). Raises ValueError if it is none."""
    facts = _table({"": json.loads(text)}, "")
    if facts is None:
        raise ValueError("direct_url.json holds no object")
    url = mask("url", without_credentials(str(facts.get("url", "")))) or None
    vcs, archive, folder = (_table(facts, key) for key in ("vcs_info", "archive_info", "dir_info"))
    if vcs is not None:
        commit = vcs.get("commit_id")
        return Package(name=name, version=version, source="vcs", url=url, commit=str(commit) if commit else None)
    if archive is not None:
        return Package(name=name, version=version, source="archive", url=url, digest=_archive_digest(archive))
    editable = folder is not None and folder.get("editable") is True
    return Package(name=name, version=version, source="editable" if editable else "local", url=url)


def _table(facts: dict[str, Any], key: str) -> dict[str, Any] | None:
    value = facts.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _archive_digest(archive: dict[str, Any]) -> str | None:
    """`sha256:…` from `hashes`, or from the older `hash: sha256=…`."""
    hashes = _table(archive, "hashes") or {}
    if hashes.get("sha256"):
        return f"sha256:{hashes['sha256']}"
    old = archive.get("hash")
    return old.replace("=", ":", 1) if isinstance(old, str) and old.startswith("sha256=") else None


def from_conda(file: str, tail: bytes) -> Package | None:
    """The package of `conda-meta/<name>-<version>-<build>.json`; `tail` is the end of that file.

    conda writes the keys in alphabetical order, the long list of files before `sha256` and `url`.
    """
    parts = file.removesuffix(".json").rsplit("-", 2)
    if len(parts) != 3:
        return None
    digest = re.search(rb'"sha256": ?"([0-9a-f]{64})"', tail)
    url = re.search(rb'"url": ?"([^"]*)"', tail)
    return Package(
        name=normalise(parts[0]),
        version=parts[1],
        source="conda",
        url=without_credentials(url[1].decode("utf-8", "replace")) if url else None,
        digest=f"sha256:{digest[1].decode('ascii')}" if digest else None,
    )


def portable(packages: Iterable[Package]) -> tuple[list[Package], dict[str, str]]:
    """The packages sorted, without paths of this host, and those paths by name."""
    paths: dict[str, str] = {}
    stripped: list[Package] = []
    for package in packages:
        if package.url and package.url.startswith("file:"):
            paths[package.name] = package.url
            package = Package(
                name=package.name,
                version=package.version,
                source=package.source,
                commit=package.commit,
                digest=package.digest,
            )
        stripped.append(package)
    return sorted(stripped, key=lambda p: (p.name, p.version, p.source)), paths
