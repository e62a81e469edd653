"""What `git fsck` says of a repository: the objects that it accuses, and the packs that it cannot read as a whole.

It is free in its words, so only what names an object or a pack counts; what follows from such damage, and what git
dislikes about contents, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

GONE = "not there"
CORRUPT = "corrupt: its bytes are not those that it is named for"

_ID = re.compile(r"\b[0-9a-f]{40}\b")
_LOOSE = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{38})\b")
_PACK = re.compile(r"pack-[0-9a-f]{40}\.\w+")
_STEM = len("pack-") + 40
_MISSING = re.compile(r"missing (?:blob|tree|commit|tag) ([0-9a-f]{40})")
_NO_DAMAGE = re.compile(
    r"notice: |(?:error|warning) in \w+ |dangling |broken link |\s*to +\w+ |.*invalid sha1 pointer "
)
"""Of the repository as such, of contents, and what only follows from a missing object or reference."""
_OF_A_PACK = re.compile(r"error: index CRC mismatch for object ")
"""Of the index beside it: the bytes of the object are accused in a line of their own."""


class Faults(msgspec.Struct, frozen=True):
    """What is wrong with a repository."""

    objects: dict[str, str]
    """Object -> what is wrong with it."""
    packs: dict[str, str]
    """Pack, or its index -> the first that was said of it."""
    others: list[str]
    """Lines that name neither."""


def faults_of(lines: Iterable[str]) -> Faults:
    """What lines of `git fsck` say."""
    found = Faults({}, {}, [])
    for text in lines:
        if not text.strip() or _NO_DAMAGE.match(text):
            continue
        if missing := _MISSING.match(text):
            found.objects.setdefault(missing[1], GONE)
            continue
        # A loose object is known by its path; a name beside it is that of the bytes that lie there instead.
        loose = [first + rest for first, rest in _LOOSE.findall(text)]
        names = [] if _OF_A_PACK.match(text) else loose or _ID.findall(_PACK.sub("", text))
        if names:
            found.objects.update(dict.fromkeys(names, CORRUPT))
        elif pack := _PACK.search(text):
            # What is wrong with an index is said of its pack once more.
            if not any(name[:_STEM] == pack[0][:_STEM] for name in found.packs):
                found.packs[pack[0]] = _said_of_pack(text)
        else:
            found.others.append(text.strip())
    return found


def _said_of_pack(text: str) -> str:
    """`index hash mismatch` of `error: Packfile index for /…/pack-….idx hash mismatch`."""
    words = re.sub(r"(?:of |for |from )?\S*pack-[0-9a-f]{40}\.\w+", "", text.removeprefix("error: "))
    return " ".join(words.split())
