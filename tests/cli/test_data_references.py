"""Data that stay where they are: found there again, held against their digests, and named where they changed."""

from __future__ import annotations

import json
import os
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
    mount = tmp_path / "mount"
    (mount / "one.raw").write_text("ONE")
    changed = scans.whence("data", "get", "scans@0.1.0", "out")
    place = f"scans@0.1.0: 'one.raw' was added by reference: {mount / 'one.raw'} (on {os.uname().nodename})"
    said = (
        f"{place}: holds other bytes now, found {digest_of(b'ONE')} (3 bytes); expected {digest_of(b'one')} (3 bytes)"
    )
    assert (changed.code, changed.err.splitlines()[0]) == (3, f"whence: {said}")
    refused = scans.whence("run", "--data", "scans@0.1.0", "--", "touch", "started")
    assert (refused.code, said in refused.err, (scans.path / "started").exists()) == (125, True, False)


@pytest.mark.scenario("C13")
def test_all_files_that_vanished_or_have_another_size_are_named_before_one_is_read(
    scans: Workplace, tmp_path: Path
) -> None:
    mount = tmp_path / "mount"
    shutil.rmtree(mount / "deep")
    (mount / "one.raw").write_text("one and more")
    where, expected = f"(on {os.uname().nodename})", f"expected {digest_of(b'one')} (3 bytes)"
    done = scans.whence("data", "get", "scans@0.1.0", "fresh")
    assert done.code == 3 and not (scans.path / "fresh").exists()
    assert f"'deep/two.raw' was added by reference: {mount / 'deep/two.raw'} {where}: found nothing; " in done.err
    assert f"'one.raw' was added by reference: {mount / 'one.raw'} {where}: found 12 bytes; {expected}" in done.err
    scans.write("job.py", IN_CODE)
    assert "found nothing" in scans.python("job.py").ok().out
    (gap,) = [gap for gap in scans.show("@")["missing"] if gap["what"] == "inputs.scans"]
    assert "found 12 bytes" in gap["because"]


IN_CODE = """
import whence
with whence.start() as run:
    try:
        print(run.data("scans", "scans", "0.1.0"))
    except whence.WhenceError as error:
        print(error.message)
"""


@pytest.mark.scenario("C13")
def test_a_file_that_came_there_is_no_part_of_the_version_and_status_names_it(scans: Workplace, tmp_path: Path) -> None:
    (tmp_path / "mount/late.raw").write_text("late")
    scans.whence("run", "--data", "scans@0.1.0", "--", "sh", "-c", 'ls "$WHENCE_DATA_SCANS" > seen').ok()
    assert (scans.path / "seen").read_text().split() == ["deep", "first", "one.raw"]
    status = scans.whence("data", "status", "scans@0.1.0", tmp_path / "mount")
    assert status.code == 1 and "late.raw" in status.out


def test_a_verified_copy_serves_runs_whatever_became_of_the_place(scans: Workplace, tmp_path: Path) -> None:
    scans.whence("run", "--data", "scans@0.1.0", "--", "true").ok()
    shutil.rmtree(tmp_path / "mount")
    scans.write("job.py", IN_CODE)
    folder = Path(scans.python("job.py").ok().out.strip())
    assert (folder / "one.raw").read_text() == "one"


@pytest.fixture
def birds(workplace: Workplace, tmp_path: Path) -> Workplace:
    """A dataset `birds` of eight files and a table of them elsewhere, which nothing was copied from."""
    mount = tmp_path / "birds"
    for kind in ("owl", "wren"):
        (mount / kind).mkdir(parents=True)
        for number in range(4):
            (mount / kind / f"{number}.txt").write_text(f"{kind} {number}")
    rows = [f"{kind}/{number}.txt,{kind}\n" for kind in ("owl", "wren") for number in range(4)]
    (mount / "labels.csv").write_text("path,kind\n" + "".join(rows))
    workplace.whence("data", "create", "birds", mount, "--reference").ok()
    return workplace


