"""What an exported version is called: `whence/version.json` in a bag (docs/format.md, section 10)."""

from typing import Literal

from .base import Struct


class BagVersion(Struct, frozen=True, kw_only=True):
    """Which version of which dataset a bag holds."""

    schema: Literal["whence-bag/1"] = "whence-bag/1"
    dataset: str
    """Its identifier."""
    name: str
    version: str
    manifest: str
    """Digest of the manifest, whose bytes are `whence/manifest.json`."""
    step: str
    """Digest of the act that made the version; its chain is in `whence/steps/`."""
