"""`whence run -- CMD` is CMD for whoever runs it, and its record says what became of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workplace import WHENCE, Workplace, kill, wait_until

PYTHON = sys.executable

MIXED = """
import os, sys
for i in range(200):
    os.write(1, b"out %d\\n" % i)
    os.write(2, b"err %d\\n" % i)
print(sys.stdin.read(), os.isatty(0), os.isatty(1), os.isatty(2))
sys.exit(7)
"""


def test_output_and_code_are_those_of_the_command(repository: Workplace) -> None:
    bare = repository.run([PYTHON, "-c", MIXED], input="given")
    repository.whence("run", "--", "true").ok()
    ours = repository.whence("run", "--", PYTHON, "-c", MIXED, input="given")
    assert (ours.code, ours.out, ours.err) == (bare.code, bare.out, bare.err)


@pytest.mark.scenario("J10")
def test_what_is_printed_can_be_read_while_it_runs_and_is_bounded(repository: Workplace) -> None:
    script = "import time; print('x' * 50_000); print('here', flush=True); time.sleep(600)"
    limit = ("--policy", "output_log_limit=1000")
    process = repository.start_whence("run", *limit, "--", PYTHON, "-c", script, stdout=subprocess.DEVNULL)
    wait_until(lambda: any(b"here" in log.read_bytes() for log in printed(repository)), what="the output in the store")
    kill(process, signal.SIGTERM)
    wait_until(lambda: repository.show()["status"] == "killed", what="the end in the record")
    log = repository.whence("cat", "@:output").ok().out
    assert log.endswith("x\nhere\n")
    assert "[whence: 49006 bytes left out here]" in log


def printed(workplace: Workplace) -> list[Path]:
    return [path for folder in workplace.run_folders() for path in folder.iterdir() if "output" in path.name]


@pytest.mark.scenario("H4")
@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("kill -INT $$", "interrupted", 130),
        ("kill -TERM $$", "killed", 143),
        ("kill -HUP $$", "killed", 129),
        ("kill -KILL $$", "killed", 137),
        ("exit 1", "failed", 1),
        ("exit 0", "succeeded", 0),
    ],
)
def test_every_end_has_a_status_of_its_own(repository: Workplace, how: str, status: str, code: int) -> None:
    done = repository.whence("run", "--", "sh", "-c", how)
    assert (done.code, repository.show()["status"]) == (code, status)


@pytest.mark.scenario("H4")
def test_a_time_limit_reads_as_the_signal_that_it_sent(repository: Workplace) -> None:
    whence = str(Path(PYTHON).with_name("whence"))
    done = repository.run(["timeout", "5", whence, "run", "--", "sleep", "600"])
    assert done.code == 124
    record = repository.show()
    assert (record["status"], record["signal"]) == ("killed", "SIGTERM")


def limited_group(limit: int) -> Path | None:
    """A control group that may have so many bytes; nothing where none can be made."""
    for parent, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(parent) / f"whence-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / file).exists():
            (group / file).write_text(str(limit))
            return group
        group.rmdir()
    return None


@pytest.mark.scenario("H4")
def test_a_kill_for_want_of_memory_says_so(repository: Workplace) -> None:
    group = limited_group(256 << 20)
    if group is None:
        pytest.skip("no right to make a control group with a limit of memory, of version 1 or 2")
    try:
        whence = str(Path(PYTHON).with_name("whence"))
        greedy = "x = bytearray(1 << 30)"
        done = repository.run(
            ["sh", "-c", f"echo $$ > {group}/cgroup.procs && exec {whence} run -- {PYTHON} -c '{greedy}'"]
        )
        assert done.code == 137
        error = wait_until(lambda: repository.show()["error"], what="the end in the record")
        assert error["type"] == "out_of_memory"
        assert "oom_kill" in error["message"]
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text(), what="an empty control group")
        group.rmdir()


@pytest.mark.scenario("X10")
def test_a_killed_run_never_reads_as_running(repository: Workplace) -> None:
    process = repository.start_whence("run", "--", "sleep", "600")
    wait_until(lambda: repository.run_folders() and repository.show()["status"] == "running", what="a running run")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: repository.show()["status"] == "killed", what="the keeper's word")


@pytest.mark.scenario("X10", "I1", "J10")
def test_what_was_printed_before_everything_was_killed_is_in_the_log_of_the_run_that_is_closed(
    repository: Workplace,
) -> None:
    script = "for i in range(1000): print('line', i, flush=True)\nimport time; time.sleep(600)"
    limit = ("--policy", "output_log_limit=1000")
    process = repository.start_whence("run", *limit, "--", PYTHON, "-c", script, stdout=subprocess.DEVNULL)
    wait_until(lambda: any(b"line 999" in log.read_bytes() for log in printed(repository)), what="the last line")
    folder = repository.run_folders()[0]
    events = [json.loads(line) for line in (folder / "main.jsonl").read_text().splitlines()]
    started = next(event for event in events if event["kind"] == "run.started")
    for pid in (started["writer"]["pid"], process.pid, started["process"]["pid"]):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: repository.show()["status"] == "lost", what="the loss in the record")
    repository.whence("doctor", "--close").ok()
    log = repository.whence("cat", "@:output").ok().out
    assert log.startswith("line 0\n")
    assert log.endswith("line 998\nline 999\n")
    assert "[whence: 7890 bytes left out here]" in log
    assert [path.name for path in printed(repository)] == ["output.log"]
    repository.whence("verify").ok()


AS_NOBODY = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override",
)  # fmt: skip
"""Limits of processes do not bind root; one who may read everything can still run what lies in root's folders."""


