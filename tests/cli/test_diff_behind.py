"""`whence diff` looks behind the records of two runs: into folders, versions, snapshots, and the repository."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from workplace import Workplace, wait_until


def compared(place: Workplace, *words: str) -> dict[str, Any]:
    return place.whence("diff", *(words or ("@~1", "@")), "--json").ok().json()


def unknown(found: dict[str, Any], part: str) -> dict[str, list[str | None]]:
    return {one["what"]: one["because"] for one in found["parts"][part]["unknown"]}


# --- data


@pytest.mark.scenario("Y1", "D10")
def test_versions_that_two_runs_pinned_are_compared_down_to_files_and_rows(workplace: Workplace) -> None:
    workplace.write("d/t.csv", "id,name\n1,Ada\n2,Alan\n")
    workplace.write("d/gone.txt", "1\n")
    workplace.whence("data", "create", "t", "d").ok()
    workplace.record("true", options=("--data", "train=t"))
    workplace.write("d/t.csv", "id,mass\n1,2.5\n2,3\n3,4\n")
    workplace.whence("data", "add", "t", "d").ok()
    workplace.whence("data", "remove", "t", "gone.txt").ok()
    workplace.whence("data", "release", "minor", "t").ok()
    workplace.record("true", options=("--data", "train=t"))
    found = compared(workplace)
    (data,) = found["parts"]["data"]["differs"]
    assert (data["what"], data["change"]) == ("inputs.train", "changed")
    assert [value["version"] for value in data["values"]] == ["0.1.0", "0.2.0"]
    (members,) = found["members"]
    assert (members["what"], members["added"], members["removed"]) == ("inputs.train", [], ["gone.txt"])
    assert [file["path"] for file in members["changed"]] == ["t.csv"]
    (table,) = members["tables"]
    assert (table["rows_before"], table["rows_after"]) == (2, 3)
    page = workplace.whence("diff", "@~1", "@").ok().out
    assert "; 0.1.0 -> 0.2.0" in page
    assert "  in inputs.train\n    ~ t.csv\n    - gone.txt\n    t.csv: + mass (float), - name (text), 2 rows" in page


def test_folders_are_compared_by_their_members_where_these_were_kept(workplace: Workplace) -> None:
    for options in (("--policy", "keep_inputs=copy"), ()):
        workplace.write("in/a.txt", "1\n")
        workplace.write("in/b.txt", f"2 {options}\n")
        workplace.write("in/c.txt", "3\n")
        workplace.record("true", options=("--input", "in", *options))
        workplace.write("in/a.txt", "4\n")
        (workplace.path / "in/c.txt").unlink()
        workplace.record("true", options=("--input", "in", *options))
    (members,) = compared(workplace, "@~3", "@~2")["members"]
    assert (members["added"], members["removed"], members["because"]) == ([], ["c.txt"], None)
    assert [file["path"] for file in members["changed"]] == ["a.txt"]
    (members,) = compared(workplace)["members"]
    assert (members["added"], members["changed"], members["removed"]) == ([], [], [])
    assert "holds no object sha256:" in members["because"]
    assert members["because"].endswith("; policy keep_inputs = copy keeps the list of a folder's files")
    assert "  in inputs.in\n    not known: " in workplace.whence("diff", "@~1", "@").ok().out


@pytest.mark.scenario("Y5")
def test_data_corrected_in_place_are_two_inputs_of_one_name(workplace: Workplace) -> None:
    workplace.write("in.csv", "1\n")
    workplace.record("true", options=("--input", "in.csv"))
    workplace.write("in.csv", "2\n")
    workplace.record("true", options=("--input", "in.csv"))
    (one,) = compared(workplace)["parts"]["data"]["differs"]
    assert one["what"] == 'inputs."in.csv"'
    assert len({value["digest"] for value in one["values"]}) == 2


# --- code


@pytest.mark.scenario("A2", "A3")
def test_commits_between_are_listed_as_long_as_a_repository_has_them(repository: Workplace) -> None:
    repository.record("true")
    repository.write("helper.py", "x = 1\n")
    repository.commit("a helper \x1b[31mred\x1b[0m")
    repository.write("README", "text\n")
    last = repository.commit("words")
    repository.record("true")
    code = compared(repository)["code"]
    assert [(one["subject"], one["side"]) for one in code["commits"]] == [
        ("words", "second"),
        ("a helper \x1b[31mred\x1b[0m", "second"),
    ]
    assert code["commits"][0]["id"] == last
    page = repository.whence("diff", "@~1", "@").ok().out
    assert "commits of B" in page and "\x1b" not in page
    shutil.rmtree(repository.path / ".git")
    code = compared(repository)["code"]
    assert code["commits"] is None
    assert code["commits_because"].startswith(f"{repository.path}: ")
    assert "+x = 1\n" in code["patch"]


@pytest.mark.scenario("A15")
def test_folders_without_version_control_are_compared_as_well(workplace: Workplace) -> None:
    workplace.write("a.py", "x = 1\n")
    workplace.record("true")
    workplace.write("a.py", "x = 2\n")
    workplace.record("true")
    code = compared(workplace)["code"]
    assert (code["commits"], code["commits_because"]) == (None, None)
    assert "-x = 1\n+x = 2\n" in code["patch"]


def test_files_that_were_left_out_are_compared_by_digest(repository: Workplace) -> None:
    options = ("--policy", "untracked_limit=1 KiB")
    repository.write("big.bin", b"1" * 4000)
    repository.record("true", options=options)
    repository.write("big.bin", b"2" * 4000)
    repository.record("true", options=options)
    differs = {one["what"]: one["values"] for one in compared(repository)["parts"]["code"]["differs"]}
    assert len(set(differs['code.files_left_out."big.bin"'])) == 2


def test_a_snapshot_that_is_lost_is_not_known_and_not_the_same(repository: Workplace) -> None:
    repository.record("true")
    repository.write("train.py", "print('other')\n")
    repository.record("true")
    shutil.rmtree(repository.store / "code.git")
    code = compared(repository)["code"]
    assert code["files"] is None
    assert "code.git" in code["files_because"]
    assert "files" in repository.whence("diff", "@~1", "@").ok().out


# --- what is not known


def test_a_run_that_goes_on_is_compared_by_what_it_has(workplace: Workplace) -> None:
    workplace.record("true")
    workplace.start_whence("run", "--", "sh", "-c", "touch ready; exec sleep 600")
    wait_until(lambda: (workplace.path / "ready").exists(), what="the command")
    found = compared(workplace)
    assert found["parts"]["results"]["state"] == "differs"
    assert unknown(found, "results")["artifacts"] == [None, "the run is not over"]


def test_what_was_not_watched_is_not_said_to_be_unread(workplace: Workplace) -> None:
    workplace.write("in.csv", "1\n")
    workplace.record("cat", "in.csv")
    workplace.record("cat", "in.csv", options=("--observe", "off"))
    found = compared(workplace)
    assert found["parts"]["data"]["differs"] == []
    assert unknown(found, "data")['inputs."in.csv"'][0] is None
    assert unknown(found, "data")['inputs."in.csv"'][1].startswith("nothing was watched")
    assert found["same"] is not True


def test_comparing_writes_nothing_into_the_store(lab) -> None:
    before = {path: path.stat().st_mtime_ns for path in lab.place.store.rglob("*") if "cache" not in path.parts}
    lab.place.whence("diff", "good", lab.dirty, "--explain").ok()
    after = {path: path.stat().st_mtime_ns for path in lab.place.store.rglob("*") if "cache" not in path.parts}
    assert after == before
