"""Folders: the manifest and its digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from accounts import folder_of_nobody

from whence.capture.hashing import Measured, NoCache, Work, measure_folder
from whence.records.data import ManifestEntry
from whence.records.encoding import decode


def measured(path: Path) -> Measured:
    work = Work(measure_folder(str(path), NoCache()))
    assert work.advance()
    return work.result


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "d"
    (folder / "b").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "b" / "c.csv").write_bytes(b"3")
    (folder / "b.csv").write_bytes(b"12")
    (folder / "run.sh").write_bytes(b"#!")
    (folder / "run.sh").chmod(0o700)
    (folder / "link").symlink_to("b/c.csv")
    return folder


def test_the_manifest_has_the_form_of_the_specification(folder: Path) -> None:
    result = measured(folder)
    assert (
        result.manifest
        == (
            f'[\n["b.csv","file",420,2,"{sha256(b"12")}"],\n'
            f'["b/c.csv","file",420,1,"{sha256(b"3")}"],\n'
            '["empty","folder",493,0,null],\n'
            f'["link","link",511,7,"{sha256(b"b/c.csv")}"],\n'
            f'["run.sh","file",493,2,"{sha256(b"#!")}"]\n]\n'
        ).encode()
    )
    assert (result.digest, result.size, result.files) == (sha256(result.manifest), 5, 3)
    assert decode(result.manifest, list[ManifestEntry])[0].path == "b.csv"


def test_an_empty_folder_has_an_identity(tmp_path: Path) -> None:
    assert measured(tmp_path).manifest == b"[\n]\n"


@pytest.mark.scenario("X2")
def test_folders_with_the_contents_of_two_files_swapped_differ(tmp_path: Path) -> None:
    for name, one, other in (("x", b"1", b"2"), ("y", b"2", b"1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(one)
        (tmp_path / name / "b").write_bytes(other)
    assert measured(tmp_path / "x").digest != measured(tmp_path / "y").digest


@pytest.mark.scenario("X2")
def test_big_files_that_differ_in_the_middle_differ(tmp_path: Path) -> None:
    content = bytearray(3 << 20)
    digests: set[str] = set()
    for middle in (0, 1):
        content[len(content) // 2] = middle
        (tmp_path / "big").write_bytes(content)
        digests.add(measured(tmp_path).digest)
    assert len(digests) == 2


def test_a_copy_under_another_umask_has_the_same_identity(folder: Path) -> None:
    before = measured(folder).digest
    for path in folder.rglob("*.csv"):
        path.chmod(0o600)
    assert measured(folder).digest == before


@pytest.mark.scenario("C14")
def test_odd_entries_are_listed_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(".")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/latin\xe9\n")).write_bytes(b"")
    (tmp_path / ".whence").mkdir()
    result = measured(tmp_path)
    entries = decode(result.manifest or b"", list[ManifestEntry])
    assert [(entry.path, entry.kind) for entry in entries] == [
        ("latin\udce9\n", "file"),
        ("loop", "link"),
        ("pipe", "unread"),
    ]
    assert result.unread == ("pipe",)


def test_what_may_not_be_read_is_listed_as_unread() -> None:
    with folder_of_nobody() as folder:
        (folder / "b").mkdir()
        (folder / "b.csv").write_bytes(b"x")
        (folder / "c.csv").write_bytes(b"y")
        (folder / "b").chmod(0)
        (folder / "b.csv").chmod(0)
        try:
            assert measured(folder).unread == ("b", "b.csv")
        finally:
            (folder / "b").chmod(0o700)
