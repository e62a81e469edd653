"""Names that the world outside has for data: what an address, a pointer or a place in another tool's cache says.

Sources: the pointer of Git LFS (git-lfs/docs/spec.md), `.dvc` files (dvc.org, user guide), the cache of huggingface_hub
(its guide "Understand caching"), URL parameters of the object stores.
"""

from __future__ import annotations

import re

from ..records.data import Identifier

STATED = r"(?i:(?:doi|swh|ark|hdl|urn):\S+|(?:hf|s3|gs|https?)://\S+)"
"""An identifier that is said of a local copy: `doi:10.5281/zenodo.1=data/co2.csv`."""

# Compiled by `re` when first used: most runs need none of them.
_LFS = rb"version https://git-lfs\.github\.com/spec/v1\n(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\n"
_DVC = rb"(?m)^[ -]+(md5|etag|path): *['\"]?([^\n'\"]+)"
_HUB = r"/(model|dataset|space)s--([^/]+)/snapshots/([0-9a-f]{40})/(.+)$"

POINTER = 1024
"""Bytes: no pointer of Git LFS is larger."""


def of_text(text: str) -> Identifier:
    """What a person states: `doi:…`, or an address."""
    if "://" in text:
        return of_address(text) or Identifier(scheme="url", value=text)
    scheme, _, value = text.partition(":")
    return Identifier(scheme=scheme.lower(), value=value)


def of_address(url: str) -> Identifier | None:
    """The version that an address names: a revision of a hub, a version in an object store, a digest."""
    if (stated := re.search(r"[#&?](sha256|sha512|md5|etag)=([^&\s]+)", url)) is not None:
        return Identifier(scheme=stated[1], value=stated[2])
    from urllib.parse import parse_qs, urlsplit  # with an address

    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme == "hf":
        return Identifier(scheme="hf", value=f"{parts.netloc}{parts.path}")
    query = parse_qs(parts.query)
    if versions := query.get("versionId"):
        return Identifier(scheme="s3-version", value=versions[0])
    if generations := query.get("generation") or ([parts.fragment] if parts.scheme == "gs" and parts.fragment else []):
        return Identifier(scheme="gs-generation", value=generations[0])
    return None


def of_pointer(head: bytes) -> Identifier | None:
    """Of a file that is a pointer of Git LFS: what the data would be, which are not here."""
    found = re.match(_LFS, head)
    return Identifier(scheme="git-lfs", value=f"sha256:{found[1].decode()}") if found else None


def of_dvc(content: bytes, name: str) -> Identifier | None:
    """What a `.dvc` file says of the file or folder of this name beside it."""
    said: dict[bytes, str] = {}
    for key, value in re.findall(_DVC, content):
        said[key] = value.decode("utf-8", "replace").strip()
        if said.get(b"path") == name and b"md5" in said:
            return Identifier(scheme="dvc-md5", value=said[b"md5"])
    return None


def of_hub_cache(real: str, path: str) -> Identifier | None:
    """Of a file in the cache of huggingface_hub, by its path or what that resolves to: repository, revision, file."""
    found = next((re.search(_HUB, one) for one in (path, real) if "--" in one and "/snapshots/" in one), None)
    if found is None:
        return None
    kind, repository, revision, file = found.groups()
    place = "" if kind == "model" else f"{kind}s/"
    return Identifier(scheme="hf", value=f"{place}{repository.replace('--', '/', 1)}@{revision}/{file}")
