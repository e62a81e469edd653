"""`whence audit`, `verify`, `doctor`, `status`, `du` and `schema`, seen from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import jsonschema
import pytest
from workplace import Workplace, kill, wait_until

from whence.records.schema import KINDS


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the caches."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "cache" not in path.relative_to(folder).parts
    }


@pytest.fixture
def clean(workplace: Workplace) -> Workplace:
    """A run that lacks nothing."""
    workplace.write("data.csv", "x\n1\n")
    workplace.write("train.py", "open('model.pt', 'w').write('weights')\n")
    workplace.write(".gitignore", "model.pt\n")
    workplace.repository()
    workplace.whence("run", "--input", "data.csv", "--output", "model.pt", "--", "python", "train.py").ok()
    return workplace


@pytest.mark.scenario("L4", "L8")
def test_a_clean_run_passes_the_audit(clean: Workplace) -> None:
    (row,) = clean.whence("audit", "--json").ok().json_lines()
    assert row["complete"]
    assert [finding for finding in row["findings"] if finding["level"] != "remark"] == []


@pytest.mark.scenario("C3", "L8")
def test_an_audit_says_what_was_seen_and_what_was_not(clean: Workplace) -> None:
    clean.write("more.csv", "1\n")
    clean.whence("run", "--", "python", "-c", "open('data.csv').read(); open('more.csv').read()").ok()
    (row,) = clean.whence("audit", "@", "--json").ok().json_lines()
    said = {finding["what"]: finding for finding in row["findings"]}
    assert said["inputs"]["level"] == "remark"
    assert said["inputs"]["because"] == "2 were seen to be read, and not declared: data.csv, more.csv"
    (row,) = clean.whence("run", "--", "true").ok() and clean.whence("audit", "@", "--json").ok().json_lines()
    assert "the command was watched, and read no data" in [finding["because"] for finding in row["findings"]]


@pytest.mark.scenario("L2", "L4", "L8")
def test_each_violation_is_named_with_its_cure(clean: Workplace) -> None:
    clean.write("whence.toml", '[fields.site]\ntype = "str"\nrequired = true\n')
    clean.whence("run", "--observe", "off", "--output", "never.pt", "--", "true").ok()
    done = clean.whence("audit", "@", "--json")
    assert done.code == 1
    found = {(f["level"], f["what"]) for f in done.json()["findings"] if f["level"] != "remark"}
    assert found == {("missing", "inputs"), ("missing", "artifacts.never.pt"), ("missing", "ext.site")}
    page = clean.whence("audit", "@")
    assert page.code == 1
    assert page.out.count("fix: ") == 3


def test_an_audit_of_a_query_covers_its_runs(clean: Workplace) -> None:
    clean.whence("run", "--observe", "off", "--name", "bare", "--", "true").ok()
    ended = clean.whence("audit", "inputs exists").ok()
    assert ended.err == "complete\nnot verified: `whence verify` reads every byte\n"
    assert clean.whence("audit", "name = bare").code == 1
    assert clean.whence("audit").code == 1


@pytest.mark.scenario("L1", "P1")
def test_reading_commands_leave_the_store_byte_identical(clean: Workplace) -> None:
    before = contents(clean.store)
    for words in (
        ["audit"], ["verify"], ["doctor"], ["status"], ["log"], ["show"], ["du"], ["cat", "@:log"],
        ["log", "status = failed"], ["restore", "@", "../x", "--plan"], ["stop", "@", "--plan"], ["show", "nothing"],
        ["schema"],
    ):  # fmt: skip
        clean.whence(*words)
    assert contents(clean.store) == before


@pytest.mark.scenario("P1")
def test_status_makes_no_store_and_leaves_git_alone(workplace: Workplace) -> None:
    workplace.repository(**{"a.py": "print(1)\n"})
    workplace.write("b.py", "new")
    before = contents(workplace.path / ".git")
    answer = workplace.whence("status", "--json").ok().json()
    assert not workplace.store.exists()
    assert contents(workplace.path / ".git") == before
    assert answer["runs"] is None
    assert [path["path"] for path in answer["code"]["dirty_paths"]] == ["b.py"]
    assert answer["policy"][0]["key"] == "dirty"


def test_status_tells_what_is_excluded_from_results(workplace: Workplace) -> None:
    workplace.repository(**{"a.py": "print(1)\n", "whence.toml": 'code_exclude = ["notes/"]\n'})
    workplace.record("sh", "-c", "echo 1 > out.csv", options=("--output", "out.csv"))
    workplace.write("notes/day.md", "x")
    page = workplace.whence("status").ok().out
    assert "  not part of the code id (code_exclude, caches):\n    untracked        notes/day.md\n" in page
    assert "  results of earlier runs:\n    untracked        out.csv\n" in page


@pytest.mark.scenario("S15")
def test_status_says_the_code_id_that_the_run_then_has(workplace: Workplace) -> None:
    workplace.repository(**{"a.py": "print(1)\n"})
    workplace.write("b.py", "new")
    before = workplace.whence("status", "--json").ok().json()["code"]
    after = workplace.record("python", "a.py")["code"]
    assert {key: before[key] for key in ("id", "tree", "commit")} == {k: after[k] for k in ("id", "tree", "commit")}


def test_status_tells_what_policy_would_refuse(workplace: Workplace) -> None:
    workplace.repository(**{"a.py": "print(1)\n"})
    workplace.write("a.py", "print(2)\n")
    for options in ((), ("--json",)):
        done = workplace.whence("status", "--policy", "dirty=refuse", *options)
        assert done.code == 1
        assert "a.py (modified)" in done.out
    assert "dirty = refuse" in workplace.whence("status", "--policy", "dirty=refuse").out
    workplace.whence("status", "--policy", "dirty=warn").ok()


def test_a_whole_store_is_sound(clean: Workplace) -> None:
    done = clean.whence("verify").ok()
    assert (done.out.endswith(": sound\n"), done.err) == (True, "")
    assert clean.whence("verify", "--json").ok().json()["damage"] == []


@pytest.mark.scenario("L5", "L6")
@pytest.mark.parametrize("name", ["main.jsonl", "record.json", "seal.json"])
def test_one_flipped_byte_is_named_with_what_depended_on_it(name: str, clean: Workplace) -> None:
    path = clean.run_folders()[0] / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    done = clean.whence("verify", "--json")
    assert done.code == 1
    (damage,) = done.json()["damage"]
    assert name in damage["where"]
    assert damage["runs"] == [clean.run_folders()[0].name]


@pytest.mark.scenario("L5")
def test_a_damaged_object_names_the_runs_that_rest_on_it(clean: Workplace) -> None:
    digest = clean.show()["artifacts"][0]["digest"].removeprefix("sha256:")
    path = clean.store / "objects/sha256" / digest[:2] / digest[2:]
    path.chmod(0o644)
    path.write_bytes(b"Weights")
    (damage,) = clean.whence("verify", "--json").json()["damage"]
    assert digest[2:] in damage["where"]
    assert damage["runs"] == [clean.show()["id"]]


@pytest.mark.scenario("L5")
def test_a_damaged_code_repository_is_named(clean: Workplace) -> None:
    (first, *_) = [p for p in (clean.store / "code.git/objects").rglob("*") if p.is_file()]
    first.chmod(0o644)
    first.write_bytes(b"not an object")
    done = clean.whence("verify")
    assert done.code == 1
    assert "code.git" in done.out


@pytest.mark.scenario("X10")
def test_a_lost_run_is_closed_by_the_doctor_and_is_complete_then(workplace: Workplace) -> None:
    process = workplace.start_whence("run", "--", "sleep", "300")
    wait_until(lambda: workplace.run_folders() and workplace.show()["started"], what="the run to start")
    journal = (workplace.run_folders()[0] / "main.jsonl").read_text().splitlines()
    by_kind = {json.loads(line)["kind"]: json.loads(line) for line in journal}
    recorder, command = by_kind["run.created"]["process"]["pid"], by_kind["run.started"]["process"]["pid"]
    kill(process)
    for pid in (recorder, command):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait_until(lambda: workplace.show()["status"] in ("lost", "killed"), what="the run to be seen ended")
    wait_until(lambda: workplace.show()["seal"] or workplace.show()["status"] == "lost", what="a seal or a loss")
    if workplace.show()["seal"] is None:
        checked = workplace.whence("doctor")
        assert checked.code == 1
        assert "whence doctor --close" in checked.out
    workplace.whence("doctor", "--close").ok()
    record = workplace.show()
    assert record["seal"] is not None
    assert record["phase"] is None
    workplace.whence("verify").ok()


def test_a_folder_that_is_not_the_run_it_is_named_for_is_named(workplace: Workplace) -> None:
    workplace.record("true")
    (folder,) = workplace.run_folders()
    copy = folder.with_name(folder.name[:-4] + ("beef" if folder.name[-4:] != "beef" else "dead"))
    shutil.copytree(folder, copy)
    for command in ("doctor", "verify"):
        done = workplace.whence(command)
        assert (done.code, f"found the run {folder.name}, expected {copy.name}" in done.out) == (1, True)
    shutil.rmtree(copy)
    other_day = workplace.store / "runs/2026-01-02" / folder.name
    shutil.copytree(folder, other_day)
    for command in ("doctor", "verify"):
        done = workplace.whence(command)
        assert (done.code, "found a run of another day, expected it in" in done.out) == (1, True)
    assert len(workplace.whence("log", "--json").ok().json_lines()) == 1
    shutil.rmtree(folder)
    assert workplace.whence("doctor").code == workplace.whence("verify").code == 1
    assert workplace.whence("log", "--json").ok().json_lines() == []
    other_day.rename(folder)
    workplace.whence("doctor").ok()


def test_a_folder_of_a_run_that_never_came_to_be_is_only_noted(workplace: Workplace) -> None:
    workplace.record("true")
    (folder,) = workplace.run_folders()
    folder.with_name(folder.name[:-4] + "0000").mkdir()
    assert "never came to be" in workplace.whence("doctor").ok().out


def test_the_doctor_works_where_there_is_no_store(workplace: Workplace) -> None:
    answer = workplace.whence("doctor", "--json").ok().json()
    assert {"python", "git", "store"} <= {check["name"] for check in answer["checks"]}
    assert list(workplace.path.iterdir()) == []


def test_the_bytes_of_a_run_are_those_of_its_folder(clean: Workplace) -> None:
    answer = clean.whence("du", "--json").ok().json()
    (run,) = answer["runs"]
    walked = sum(path.stat().st_size for path in clean.run_folders()[0].iterdir() if path.is_file())
    assert sum(run[part] for part in ("journals", "points", "output", "record", "other")) == walked
    assert run["objects"] > 0
    assert "in all" in clean.whence("du").ok().out


def test_an_object_of_two_runs_is_shared(clean: Workplace) -> None:
    clean.whence("run", "--input", "data.csv", "--output", "model.pt", "--", "python", "train.py").ok()
    runs = clean.whence("du", "--json").ok().json()["runs"]
    assert all(run["shared"] >= len("weights") for run in runs)


def test_the_files_of_a_kept_folder_and_a_lock_count(workplace: Workplace) -> None:
    workplace.write("pylock.toml", "lock-version = '1.0'\ncreated-by = 'a test'\npackages = []\n")
    workplace.record(
        "sh", "-c", "mkdir out; head -c 5000 /dev/zero > out/a; echo b > out/b", options=("--output", "out")
    )
    usage = workplace.whence("du", "--json").ok().json()
    assert usage["runs"][0]["objects"] == usage["objects"]


PUBLISHED = Path(__file__).parents[2] / "docs" / "schema"


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schema_is_current(kind: str, workplace: Workplace) -> None:
    said = workplace.whence("schema", kind).ok().out
    jsonschema.Draft202012Validator.check_schema(json.loads(said))
    assert (PUBLISHED / f"{kind}.json").read_text("utf-8") == said, f"whence schema {kind} > docs/schema/{kind}.json"


def test_a_store_agrees_with_the_schemas(clean: Workplace) -> None:
    clean.whence("note", "@", "x").ok()
    validators = {kind: jsonschema.Draft202012Validator(clean.whence("schema", kind).ok().json()) for kind in KINDS}
    folder = clean.run_folders()[0]
    for line in (folder / "main.jsonl").read_text().splitlines():
        validators["event"].validate(json.loads(line))
    validators["record"].validate(json.loads((folder / "record.json").read_bytes()))
    validators["seal"].validate(json.loads((folder / "seal.json").read_bytes()))
    validators["store"].validate(json.loads((clean.store / "store.json").read_bytes()))
    for path in (clean.store / "acts").rglob("*.json"):
        validators["act"].validate(json.loads(path.read_bytes()))


def test_every_field_docstring_is_in_the_schema(workplace: Workplace) -> None:
    record = workplace.whence("schema", "record").ok().json()
    assert record["$defs"]["Code"]["properties"]["tree"]["description"].startswith("Git tree id of the raw bytes")
