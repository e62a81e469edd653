"""Storing that fails, facts that come late, clocks that go back: the run goes on, and the record says what it lacks.

The store is made to fail as it does for any account, root too: a file stands where a folder was, or files may not grow.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import pytest
from workplace import Workplace, wait_until

PYTHON = sys.executable


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def script(workplace: Workplace, body: str, **how: Any) -> dict[str, Any]:
    workplace.write("job.py", "import whence, os\n" + body)
    done = workplace.python("job.py", **how).ok()
    assert "Traceback" not in done.err, done.err
    return workplace.show()


BREAK = """
def fail():
    os.rename(".whence/objects", ".whence/objects-away")
    open(".whence/objects", "w").close()
def mend():
    os.unlink(".whence/objects")
    os.rename(".whence/objects-away", ".whence/objects")
"""


@pytest.mark.scenario("I3", "I2")
def test_an_output_that_could_not_be_stored_twice_is_stored_at_the_end(workplace: Workplace) -> None:
    record = script(
        workplace,
        BREAK
        + """
with whence.start() as run:
    fail()
    open("model.pt", "w").write("weights")
    run.output("model.pt", kind="model")
    run.output("model.pt", kind="model")
    mend()
""",
    )
    (model,) = record["artifacts"]
    assert (model["kept"], model["digest"], model["kind"]) == (True, sha256(b"weights"), "model")
    assert (record["status"], record["losses"]) == ("succeeded", [])
    assert workplace.whence("get", "@:model.pt", "-").ok().out == "weights"
    workplace.whence("verify").ok()


@pytest.mark.scenario("I2", "I5")
def test_an_output_that_cannot_be_stored_at_all_is_named_by_every_reader(workplace: Workplace) -> None:
    workplace.write(
        "job.py",
        "import whence, os\n"
        + BREAK
        + 'with whence.start() as run:\n    fail()\n    open("model.pt", "w").write("w")\n'
        '    run.output("model.pt")\nmend()\n',
    )
    done = workplace.python("job.py").ok()
    assert done.err.count("model.pt") == 1 and "it could not be kept" in done.err, "said once"
    record = workplace.show()
    (model,) = record["artifacts"]
    assert record["status"] == "succeeded", "the status is that of the work"
    assert (model["kept"], model["digest"]) == (False, sha256(b"w"))
    assert model["because"].startswith("it could not be kept: ")
    assert [loss["what"].rpartition("/")[2] for loss in record["losses"]] == ["model.pt"]
    assert "not kept: it could not be kept" in workplace.whence("show").ok().out
    audit = workplace.whence("audit", "@")
    assert audit.code == 1 and "model.pt: it could not be kept" in audit.out
    workplace.whence("verify").ok()


@pytest.mark.scenario("I5")
def test_outputs_of_a_command_are_named_too_and_the_code_is_the_commands(repository: Workplace) -> None:
    repository.record("true")
    away = repository.store / "objects-away"
    program = (
        "import os; open('model.pt', 'w').write('w'); os.rename('.whence/objects', '.whence/objects-away');"
        " open('.whence/objects', 'w').close()"
    )
    done = repository.whence("run", "--output", "model.pt", "--", PYTHON, "-c", program)
    assert done.code == 0 and "it could not be kept" in done.err
    (repository.store / "objects").unlink()
    away.rename(repository.store / "objects")
    record = repository.show()
    assert (record["status"], record["artifacts"][0]["kept"]) == ("succeeded", False)
    assert record["losses"] and record["seal"]
    assert repository.whence("audit", "@").code == 1


POINTS = """
import resource, signal, time
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with whence.start() as run:
    run.log(loss=1.0, step=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    for step in (2, 3, 4):
        run.log(loss=0.5, step=step)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    time.sleep(0.1)  # What fails is not tried again at once.
    run.log(loss=0.25, step=5)
"""


@pytest.mark.scenario("I4")
def test_metrics_that_could_not_be_written_are_counted_and_later_ones_are_there(workplace: Workplace) -> None:
    workplace.write("job.py", "import whence\n" + POINTS)
    done = workplace.python("job.py").ok()
    assert done.err.count("lost metric points") == 1
    record = workplace.show()
    assert (record["metrics"]["loss"]["count"], record["metrics"]["loss"]["last"]) == (2, 0.25)
    (loss,) = record["losses"]
    assert (loss["what"], loss["lost"]) == ("metric points", 3)
    assert "metric points" in workplace.whence("show").ok().out
    audit = workplace.whence("audit", "@")
    assert audit.code == 1 and "metric points" in audit.out
    workplace.whence("verify").ok()


SLOW = {"WHENCE_POLICY_SEAL_WITHIN": "0"}


@pytest.mark.scenario("I2", "I5")
def test_a_digest_that_was_not_done_in_time_is_pending_until_it_is_completed(repository: Workplace) -> None:
    record = repository.record("sh", "-c", "echo w > model.pt", options=("--output", "model.pt"), env=SLOW)
    (model,) = record["artifacts"]
    assert (record["status"], model["digest"], model["missing"]) == ("succeeded", None, False)
    assert "no digest" in repository.whence("show").ok().out
    audit = repository.whence("audit", "@")
    assert audit.code == 1 and "artifacts.model.pt" in audit.out
    doctor = repository.whence("doctor").ok()
    assert "model.pt" in doctor.out and "whence doctor --close" in doctor.out
    repository.whence("doctor", "--close").ok()
    (model,) = repository.show()["artifacts"]
    assert (model["digest"], model["when"]) == (sha256(b"w\n"), "later")
    assert repository.whence("doctor").ok().out.count("model.pt") == 0
    repository.whence("verify").ok()


@pytest.mark.scenario("I5", "J3")
def test_a_pending_output_that_changed_after_the_run_stays_pending_and_says_why(repository: Workplace) -> None:
    repository.record("sh", "-c", "echo w > model.pt", options=("--output", "model.pt"), env=SLOW)
    repository.write("model.pt", "other\n")
    repository.whence("doctor", "--close").ok()
    (model,) = repository.show()["artifacts"]
    assert model["digest"] is None
    assert "has changed since" in repository.whence("doctor").ok().out


# After the end.


@pytest.mark.scenario("I6")
def test_what_is_said_after_the_seal_is_an_act_and_the_sealed_files_stay(repository: Workplace) -> None:
    sealed = repository.record("true", options=("--tag", "kind=pilot"))
    before = _sealed_files(repository)
    repository.whence("note", "@", "the plot uses the wrong units").ok()
    repository.whence("tag", "@", "paper", "kind=final").ok()
    repository.python("-c", "import whence; whence.open().run('@').note('from Python').tag('figure')").ok()
    record = repository.show()
    assert [note["text"] for note in record["notes"]] == ["the plot uses the wrong units", "from Python"]
    assert record["tags"] == {"kind": "final", "paper": "", "figure": ""}
    assert (record["seal"], record["ended"]) == (sealed["seal"], sealed["ended"])
    assert _sealed_files(repository) == before
    repository.whence("verify").ok()


def _sealed_files(workplace: Workplace) -> dict[str, bytes]:
    (folder,) = workplace.run_folders()
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


LATE = """
import subprocess, sys
with whence.start() as run:
    worker = subprocess.Popen([sys.executable, "worker.py", str(run.folder)], stdout=subprocess.PIPE)
    worker.stdout.readline()
    whence.note("in time")
"""

WORKER = """
import os, sys, time, whence
whence.log(x=1)
print("ready", flush=True)
while not os.path.exists(os.path.join(sys.argv[1], "seal.json")): time.sleep(0.01)
whence.note("too late")
open("late.txt", "w").write("late")
whence.output("late.txt")
whence.log(y=2)
open("told", "w").close()
"""


@pytest.mark.scenario("I6")
def test_what_a_worker_writes_after_the_seal_is_late_and_no_damage(workplace: Workplace) -> None:
    workplace.write("worker.py", WORKER)
    script(workplace, LATE)
    wait_until((workplace.path / "told").exists, what="the worker's last word")
    record = workplace.show()
    assert [note["text"] for note in record["notes"]] == ["in time"]
    assert record["artifacts"] == []
    assert "late " in workplace.whence("show").ok().out
    audit = workplace.whence("audit", "@", "--json").json()
    assert any(f["level"] == "late" and f["because"] == "was written after the seal" for f in audit["findings"])
    workplace.whence("verify").ok()


# Clocks.

BACK = """
import time
real_ns, real, back = time.time_ns, time.time, [0]
time.time_ns = lambda: real_ns() - back[0] * 10**9
time.time = lambda: real() - back[0]
with whence.start() as run:
    run.log(x=1, step=1)
    run.note("before")
    back[0] = 3 * 3600
    time.sleep(0.2)
    run.log(x=2, step=2)
    run.note("after")
    open("out.txt", "w").write("made")
    run.output("out.txt")
"""


@pytest.mark.scenario("I14")
def test_a_clock_that_goes_back_leaves_a_readable_record_in_the_order_of_events(workplace: Workplace) -> None:
    record = script(workplace, BACK)
    assert record["status"] == "succeeded"
    assert record["ended"] < record["created"], "times are those of the clock"
    assert 0.2 <= record["duration"] < 600, "the duration is not"
    assert [note["text"] for note in record["notes"]] == ["before", "after"]
    assert (record["metrics"]["x"]["last"], record["metrics"]["x"]["count"]) == (2, 2)
    assert [artifact["kept"] for artifact in record["artifacts"]] == [True]
    assert [line["id"] for line in workplace.whence("log", "--json").ok().json_lines()] == [record["id"]]
    workplace.whence("verify").ok()
    workplace.whence("note", "@", "noted since").ok()
    assert workplace.show()["notes"][-1]["text"] == "noted since"


FUTURE = """
import sys, time
real_ns = time.time_ns
time.time_ns = lambda: real_ns() + 3600 * 10**9
from whence.cli.main import main
sys.exit(main(["run", "--", "sleep", "600"]))
"""


@pytest.mark.scenario("I14")
def test_a_run_from_a_clock_that_was_ahead_reads_as_what_it_is(repository: Workplace) -> None:
    process = repository.start([PYTHON, "-c", FUTURE])
    folder = wait_until(repository.run_folders, what="a run folder")[0]
    wait_until(lambda: b'"run.started"' in (folder / "main.jsonl").read_bytes(), what="the start")
    assert repository.show()["status"] == "running"
    repository.whence("stop", "@").ok()
    process.wait()
    wait_until((folder / "seal.json").exists, what="the seal")
    record = repository.show()
    assert record["status"] in ("killed", "interrupted")
    assert 0 <= record["duration"] < 600
    repository.whence("verify").ok()
