"""What a hostile world does to a run: pipes in the place of files, descriptors closed under us, devices as targets."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from workplace import WHENCE, Workplace

PYTHON = sys.executable


def test_the_line_of_a_run_can_be_written_to_a_device_a_pipe_and_a_link(repository: Workplace) -> None:
    target = repository.write("target.json", "before")
    link = repository.path / "link.json"
    link.symlink_to(target)
    pipe = repository.path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    for place in (link, pipe):
        assert repository.whence("run", "--record-json", place, "--", "true").code == 0
    reader.join(60)
    assert json.loads(read[0])["status"] == "succeeded"
    assert link.is_symlink()
    assert json.loads(target.read_text())["status"] == "succeeded"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("words", ["python", "python -X utf8", "bash"])
def test_a_script_that_is_a_pipe_reaches_its_interpreter_whole(repository: Workplace, words: str) -> None:
    text = "echo printed" if words == "bash" else "print('printed')"
    piped = f'exec "$0" run -- {words} <(printf %s "{text}")'
    done = repository.run(["bash", "-c", piped, Path(PYTHON).with_name("whence")]).ok()
    assert done.out == "printed\n"
    from_input = repository.whence("run", "--", *words.split(), "/dev/stdin", input=text).ok()
    assert from_input.out == "printed\n"


def test_a_named_pipe_loses_nothing_to_the_look_at_the_entry(repository: Workplace) -> None:
    os.mkfifo(repository.path / "script")
    writer = repository.start(["sh", "-c", "echo 'print(1)' > script"])
    assert repository.whence("run", "--", "python", "script").ok().out == "1\n"
    assert writer.wait(60) == 0
    missing = {one["what"]: one["because"] for one in repository.show()["missing"]}
    assert missing["code.entry.digest"] == "the file was not read: it is a pipe, not a regular file"


@pytest.mark.parametrize("how", ["GIT_DIR", "core.worktree"])
def test_a_repository_that_is_hidden_from_git_is_refused_as_dirty(repository: Workplace, how: str) -> None:
    env = {"GIT_DIR": "/nowhere"} if how == "GIT_DIR" else {}
    if how == "core.worktree":
        repository.git("config", "core.worktree", "/nowhere")
    done = repository.whence("run", "--policy", "dirty=refuse", "--", "touch", "started", env=env)
    assert done.code == 125, done.err
    assert "counts as dirty" in done.err
    assert not (repository.path / "started").exists()


def test_no_line_is_written_through_a_link_that_leads_out_of_the_repository(repository: Workplace) -> None:
    target = repository.path.parent / "target"
    exclude = repository.path / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.unlink(missing_ok=True)
    exclude.symlink_to(target)
    done = repository.whence("run", "--", "true").ok()
    assert f"git was not told to ignore it: {exclude} is a link that leads out of the repository" in done.err
    assert not target.exists()
    assert repository.whence("run", "--", "true").ok().err == ""


@pytest.mark.parametrize("name", [".git/HEAD", ".git/index", ".git/config", ".git/info/exclude"])
def test_a_pipe_in_the_repository_is_named_and_not_waited_at(repository: Workplace, name: str) -> None:
    path = repository.path / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    record = repository.record("true")
    assert record["status"] == "succeeded"
    assert record["code"]["dirty"] is None
    reasons = [one["because"] for one in record["missing"] if one["what"] in ("code.commit", "code.dirty")]
    assert reasons == [f"git: {path} is a pipe, which git would wait at"]


def test_an_exclude_file_that_cannot_be_read_or_written_holds_nobody(repository: Workplace) -> None:
    exclude = repository.path / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.unlink(missing_ok=True)
    exclude.mkdir()
    done = repository.whence("run", "--", "true").ok()
    assert "git was not told to ignore it" in done.err


@pytest.mark.parametrize("name", ["z.py", "z.ipynb"])
def test_a_program_that_is_a_device_without_end_holds_nobody(repository: Workplace, name: str) -> None:
    (repository.path / name).symlink_to("/dev/zero")
    repository.write("python", "#!/bin/sh\nexit 0\n").chmod(0o755)
    repository.record("./python", name)
    missing = {one["what"]: one["because"] for one in repository.show()["missing"]}
    assert missing["code.entry.digest"] == "the file was not read: it is a device, not a regular file"


def test_an_input_that_becomes_a_pipe_holds_nobody(repository: Workplace) -> None:
    repository.write("data", "1")
    record = repository.record("sh", "-c", "rm data; mkfifo data", options=("--input", "data"))
    assert record["status"] == "succeeded"
    assert record["inputs"][0]["changed"] in ("yes", "unknown")
    assert record["seal"]


CLOSES = """
import os, whence
with whence.start() as run:
    run.log({"a": 1})
    os.closerange(3, 100)
    victim = open("victim.txt", "w")
    for n in range(20):
        run.log({"a": n})
        run.note("n")
    victim.write("mine")
    victim.close()
"""


def test_a_program_that_closes_every_descriptor_finds_none_of_our_bytes_in_its_files(repository: Workplace) -> None:
    repository.script("closes.py", CLOSES)
    assert repository.python("closes.py").code == 0
    assert (repository.path / "victim.txt").read_text() == "mine"
    assert repository.show()["status"] == "succeeded"


CLOSES_AGAIN_AND_AGAIN = """
import os, whence
with whence.start(inputs=["data"], policy={"digest_before_start": "0s"}) as run:
    for _ in range(1500):
        os.closerange(3, 100)
        files = [open(f"user{n}.txt", "w") for n in range(6)]
        for file in files:
            file.write("mine")
            file.close()
