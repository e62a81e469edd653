"""Files that were seen to be read: the bytes that were opened, or an honest "unknown"."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from stage import Stage

from whence.capture.hashing import NoCache
from whence.capture.observed import ObservedFile, digest_opened, look
from whence.capture.places import Mounts
from whence.records.data import Input
from whence.rules.observation import Files
from whence.rules.seen import seen

FIRST, OTHER = b"first", b"other"


def sha(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def stated(folder: Path, between: Callable[[Path], None], *, digested_at_once: bool) -> Input:
    """The input of a file that was read, then touched by `between`."""
    path = folder / "a.csv"
    path.write_bytes(FIRST)
    stage = Stage(folder)
    stage.read("a.csv")
    opened = look(bytes(path))
    assert opened is not None
    measured = digest_opened(str(path), opened, NoCache(), lambda: False) if digested_at_once else None
    between(path)
    files = Files()
    for record in stage.records:
        files.take(seen(record))
    (use,) = files.uses(look)
    one = ObservedFile(use, "data", cache=NoCache(), measured=measured)
    assert one.advance()
    return one.input(cwd=str(folder), mounts=Mounts(None))


def leave(path: Path) -> None:
    pass


def edit(path: Path) -> None:
    path.write_bytes(OTHER)


def edit_quietly(path: Path) -> None:
    stat = path.stat()
    path.write_bytes(OTHER)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def grow(path: Path) -> None:
    path.write_bytes(FIRST + OTHER)


def exchange(path: Path) -> None:
    path.with_name("new").write_bytes(OTHER)
    path.with_name("new").rename(path)


def touch(path: Path) -> None:
    path.touch()


def remove(path: Path) -> None:
    path.unlink()


CASES = {
    # what happens after the open: (digest, changed, digest after) where it was digested at once, and where not
    "left alone": (leave, (FIRST, "no", None), (FIRST, "no", None)),
    "edited": (edit, (FIRST, "yes", OTHER), (None, "unknown", OTHER)),
    "edited, the mtime restored": (edit_quietly, (FIRST, "yes", OTHER), (None, "unknown", OTHER)),
    "grown": (grow, (FIRST, "yes", FIRST + OTHER), (None, "yes", FIRST + OTHER)),
    "replaced": (exchange, (FIRST, "yes", OTHER), (None, "unknown", OTHER)),
    "touched": (touch, (FIRST, "no", FIRST), (None, "unknown", FIRST)),
    "removed": (remove, (FIRST, "yes", None), (None, "yes", None)),
}


@pytest.mark.scenario("X1")
@pytest.mark.parametrize("at_once", [True, False], ids=["digested at once", "digested at the end"])
@pytest.mark.parametrize("what", CASES)
def test_a_digest_is_of_the_bytes_that_were_opened_or_there_is_none(what: str, at_once: bool, tmp_path: Path) -> None:
    between, known, unknown = CASES[what]
    found = stated(tmp_path, between, digested_at_once=at_once)
    digest, changed, after = known if at_once else unknown
    assert (found.digest, found.changed, found.digest_after) == (
        sha(digest) if digest else None,
        changed,
        sha(after) if after else None,
    )
    assert found.because or changed == "no" or at_once
    assert (found.stat_after is None) == (what in ("left alone", "removed"))


def test_a_folder_or_a_link_is_named_as_it_was_opened(tmp_path: Path) -> None:
    (tmp_path / "v1.csv").write_bytes(FIRST)
    (tmp_path / "latest.csv").symlink_to("v1.csv")
    stage = Stage(tmp_path)
    stage.read("latest.csv")
    files = Files()
    files.take(seen(stage.records[0]))
    (use,) = files.uses(look)
    one = ObservedFile(use, "data", cache=NoCache())
    one.advance()
    found = one.input(cwd=str(tmp_path), mounts=Mounts(None))
    assert (found.path, found.kind, found.digest) == ("latest.csv", "link", sha(FIRST))
    assert found.location is not None and found.location.target == str(tmp_path / "v1.csv")
