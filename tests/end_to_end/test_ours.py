"""The recorder inside a watched program is no part of what the program did: the record is that of the same program
without it, but for what was said."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import pytest
from workplace import Workplace

WAYS = [
    "seccomp",
    pytest.param("strace", marks=pytest.mark.skipif(not shutil.which("strace"), reason="this is about strace")),
    "python",
]

PROGRAM = """\
import subprocess, sys
{begin}
    n = len(open("data.csv").read())
    subprocess.run([sys.executable, "-S", "part.py"], check=True)
    {between}
    open("out.txt", "w").write(str(n))
    {end}
"""

PART = "open('part.csv').read()\n"

PLAIN = {"begin": "if True:", "between": "", "end": ""}

RECORDED = {
    "begin": "import whence\n"
    "with whence.start({{'lr': 1}}, inputs=['data.csv'], config_files=['conf.json']{more}) as run:",
    "between": "run.log(x=n); run.note('half'); whence.input('late.csv'); run.config(lr=2)",
    "end": "whence.output('out.txt'); whence.output('not-yet.txt')",
}


@pytest.fixture
def project(workplace: Workplace) -> Workplace:
    """A repository with all that a launch looks at."""
    workplace.write("pyproject.toml", '[project]\nname = "x"\nversion = "1"\n[tool.whence.fields]\nowner = "str"\n')
    workplace.write("uv.lock", 'version = 1\n[[package]]\nname = "msgspec"\nversion = "0"\n')
    workplace.write("requirements.txt", "msgspec==0 --hash=sha256:00\n")
    workplace.write("conf.json", "{}")
    workplace.write("part.py", PART)
    for name in ("data.csv", "late.csv", "part.csv"):
        workplace.write(name, f"{name}\n")
    workplace.git("init", "-q", "-b", "main")
    workplace.git("add", "-A")
    workplace.git("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "-m", "all")
    return workplace


def run(project: Workplace, way: str, words: dict[str, str]) -> dict[str, Any]:
    project.write("job.py", PROGRAM.format(**words))
    record = project.record(sys.executable, "job.py", options=("--observe", way))
    assert (record["status"], record["observation"]["mechanism"]) == ("succeeded", way)
    return record


def did(record: dict[str, Any]) -> dict[str, Any]:
    """What the record says that the command did."""
    counts = record["observation"]["files"].items()
    # A module that the recorder has loaded is not loaded once more.
    files = {kind: count for kind, count in counts if kind not in ("cache", "library")}
    return {
        "read": {one["path"]: (one["digest"], one["changed"]) for one in record["inputs"] if one["path"] != "late.csv"},
        "written": {one["path"]: one["digest"] for one in record["artifacts"] if not one["missing"]},
        "programs": [(one["path"], one["times"]) for one in record["programs"]],
        "network": record["network"],
        "gaps": record["observation"]["gaps"],
        "files": files,
        "sources": record["code"]["outside_snapshot"],
    }


@pytest.mark.parametrize("more", ["", ", nested=True"], ids=["in the run", "a run of its own"])
@pytest.mark.parametrize("way", WAYS)
def test_the_recorder_in_a_program_is_no_part_of_what_it_did(project: Workplace, way: str, more: str) -> None:
    plain = did(run(project, way, PLAIN))
    begin = RECORDED["begin"].format(more=more)
    recorded = did(run(project, way, RECORDED | {"begin": begin}))
    assert recorded == plain
    assert set(plain["read"]) == ({"data.csv"} if way == "python" else {"data.csv", "part.csv"})


READS_MEANWHILE = """\
import threading
import whence
def read():
    for at in range(80):
        open(f"many/{at}.csv").read()
reader = threading.Thread(target=read)
reader.start()
with whence.start(inputs=["data.csv"]):
    reader.join()
"""


@pytest.mark.parametrize("way", WAYS)
def test_what_other_threads_read_while_the_recorder_is_at_work_is_read(project: Workplace, way: str) -> None:
    for at in range(80):
        project.write(f"many/{at}.csv", f"{at}\n")
    project.write("job.py", READS_MEANWHILE)
    record = project.record(sys.executable, "job.py", options=("--observe", way))
    assert {one["path"] for one in record["inputs"]} == {"data.csv", *(f"many/{at}.csv" for at in range(80))}


def test_a_worker_that_speaks_in_the_run_is_left_out_only_where_it_does(project: Workplace) -> None:
    worker = "if os.fork() == 0: {} open('worker.csv').read(); os._exit(0)\n    os.wait()"
    project.write("worker.csv", "1\n")
    plain = PLAIN | {"begin": "import os\nif True:", "between": worker.format("")}
    begin = "import os, whence\nwith whence.start() as run:"
    recorded = {"begin": begin, "between": worker.format("run.log(x=1); whence.input('late.csv');"), "end": ""}
    assert did(run(project, "seccomp", recorded)) == did(run(project, "seccomp", plain))


def test_a_program_alone_is_recorded_as_before(project: Workplace) -> None:
    project.write("job.py", PROGRAM.format(**RECORDED | {"begin": RECORDED["begin"].format(more="")}))
    project.python("job.py").ok()
    record = project.show()
    assert {one["path"] for one in record["inputs"]} == {"data.csv", "late.csv"}
    assert (record["status"], record["losses"], record["observation"]["mechanism"]) == ("succeeded", [], "declared")
