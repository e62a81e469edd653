"""Runs recorded from inside a Python process, seen from another one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from workplace import LIMIT, Workplace


def script(
    workplace: Workplace, body: str, *, env: dict[str, str | None] | None = None, code: int = 0
) -> dict[str, Any]:
    """Run the body as `job.py`; the latest run's record as another process reads it."""
    workplace.write("job.py", "import whence\n" + body)
    done = workplace.python("job.py", env=env)
    assert done.code == code, done.err
    return workplace.show()


def started(workplace: Workplace, body: str, **env: str) -> subprocess.Popen[bytes]:
    """The body as `job.py`, running; it must print a line when it is ready."""
    workplace.write("job.py", "import whence\n" + body)
    job = workplace.start([sys.executable, "job.py"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert job.stdout is not None
    assert job.stdout.readline()
    return job


def killed(job: subprocess.Popen[bytes]) -> int:
    _, err = job.communicate(timeout=LIMIT)
    assert b"Traceback" not in err, err
    return job.returncode


# What is said.


@pytest.mark.scenario("A9", "J9")
def test_a_block_leaves_a_complete_record(workplace: Workplace) -> None:
    workplace.write("data.csv", "a,b\n1,2\n")
    record = script(
        workplace,
        """
with whence.start({"lr": 0.1, "seed": 7}, name="first", purpose="to see", tags={"kind": "pilot"},
                  inputs=["data.csv"], params={"optim.momentum": 0.9}) as run:
    run.log({"loss": 0.5, "val": {"acc": 0.75}}, step=1)
    run.log(loss=0.25, step=2)
    whence.note("half way")
    whence.tag("ablation", stage=2)
    whence.progress("done", 1.0)
    open("model.pt", "w").write("weights")
    run.output("model.pt")
    run.config({"lr": 0.2})
""",
    )
    assert (record["status"], record["name"], record["purpose"], record["phase"]) == (
        "succeeded",
        "first",
        "to see",
        None,
    )
    assert record["tags"] == {"kind": "pilot", "ablation": "", "stage": "2"}
    assert record["config"]["values"] == {"lr": 0.2, "seed": 7, "optim": {"momentum": 0.9}}
    assert [seed["value"] for seed in record["config"]["seeds"]] == [7]
    assert record["metrics"]["loss"] == {
        "last": 0.25,
        "min": 0.25,
        "max": 0.5,
        "mean": 0.375,
        "first": 0.5,
        "count": 2,
        "step": 2,
    }
    assert record["metrics"]["val.acc"]["last"] == 0.75
    assert [note["text"] for note in record["notes"]] == ["half way"]
    assert record["progress"]["fraction"] == 1.0
    assert record["inputs"][0]["name"] == "data.csv" and record["inputs"][0]["changed"] == "no"
    [model] = record["artifacts"]
    assert (model["name"], model["kind"], model["kept"], model["missing"]) == ("model.pt", "model", True, False)
    assert record["code"]["entry"]["path"] == "job.py"
    assert record["seal"] is not None and record["losses"] == []
    assert workplace.whence("get", "@:model.pt", "again.pt").ok()
    assert (workplace.path / "again.pt").read_text() == "weights"
    workplace.whence("verify").ok()


def test_what_a_block_read_and_wrote_is_counted_as_of_a_command_also_from_the_cache(workplace: Workplace) -> None:
    (workplace.path / "large.bin").write_bytes(bytes(8 << 20))
    copy = "data = open('large.bin', 'rb').read(); open('copy.bin', 'wb').write(data)\n"
    block = script(workplace, "with whence.start(): " + copy)["resources"]
    workplace.write("plain.py", copy)
    command = workplace.record(sys.executable, "plain.py")["resources"]
    for used in (block, command):
        assert 8 << 20 <= used["read_bytes"] < 16 << 20
        assert 8 << 20 <= used["written_bytes"] < 16 << 20


def test_a_fraction_that_is_no_number_leaves_the_sentence_and_a_sound_record(workplace: Workplace) -> None:
    body = "with whence.start() as run:\n    run.progress('lost count', float('nan'))\n"
    assert script(workplace, body)["progress"] | {"at": None} == {"text": "lost count", "fraction": None, "at": None}
    workplace.whence("verify").ok()


@pytest.mark.scenario("X11")
def test_metrics_take_any_step_and_any_number(workplace: Workplace) -> None:
    record = script(
        workplace,
        """
import numpy as np
class Scalar:
    def item(self): return 2.5
with whence.start() as run:
    for step in (5, 3, 3, 0.5, None, np.int64(9)):
        run.log({"x": np.float32(0.5), "torch": Scalar(), "nan": float("nan"), "inf": np.inf, "flag": True}, step=step)
    run.log({f"w{i}": i for i in range(12_000)}, step=1)
    run.log({"word": "high", "x": 1.0}, step=2)
""",
    )
    metrics = record["metrics"]
    assert len(metrics) == 12_005
    assert (metrics["x"]["count"], metrics["x"]["last"], metrics["x"]["step"]) == (7, 1.0, 2)
    assert metrics["nan"]["last"] == "NaN" and metrics["inf"]["last"] == "Infinity" and metrics["torch"]["last"] == 2.5
    assert [(loss["what"], loss["because"]) for loss in record["losses"]] == [
        ("metric word", "a text, expected a number")
    ]


def test_the_journal_is_flushed_to_the_disk_at_the_start_and_at_the_seal_only(workplace: Workplace) -> None:
    flushed = workplace.python(
        "-c",
        """
import os
import whence
asked, flush = [], os.fsync
def fsync(fd):
    asked.append(os.stat(fd).st_ino)
    flush(fd)
os.fsync = fsync
with whence.start() as run:
    journal = os.stat(run.folder / "main.jsonl").st_ino
    begun = asked.count(journal)
print(begun, asked.count(journal))
""",
    ).ok()
    assert flushed.out.split() == ["1", "2"]


WITHOUT_NAMES = {
    "as other tools have it": ("'loss', 3", "'loss'", "run.log({'loss': 3})"),
    "without a value": ("'loss'", "'loss'", "run.log({'loss': 0.5})"),
    "a number": ("0.25", "0.25", 'run.log({"loss": 0.5})'),
    "a list": ("[1, 2], 7", "a list", 'run.log({"loss": 7})'),
    "with others that have one": ("'loss', 3, acc=1", "'loss'", "run.log({'loss': 3})"),
}


@pytest.mark.parametrize("case", WITHOUT_NAMES)
def test_a_metric_without_a_name_is_said_with_the_words_that_record_it(case: str, workplace: Workplace) -> None:
    words, found, meant = WITHOUT_NAMES[case]
    done = workplace.python("-c", f"import whence\nwith whence.start() as run: run.log({words})").ok()
    said = f"log() was given {found}, expected values by name: {meant}"
    assert f"whence: lost metrics: {said}; the run goes on\n" in done.err
    record = workplace.show()
    assert list(record["metrics"]) == (["acc"] if "acc" in words else [])
    assert [loss["because"] for loss in record["losses"]] == [said]


def test_threads_log_side_by_side(workplace: Workplace) -> None:
    record = script(
        workplace,
        """
from threading import Thread
with whence.start() as run:
    def work(name):
        for step in range(500):
            run.log({name: step}, step=step)
            if step % 100 == 0:
                whence.note(f"{name} {step}")
    threads = [Thread(target=work, args=(f"t{i}",)) for i in range(8)]
    [t.start() for t in threads]; [t.join() for t in threads]
""",
    )
    assert {name: metric["count"] for name, metric in record["metrics"].items()} == {f"t{i}": 500 for i in range(8)}
    assert len(record["notes"]) == 40
    assert record["losses"] == []
    workplace.whence("verify").ok()


def test_tasks_of_asyncio_have_runs_of_their_own(workplace: Workplace) -> None:
    script(
        workplace,
        """
import asyncio
@whence.record
async def trial(lr):
    await asyncio.sleep(0.01)
    whence.log(lr=lr)
    await asyncio.sleep(0.01)
async def main():
    await asyncio.gather(*(trial(lr) for lr in (0.1, 0.2, 0.3)))
asyncio.run(main())
""",
    )
    records = [workplace.show(folder.name) for folder in workplace.run_folders()]
    assert sorted((r["config"]["values"]["lr"], r["metrics"]["lr"]["last"]) for r in records) == [
        (0.1, 0.1),
        (0.2, 0.2),
        (0.3, 0.3),
    ]
    assert {r["status"] for r in records} == {"succeeded"} and {r["parent"] for r in records} == {None}


def test_threads_of_a_sweep_have_runs_of_their_own(workplace: Workplace) -> None:
    script(
        workplace,
        """
from concurrent.futures import ThreadPoolExecutor
def trial(lr):
    with whence.start({"lr": lr}):
        whence.log(lr=lr)
with ThreadPoolExecutor(4) as pool:
    list(pool.map(trial, [0.1, 0.2, 0.3, 0.4]))
""",
    )
    records = [workplace.show(folder.name) for folder in workplace.run_folders()]
    assert sorted((r["config"]["values"]["lr"], r["metrics"]["lr"]["last"]) for r in records) == [
        (x, x) for x in (0.1, 0.2, 0.3, 0.4)
    ]
    assert {r["status"] for r in records} == {"succeeded"}


@pytest.mark.scenario("A11", "F7")
def test_a_recorded_function_has_its_arguments_as_configuration(workplace: Workplace) -> None:
    record = script(
        workplace,
        """
from pathlib import Path
@whence.record(name="fit", tags=["decorated"])
def fit(data, lr=0.1, *, where=Path("/tmp"), **rest):
    return lr * 2
assert fit("a.csv", extra=float("nan")) == 0.2
""",
    )
    assert record["config"]["values"] == {"data": "a.csv", "lr": 0.1, "where": "/tmp", "extra": "NaN"}
    entry = record["code"]["entry"]
    assert (entry["kind"], entry["path"], entry["name"]) == ("function", "job.py", "__main__.fit")
    assert (record["name"], record["tags"]) == ("fit", {"decorated": ""})


# Entries.


@pytest.mark.scenario("A9")
@pytest.mark.parametrize(
    ("argv", "stdin", "entry"),
    [
        (["job.py"], None, ("file", "job.py", None)),
        (["-m", "pkg.job"], None, ("module", "pkg/job.py", "pkg.job")),
        (["-c", "import whence\nwith whence.start(): pass"], None, ("inline", None, None)),
        (["-"], "import whence\nwith whence.start(): pass", ("stdin", None, None)),
        (
            ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_job.py"],
            None,
            ("function", "test_job.py", "test_fit"),
        ),
    ],
)
def test_the_entry_is_told_truthfully(workplace: Workplace, argv: list[str], stdin: str | None, entry: Any) -> None:
    body = "import whence\nwith whence.start(): pass\n"
    workplace.write("job.py", body)
    workplace.write("pkg/job.py", body)
    workplace.write("test_job.py", "import whence\ndef test_fit():\n    with whence.start(): pass\n")
    workplace.python(*argv, input=stdin).ok()
    found = workplace.show()["code"]["entry"]
    assert (found["kind"], found["path"], found["name"]) == entry


# Ends.


ENDS = {
    "an exception": ("raise ValueError('no convergence')", 1, "failed", None, "ValueError", "no convergence"),
    "sys.exit(0)": ("sys.exit(0)", 0, "succeeded", 0, None, None),
    "sys.exit(3)": ("sys.exit(3)", 3, "failed", 3, "SystemExit", "3"),
    "sys.exit of a text": ("sys.exit('no data')", 1, "failed", 1, "SystemExit", "no data"),
    "an interrupt": ("raise KeyboardInterrupt", -2, "interrupted", None, "KeyboardInterrupt", ""),
    "an exception without text": (
        "class E(Exception):\n        def __str__(self): 1/0\n    raise E",
        1,
        "failed",
        None,
        None,
        None,
    ),
}


@pytest.mark.scenario("H3", "H12")
@pytest.mark.parametrize("case", ENDS)
def test_the_end_is_the_one_that_the_interpreter_shows(workplace: Workplace, case: str) -> None:
    body, code, status, exit_code, kind, message = ENDS[case]
    record = script(workplace, f"import sys\nwith whence.start() as run:\n    run.log(x=1)\n    {body}\n", code=code)
    assert (record["status"], record["exit_code"]) == (status, exit_code)
    assert record["metrics"]["x"]["last"] == 1
    if kind:
        assert (record["error"]["type"], record["error"]["message"]) == (kind, message)
        assert body.partition("(")[0] in record["error"]["traceback"]


@pytest.mark.scenario("H7", "J12", "S4")
def test_outputs_of_a_failed_run_are_kept_and_flagged(workplace: Workplace) -> None:
    body = "with whence.start() as run:\n    open('part.csv', 'w').write('1')\n    run.output('part.csv')\n    1/0\n"
    record = script(workplace, body, code=1)
    assert (record["artifacts"][0]["unfinished"], record["artifacts"][0]["kept"]) == (True, True)


@pytest.mark.scenario("H3")
def test_an_exception_passes_through_untouched(workplace: Workplace) -> None:
    workplace.write("job.py", "import whence\nwith whence.start():\n    raise ValueError('as it was')\n")
    done = workplace.python("job.py")
    assert done.err.splitlines()[-1] == "ValueError: as it was"
    assert "whence/" not in done.err


DEEP_IN_C = "__import__('hashlib').pbkdf2_hmac('sha256', b'', b'', 10**9)"
"""Minutes in which the interpreter runs no handler, as in a linear algebra library."""


@pytest.mark.scenario("H4")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(
    "waiting",
    ["time.sleep(60)", "while True: pass", "while True: run.log(x=1)", "threading.Event().wait()", DEEP_IN_C],
)
def test_a_signal_that_ends_the_process_is_stated_first(workplace: Workplace, name: str, waiting: str) -> None:
    begin = "import threading, time\nwith whence.start() as run:\n    run.log(y=1)\n    print('begun', flush=True)\n"
    job = started(workplace, f"{begin}    {waiting}\n")
    job.send_signal(getattr(signal, name))
    assert killed(job) == -getattr(signal, name)
    record = workplace.show()
    assert (record["status"], record["signal"], record["phase"]) == ("killed", name, None)
    assert record["metrics"]["y"]["last"] == 1
    assert record["seal"] is not None


def test_a_handler_of_the_user_wins(workplace: Workplace) -> None:
    job = started(
        workplace,
        """
import signal, sys, time
with whence.start() as run:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    print("begun", flush=True)
    time.sleep(60)
""",
    )
    job.send_signal(signal.SIGTERM)
    assert killed(job) == 5
    assert (workplace.show()["status"], workplace.show()["exit_code"]) == ("failed", 5)


def test_signal_handlers_are_as_they_were_after_the_run(workplace: Workplace) -> None:
    script(
        workplace,
        """
import signal, os
with whence.start(): pass
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
assert signal.set_wakeup_fd(-1) == -1
assert "WHENCE_RUN" not in os.environ
""",
    )


@pytest.mark.scenario("X10", "H12", "I1")
@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(0)"])
def test_a_process_that_vanishes_reads_as_lost_and_loses_nothing(workplace: Workplace, end: str) -> None:
    workplace.write(
        "job.py", f"import whence, os\nwith whence.start() as run:\n    for i in range(1000): run.log(x=i)\n    {end}\n"
    )
    workplace.python("job.py")
    record = workplace.show()
    assert record["status"] == "lost"
    assert record["metrics"]["x"]["count"] == 1000


@pytest.mark.scenario("H9")
def test_a_run_that_is_never_finished_is_not_called_succeeded(workplace: Workplace) -> None:
    record = script(
        workplace, "import gc\nrun = whence.start()\nrun.log(x=1)\ndel run\ngc.collect()\nwhence.log(y=2)\n"
    )
    assert (record["status"], record["error"]["type"]) == ("failed", "unfinished")
    assert record["metrics"]["y"]["last"] == 2


def test_an_exception_outside_of_any_block_is_the_end_of_an_open_run(workplace: Workplace) -> None:
    record = script(workplace, "run = whence.start()\nraise OSError('disk')\n", code=1)
    assert (record["status"], record["error"]["type"], record["error"]["message"]) == ("failed", "OSError", "disk")


def test_a_field_of_any_kind_leaves_no_run_without_a_first_line(workplace: Workplace) -> None:
    workplace.write("job.py", "import whence\nwhence.start(fields={'x': object(), 'y': {1, 2}}).finish()\n")
    assert workplace.python("job.py").code == 0
    record = workplace.show()
    assert record["status"] == "succeeded" and record["ext"]["y"] == [1, 2] and "object" in str(record["ext"]["x"])
    workplace.whence("verify").ok()


def test_a_status_that_there_is_not_is_said_and_stated_and_never_raises(workplace: Workplace) -> None:
    workplace.write("job.py", "import whence\nrun = whence.start()\nrun.finish('bogus')\nprint('went on')\n")
    done = workplace.python("job.py")
    assert done.code == 0 and done.out == "went on\n"
    assert done.err.count("finish() was given the status 'bogus'") == 1
    record = workplace.show()
    assert record["status"] == "failed" and "'bogus'" in record["error"]["message"] and record["losses"]


def test_an_explicit_end_says_what_it_is_told(workplace: Workplace) -> None:
    record = script(workplace, "run = whence.start()\nrun.finish('failed', reason='diverged')\n")
    assert (record["status"], record["error"]["message"]) == ("failed", "diverged")


@pytest.mark.scenario("H5")
def test_use_after_the_end_warns_once_and_raises_nothing(workplace: Workplace) -> None:
    workplace.write(
        "job.py",
        "import whence\nwith whence.start() as run: pass\n"
        "run.log(x=1)\nrun.note('late')\nrun.finish()\nwhence.log(x=1)\nwhence.log(x=1)\n",
    )
    done = workplace.python("job.py").ok()
    assert done.err.count("has ended") == 1
    assert done.err.count("was called without a run") == 1
    assert workplace.show()["metrics"] == {}


@pytest.mark.scenario("H5")
def test_a_run_entered_twice_is_a_programming_mistake(workplace: Workplace) -> None:
    workplace.write("job.py", "import whence\nwith whence.start() as run:\n    with run: pass\n")
    done = workplace.python("job.py")
    assert "RuntimeError" in done.err and "was entered before" in done.err


@pytest.mark.scenario("H10")
def test_a_refused_start_raises_and_is_recorded(workplace: Workplace) -> None:
    workplace.write(
        "job.py",
        "import whence\ntry:\n    whence.start(inputs=['no.csv'])\nexcept whence.RefusedError as e: print(e)\n",
    )
    assert "no.csv" in workplace.python("job.py").ok().out
    record = workplace.show()
    assert (record["status"], record["error"]["type"], record["started"]) == ("failed", "refused", None)


@pytest.mark.scenario("S26")
def test_a_dry_run_leaves_nothing(workplace: Workplace) -> None:
    workplace.write(
        "job.py", "import whence\nwith whence.start(dry_run=True) as run:\n    run.log(x=1)\n    print(run.id)\n"
    )
    assert workplace.python("job.py").ok().out == "dry-run\n"
    assert not workplace.store.exists()


# Nested blocks, children, forks.


@pytest.mark.scenario("H11")
def test_a_nested_run_is_a_child(workplace: Workplace) -> None:
    script(
        workplace,
        """
with whence.start(name="outer") as outer:
    try:
        with whence.start(name="inner", nested=True) as inner:
            whence.log(x=1)
            raise ValueError("inner fails")
    except ValueError:
        pass
    whence.log(x=2)
""",
    )
    outer, inner = workplace.show("outer"), workplace.show("inner")
    assert (inner["parent"], inner["status"], outer["status"], outer["parent"]) == (
        outer["id"],
        "failed",
        "succeeded",
        None,
    )
    assert (inner["metrics"]["x"]["last"], outer["metrics"]["x"]["last"]) == (1, 2)
    assert outer["children"] == [inner["id"]]


@pytest.mark.scenario("H5")
def test_a_block_inside_a_block_belongs_to_it(workplace: Workplace) -> None:
    record = script(
        workplace,
        """
with whence.start({"a": 1}) as outer:
    try:
        with whence.start({"b": 2}) as inner:
            assert inner.id == outer.id
            inner.log(x=1)
            raise ValueError("inner")
    except ValueError:
        pass
    outer.log(y=2)
""",
    )
    assert len(workplace.run_folders()) == 1
    assert record["config"]["values"] == {"a": 1, "b": 2}
    assert record["status"] == "succeeded" and set(record["metrics"]) == {"x", "y"}
    assert "ValueError: inner" in record["anomalies"][0]["what"]


@pytest.mark.scenario("A9")
def test_a_script_under_whence_run_attaches(workplace: Workplace) -> None:
    workplace.write("data.csv", "1")
    workplace.write(
        "job.py",
        "import whence\nwith whence.start({'lr': 0.1}, inputs=['data.csv'], tags=['inside']) as run:\n"
        "    run.log(x=1)\n    open('m.pt', 'w').write('w')\n    run.output('m.pt')\nwhence.log(x=2)\n",
    )
    workplace.whence("run", "--", sys.executable, "job.py").ok()
    assert len(workplace.run_folders()) == 1
    record = workplace.show()
    assert record["config"]["values"]["lr"] == 0.1
    assert (record["metrics"]["x"]["count"], record["tags"]) == (2, {"inside": ""})
    assert [i["name"] for i in record["inputs"]] == ["data.csv"]
    assert [(a["name"], a["kept"]) for a in record["artifacts"]] == [("m.pt", True)]
    assert [w["name"].partition("-")[0] for w in record["writers"]] == ["main", "worker"]
    workplace.whence("verify").ok()


def test_an_outer_run_that_is_over_is_the_parent(workplace: Workplace) -> None:
    first = script(workplace, "with whence.start(): pass\n")
    variable = f"{first['id']}@{workplace.store}"
    second = script(workplace, "with whence.start(): pass\n", env={"WHENCE_RUN": variable})
    assert second["id"] != first["id"] and second["parent"] == first["id"]


FORKS = {
    "os.fork": """
import os
with whence.start() as run:
    whence.log(main=1)
    for i in range(3):
        if os.fork() == 0:
            whence.log({f"child{i}": i})
            run.note(f"from {i}")
            os._exit(0)
    for _ in range(3): os.wait()
    whence.log(main=2)
""",
    "os.fork, leaving the block": """
import os, sys
with whence.start() as run:
    whence.log(main=1)
    for i in range(3):
        if os.fork() == 0:
            whence.log({f"child{i}": i})
            run.note(f"from {i}")
            sys.exit(0)
    for _ in range(3): os.wait()
    whence.log(main=2)
""",
    "fork": """
import multiprocessing
def work(i):
    whence.log({f"child{i}": i}); whence.note(f"from {i}")
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    with whence.start() as run:
        whence.log(main=1)
        with context.Pool(3) as pool: pool.map(work, range(3), chunksize=1)
        whence.log(main=2)
""",
    "spawn": """
import multiprocessing
def work(i):
    whence.log({f"child{i}": i}); whence.note(f"from {i}")
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with whence.start() as run:
        whence.log(main=1)
        jobs = [context.Process(target=work, args=(i,)) for i in range(3)]
        [j.start() for j in jobs]; [j.join() for j in jobs]
        whence.log(main=2)
""",
    "ProcessPoolExecutor": """
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
def work(i):
    with whence.start({f"child{i}": i}) as run:
        run.log({f"child{i}": i}); run.note(f"from {i}")
if __name__ == "__main__":
    with whence.start() as run:
        whence.log(main=1)
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("forkserver")) as pool:
            list(pool.map(work, range(3)))
        whence.log(main=2)
""",
}


@pytest.mark.scenario("A9")
@pytest.mark.parametrize("case", FORKS)
def test_workers_write_beside_the_run(workplace: Workplace, case: str) -> None:
    record = script(workplace, FORKS[case])
    assert len(workplace.run_folders()) == 1
    assert record["status"] == "succeeded"
    assert set(record["metrics"]) == {"main", "child0", "child1", "child2"}
    assert {note["text"] for note in record["notes"]} == {"from 0", "from 1", "from 2"}
    assert record["writers"][0]["name"] == "main" and len(record["writers"]) >= 2
    assert record["losses"] == []
    workplace.whence("verify").ok()


def test_a_worker_that_is_terminated_dies_of_it(workplace: Workplace) -> None:
    record = script(
        workplace,
        """
import multiprocessing, time
def work(): time.sleep(60)
if __name__ == "__main__":
    with whence.start() as run:
        job = multiprocessing.get_context("fork").Process(target=work)
        job.start(); time.sleep(0.2); job.terminate(); job.join()
        run.log(code=job.exitcode)
""",
    )
    assert (record["status"], record["metrics"]["code"]["last"]) == ("succeeded", -15)


# Ranks.


RANKED = """
import os, time
with whence.start({"lr": 0.1}) as run:
    rank = int(os.environ["RANK"])
    run.log({f"rank{rank}": rank})
    open(f"done{rank}", "w").close()
    while not all(os.path.exists(f"done{i}") for i in range(3)): time.sleep(0.01)
    if rank == 0: time.sleep(1)
"""


def ranks(workplace: Workplace, body: str, size: int, **env: str) -> list[int]:
    workplace.write("job.py", "import whence\n" + body)
    common = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", **env}
    jobs = [
        workplace.start([sys.executable, "job.py"], env={**common, "RANK": str(rank)}, stderr=subprocess.DEVNULL)
        for rank in reversed(range(size))
    ]
    return [job.wait(120) for job in jobs]


@pytest.mark.parametrize("env", [{}, {"TORCHELASTIC_RUN_ID": "abc"}])
def test_ranks_of_one_job_are_one_run(workplace: Workplace, env: dict[str, str]) -> None:
    assert ranks(workplace, RANKED, 3, **env) == [0, 0, 0]
    assert len(workplace.run_folders()) == 1
    record = workplace.show()
    assert set(record["metrics"]) == {"rank0", "rank1", "rank2"}
    assert [writer["name"] for writer in record["writers"]] == ["main", "rank-1", "rank-2"]
    assert [writer["rank"]["rank"] for writer in record["writers"]] == [0, 1, 2]
    assert (record["status"], record["losses"]) == ("succeeded", [])


def test_the_same_job_started_again_is_another_run(workplace: Workplace) -> None:
    for _ in range(2):
        for name in workplace.path.glob("done*"):
            name.unlink()
        assert ranks(workplace, RANKED, 3) == [0, 0, 0]
    first, second = (workplace.show(folder.name) for folder in workplace.run_folders())
    assert second["parent"] == first["id"]
    assert set(second["metrics"]) == {"rank0", "rank1", "rank2"}


@pytest.mark.scenario("I9")
def test_a_requeued_job_names_its_predecessor(workplace: Workplace) -> None:
    job: dict[str, str | None] = {"SLURM_JOB_ID": "77"}
    first = script(workplace, "with whence.start(): pass\n", env=job)
    script(workplace, "with whence.start(): pass\n", env={"SLURM_JOB_ID": "78"})
    again = script(workplace, "with whence.start(): pass\n", env={**job, "SLURM_RESTART_COUNT": "1"})
    assert (again["rerun_of"], again["relation"]) == (first["id"], "rerun")


# Faults of ours.


@pytest.mark.scenario("X12", "I11")
def test_a_store_that_vanishes_does_not_reach_the_code(workplace: Workplace) -> None:
    workplace.write(
        "job.py",
        """
import whence, shutil
with whence.start() as run:
    run.log(x=1)
    shutil.rmtree(".whence")
    for i in range(100):
        run.log(x=i); run.note("n"); run.tag(a="b"); run.output("job.py"); run.input("job.py"); run.config(lr=1)
print("the result")
""",
    )
    done = workplace.python("job.py").ok()
    assert done.out == "the result\n"
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) < 8, done.err


@pytest.mark.scenario("I2", "S4")
def test_a_full_disk_is_stated_and_the_run_goes_on(workplace: Workplace) -> None:
    workplace.write(
        "job.py",
        """
import whence, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with whence.start() as run:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(p.stat().st_size for p in run.folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300, hard))
    for i in range(50):
        run.note("x" * 40); run.log(loss=i)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    run.note("room again")
print("the result")
""",
    )
    done = workplace.python("job.py").ok()
    assert done.out == "the result\n" and "Traceback" not in done.err
    record = workplace.show()
    assert record["status"] == "succeeded"
    assert record["notes"][-1]["text"] == "room again"
    assert record["losses"]


# Reading from Python.


def test_a_store_is_read_from_python(workplace: Workplace) -> None:
    script(
        workplace,
        "for acc in (0.5, 0.9, 0.7):\n"
        "    with whence.start({'lr': acc}, name=f'r{acc}'):\n        whence.log(acc=acc)\n",
    )
    workplace.write(
        "read.py",
        """
import whence
store = whence.open()
best = store.runs("metrics.acc > 0.6", sort="-metrics.acc")
assert [run.name for run in best] == ["r0.9", "r0.7"], best
assert best[0].metric("acc") == 0.9 and best[0].config.values["lr"] == 0.9
noted = store.run("r0.5").note("too low").tag("rejected", why="acc")
assert noted.tags["rejected"] == "" and noted.notes[0].text == "too low"
assert store.run("@").status == "succeeded" and len(store.runs(limit=2)) == 2
try: store.run("nosuchrun")
except whence.UnresolvedError: pass
else: raise AssertionError
""",
    )
    workplace.python("read.py").ok()
    assert workplace.show("r0.5")["tags"]["why"] == "acc"


def test_words_without_a_run_never_raise_even_where_warnings_are_errors(workplace: Workplace) -> None:
    workplace.write("job.py", "import whence\nwhence.log(x=1)\nwhence.note('n')\nwhence.output('x')\nprint('fine')\n")
    done = workplace.python("-W", "error", "job.py").ok()
    assert done.out == "fine\n" and done.err.count("without a run") == 1
    assert not workplace.store.exists()


def test_os_environ_names_the_run_for_other_tools(workplace: Workplace) -> None:
    record = script(
        workplace,
        "import subprocess, sys\nwith whence.start():\n"
        "    subprocess.run([sys.executable, '-c', 'import whence; whence.log(x=1)'], check=True)\n",
    )
    assert record["metrics"]["x"]["last"] == 1


def test_a_living_run_reads_as_running(workplace: Workplace) -> None:
    job = started(
        workplace, "import time\nwith whence.start() as run:\n    print('begun', flush=True)\n    time.sleep(60)\n"
    )
    try:
        assert workplace.show()["status"] == "running"
    finally:
        os.kill(job.pid, signal.SIGKILL)
        job.wait()


def test_a_worker_without_a_block_says_how_it_ended_and_what_it_wrote(workplace: Workplace) -> None:
    record = script(
        workplace,
        """
import multiprocessing
def work():
    whence.output("later.csv")
    open("later.csv", "w").write("1")
if __name__ == "__main__":
    with whence.start():
        job = multiprocessing.get_context("fork").Process(target=work)
        job.start(); job.join()
""",
    )
    assert [(a["name"], a["missing"], a["kept"]) for a in record["artifacts"]] == [("later.csv", False, True)]
    assert record["writers"][1]["ended"] is not None


def test_an_input_that_is_not_there_is_said_once_in_every_place(workplace: Workplace) -> None:
    workplace.script(
        "job.py", "import whence\nwith whence.start() as run:\n    run.input('no.csv')\n    run.input('no.csv')\n"
    )
    done = workplace.python("job.py").ok()
    expected = f"no such file or folder in {workplace.path}"
    assert f"whence: warning: input no.csv: {expected}; the run goes on\n" in done.err
    assert done.err.count("no.csv") == 1
    record = workplace.show()
    assert [(gap["what"], gap["because"]) for gap in record["missing"] if "no.csv" in gap["what"]] == [
        ("inputs.no.csv", expected)
    ]
    assert record["losses"] == []
    page = workplace.whence("show", "@").ok().out
    assert "NOT THERE" in page.partition("\ndata\n")[2].partition("\n\n")[0]
    assert workplace.whence("audit", "@").out.count("inputs") == 1


def test_words_as_on_the_command_line_and_a_single_path_mean_what_they_mean_there(workplace: Workplace) -> None:
    workplace.write("data.csv", "a\n")
    record = script(
        workplace,
        "with whence.start(tags='kind=x', params=['lr=0.1', 'n=3'], inputs='data.csv', policy='dirty=warn'): pass\n"
        "with whence.start(tags=['kind=x', 'pilot'], params='lr=0.1', inputs='data.csv'): pass\n",
    )
    assert record["tags"] == {"kind": "x", "pilot": ""}
    assert record["config"]["values"] == {"lr": 0.1}
    assert [item["path"] for item in record["inputs"]] == ["data.csv"]
    assert workplace.show("@~1")["config"]["values"] == {"lr": 0.1, "n": 3}


MISTAKES = {
    "tags=3": "TypeError: whence.start: tags: found int 3, expected a mapping, or words as of --tag",
    "tags=[3]": "TypeError: whence.start: tags: found int 3, expected a mapping, or words as of --tag",
    "config=3": "TypeError: whence.start: config: found int 3, expected named values: a dict, a dataclass, a namespace",
    "config='c.yaml'": "TypeError: whence.start: config: found str 'c.yaml', expected named values: a dict, a "
    "dataclass, a namespace; files are named with config_files",
    "params=3": "TypeError: whence.start: params: found int 3, expected a mapping, or words as of --param",
    "params=['a']": "UsageError: params: 'a': expected NAME=VALUE",
    "fields=['a=1']": "TypeError: whence.start: fields: found list ['a=1'], expected a mapping",
    "inputs=3": "TypeError: whence.start: inputs: found int 3, expected a path, or a list of paths",
    "outputs=[None]": "TypeError: whence.start: outputs: found NoneType None, expected a path, or a list of paths",
    "name=3": "TypeError: whence.start: name: found int 3, expected a text",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_what_cannot_be_meant_raises_before_the_start(words: str, workplace: Workplace) -> None:
    workplace.script("job.py", f"import whence\nwhence.start({words})\n")
    done = workplace.python("job.py")
    assert done.code == 1
    assert done.err.splitlines()[-1].removeprefix("whence.errors.") == MISTAKES[words]
    assert not workplace.store.exists()


def test_what_is_said_after_the_end_is_named_by_its_method(workplace: Workplace) -> None:
    workplace.script("job.py", "import whence\nrun = whence.start()\nrun.finish()\nrun.log(a=1)\n")
    assert "has ended: log() and what follows is not recorded" in workplace.python("job.py").ok().err
    workplace.script("job.py", "import whence\nrun = whence.start()\nrun.finish()\nrun.note('a')\n")
    assert "has ended: note() and what follows is not recorded" in workplace.python("job.py").ok().err


# Signal handlers of the program.


def test_a_handler_that_speaks_to_the_run_never_stands_still(workplace: Workplace) -> None:
    body = """
import signal
with whence.start() as run:
    def handler(number, frame):
        run.log({"from": "a text"})
        run.log({"handled": 1, "x": 2.5 + 0j})
        run.note("handled")
        run.output("made.txt")
        handled.append(0)
        if len(handled) < 100:
            signal.setitimer(signal.ITIMER_REAL, 0.0001 * (len(handled) % 7 + 1))
    handled = []
    open("made.txt", "w").write("made")
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    while len(handled) < 100:
        run.log({"a": "text"})
        run.note("between")
        run.output("made.txt")
    run.log({"handled": float(len(handled))})
"""
    record = script(workplace, body)
    assert record["status"] == "succeeded"
    handled = record["metrics"]["handled"]
    assert handled["count"] == handled["last"] + 1
    assert len([note for note in record["notes"] if note["text"] == "handled"]) == handled["last"]
    for what in ("metric from", "metric x"):
        assert sum(loss["lost"] for loss in record["losses"] if loss["what"] == what) == handled["last"]
    workplace.whence("verify").ok()


@pytest.mark.parametrize("error", ["TimeoutError", "RuntimeError", "LookupError"])
def test_what_a_handler_raises_passes_through_and_the_record_is_sound(workplace: Workplace, error: str) -> None:
    body = f"""
import hashlib, signal
def handler(number, frame):
    raised.append(0)
    raise {error}("time is up")
signal.signal(signal.SIGALRM, handler)
raised, caught = [], 0
with whence.start() as run:
    for turn in range(200):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + turn % 7 * 0.0001)
            while len(raised) == turn:
                run.log({{"a": turn}})
                run.log({{"a": "text"}})
                run.note("x")
        except {error}:
            caught += 1
    run.log({{"caught": caught, "raised": len(raised)}})
"""
    record = script(workplace, body)
    assert record["metrics"]["caught"]["last"] == record["metrics"]["raised"]["last"] == 200
    assert {loss["what"] for loss in record["losses"]} == {"metric a"}
    workplace.whence("verify").ok()


def test_what_a_handler_raises_while_the_run_ends_passes_when_the_record_is_complete(workplace: Workplace) -> None:
    body = """
import signal
from whence.recorder import closing
class Mine(Exception): pass
def handler(number, frame): raise Mine
signal.signal(signal.SIGUSR1, handler)
before = closing._outputs
def interrupted(*given):
    signal.raise_signal(signal.SIGUSR1)
    before(*given)
closing._outputs = interrupted
try:
    with whence.start(): pass
except Mine:
    print("mine")
else:
    raise SystemExit("it was kept")
"""
    record = script(workplace, body)
    assert (record["status"], record["seal"] is not None) == ("succeeded", True)
    assert [loss["what"] for loss in record["losses"]] == ["outputs"]


def test_a_forked_child_that_finishes_ends_its_own_part_alone(workplace: Workplace) -> None:
    body = """
import os
with whence.start() as run:
    if os.fork() == 0:
        run.note("in the child")
        run.finish("failed", "by its own word")
        os._exit(0)
    os.wait()
"""
    workplace.write("job.py", "import whence\n" + body)
    done = workplace.python("job.py")
    assert "lost" not in done.err
    record = workplace.show()
    assert (record["status"], record["losses"]) == ("succeeded", [])
