"""Code that ran and is not in the snapshot: seen, kept and given back by runs that are recorded from inside."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace, wait_until

JOB = """
import os, sys
sys.path.insert(0, "outputs")
import whence
with whence.start():
    {body}
"""


@pytest.fixture
def project(workplace: Workplace) -> Workplace:
    """A repository that ignores `outputs/` and `local_*.py`; `train.py` and `helper.py` are committed."""
    return workplace.repository(**{
        ".gitignore": "outputs/\nlocal_*.py\n",
        "helper.py": "x = 'launched'\n",
    })  # fmt: skip


def job(place: Workplace, body: str, **how: Any) -> dict[str, Any]:
    """A block with these statements; the record as another process reads it."""
    place.write("job.py", JOB.format(body=body))
    place.python("job.py", **how).ok()
    return place.show()


def ran(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {source["path"]: source for source in record["code"]["outside_snapshot"]}


def got(place: Workplace, path: str) -> str:
    return place.whence("get", f"@:{path}", "-").ok().out


def in_store(place: Workplace, text: bytes) -> list[Path]:
    return [path for path in place.store.rglob("*") if path.is_file() and text in path.read_bytes()]


@pytest.mark.scenario("A13", "A14")
def test_code_that_git_ignores_or_that_lies_elsewhere_is_kept_when_it_is_imported(project: Workplace) -> None:
    project.write("local_model.py", "depth = 3\n")
    project.write("outputs/x.py", "width = 4\n")
    project.write("outputs/idle.py", "never = 'imported'\n")
    sibling = project.path.parent / "sibling"
    sibling.mkdir()
    (sibling / "shared_code.py").write_text("shared = 5\n")
    record = job(project, "import helper, local_model, x, shared_code", env={"PYTHONPATH": str(sibling)})
    elsewhere = str(sibling / "shared_code.py")
    seen = ran(record)
    assert {path: source["state"] for path, source in seen.items()} == {
        "local_model.py": "absent",
        "outputs/x.py": "absent",
        elsewhere: "elsewhere",
    }
    for source in seen.values():
        assert (source["kept"], source["certain"], source["because"]) == (True, True, None)
        assert (source["how"], source["when"], source["digest"][:7]) == ("observed", "end", "sha256:")
    assert record["code"]["observed_by"] == [{"writer": "main", "by": "modules", "when": "end"}]
    for path in ("local_model.py", "outputs/x.py"):
        (project.path / path).unlink()
    (sibling / "shared_code.py").write_text("shared = 6\n")
    assert got(project, "local_model.py") == "depth = 3\n"
    assert project.whence("cat", "@:outputs/x.py").ok().out == "width = 4\n"
    assert got(project, elsewhere) == got(project, "shared_code.py") == "shared = 5\n"
    project.whence("verify").ok()
    told = project.whence("restore", "@", project.path.parent / "restored").ok().out
    assert "ran too: outputs/x.py (not in the snapshot; kept)" in told
    assert f"ran too: {elsewhere} (outside of the code's folder; kept)" in told
    assert "whence get @:PATH DEST" in told
    assert sorted(path.name for path in (project.path.parent / "restored").iterdir()) == [
        ".gitignore", "helper.py", "job.py"
    ]  # fmt: skip
    shown = project.whence("show", "@").ok().out
    assert "outputs/x.py  not in the snapshot; kept" in shown
    audited = project.whence("audit", "@").out
    assert "local_model.py" not in audited.replace("remark", ""), audited


@pytest.mark.scenario("A12")
def test_the_repository_of_an_editable_sibling_is_named_clean_or_dirty(project: Workplace) -> None:
    sibling = Workplace(project.path.parent / "sibling", project.path.parent / "home")
    sibling.repository(**{"shared_code.py": "shared = 5\n"})
    sibling.git("remote", "add", "origin", "https://ada:pw@example.org/lab/sibling.git")
    commit, tree = sibling.git("rev-parse", "HEAD"), sibling.git("rev-parse", "HEAD^{tree}")
    found = job(project, "import shared_code", env={"PYTHONPATH": str(sibling.path)})["code"]["repositories"]
    assert found == [{
        "path": str(sibling.path), "commit": commit, "branch": "main", "dirty": False, "tree": tree,
        "url": "https://example.org/lab/sibling.git", "package": None,
    }]  # fmt: skip
    line = f"{sibling.path} {commit} main clean https://example.org/lab/sibling.git"
    assert line in project.whence("show", "@").ok().out
    assert "code.repositories" not in project.whence("audit", "@").out

    sibling.write("table.py", "unloaded = 1\n")
    [changed] = job(project, "import shared_code", env={"PYTHONPATH": str(sibling.path)})["code"]["repositories"]
    assert (changed["commit"], changed["dirty"], changed["tree"]) == (commit, True, None)
    assert f"weak     code.repositories.{sibling.path}: code of it ran, and it differed from its commit" in (
        project.whence("audit", "@").out
    )


@pytest.mark.scenario("A12")
def test_a_sibling_that_git_cannot_compare_is_a_gap_and_not_a_fault(project: Workplace) -> None:
    sibling = Workplace(project.path.parent / "sibling", project.path.parent / "home")
    sibling.repository(**{"shared_code.py": "shared = 5\n"})
    (sibling.path / ".git" / "index").write_bytes(b"broken")
    record = job(project, "import shared_code", env={"PYTHONPATH": str(sibling.path)})
    assert (record["status"], record["code"]["repositories"]) == ("succeeded", [])
    [gap] = [gap for gap in record["missing"] if gap["what"].startswith("code.repositories")]
    assert gap["what"] == f"code.repositories.{sibling.path}" and gap["because"].startswith("git: ")
    assert str(sibling.path / "shared_code.py") in ran(record)


def test_what_the_environment_describes_is_not_listed(project: Workplace) -> None:
    record = job(project, "import json, numpy, msgspec, sqlite3, helper")
    assert record["code"]["outside_snapshot"] == []
    assert [one["writer"] for one in record["code"]["observed_by"]] == ["main"], "it was looked"


@pytest.mark.scenario("A17")
def test_a_file_that_is_edited_between_launch_and_import_is_named_as_uncertain(project: Workplace) -> None:
    record = job(project, 'open("helper.py", "w").write("x = 1\\n"); import helper')
    source = ran(record)["helper.py"]
    assert (source["state"], source["kept"], source["certain"]) == ("changed", True, False)
    assert got(project, "helper.py") == "x = 1\n"
    restored = project.path.parent / "restored"
    assert "ran too: helper.py (the snapshot has it as it was at the launch; kept; changed after the start" in (
        project.whence("restore", "@", restored).ok().out
    )
    assert (restored / "helper.py").read_text() == "x = 'launched'\n"
    audited = project.whence("audit", "@").out
    assert "weak     code.outside_snapshot.helper.py: ran, and was changed after the start" in audited


@pytest.mark.scenario("A17")
def test_a_module_that_was_loaded_before_the_launch_ran_as_the_snapshot_has_it(project: Workplace) -> None:
    project.write(
        "job.py", "import helper, whence\nwith whence.start():\n    open('helper.py', 'w').write('x = 1\\n')\n"
    )
    project.python("job.py").ok()
    record = project.show()
    assert record["code"]["outside_snapshot"] == []
    assert [anomaly["detail"] for anomaly in record["anomalies"]] == [["helper.py"]]


def test_a_module_that_the_run_wrote_itself_is_kept_and_said_to_be_uncertain(project: Workplace) -> None:
    project.write("outputs/.keep")
    record = job(project, 'open("outputs/generated.py", "w").write("y = 1\\n"); import generated')
    source = ran(record)["outputs/generated.py"]
    assert (source["state"], source["kept"], source["certain"]) == ("absent", True, False)


SECRETS = {
    "a literal under a secret's name": 'PASSWORD = "correct-horse-9-battery"\n',
    "a token of a known form": 'x = "ghp_abcdefghij0123456789ABCDEFGHIJ"\n',
    "a value that the environment names": 'x = "plain-looking-7731"\n',
}


@pytest.mark.scenario("A13")
@pytest.mark.parametrize("kind", SECRETS)
def test_an_ignored_module_with_a_secret_is_listed_and_not_kept(project: Workplace, kind: str) -> None:
    text = SECRETS[kind]
    secret = text.partition('"')[2].partition('"')[0]
    project.write("local_settings.py", text)
    env = {"API_TOKEN": secret} if "environment" in kind else {}
    source = ran(job(project, "import local_settings", env=env))["local_settings.py"]
    assert (source["kept"], source["digest"][:6], source["size"]) == (False, "keyed:", len(text))
    assert "it holds a" in source["because"]
    assert in_store(project, secret.encode()) == []
    refused = project.whence("get", "@:local_settings.py", "-")
    assert refused.code == 3 and "has no digest: it holds a" in refused.err
    audited = project.whence("audit", "@")
    assert audited.code == 1 and "missing  code.outside_snapshot.local_settings.py: ran, is not in the" in audited.out


def test_what_is_larger_than_the_limits_is_listed_with_its_digest(project: Workplace) -> None:
    project.write("local_big.py", "x = 1\n" * 100)
    for name in "abc":
        project.write(f"local_{name}.py", f"{name} = 1\n" * 30)
    limits = {"WHENCE_POLICY_KEEP_FILE_LIMIT": "400", "WHENCE_POLICY_KEEP_LIMIT": "300"}
    seen = ran(job(project, "import local_big, local_a, local_b, local_c", env=limits))
    assert seen["local_big.py"]["because"] == "600 bytes, larger than policy keep_file_limit (400)"
    assert [seen[f"local_{name}.py"]["kept"] for name in "abc"] == [True, False, False]
    assert seen["local_b.py"]["because"] == "together with others of the run it is larger than policy keep_limit"
    assert all(source["digest"].startswith("sha256:") for source in seen.values())
    assert got(project, "local_b.py") == "b = 1\n" * 30, "it still lies where it lay"
    assert "raise keep_limit" in project.whence("audit", "@").out


def test_a_file_over_the_untracked_limit_that_runs_is_kept_after_all(project: Workplace) -> None:
    project.write("wide.py", "x = 1\n" * 100)
    record = job(project, "import wide", env={"WHENCE_POLICY_UNTRACKED_LIMIT": "300"})
    assert [left["path"] for left in record["code"]["files_left_out"]] == ["wide.py"]
    assert ran(record)["wide.py"]["kept"]
    assert "files_left_out" not in project.whence("audit", "@").out, "one fault, one finding"


def test_a_module_that_is_gone_at_the_end_is_listed_without_a_digest(project: Workplace) -> None:
    project.write("local_gone.py", "x = 1\n")
    source = ran(job(project, "import local_gone; os.unlink('local_gone.py')"))["local_gone.py"]
    assert (source["digest"], source["kept"], source["because"]) == (None, False, "it is not there any more")


ODD = """
import importlib.util
    for number, name in enumerate(sorted(os.listdir(b"outputs"))):
        if not name.endswith(b".py"): continue
        path = os.path.join("outputs", os.fsdecode(name))
        spec = importlib.util.spec_from_file_location(f"odd_{number}", path)
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
"""


def test_odd_file_names_are_listed_as_they_are(project: Workplace) -> None:
    names = ["with blank.py", "new\nline.py", ":(top)x.py", "*.py", "größe.py", os.fsdecode(b"\xff\xfe.py")]
    for name in names:
        project.write(f"outputs/{name}", f"x = {len(name)}\n")
    seen = ran(job(project, ODD.strip()))
    assert sorted(seen) == sorted(f"outputs/{name}" for name in names)
    assert all(source["kept"] for source in seen.values())
    assert got(project, "outputs/new\nline.py") == "x = 11\n"
    project.whence("show", "@").ok()
    project.whence("verify").ok()
    under = project.whence("run", "--", sys.executable, "job.py")
    assert under.code == 0, under.err
    assert sorted(ran(project.show())) == sorted(f"outputs/{name}" for name in names), "as git names them, too"


@pytest.mark.scenario("A13", "A14")
def test_a_script_under_whence_run_says_for_itself_what_it_loaded(project: Workplace) -> None:
    project.write("local_model.py", "depth = 3\n")
    project.write("job.py", JOB.format(body='import helper, local_model; open("helper.py", "a").write("#")'))
    project.commit()
    record = project.record(sys.executable, "job.py")
    seen = ran(record)
    assert {path: (source["state"], source["certain"]) for path, source in seen.items()} == {
        "local_model.py": ("absent", True),
        "helper.py": ("changed", False),
    }
    assert {(one["writer"].partition("-")[0], one["by"]) for one in record["code"]["observed_by"]} == {
        ("main", "programs"),
        ("main", "opens"),
        ("worker", "modules"),
    }
    assert record["losses"] == []
    assert got(project, "local_model.py") == "depth = 3\n"


POOL = """
from concurrent.futures import ProcessPoolExecutor
import multiprocessing, whence, work
if __name__ == "__main__":
    with whence.start(), ProcessPoolExecutor(2, multiprocessing.get_context({method!r})) as pool:
        list(pool.map(work.step, range(4)))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_only_a_worker_loaded_is_listed_too(project: Workplace, method: str) -> None:
    project.write("work.py", "import whence\ndef step(n):\n    import local_model\n    whence.log(n=n)\n")
    project.write("local_model.py", "depth = 3\n")
    project.write("job.py", POOL.format(method=method))
    project.python("job.py").ok()
    record = project.show()
    assert list(ran(record)) == ["local_model.py"]
    writers = {one["writer"] for one in record["code"]["observed_by"]}
    assert "main" in writers and any(name.startswith("worker-") for name in writers)
    assert record["losses"] == []