"""


def test_a_program_that_closes_every_descriptor_and_what_we_do_beside_it_do_not_meet(repository: Workplace) -> None:
    for number in range(600):
        repository.write(f"source/{number}.txt", str(number))
    repository.commit()
    repository.write("data", b"0" * (16 << 20))
    repository.script("again.py", CLOSES_AGAIN_AND_AGAIN)
    ended = repository.python("again.py")
    assert ended.code == 0 and "Traceback" not in ended.err
    assert {path.read_text() for path in repository.path.glob("user*.txt")} == {"mine"}
    record = repository.show()
    assert record["code"]["stored"] == "complete"
    assert [one for one in record["missing"] if one["when"] == "during"] == []
    assert record["inputs"][0]["digest"] == "sha256:" + hashlib.sha256(b"0" * (16 << 20)).hexdigest()


REUSES = """
import os, resource, time, whence
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
with whence.start() as run:
    run.log({"a": 1})
    os.closerange(3, 1024)
    files = [open(f"user{n}.txt", "w") for n in range(%d)]
    time.sleep(0.06)  # what was ours is looked at again
    run.log({"a": 2})
    run.note("said afterwards")
    run.log({"a": 3})
    for file in files:
        file.write("mine")
        file.close()
"""


@pytest.mark.parametrize("files", [600, 1000])
def test_a_program_that_reuses_our_descriptors_finds_none_of_our_bytes_in_its_files(
    workplace: Workplace, files: int
) -> None:
    workplace.script("reuses.py", REUSES % files)
    ended = workplace.python("reuses.py")
    assert ended.code == 0 and "Traceback" not in ended.err
    assert {path.read_text() for path in workplace.path.glob("user*.txt")} == {"mine"}
    record = workplace.show()
    assert record["status"] == "succeeded" and record["metrics"]["a"]["last"] == 3
    assert [note["text"] for note in record["notes"]] == ["said afterwards"]
    workplace.whence("verify").ok()


NEVER_RAISES = """
import sys, whence
class Odd:
    def __str__(self): raise RuntimeError("no")
    __repr__ = __str__
with whence.start() as run:
    sys.stderr.close()
    run.log({"x": "not a number"})
    run.tag(odd=Odd())
    run.output("x", kind="no-such-kind")
    run.note(Odd())
    whence.log({"x": Odd()})
"""


@pytest.mark.scenario("X12")
def test_nothing_that_is_said_after_the_start_raises(repository: Workplace) -> None:
    repository.script("odd.py", NEVER_RAISES)
    done = repository.python("odd.py")
    assert done.code == 0, done.err
    record = repository.show()
    assert record["status"] == "succeeded"
    assert record["losses"]


@pytest.mark.parametrize("store", ["/proc/whence-store", "/dev/null/store"])
def test_a_store_that_cannot_be_made_is_named(repository: Workplace, store: str) -> None:
    done = repository.whence("run", "--", "touch", "started", env={"WHENCE_STORE": store})
    assert done.code == 125
    assert store.rpartition("/")[0] in done.err
    assert "Traceback" not in done.err
    assert not Path(repository.path, "started").exists()


def test_an_answer_that_cannot_be_written_is_an_error(repository: Workplace) -> None:
    repository.record("true")
    with open("/dev/full", "w") as full:  # noqa: PTH123  a device
        done = subprocess.run(
            [Path(PYTHON).with_name("whence"), "log"],
            cwd=repository.path,
            env=repository.environ,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 4
    assert b"No space left on device" in done.stderr


@pytest.mark.parametrize("files", [8, 12, 20, 33])
@pytest.mark.parametrize("words", [["run"], ["run", "--observe", "off"], []], ids=["watched", "not watched", "block"])
def test_without_room_for_open_files_nothing_is_begun(repository: Workplace, files: int, words: list[str]) -> None:
    command = [*WHENCE, *words, "--", "true"] if words else [sys.executable, "-c", "import whence; whence.start()"]
    done = repository.run(["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command])
    assert done.code == (125 if words else 1)
    assert re.search(r"room for \d+ more open files, expected 32 for a recorder\n", done.err)
    assert not repository.store.exists()


@pytest.mark.parametrize("words", [["run"], ["run", "--observe", "off"], []], ids=["watched", "not watched", "block"])
def test_with_just_that_room_a_run_is_recorded_whole(repository: Workplace, words: list[str]) -> None:
    block = [sys.executable, "-c", "import whence\nwith whence.start(): pass"]
    command = [*WHENCE, *words, "--", "true"] if words else block
    repository.run(["sh", "-c", 'ulimit -n 38; exec "$@"', "sh", *command]).ok()
    record = repository.show()
    assert (record["status"], record["losses"]) == ("succeeded", [])


BEFORE_THE_START = {
    "the machine": ("OSError(24, 'Too many open files', '/x')", 125, ("failed", "refused")),
    "a fault": ("LookupError('odd')", 70, ("failed", "LookupError")),
    "Ctrl-C": ("KeyboardInterrupt()", 130, ("interrupted", "KeyboardInterrupt")),
}


@pytest.mark.parametrize("case", BEFORE_THE_START)
@pytest.mark.parametrize("where", ["capture", "make_boot_folder"])
def test_what_ends_a_launch_before_the_start_ends_its_run(repository: Workplace, where: str, case: str) -> None:
    raised, code, ended = BEFORE_THE_START[case]
    body = "import sys\nfrom whence.actions import run\nfrom whence.cli.main import main\n"
    body += f"def fail(*_, **__): raise {raised}\nrun.{where} = fail\nsys.exit(main(['run', '--', 'touch', 'begun']))\n"
    done = repository.python("-c", body)
    assert done.code == code, done.err
    record = repository.show()
    assert (record["status"], record["error"]["type"], record["phase"]) == (*ended, None)
    assert record["seal"] is not None and not (repository.path / "begun").exists()
