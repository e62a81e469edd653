"""What strace says a command did with files: a parser of its own, to hold what the answerer saw against.

Reads the output of `strace -f -y -xx -s 5000`: a line a call with the process's number, strings and paths in hex.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath

NAMES = (
    "open", "openat", "openat2", "creat", "execve", "execveat", "rename", "renameat", "renameat2", "link", "linkat",
    "unlink", "unlinkat", "truncate",
)  # fmt: skip

KINDS = {
    "open": "open", "openat": "open", "openat2": "open", "creat": "open", "execve": "execute", "execveat": "execute",
    "rename": "rename", "renameat": "rename", "renameat2": "rename", "link": "link", "linkat": "link",
    "unlink": "unlink", "unlinkat": "unlink", "truncate": "truncate",
}  # fmt: skip

_CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += ((?:\?|-?\d+).*)")
_UNFINISHED = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
_WORD = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?|(?:AT_FDCWD|\b\d+)<((?:\\x[0-9a-f]{2})*)[^>]*>')


@dataclass(frozen=True)
class Call:
    """One call, with absolute paths where it named any."""

    pid: int
    name: str
    paths: tuple[bytes, ...]
    flags: frozenset[str]
    result: int | None
    led: bytes = b""
    """Of an open where it led, without links."""

    @property
    def kind(self) -> str:
        return KINDS[self.name]

    @property
    def done(self) -> bool:
        return self.result is not None and self.result >= 0

    @property
    def told(self) -> bool:
        """Whether it names something that is read, written or run: no folder, and no place without its content."""
        return bool(self.paths) and not self.flags & {"O_PATH", "O_DIRECTORY", "AT_REMOVEDIR"}


def argv(out: Path, *command: str) -> list[str]:
    return ["strace", "-f", "-y", "-xx", "-s", "5000", "-o", str(out), "-e", f"trace={','.join(NAMES)}", *command]


def calls(log: Path, start: Path) -> list[Call]:
    """The calls in the order of their ends. `start` is the folder in which the command began.

    Old calls name no folder: what is relative in them starts where the process was last seen, or else at `start`.
    """
    folders: dict[int, bytes] = {}
    told: list[Call] = []
    for pid, name, words, result in _whole(log.read_text("latin-1").splitlines()):
        if here := re.search(r"AT_FDCWD<((?:\\x[0-9a-f]{2})*)", words):
            folders[pid] = _bytes(here[1])
        # A call that this strace has no name for passes its filter; EBADF: it names a folder that is none.
        if name in KINDS and " EBADF " not in result:
            told.append(_call(pid, name, words, result, folders.get(pid, bytes(start))))
    return told


def _whole(lines: Iterable[str]) -> Iterator[tuple[int, str, str, str]]:
    begun: dict[tuple[int, str], str] = {}
    for line in lines:
        if match := _UNFINISHED.fullmatch(line):
            begun[int(match[1]), match[2]] = match[3]
            continue
        if match := _RESUMED.fullmatch(line):
            line = f"{match[1]} {match[2]}({begun.pop((int(match[1]), match[2]))}{match[3]}"
        if match := _CALL.fullmatch(line):
            yield int(match[1]), match[2], match[3], f"{match[4]} "
    for (pid, name), words in begun.items():
        yield pid, name, words, "?"  # Killed before it was done.


def _call(pid: int, name: str, words: str, result: str, folder: bytes) -> Call:
    paths: list[bytes] = []
    # Arguments and environment of a program are no paths.
    for match in _WORD.finditer(words.partition(", [")[0]):
        if match[3] is not None:
            folder = _bytes(match[3])
        elif not match[2]:
            path = _bytes(match[1])
            if path or "AT_EMPTY_PATH" in words:
                paths.append(_absolute(path, folder, pid))
    flags = frozenset(re.findall(r"\b(?:O|AT)_[A-Z_]+\b", _WORD.sub("", words)))
    led = re.match(r"\d+<((?:\\x[0-9a-f]{2})+)>", result)
    number = int(result.split("<")[0].split()[0]) if result[0] != "?" else None
    return Call(pid, name, tuple(paths), flags, number, _bytes(led[1]) if led else b"")


def _absolute(path: bytes, folder: bytes, pid: int) -> bytes:
    if path.startswith(b"/"):
        return normpath(
            path.replace(b"/proc/self/", b"/proc/%d/" % pid, 1) if path.startswith(b"/proc/self/") else path
        )
    return normpath(folder + b"/" + path)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
