"""Where a command cannot be watched as it should be: the next way is taken, and the record names it and why."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from forbidding import forbidding, without_strace
from workplace import WHENCE, Workplace

from whence.recorder.hooked import NOBODY, ONLY_PYTHON
from whence.recorder.settling import AFTERWARDS

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="this is about strace")

WORK = "import os\ntext = open('data.csv').read()\nopen('tmp', 'w').write(text)\nos.replace('tmp', 'result.csv')\n"


def sha(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture
def work(workplace: Workplace) -> Workplace:
    workplace.write("data.csv", "1,2\n")
    workplace.script("work.py", WORK)
    return workplace


def read(record: dict[str, Any]) -> dict[str, tuple[str, str, bool]]:
    """What was read, by path: digest, whether it changed, whether it was looked at late."""
    return {item["path"]: (item["digest"], item["changed"], item["late"]) for item in record["inputs"]}


def written(record: dict[str, Any]) -> dict[str, str]:
    return {item["path"]: item["digest"] for item in record["artifacts"]}


@needs_strace
def test_strace_gives_the_record_that_a_filter_gives_labelled_late(work: Workplace) -> None:
    record = work.record("python", "work.py", options=("--observe", "strace"))
    observation = record["observation"]
    assert (observation["mechanism"], observation["complete"], observation["gaps"]) == ("strace", True, [])
    assert read(record) == {"data.csv": (sha(b"1,2\n"), "no", True)}
    assert written(record) == {"result.csv": sha(b"1,2\n")}
    assert "python" in {Path(program["path"]).name[:6] for program in record["programs"]}


def test_python_programs_give_it_for_themselves_and_never_claim_it_whole(work: Workplace) -> None:
    record = work.record("python", "work.py", options=("--observe", "python"))
    observation = record["observation"]
    assert (observation["mechanism"], observation["complete"]) == ("python", False)
    assert observation["gaps"] == [ONLY_PYTHON]
    assert read(record) == {"data.csv": (sha(b"1,2\n"), "no", False)}
    assert written(record) == {"result.csv": sha(b"1,2\n")}
    assert "whence-boot" not in str([record["inputs"], record["artifacts"]])


WRITE = "open('emptied.csv', 'w').write('2')\nf = open('patched.csv', 'r+')\nf.write('2')\nf.close()\n"


@pytest.mark.parametrize("mechanism", [pytest.param("strace", marks=needs_strace), "python"])
def test_what_was_written_over_is_said_not_to_be_known(work: Workplace, mechanism: str) -> None:
    for name in ("emptied.csv", "patched.csv"):
        work.write(name, "11")
    work.script("write.py", WRITE)
    record = work.record("python", "write.py", options=("--observe", mechanism, "--policy", "untracked_limit=1"))
    lost = f"where {mechanism} watches, nothing is copied"
    found = {item["path"]: (item["digest_before"], item["before_because"]) for item in record["artifacts"]}
    assert found.keys() == {"emptied.csv", "patched.csv"}
    for digest, because in found.values():
        assert (digest, because) in ((None, lost), (None, AFTERWARDS), (sha(b"11"), None))
    assert found["emptied.csv"] == (None, AFTERWARDS if mechanism == "strace" else lost)


def test_what_other_programs_do_is_not_claimed(work: Workplace) -> None:
    record = work.record("cat", "data.csv", options=("--observe", "python"))
    assert (record["inputs"], record["observation"]["gaps"]) == ([], [ONLY_PYTHON, NOBODY])


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="that number")
def test_the_next_mechanism_is_taken_and_named_with_its_reason(work: Workplace, tmp_path: Path) -> None:
    path = without_strace(tmp_path / "bin")
    done = work.run(forbidding(317, 38, *WHENCE, "run", "--", sys.executable, "work.py"), env={"PATH": path})
    assert (done.code, done.out) == (0, "")
    observation = work.show()["observation"]
    assert observation["mechanism"] == "python"
    assert observation["because"] == "seccomp: this kernel has no seccomp; strace: there is no strace on PATH"
    assert "seccomp: this kernel has no seccomp" in work.whence("show").out


def test_a_mechanism_that_was_asked_for_and_cannot_be_had_is_said(work: Workplace, tmp_path: Path) -> None:
    path = without_strace(tmp_path / "bin")
    done = work.whence("run", "--observe", "strace", "--", sys.executable, "work.py", env={"PATH": path})
    reason = "the command is not watched: strace: there is no strace on PATH"
    assert (done.code, done.err.splitlines()[-1]) == (0, f"whence: {reason}")
    observation = work.show()["observation"]
    assert (observation["mechanism"], observation["complete"]) == ("declared", False)
    assert observation["gaps"] == ["the command was not watched: strace: there is no strace on PATH"]


def test_python_programs_that_may_not_be_asked_are_not(work: Workplace) -> None:
    options = ("--policy", "observe_python=off", "--observe", "python")
    record = work.record("python", "work.py", options=options)
    assert record["observation"]["gaps"] == ["the command was not watched: python: observe_python is off"]
