"""A pipe, or a folder, in the place of a file of the store: it is named, and nothing waits for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from workplace import Workplace

from whence.system.files import write_over

NAME = "01a22caf-c676-7f7c-b5c1-30fa4a2c5e7c"


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    """A run, a note about it, and a dataset whose objects are in a pack."""
    for number in range(20):
        workplace.write(f"data/{number}", f"{number}")
    workplace.record("true")
    workplace.whence("note", "@", "good").ok()
    workplace.whence("data", "create", "ds", "data").ok()
    return workplace


def pipe(path: Path) -> str:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path.name


SOON = 60
"""Seconds; whence takes less than two."""

COMMANDS = (
    ("run", "--", "true"),
    ("log",),
    ("show", "@"),
    ("audit",),
    ("tag", "@", "a=1"),
    ("du",),
    ("data", "show", "ds"),
)


@pytest.mark.scenario("L4")
@pytest.mark.parametrize("kind", ["a pipe", "a folder"])
def test_what_is_no_pack_hinders_nobody_and_is_named(kind: str, place: Workplace) -> None:
    path = place.store / "packs" / f"{NAME}.tar"
    if kind == "a pipe":
        pipe(path)
    else:
        path.mkdir()
    for words in COMMANDS:
        assert place.whence(*words, timeout=SOON).code in (0, 1), words
    assert place.whence("data", "get", "ds", "again", timeout=SOON).ok()
    found = place.whence("verify", "--json", timeout=SOON).json()["damage"]
    assert found == [
        {
            "where": f"packs/{NAME}.tar",
            "what": f"cannot be read: it is {kind}, not a regular file, expected a pack",
            "runs": [],
        }
    ]


def test_a_pack_that_became_a_pipe_is_named_by_who_needs_it(place: Workplace) -> None:
    (path,) = (place.store / "packs").iterdir()
    pipe(path)
    done = place.whence("data", "get", "ds", "again", timeout=SOON)
    assert done.code != 0 and f"{path.name}: it is a pipe, not a regular file" in done.err
    assert not (place.path / "again").exists()


def test_a_pipe_among_the_acts_hinders_nobody_and_is_named(place: Workplace) -> None:
    name = pipe(place.store / "acts" / "2099-11-30" / f"{NAME}.json")
    for words in COMMANDS:
        assert place.whence(*words, timeout=SOON).code in (0, 1), words
    (found,) = place.whence("verify", "--json", timeout=SOON).json()["damage"]
    assert found["where"].endswith(name) and "it is a pipe, not a regular file" in found["what"]


def test_a_store_whose_mark_is_a_pipe_is_refused(place: Workplace) -> None:
    pipe(place.store / "store.json")
    for words in (*COMMANDS, ("verify",)):
        done = place.whence(*words, timeout=SOON)
        assert done.code not in (0, 1, 70) and "store.json: it is a pipe, not a regular file" in done.err, words


@pytest.mark.parametrize("name", ["cache/results/x", "runs/2026-10.zip", "packs/x.tar"])
def test_a_pipe_elsewhere_hinders_nobody(name: str, place: Workplace) -> None:
    pipe(place.store / name)
    for words in COMMANDS:
        assert place.whence(*words, timeout=SOON).code in (0, 1), words


def test_verify_waits_for_no_file_of_the_store_that_became_a_pipe(place: Workplace) -> None:
    files = [path for path in place.store.rglob("*") if path.is_file() and "code.git" not in path.parts]
    for path in files:
        if path.name == "store.json":
            continue
        aside = path.with_name(".tmp-aside")
        path.rename(aside)
        os.mkfifo(path)
        assert place.whence("verify", timeout=SOON).code in (0, 1), path
        path.unlink()
        aside.rename(path)


def test_a_report_goes_into_a_pipe_that_somebody_reads(workplace: Workplace) -> None:
    os.mkfifo(workplace.path / "pipe")
    reader = subprocess.Popen(["cat", workplace.path / "pipe"], stdout=subprocess.PIPE)
    workplace.whence("run", "--record-json", "pipe", "--", "true", timeout=SOON).ok()
    assert b'"status":"succeeded"' in reader.communicate(timeout=SOON)[0]


def test_a_report_that_nobody_reads_is_not_waited_for(workplace: Workplace) -> None:
    os.mkfifo(workplace.path.parent / "pipe")
    # Where the command has closed stderr long before its end is heard of, nobody is there to be told.
    workplace.whence("run", "--record-json", "../pipe", "--", "true", timeout=SOON).ok()
    assert workplace.show()["status"] == "succeeded"
    with pytest.raises(BlockingIOError, match="nobody reads from this pipe"):
        write_over(workplace.path.parent / "pipe", b"{}", patience=0.1)