@pytest.mark.scenario("E1", "E6")
def test_what_is_derived_of_them_has_their_digests_and_is_found_where_they_lie(
    birds: Workplace, tmp_path: Path
) -> None:
    birds.whence("data", "split", "birds@0.1.0", "--into", "fit=0.5", "--into", "test", "--stratify", "kind").ok()
    birds.whence("data", "subset", "birds-fit@0.1.0", "owls", "--where", "kind = owl").ok()
    assert birds.whence("data", "show", "birds-fit", "--json").ok().json()["here"]["files"] == 1, "its own table"
    for name in ("birds-fit", "owls"):
        birds.whence("data", "get", f"{name}@0.1.0", name).ok()
        found = files(birds.path / name)
        labels = found.pop("labels.csv").splitlines()
        assert sorted(line.partition(",")[0] for line in labels[1:]) == sorted(found)
        assert all(content == (tmp_path / "birds" / path).read_text() for path, content in found.items())
    assert len(found) == 2 and birds.whence("data", "derive", "birds-fit", "--check").ok()
    birds.whence("run", "--data", "owls@0.1.0", "--", "ls", "{data.owls}/owl").ok()


def test_rows_are_taken_from_a_table_that_is_as_it_was_and_from_no_other(birds: Workplace, tmp_path: Path) -> None:
    birds.whence("data", "subset", "birds@0.1.0", "rows", "--by", "rows", "--where", "kind = owl").ok()
    birds.whence("data", "get", "rows@0.1.0", "rows").ok()
    assert len((birds.path / "rows/labels.csv").read_text().splitlines()) == 5
    table = tmp_path / "birds/labels.csv"
    table.write_text(table.read_text().replace("wren", "WREN"))
    for words in (
        ("subset", "birds@0.1.0", "more", "--by", "rows", "--where", "kind = wren"),
        ("split", "birds@0.1.0", "--into", "a=0.5", "--into", "b", "--stratify", "kind"),
        ("derive", "rows", "--check"),
    ):
        refused = birds.whence("data", *words)
        assert refused.code == 3 and f"'labels.csv' was added by reference: {table}" in refused.err
    assert birds.whence("data", "list", "--json").ok().out.count('"name":') == 2


@pytest.mark.scenario("C17")
def test_a_check_of_pins_says_whether_a_run_would_get_them(scans: Workplace, tmp_path: Path) -> None:
    def check() -> tuple[int, list[str]]:
        done = scans.whence("data", "check", "scans@0.1.0", "--json")
        return done.code, [reason["code"] for reason in done.json()["pins"][0]["reasons"]]

    assert check() == (0, ["referenced"])
    scans.whence("run", "--data", "scans@0.1.0", "--", "true").ok()
    shutil.rmtree(tmp_path / "mount")
    assert check() == (0, ["referenced"]), "the copy that was laid out is verified, and a run gets it"
    scans.whence("run", "--data", "scans@0.1.0", "--", "true").ok()
    shutil.rmtree(scans.store / "cache/data")
    assert check() == (1, ["missing"])
    assert scans.whence("run", "--data", "scans@0.1.0", "--", "true").code == 125


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


def test_a_pin_of_bytes_that_lie_elsewhere_is_not_kept_whether_it_is_laid_out_or_not(workplace: Workplace) -> None:
    workplace.write("r/a", "1")
    workplace.whence("data", "create", "rr", "r", "--reference").ok()
    workplace.script("pins.py", "import whence\nwith whence.start() as run: run.data('x', 'rr', materialize=False)\n")
    workplace.python("pins.py").ok()
    assert workplace.show()["inputs"][0]["kept"] is False
    (workplace.path / "r" / "a").unlink()
    assert workplace.whence("run", "--data", "x=rr@0.1.0", "--", "true").code == 125
    assert workplace.whence("verify").code == 0, "the store never had these bytes"


def test_a_table_that_was_added_by_reference_is_described_once_the_store_has_it(workplace: Workplace) -> None:
    workplace.write("q/t.csv", "a,b\n1,2\n")
    workplace.whence("data", "create", "q", "q", "--reference", "--tables").ok()
    (table,) = workplace.whence("data", "show", "q", "--json").ok().json()["tables"]
    assert table["because"] == "its bytes are not in the store, as it was added by reference"
    workplace.write("q/more", "1")
    workplace.whence("data", "add", "q", "q").ok()
    (table,) = workplace.whence("data", "show", "q@newest", "--json").ok().json()["tables"]
    assert (table["rows"], table.get("because")) == (1, None)