@pytest.mark.skipif(
    os.geteuid() == 0 and not shutil.which("setpriv"), reason="no `setpriv`, and limits do not bind root"
)
def test_where_no_process_can_be_started_the_run_is_a_refusal_with_a_seal(repository: Workplace) -> None:
    repository.record("true")
    prefix = AS_NOBODY if os.geteuid() == 0 else ()
    done = repository.run(
        ["bash", "-c", 'ulimit -u 1 && exec "$@"', "bash", *prefix, *WHENCE, "run", "--", "touch", "started"]
    )
    assert (done.code, (repository.path / "started").exists()) == (125, False)
    assert done.err.splitlines()[0] == (
        "whence: cannot start a process beside the command: Resource temporarily unavailable"
    )
    record = repository.show()
    assert (record["status"], record["error"]["type"], record["started"]) == ("failed", "refused", None)
    assert record["seal"]
    repository.whence("verify").ok()


MAKEFILE = (
    "all: $(addprefix o/,$(shell seq 1 40))\no/%:\n\t@mkdir -p o; echo built $* > $@\nbad:\n\t@echo no >&2; false\n"
)

PROGRAMS = {
    "make with four jobs": "rm -rf o; make -s -j4; ls o | wc -l",
    "make that fails": "make bad",
    "pytest": f"{PYTHON} -m pytest -q -p no:cacheprovider test_it.py | sed 's/in [0-9.]*s//'",
    "git clone": "rm -rf ../clone; git clone --progress . ../clone",
    "tar into a pipe": "tar cf - Makefile | tar tvf -",
    "tar to standard output": "tar cf - Makefile test_it.py",
    "a compiler that complains": "cc -Wall -o prog prog.c; ./prog",
}


@pytest.mark.slow
@pytest.mark.parametrize("line", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_real_programs_print_and_end_as_without_us(repository: Workplace, line: str) -> None:
    program = line.split()[0] if line.split()[0] != "rm" else line.split(";")[1].split()[0]
    if not shutil.which(program):
        pytest.skip(f"no {program}")
    repository.write("Makefile", MAKEFILE)
    repository.write("test_it.py", "def test_good():\n    pass\ndef test_bad():\n    assert not 1\n")
    repository.write("prog.c", '#include <stdio.h>\nint main(){int x; printf("hi\\n"); return 4;}\n')
    repository.whence("run", "--", "true").ok()
    bare = repository.run(["sh", "-c", line])
    ours = repository.whence("run", "--", "sh", "-c", line)
    assert (ours.code, ours.out, ours.err) == (bare.code, bare.out, bare.err)


LINES = {
    "the first command of a pipeline": "{run} sh -c 'yes | head -50000; exit 3' | tail -1; echo ${{PIPESTATUS[@]}}",
    "a reader that leaves": "{run} yes | head -1; echo ${{PIPESTATUS[@]}}",
    "every command of a pipeline": "echo hi | {run} cat | {run} tr h j; echo ${{PIPESTATUS[@]}}",
    "a run in a run": "{run} {run} sh -c 'echo in; echo err >&2; exit 5'",
    "what is left running holds the pipe": 'x=$({run} sh -c "(sleep 0.5; echo late) & echo now"); echo "$x"',
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_shells_lines_go_on_as_without_us(repository: Workplace, line: str) -> None:
    repository.whence("run", "--", "true").ok()
    bare, ours = (
        repository.run(["bash", "-c", "set -o pipefail; " + line.format(run=run)])
        for run in ("", f"{WHENCE[0]} run -- ")
    )
    assert (ours.code, ours.out, ours.err) == (bare.code, bare.out, bare.err)
