"""Recorders that are killed: what the record still says, and what it says that it lacks."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from workplace import LIMIT, Workplace, kill, wait_until

from whence.recorder.target import tells_of_others

PYTHON = sys.executable


def started(workplace: Workplace, *words: str, options: tuple[str, ...] = ()) -> tuple[Any, Path]:
    """A recorded command that has started, and the folder of its run."""
    process = workplace.start_whence("run", *options, "--", *words, stdout=-3, stderr=-3)
    folder = wait_until(workplace.run_folders, what="a run folder")[0]
    wait_until(lambda: b'"run.started"' in (folder / "main.jsonl").read_bytes(), what="the start")
    return process, folder


def start_of(folder: Path) -> dict[str, Any]:
    lines = [json.loads(line) for line in (folder / "main.jsonl").read_bytes().splitlines()]
    return next(line for line in lines if line["kind"] == "run.started")


def kill_all(process: Any, folder: Path) -> None:
    """The keeper first, so that nobody records the end of the others."""
    os.kill(start_of(folder)["writer"]["pid"], signal.SIGKILL)
    os.kill(start_of(folder)["process"]["pid"], signal.SIGKILL)
    kill(process)


def lost(workplace: Workplace) -> dict[str, Any]:
    return wait_until(lambda: (r := workplace.show())["status"] == "lost" and r, what="the run to read as lost")


def closed(workplace: Workplace) -> dict[str, Any]:
    lost(workplace)
    workplace.whence("doctor", "--close")
    record = workplace.show()
    assert record["seal"] and record["closed_by"]
    assert workplace.whence("verify").ok()
    return record


READS_AND_WRITES = """
import os, time
open('a.csv').read(), open('.netrc').read()
open('b.tmp', 'w').write('result')
os.rename('b.tmp', 'b.csv')
open('said/b.csv', 'w').write('result')
time.sleep(600)
"""


@pytest.mark.scenario("I1", "C3")
def test_what_was_read_and_written_is_known_though_everything_was_killed(repository: Workplace) -> None:
    repository.write("a.csv", "1\n")
    repository.write(".netrc", "machine x password hunter2\n")
    (repository.path / "said").mkdir()
    repository.script("job.py", READS_AND_WRITES)
    process, folder = started(repository, PYTHON, "job.py", options=("--output", "said"))
    digest = "sha256:" + hashlib.sha256(b"1\n").hexdigest()

    def read() -> dict[str, Any]:
        return {one["name"]: one["digest"] for one in repository.show()["inputs"] if one["how"] == "observed"}

    wait_until(lambda: read() == {"a.csv": digest, ".netrc": None}, what="what was seen so far")
    wait_until(lambda: repository.show()["artifacts"], what="what was written so far")
    kill_all(process, folder)
    for record in (lost(repository), closed(repository)):
        assert read() == {"a.csv": digest, ".netrc": None}
        assert [(one["name"], one["digest"], one["final"]) for one in record["artifacts"]] == [("b.csv", None, False)]
        assert [one["name"] for one in record["expected_outputs"]] == ["said"]
    findings = repository.whence("audit", "@", "--json").json()["findings"]
    assert "observation" in {item["what"] for item in findings if item["level"] == "weak"}


def test_a_thousand_files_at_most_are_named_while_a_command_runs(workplace: Workplace) -> None:
    make = "for n in range(1100):\n  open(f'{n}', 'w').close()\n"
    workplace.script("job.py", f"import time\n{make}time.sleep(600)\n")
    process, folder = started(workplace, PYTHON, "job.py")
    wait_until(lambda: (workplace.path / "1099").exists(), what="the files")
    wait_until(lambda: len(workplace.show()["artifacts"]) >= 1000, what="what was written so far")
    kill_all(process, folder)
    assert len(lost(workplace)["artifacts"]) == 1000


@pytest.mark.scenario("I1")
def test_an_output_that_was_declared_is_known_though_everything_was_killed(repository: Workplace) -> None:
    options = ("--output", "model:best=out/*.pt", "--output", "table.csv")
    process, folder = started(repository, "sh", "-c", "echo a >table.csv; echo; sleep 600", options=options)
    wait_until((repository.path / "table.csv").exists, what="the output")
    text = repository.whence("show", "@").ok().out
    assert "expected: looked at when the run ends" in text
    kill_all(process, folder)
    expected = [("best", "out/*.pt", "model"), ("table.csv", "table.csv", None)]
    for record in (lost(repository), closed(repository)):
        assert [(one["name"], one["path"], one["kind"]) for one in record["expected_outputs"]] == expected
        assert record["artifacts"] == []
        assert "NOT CAPTURED: declared as output, and the run was lost" in repository.whence("show", "@").ok().out
    findings = repository.whence("audit", "@", "--json").json()["findings"]
    said = {item["what"]: (item["level"], item["because"]) for item in findings}
    because = "was declared as output, and not captured: the run was lost before it was looked at"
    assert said["artifacts.best"] == said["artifacts.table.csv"] == ("missing", because)
    assert "it was not captured" in repository.whence("get", "@:table.csv", "there").err


def test_an_output_of_a_block_that_is_looked_at_later_is_known_before(repository: Workplace) -> None:
    body = "import os, signal, whence\nrun = whence.start(outputs=['a.pt'])\nrun.output('b.pt')\n"
    repository.script("job.py", body + "os.kill(os.getpid(), signal.SIGKILL)\n")
    repository.python("job.py")
    assert [(one["name"], one["when"]) for one in lost(repository)["expected_outputs"]] == [
        ("a.pt", "launch"),
        ("b.pt", "during"),
    ]


def test_of_declared_outputs_that_were_captured_nothing_is_said_twice(repository: Workplace) -> None:
    options = ("--output", "o/*.pt", "--output", "model:m=o/a.pt")
    record = repository.record("sh", "-c", "mkdir o; echo a >o/a.pt; echo b >o/b.pt", options=options)
    assert len(record["expected_outputs"]) == 2
    for command in ("show", "audit"):
        assert "declared as output" not in repository.whence(command, "@").out


@pytest.mark.scenario("I1")
def test_what_a_lost_run_printed_is_stated_by_whoever_closes_it(repository: Workplace) -> None:
    process, folder = started(repository, "sh", "-c", "echo printed; echo too >&2; sleep 600")
    wait_until(lambda: b"too" in (folder / "output.log").read_bytes(), what="what was printed")
    kill_all(process, folder)
    output = closed(repository)["output"]
    assert (output["when"], output["bytes"], output["kept"], output["cut"]) == ("later", 12, 12, 0)
    assert output["because"] == "as it was found when the run was closed"
    assert json.loads((folder / "record.json").read_bytes())["output"] == output
    assert repository.whence("cat", "@:output").ok().out == "printed\ntoo\n"


def test_of_a_long_output_of_a_lost_run_it_is_known_how_much_was_left_out(repository: Workplace) -> None:
    body = "import time\nfor n in range(20_000): print(n)\nprint('all', flush=True)\ntime.sleep(600)\n"
    repository.script("talk.py", body)
    process, folder = started(repository, PYTHON, "talk.py", options=("--policy", "output_log_limit=1000"))

    def segments() -> list[bytes]:
        return [path.read_bytes() for path in folder.glob(".tmp-output.log-*")]

    wait_until(lambda: any(b"all\n" in text for text in segments()), what="the end of the output")
    kill_all(process, folder)
    output = closed(repository)["output"]
    printed = sum(len(f"{number}\n") for number in range(20_000)) + len("all\n")
    assert (output["bytes"], output["kept"] + output["cut"]) == (printed, printed)
    assert output["kept"] <= 1000
    assert f"{output['cut']} bytes left out here" in repository.whence("cat", "@:output").out


@pytest.mark.scenario("X10")
@pytest.mark.parametrize(
    ("last", "code", "expected"),
    [
        ("exit 0", 0, ("succeeded", 0, None)),
        ("exit 3", 3, ("failed", 3, None)),
        ("kill -TERM $$", 143, ("killed", None, "SIGTERM")),
    ],
)
def test_with_the_keeper_killed_alone_the_front_says_how_the_command_ended(
    repository: Workplace, last: str, code: int, expected: tuple[str, int | None, str | None]
) -> None:
    process, folder = started(repository, "sh", "-c", f"echo printed; while ! test -e go; do sleep 0.05; done; {last}")
    wait_until(lambda: b"printed" in (folder / "output.log").read_bytes(), what="what was printed")
    os.kill(start_of(folder)["writer"]["pid"], signal.SIGKILL)
    wait_until(lambda: repository.show()["phase"] == "unsupervised", what="the keeper's death")
    repository.write("go")
    assert process.wait(LIMIT) == code
    record = repository.show()
    assert (record["status"], record["exit_code"], record["signal"]) == expected
    assert record["closed_by"]["evidence"].startswith("the keeper was killed; the process that the shell waited for")
    assert record["duration"] > 0 and record["output"]["bytes"] == 8
    assert json.loads((folder / "record.json").read_bytes())["status"] == expected[0]
    assert repository.whence("verify").ok()


def test_with_the_keeper_killed_before_it_said_a_word_the_front_closes_the_run(repository: Workplace) -> None:
    process = repository.start_whence(
        "run", "--", "sh", "-c", "while ! test -e go; do sleep 0.05; done; exit 3", stdout=-3, stderr=-3
    )
    os.kill(wait_until(lambda: keeper_of(process.pid), what="the keeper"), signal.SIGKILL)
    repository.write("go")
    assert process.wait(LIMIT) == 3
    record = repository.show()
    assert (record["status"], record["exit_code"]) == ("failed", 3)
    assert record["closed_by"]["evidence"].startswith("the keeper was killed")


def keeper_of(front: int) -> int | None:
    """Its fork in a group of its own, as it appears."""
    ours = Path(f"/proc/{front}/cmdline").read_bytes()
    for pid in map(int, Path(f"/proc/{front}/task/{front}/children").read_text().split()):
        with suppress(OSError):
            if os.getpgid(pid) == pid and Path(f"/proc/{pid}/cmdline").read_bytes() == ours:
                return pid
    return None


def test_with_keeper_and_parent_killed_the_front_closes_the_run_as_far_as_the_kernel_tells(
    repository: Workplace,
) -> None:
    process, folder = started(repository, "sleep", "600")
    command = start_of(folder)["process"]["pid"]
    parent = int(Path(f"/proc/{command}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(start_of(folder)["writer"]["pid"], signal.SIGKILL)
    os.kill(parent, signal.SIGKILL)
    os.kill(command, signal.SIGKILL)
    process.wait(LIMIT)
    if not tells_of_others():
        assert closed(repository)["exit_code"] is None
        return
    assert process.returncode == 128 + signal.SIGKILL
    record = repository.show()
    assert (record["status"], record["signal"], record["exit_code"]) == ("killed", "SIGKILL", None)
    assert record["seal"] and record["closed_by"]


def test_the_last_sign_of_a_recorder_is_not_called_the_end_of_the_command(repository: Workplace) -> None:
    process, folder = started(repository, "sleep", "600")
    kill_all(process, folder)
    # A file's time is that of the kernel's last tick, before the clock that stamped the line in it.
    written = (folder / "main.jsonl").stat().st_mtime_ns - 10**9
    for path in folder.iterdir():
        os.utime(path, ns=(written, written))
    record = closed(repository)
    assert record["started"] <= record["ended"]
    page = repository.whence("show", "@").ok().out
    assert "\n  last sign of life  " in page
    assert "\n  ended  " not in page
    said = f"when and how the command ended is not known; {record['ended']} is the last sign of its recorder"
    assert said in repository.whence("audit", "@").out
