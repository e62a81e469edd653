"""Manifests as objects of the store."""

from __future__ import annotations

from ..errors import FormatError
from ..records.data import ManifestEntry
from ..records.encoding import decode
from ..rules.contents import Manifest
from ..rules.manifests import encode_manifest, manifest_faults
from .layout import Store
from .objects import put_bytes, read_object

MOST_SHOWN = 5
"""Faults that an error names."""


def put_manifest(store: Store, manifest: Manifest) -> str:
    """Keep the manifest; its digest. Raises OSError."""
    return put_bytes(store, encode_manifest(manifest))


def read_manifest(store: Store, digest: str) -> list[ManifestEntry]:
    """The entries of a manifest that may be followed. Raises UnresolvedError where the store does not hold it, and
    FormatError for what is no manifest, or names what must not be made."""
    entries = decode(read_object(store, digest), list[ManifestEntry], where=digest)
    faults = list(manifest_faults(entries))
    if faults:
        more = f" and {len(faults) - MOST_SHOWN} more" if len(faults) > MOST_SHOWN else ""
        shown = "; ".join(faults[:MOST_SHOWN]) + more
        raise FormatError(f"{digest}: {shown}", hint="it was made by hand, or by another program")
    return entries
