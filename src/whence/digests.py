"""The one content identity: `sha256:` and 64 lower-case hexadecimal digits, of the bytes."""

from __future__ import annotations

import hashlib
import re

_SHAPE = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(content: bytes | memoryview) -> str:
    """The digest of the bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def is_digest(text: str) -> bool:
    """Whether the text is a full digest."""
    return _SHAPE.fullmatch(text) is not None
