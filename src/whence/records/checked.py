"""The last field, `check`, of a document that stands alone: the digest of the bytes before it.

A journal line is held by the next one and a file by the seal; a seal or an act has nothing above it that would show
a changed byte. `check` shows accidents, not forgery.
"""

from typing import Any

import msgspec

from ..digests import digest_of
from .encoding import encode

_FIELD = b',"check":'
_EMPTY = _FIELD + b"null}"


def encode_checked(document: Any) -> bytes:
    """The bytes of a struct whose last field is `check`, with that field filled in, and a newline."""
    data = encode(msgspec.structs.replace(document, check=None))
    if not data.endswith(_EMPTY):
        raise ValueError("the last field must be `check`")
    return _with_check(data.removesuffix(_EMPTY))


def is_sound(data: bytes) -> bool:
    """Whether the bytes are those that `encode_checked` made."""
    head, field, _ = data.rpartition(_FIELD)
    return bool(field) and data == _with_check(head)


def _with_check(head: bytes) -> bytes:
    return head + _FIELD + b'"' + digest_of(head).encode() + b'"}\n'
