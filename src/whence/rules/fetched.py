"""What programs read over the network, as inputs: the address without what may be a secret, and its version."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from ..records.data import Identifier, Input
from .booted import Fetched
from .secrets import Mask

BECAUSE = "it was read over the network; its bytes were not seen"

_SIGNING = frozenset(
    (
        "signature", "sig", "se", "sp", "sv", "sr", "st", "spr", "skoid", "sktid", "skt", "ske", "sks", "skv",
        "expires", "awsaccesskeyid", "googleaccessid", "key-pair-id", "policy", "code", "key", "auth", "token",
        "session",
    )
)  # fmt: skip
"""Parameters that a storage service signs an address with, and names that are too short to be known for secrets."""


def fetched_inputs(fetched: Iterable[Fetched], mask: Mask, mask_text: Callable[[str], str]) -> list[Input]:
    """One for each address and version, in their order; a later version of an address has a name of its own."""
    found: dict[tuple[str, str | None, str | None], Input] = {}
    names: set[str] = set()
    for one in fetched:
        shown = shown_address(one.url, mask, mask_text)
        key = shown, one.etag, one.version
        if key in found:
            continue
        name = shown if shown not in names else f"{shown} ({one.version or one.etag or len(names)})"
        names.add(name)
        found[key] = Input(
            when="during",
            name=name,
            path=shown,
            kind="url",
            how="observed",
            size=one.size,
            version=one.version,
            identifier=Identifier(scheme="etag", value=one.etag.strip('"')) if one.etag else None,
            because=BECAUSE,
        )
    return list(found.values())


def shown_address(url: str, mask: Mask, mask_text: Callable[[str], str]) -> str:
    """An address without login, without fragment, and without parameters that sign it or look like a secret."""
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return mask_text(url.partition("?")[0])
    rest = [(name, value) for name, value in given if not _hides(name, value, mask)]
    query = parts.query if rest == given else "&".join(f"{quote(name)}={quote(value)}" for name, value in rest)
    place = parts.netloc.rpartition("@")[2]
    return mask_text(urlunsplit((parts.scheme, place, parts.path, query, "")))


def _hides(name: str, value: str, mask: Mask) -> bool:
    low = name.lower()
    return low in _SIGNING or low.startswith(("x-amz-", "x-goog-")) or mask(name, value) != value
