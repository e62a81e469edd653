"""BagIt 1.0 bags (RFC 8493) as text: the names of payload files, the lines of manifests, and what says which bag it is.

A payload path stands in `data/` as it is, unless readers of bags would not agree on it: control characters, what is
not UTF-8, blanks at the end, and `%`, which RFC 8493 has written as `%25` and the common validator reads as it stands.
Such a path gets a name that every reader takes for the same. Which file is which is said by the digest alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..records.data import ManifestEntry
from .folders import at_and_above
from .git_objects import path_bytes

DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
PAYLOAD = "data/"
TAGS = "whence/"
VERSION = TAGS + "version.json"
MANIFEST = TAGS + "manifest.json"
LINKS = TAGS + "links.json"
STEPS = TAGS + "steps/"
PARTS = TAGS + "parts/"
TABLES = TAGS + "tables.json"
OBJECTS = TAGS + "objects/"
STORIES = TAGS + "stories.json"
PAYLOAD_MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"

DECLARED = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

LONGEST = 255
"""Bytes of one part of a path on common file systems."""


def payload_names(manifest: Iterable[ManifestEntry]) -> dict[str, str]:
    """Path -> name below `data/`, of the files. No two have the same, and none lies below another."""
    paths = [entry.path for entry in manifest if entry.kind == "file"]
    plain = [path for path in paths if _is_plain(path)]
    names = {path: path for path in plain}
    files, folders = set(plain), {above for path in plain for above in at_and_above(path) if above != path}
    for path in paths:
        if path not in names:
            name = names[path] = _free_name(path, files, folders)
            files.add(name)
            folders.update(above for above in at_and_above(name) if above != name)
    return names


def _is_plain(path: str) -> bool:
    return path.isprintable() and "%" not in path and path == path.rstrip()


def _free_name(path: str, files: set[str], folders: set[str]) -> str:
    def blocked(name: str) -> bool:
        return name in folders or any(above in files for above in at_and_above(name)) or _is_long(name)

    name = "/".join(_spelled(part) for part in path.split("/"))
    number = 0
    while blocked(name):
        number += 1
        name = f"renamed-{number}"
    return name


def _spelled(part: str) -> str:
    """`=XX` for each byte of a character that is not plain, as in quoted-printable."""
    kept = part.rstrip()
    plain = (
        character if at < len(kept) and character.isprintable() and character != "%" else _spelled_bytes(character)
        for at, character in enumerate(part)
    )
    return "".join(plain)


def _spelled_bytes(character: str) -> str:
    return "".join(f"={byte:02X}" for byte in path_bytes(character))


def _is_long(name: str) -> bool:
    return any(len(part.encode()) > LONGEST for part in name.split("/"))


def manifest_text(digests: Iterable[tuple[str, str]]) -> bytes:
    """The lines of a manifest, of (path in the bag, digest): what `sha256sum -c` reads."""
    return "".join(f"{digest.removeprefix('sha256:')}  {path}\n" for path, digest in digests).encode()


def info_text(fields: Iterable[tuple[str, str]]) -> bytes:
    """`bag-info.txt`: each value on one line."""
    return "".join(f"{label}: {' '.join(value.split())}\n" for label, value in fields).encode("utf-8", "replace")


_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?(.+)")
_ESCAPE = re.compile(r"%(0[AaDd]|25)")


def unescaped(path: str) -> str:
    """A path of a manifest without the escapes of RFC 8493. Not every program that makes bags writes them."""
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), path)


def read_manifest_text(data: bytes, where: str) -> dict[str, str]:
    """Path, as it is written -> hexadecimal digest in lower case. Raises ValueError that says what is wrong, where."""
    found: dict[str, str] = {}
    for number, line in enumerate(_lines(data, where), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{where}:{number}: found {line[:80]!r}, expected a digest and a path")
        path = match[2].removeprefix("./")
        if path in found:
            raise ValueError(f"{where}:{number}: found {path!r} a second time")
        found[path] = match[1].lower()
    return found


def read_fields(data: bytes, where: str) -> dict[str, list[str]]:
    """Label -> its values; a line that begins with a blank goes on with the one before. Raises ValueError."""
    found: dict[str, list[str]] = {}
    last = ""
    for number, line in enumerate(_lines(data, where), 1):
        label, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and last:
            found[last][-1] += " " + line.strip()
        elif colon:
            last = label.strip().casefold()
            found.setdefault(last, []).append(value.strip())
        elif line.strip():
            raise ValueError(f"{where}:{number}: found {line[:80]!r}, expected LABEL: VALUE")
    return found


def _lines(data: bytes, where: str) -> list[str]:
    """Lines end in LF, CR or both, and in nothing else; empty ones at the end are none."""
    text = _text(data, where).replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    return text.split("\n") if text else []


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: found bytes that are not UTF-8, at {error.start}") from None


def path_fault(path: str) -> str | None:
    """Why a path must not stand in a bag: nothing outside of it may be meant."""
    parts = path.split("/")
    if path.startswith("/"):
        return "is an absolute path"
    if path.startswith("~"):
        return "begins with ~"
    if "\0" in path:
        return "has a NUL character in it"
    bad = next((part for part in parts if part in ("", ".", "..")), None)
    return None if bad is None else f"has the part {bad!r} in it"


def oxum(sizes: Mapping[str, int]) -> str:
    """`Payload-Oxum`: bytes and number of the payload files."""
    return f"{sum(sizes.values())}.{len(sizes)}"
