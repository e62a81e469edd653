"""Stores among many processes, copied into one another, and read without whence."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from workplace import Workplace

TWENTY = """\
import whence
for n in range(20):
    with whence.start(name=f"run-{n}") as run:
        run.log({"n": n})
"""


@pytest.mark.slow
@pytest.mark.scenario("V1", "X9")
def test_fifty_processes_record_into_a_store_that_none_of_them_found(repository: Workplace) -> None:
    script = repository.home / "twenty.py"
    script.write_text(TWENTY)
    python = str(Path(shutil.which("python", path=repository.environ["PATH"]) or "python"))
    started = [repository.start([python, script]) for _ in range(50)]
    assert [process.wait(600) for process in started] == [0] * 50
    listed = repository.whence("log", "--json", "--limit", "0").ok().json_lines()
    assert len({run["id"] for run in listed}) == len(listed) == 1000
    assert {run["status"] for run in listed} == {"succeeded"}
    repository.whence("verify").ok()


@pytest.mark.scenario("V8")
def test_two_stores_merge_by_copying_one_into_the_other(tmp_path: Path) -> None:
    one, two = (Workplace(tmp_path / name, tmp_path / "home").repository(a=name) for name in ("one", "two"))
    for place in (one, two):
        place.whence("run", "--name", place.path.name, "--output", "out", "--", "cp", "a", "out").ok()
    for folder in ("runs", "acts", "objects"):
        if (two.store / folder).exists():
            shutil.copytree(two.store / folder, one.store / folder, dirs_exist_ok=True)
    one.git("fetch", "-q", two.store / "code.git", "refs/whence/*:refs/whence/*", cwd=one.store / "code.git")
    assert {run["name"] for run in one.whence("log", "--json").ok().json_lines()} == {"one", "two"}
    one.whence("verify").ok()
    one.whence("restore", "two", tmp_path / "restored").ok()
    assert (tmp_path / "restored/a").read_text() == "two"


@pytest.mark.scenario("Y14", "U4")
def test_a_store_is_read_with_ordinary_tools(repository: Workplace) -> None:
    told = repository.record("cp", "train.py", "copy.py", options=("--input", "train.py", "--output", "copy.py"))
    (folder,) = repository.run_folders()
    record = json.loads((folder / "record.json").read_bytes())
    assert (record["id"], record["status"], record["artifacts"]) == (told["id"], "succeeded", told["artifacts"])
    lines = (folder / "main.jsonl").read_bytes().splitlines()
    previous = None
    for line in lines:
        assert json.loads(line)["prev"] == previous
        previous = f"sha256:{hashlib.sha256(line).hexdigest()}"
    for sealed in json.loads((folder / "seal.json").read_bytes())["files"]:
        data = (folder / sealed["name"]).read_bytes()
        assert (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}") == (sealed["length"], sealed["digest"])
    tree = repository.git("ls-tree", "-r", "--name-only", record["code"]["tree"], cwd=repository.store / "code.git")
    assert tree.splitlines() == ["train.py"]


@pytest.mark.scenario("X5", "J5", "C12")
def test_two_runs_with_the_same_bytes_are_two_records_with_one_object(repository: Workplace) -> None:
    options = ("--input", "train.py", "--output", "copy.py")
    first, second = (repository.record("cp", "train.py", "copy.py", options=options) for _ in range(2))
    assert first["id"] != second["id"]
    digest = f"sha256:{hashlib.sha256((repository.path / 'train.py').read_bytes()).hexdigest()}"
    for record in (first, second):
        assert [i["digest"] for i in record["inputs"]] == [a["digest"] for a in record["artifacts"]] == [digest]
    objects = [path for path in (repository.store / "objects/sha256").rglob("*") if path.is_file()]
    assert [path.parent.name + path.name for path in objects].count(digest.removeprefix("sha256:")) == 1


@pytest.mark.scenario("A4")
def test_equal_files_in_two_places_and_two_repositories_stay_apart(tmp_path: Path) -> None:
    one, two = (Workplace(tmp_path / name, tmp_path / "home") for name in ("one", "two"))
    one.repository(**{"a/f.py": "print(1)\n"})
    two.repository(**{"b/f.py": "print(1)\n"})
    ran = [one.record("python", "a/f.py"), two.record("python", "b/f.py")]
    assert ran[0]["code"]["entry"]["digest"] == ran[1]["code"]["entry"]["digest"]
    assert ran[0]["code"]["id"] != ran[1]["code"]["id"]
    assert [record["code"]["entry"]["path"] for record in ran] == ["a/f.py", "b/f.py"]


@pytest.mark.scenario("F5")
def test_arguments_are_recorded_as_launched(repository: Workplace) -> None:
    argv = ["python", "train.py", "--lr", "0.1", "", "two words", "--x=$HOME", "ü\n", "--", "-v"]
    assert repository.record(*argv)["command"] == argv


def test_the_guard_against_git_clean_is_put_back_by_the_next_run_and_missed_until_then(repository: Workplace) -> None:
    repository.record("true")
    guard = repository.store / ".git"
    data = guard.read_bytes()
    guard.unlink()
    assert ".whence/" in repository.git("clean", "-fdxn")
    assert f"{guard} is not there" in repository.whence("doctor").out
    assert repository.whence("verify", "--json").ok().json()["notes"] == [
        ".git: not there: `git clean -fdx` would remove the store; the next run puts it back"
    ]
    repository.record("true")
    assert guard.read_bytes() == data
    assert ".whence/" not in repository.git("clean", "-fdxn")


def test_a_store_that_was_given_to_git_is_left_so(repository: Workplace) -> None:
    repository.record("true")
    for name in (".git", ".gitignore"):
        (repository.store / name).unlink()
    repository.record("true")
    assert not (repository.store / ".git").exists()
