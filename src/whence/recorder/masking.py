"""What was read or written, without what the digest of a file of secrets would show."""

from __future__ import annotations

from msgspec.structs import replace

from ..capture.observed import Role
from ..records.data import NOT_DIGESTED, Input
from ..rules.kinds import guess
from ..rules.secret_files import HEAD, file_is_secret
from ..rules.secrets import Secrets
from ..system.files import read_regular


def why_secret(path: str, role: Role, secrets: Secrets) -> str | None:
    """Why a file is one of secrets; data by its name only."""
    return file_is_secret(path, b"") if role == "data" else secrets.file_is_secret(path, _head(path))


def why_secret_output(path: str, secrets: Secrets) -> str | None:
    """Why a file that a command wrote is a secret as a whole, or settings that hold one; in any other a value that
    merely looks like one is no reason to lose a result."""
    is_settings = guess(path)[0] == "config"
    return secrets.file_is_secret(path, _head(path)) if is_settings else file_is_secret(path, _head(path))


def is_named_as_secret(path: str) -> bool:
    """Whether custom gives a file of secrets such a name."""
    return file_is_secret(path, b"") is not None


def without_digest(stated: Input, secret: str) -> Input:
    """A digest would let others try what the secret is."""
    return replace(stated, digest=None, digest_after=None, because=NOT_DIGESTED + secret)


def _head(path: str) -> bytes:
    try:
        return read_regular(path, HEAD)
    except OSError:
        return b""
