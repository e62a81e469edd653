"""Data that stay where they are: found there again, held against their digests, and named where they changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from workplace import Workplace

import whence
from whence.digests import digest_of


@pytest.fixture
def scans(workplace: Workplace, tmp_path: Path) -> Workplace:
    """A dataset `scans` of a folder elsewhere, which nothing was copied from."""
    mount = tmp_path / "mount"
    (mount / "deep").mkdir(parents=True)
    (mount / "one.raw").write_text("one")
    (mount / "deep/two.raw").write_text("two" * 100_000)
    (mount / "first").symlink_to("one.raw")
    workplace.write("train.py", "print('trained')")
    workplace.whence("data", "create", "scans", mount, "--reference").ok()
    return workplace


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_step_says_where_the_files_lie(scans: Workplace, tmp_path: Path) -> None:
    shown = scans.whence("data", "show", "scans", "--json").ok().json()
    assert shown["here"]["files"] == 0
    said = shown["parameters"]
    assert (said["source"], said["reference"]) == ("files", True)
    assert said["host"] and said["places"] == [{"path": "", "location": str(tmp_path / "mount")}]


@pytest.mark.scenario("Y3")
def test_files_come_from_where_they_lie_and_every_later_place(scans: Workplace, tmp_path: Path) -> None:
    scans.whence("data", "get", "scans", "out").ok()
    assert files(scans.path / "out") == files(tmp_path / "mount")
    assert (scans.path / "out/first").is_symlink()
    scans.write("elsewhere/one.raw", "another one")
    scans.whence("data", "add", "scans", "elsewhere/one.raw", "train.py", "--reference", "--as", "deep").ok()
    scans.write("kept.txt", "kept")
    scans.whence("data", "add", "scans", "kept.txt").ok()
    scans.whence("data", "release", "minor", "scans").ok()
    scans.whence("data", "get", "scans@0.2.0", "second").ok()
    found = files(scans.path / "second")
    assert (found["one.raw"], found["deep/one.raw"], found["kept.txt"]) == ("one", "another one", "kept")


def test_a_run_pins_them_and_says_that_they_are_not_kept(scans: Workplace) -> None:
    scans.whence("run", "--data", "scans@0.1.0", "--", "sh", "-c", 'cat "$WHENCE_DATA_SCANS/one.raw" > seen').ok()
    assert (scans.path / "seen").read_text() == "one"
    (pinned,) = [one for one in scans.show("@")["inputs"] if one["how"] == "pinned"]
    assert (pinned["materialized"], pinned["kept"]) == (True, False)


@pytest.mark.scenario("C13")
def test_what_changed_or_vanished_is_named_and_the_run_not_started(scans: Workplace, tmp_path: Path) -> None:
    (tmp_path / "mount/one.raw").write_text("ONE")
    changed = scans.whence("data", "get", "scans@0.1.0", "out")
    place = f"scans@0.1.0: 'one.raw' was added by reference: {tmp_path / 'mount/one.raw'}"
    said = f"{place}: holds other bytes now, found {digest_of(b'ONE')}; expected {digest_of(b'one')}"
    assert (changed.code, changed.err.splitlines()[0]) == (3, f"whence: {said}")
    refused = scans.whence("run", "--data", "scans@0.1.0", "--", "touch", "started")
    assert (refused.code, said in refused.err, (scans.path / "started").exists()) == (125, True, False)
    (tmp_path / "mount/one.raw").write_text("one")
    shutil.rmtree(tmp_path / "mount/deep")
    vanished = scans.whence("data", "get", "scans@0.1.0", "fresh")
    assert vanished.code == 3
    assert (
        f"{tmp_path / 'mount/deep/two.raw'} (on " in vanished.err
        and "): found nothing; expected sha256:" in vanished.err
    )


def test_a_part_comes_from_where_it_lies(scans: Workplace) -> None:
    scans.whence("data", "create", "study", "train.py").ok()
    scans.whence("data", "nest", "study", "scans@0.1.0", "--as", "raw/scans").ok()
    scans.whence("data", "get", "study@0.1.0.post1.dev1", "out").ok()
    assert (scans.path / "out/raw/scans/one.raw").read_text() == "one"


def test_python_code_finds_them_too(scans: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scans.path)
    folder = whence.open(scans.store).dataset("scans").get("out")
    assert (folder / "one.raw").read_text() == "one"


ATTACHED = """
import whence
print((whence.start().data("scans") / "one.raw").read_text())
"""


def test_a_script_inside_the_run_is_given_them(scans: Workplace) -> None:
    scans.write("inside.py", ATTACHED)
    done = scans.whence("run", "--data", "scans@0.1.0", "--", "python", "inside.py").ok()
    assert done.out == "one\n"


@pytest.mark.scenario("S23")
def test_a_place_with_a_secret_is_masked(scans: Workplace, tmp_path: Path) -> None:
    secret = "ghp_" + "a1" * 18
    (tmp_path / secret).mkdir()
    (tmp_path / secret / "x").write_text("x")
    made = scans.whence("data", "create", "other", tmp_path / secret, "--reference", "--json").ok().json()
    assert secret not in json.dumps(made)