def test_without_a_snapshot_every_source_is_kept(project: Workplace) -> None:
    project.record("true")
    shutil.rmtree(project.store / "code.git")
    project.write(".whence/code.git", "in the way\n")
    record = job(project, "import helper")
    code = record["code"]
    assert code["tree"] is None and [gap["what"] for gap in record["missing"] if gap["what"] == "code"]
    seen = ran(record)
    assert sorted(seen) == [str(project.path / "helper.py"), str(project.path / "job.py")]
    assert all(source["state"] == "absent" and source["kept"] for source in seen.values())
    assert got(project, "helper.py") == "x = 'launched'\n"
    assert project.whence("audit", "@").out.count("missing  code") == 1


@pytest.mark.scenario("A13")
def test_a_run_that_is_killed_lists_nothing_and_claims_nothing(project: Workplace) -> None:
    project.write("local_model.py", "depth = 3\n")
    project.write("job.py", JOB.format(body="import local_model, time; print('ready', flush=True); time.sleep(600)"))
    process = project.start([sys.executable, "job.py"], stdout=-1)
    assert process.stdout and process.stdout.readline() == b"ready\n"
    process.kill()
    process.wait()
    wait_until(lambda: project.show()["status"] == "lost", what="the run to be known as lost")
    code = project.show()["code"]
    assert (code["outside_snapshot"], code["observed_by"]) == ([], [])
    assert "outside_snapshot" not in project.whence("audit", "@").out
    assert project.whence("get", "@:local_model.py", "-").code == 3


