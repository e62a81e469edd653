"""Configuration files: read, and kept as they are but for their secrets.

A file that cannot be parsed is kept all the same, with the reason.
Of a key that a file names twice the last value counts, as for every parser; for secrets all of them are looked at.
"""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from ..digests import digest_of
from ..errors import RefusedError
from ..records.configuration import ConfigFile
from ..records.encoding import encode
from ..rules.plain import as_mapping, to_plain
from ..rules.secrets import Secrets
from ..system.files import read_regular
from .config_formats import FORMATS, Format, all_said, parse
from .configuration import ReadConfig, masked_values

_OPEN = re.compile(r"(?<![\w.-])([\w.-]{1,100})[\"']?[ \t]{0,3}[:=][ \t]{0,3}(?=[\[{(|>]|\r?\n)")
"""A name whose value is a list, a block or on the next line, where no pattern for text finds it."""

LARGEST = 64 << 20
"""Bytes of a configuration file that are read; a larger one belongs to the inputs."""


class _Kept(NamedTuple):
    """What stays of a file's bytes, and whether it is a rendering of its values instead."""

    content: bytes
    rendered: bool = False


def read_config_file(path: str, *, cwd: str, secrets: Secrets, merge: bool = True) -> ReadConfig:
    """Read and parse a file; with `merge` its values become part of the configuration. Raises RefusedError when it
    is not there or cannot be read.

    A file with a secret in it is kept with the secret masked, and its digest is that of what is kept.
    """
    return read_config(path, _content(path, cwd), secrets=secrets, merge=merge)


def read_config(path: str, content: bytes, *, secrets: Secrets, merge: bool = True) -> ReadConfig:
    """As `read_config_file`, of bytes that were read before."""
    form = FORMATS.get(os.path.splitext(path)[1].lower(), "text")
    parsed, error = parse(form, content)
    plain = to_plain(parsed)
    unread = form == "text" or error is not None
    said = plain if unread else all_said(form, content)
    whole, secrets = masked_values({"": said}, secrets)
    masked = secrets.mask_values({"": plain})[""]
    kept = _masked_text(content, secrets) if unread else _masked_file(content, form, masked, said, whole[""], secrets)
    file = ConfigFile(
        path=path,
        digest=digest_of(kept.content),
        size=len(kept.content),
        format=form,
        values=masked,
        masked=kept.content != content,
        rendered=kept.rendered,
        error=error,
    )
    return ReadConfig(file=file, values=as_mapping(plain) if merge else {}, content=kept.content)


def _masked_file(content: bytes, form: Format, values: Any, said: Any, masked: Any, secrets: Secrets) -> _Kept:
    """The file with its secrets replaced, if all that it says then reads as it does `masked`; else its masked values,
    as JSON.

    A secret may be spelled with escapes, over several lines or with a bracket before it: only reading again is proof.
    """
    replaced = _masked_bytes(content, secrets)
    if replaced == content and masked == said:
        return _Kept(content)
    certain = parse(form, replaced)[1] is None and all_said(form, replaced) == masked
    return _Kept(replaced) if certain else _Kept(encode(values), rendered=True)


def _masked_text(content: bytes, secrets: Secrets) -> _Kept:
    """A text that has no parser, or that it refused: from a secret's name with an open value on, all is masked."""
    text = _masked_bytes(content, secrets).decode("utf-8", "surrogateescape")
    end = next((m.end() for m in _OPEN.finditer(text) if secrets.names(m[1], "an open value")), len(text))
    kept = text[:end] + (secrets.mask(text[end:]) if text[end:].strip() else text[end:])
    return _Kept(kept.encode("utf-8", "surrogateescape"))


def _masked_bytes(content: bytes, secrets: Secrets) -> bytes:
    return secrets.mask_text(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _content(path: str, cwd: str) -> bytes:
    try:
        content = read_regular(os.path.join(cwd, os.path.expanduser(path)), LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RefusedError(f"configuration {path}: {reason} in {cwd}", hint="name a file that is there") from None
    if len(content) > LARGEST:
        raise RefusedError(f"configuration {path}: larger than {LARGEST >> 20} MiB", hint="name it with --input")
    return content