def test_a_command_that_is_not_observed_and_does_not_record_from_inside_was_looked_at_by_nobody(
    project: Workplace,
) -> None:
    project.write("local_model.py", "depth = 3\n")
    project.write("plain.py", "import local_model\n")
    code = project.record(sys.executable, "plain.py", options=("--policy", "observe=off"))["code"]
    assert (code["outside_snapshot"], code["observed_by"]) == ([], [])


def test_a_kept_source_that_was_damaged_is_found_by_verify(project: Workplace) -> None:
    project.write("local_model.py", "depth = 3\n")
    digest = ran(job(project, "import local_model"))["local_model.py"]["digest"]
    kept = project.store / "objects" / "sha256" / digest[7:9] / digest[9:]
    kept.chmod(0o644)
    kept.write_text("depth = 4\n")
    found = project.whence("verify")
    assert found.code == 1 and f"expected {digest}" in found.out + found.err
    kept.unlink()
    gone = project.whence("verify")
    assert gone.code == 1 and f"not there, expected {digest}" in gone.out + gone.err


def test_a_look_that_fails_costs_detail_and_not_the_run(project: Workplace) -> None:
    project.write("job.py", JOB.format(body="import shutil; shutil.rmtree('.whence/code.git/objects')"))
    record = project.record(sys.executable, "job.py")
    assert record["status"] == "succeeded"
    [loss] = [loss for loss in record["losses"] if "sources" in loss["what"]]
    assert loss["what"] == "the look at sources that ran" and "code.git" in loss["because"]
    assert all(writer["ended"] for writer in record["writers"] if writer["name"] != "main")
