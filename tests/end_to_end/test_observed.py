"""What a command reads and writes is in its record, with nobody declaring it; read back by a second process."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from workplace import WHENCE, Workplace, wait_until

from whence.capture.observed import WRITTEN_TO

Record = dict[str, Any]


def sha(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def inputs(record: Record, how: str = "observed") -> dict[str, Any]:
    return {item["path"]: item for item in record["inputs"] if item["how"] == how}


def artifacts(record: Record) -> dict[str, Any]:
    return {item["path"]: item for item in record["artifacts"]}


@pytest.mark.scenario("C3")
def test_what_is_read_without_being_declared_is_listed_apart(workplace: Workplace) -> None:
    for name in ("declared.csv", "other.csv", "never.csv"):
        workplace.write(name, f"{name}\n")
    workplace.script("s.py", "open('declared.csv').read(); open('other.csv').read()\n")
    options = ("--input", "declared.csv", "--input", "never.csv")
    record = workplace.record("python", "s.py", options=options)
    assert inputs(record).keys() == {"other.csv"}
    seen = inputs(record)["other.csv"]
    assert (seen["digest"], seen["changed"], seen["role"]) == (sha(b"other.csv\n"), "no", "data")
    declared = inputs(record, "declared")
    assert {path: item["opened"] for path, item in declared.items()} == {"declared.csv": True, "never.csv": False}
    assert (record["observation"]["mechanism"], record["observation"]["complete"]) == ("seccomp", True)


SESSION = """
import fcntl, os, pty, subprocess, sys, termios
leader, follower = pty.openpty()
begin = lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)
streams = dict(stdin=follower, stdout=follower, stderr=follower)
done = subprocess.Popen(sys.argv[1:], **streams, start_new_session=True, preexec_fn=begin)
os.close(follower)
shown = b""
def read_until(text):
    global shown
    while text not in shown:
        shown += os.read(leader, 1024)
read_until(b">>> ")
os.write(leader, b"rows = open('cohort.csv').read(); print(len(rows) * 111)\\n")
read_until(b"777")
os.close(leader)
done.wait()
"""
"""Python at a terminal that is closed while the prompt waits."""


@pytest.mark.scenario("U6")
def test_a_session_at_a_terminal_that_nobody_ended_has_its_end_and_what_it_read(workplace: Workplace) -> None:
    workplace.write("cohort.csv", "age\n18\n")
    whence = shutil.which("whence", path=workplace.environ["PATH"])
    assert whence is not None
    workplace.python("-c", SESSION, whence, "run", "--", sys.executable, "-q").ok()
    wait_until(lambda: workplace.show()["seal"], what="the seal")
    record = workplace.show()
    assert (record["status"], record["signal"], record["code"]["entry"]["kind"]) == ("killed", "SIGHUP", "interactive")
    assert inputs(record)["cohort.csv"]["digest"] == sha(b"age\n18\n")
    audited = workplace.whence("audit", "@", "--json")
    said = {finding["what"]: finding for finding in audited.json_lines()[0]["findings"]}
    assert audited.code == 1
    assert said["code.entry"]["because"] == "the code came from a terminal"
    assert said["inputs"]["because"] == "1 were seen to be read, and not declared: cohort.csv"


def test_a_call_whose_path_cannot_be_learned_is_a_gap_and_no_file(workplace: Workplace) -> None:
    go_down = "for _ in range(50): os.mkdir('n' * 100); os.chdir('n' * 100)"
    go_up = "for _ in range(50): os.chdir('..'); os.rmdir('n' * 100)"
    use = "open('deep.csv', 'w').write('x'); open('deep.csv').read(); os.remove('deep.csv')"
    record = workplace.record("python", "-c", f"import os\n{go_down}\n{use}\n{go_up}\n")
    assert (inputs(record), artifacts(record), record["observation"]["complete"]) == ({}, {}, False)
    hidden = "calls of a process that could not be looked at (python: File name too long): 3"
    assert record["observation"]["gaps"] == [hidden]


def test_a_file_that_is_opened_by_its_handle_is_a_gap(workplace: Workplace) -> None:
    numbers = {"x86_64": 304, "aarch64": 265}
    call = f"import ctypes; ctypes.CDLL(None).syscall({numbers[os.uname().machine]}, -1, 0, 0)"
    observation = workplace.record("python", "-c", call)["observation"]
    gap = "python opened files by their handles: which they are was not seen"
    assert (observation["complete"], observation["gaps"]) == (False, [gap])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root may mount")
def test_what_is_written_through_mounts_of_its_own_is_a_gap(workplace: Workplace) -> None:
    workplace.write("inner/x.csv", "inner\n")
    workplace.write("m/x.csv", "outer\n")
    mounted = "mount --bind inner m && echo computed > m/x.csv"
    observation = workplace.record("unshare", "--mount", "sh", "-c", mounted)["observation"]
    assert (workplace.path / "inner" / "x.csv").read_text() == "computed\n"
    gap = "unshare ran with mounts of its own: what its paths lead to may not be what lies there for others"
    assert (observation["complete"], observation["gaps"]) == (False, [gap])


LISTENER = """
import ctypes, errno, os, struct
libc = ctypes.CDLL(None, use_errno=True)
allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
program = struct.pack("HxxxxxxQ", 1, ctypes.addressof(allow))
number = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
libc.prctl(38, 1, 0, 0, 0)
assert libc.syscall(number, 1, 8, program) == -1 and ctypes.get_errno() == errno.EBUSY
assert libc.syscall(number, 1, 0, program) == 0
"""
"""A program asks for a filter that notifies, which it cannot have under ours, and for one that does not."""


def test_a_program_that_cannot_answer_the_calls_of_others_is_a_gap(workplace: Workplace) -> None:
    record = workplace.record("python", "-c", LISTENER)
    gap = "python asked to answer the calls of others (seccomp), which it cannot in a command that is watched"
    assert (record["status"], record["observation"]["gaps"]) == ("succeeded", [gap])


def test_what_is_written_is_an_artifact_and_comes_back_from_the_store(workplace: Workplace) -> None:
    workplace.script("s.py", "open('.out.tmp', 'w').write('result')\nimport os; os.replace('.out.tmp', 'out.csv')\n")
    record = workplace.record("python", "s.py")
    found = artifacts(record)
    assert found.keys() == {"out.csv"}
    assert (found["out.csv"]["how"], found["out.csv"]["role"], found["out.csv"]["kept"]) == ("observed", "output", True)
    (workplace.path / "out.csv").unlink()
    assert workplace.whence("get", sha(b"result"), "back.csv").ok()
    assert (workplace.path / "back.csv").read_text() == "result"


@pytest.mark.scenario("G4", "S23")
def test_secrets_that_a_command_writes_are_named_and_not_kept(workplace: Workplace) -> None:
    token = "ghp_" + "a1B2c3D4e5" * 4
    files = {"id_ed25519": "KEY", ".netrc": "machine x", "log.txt": f"using {token[:40]}", "said.env": "A=KEY-said"}
    script = "".join(f"open({name!r}, 'w').write({text!r})\n" for name, text in files.items())
    workplace.script("s.py", script.replace(token[:40], "' + 'ghp_' + 'a1B2c3D4e5' * 3 + 'a1B2c3' + '"))
    record = workplace.record("python", "s.py", options=("--output", "said.env"))
    found = artifacts(record)
    assert found.keys() == files.keys()
    assert {name for name, item in found.items() if item["kept"] or item["digest"]} == {"said.env"}
    assert found["id_ed25519"]["because"] == "not digested: a file named id_ed25519 holds secrets by custom"
    assert found["log.txt"]["because"] == "not digested: it holds a token in the form of its issuer"
    said = workplace.whence("audit", "@", "--json").json()["findings"]
    assert {one["what"]: one["level"] for one in said}["artifacts.id_ed25519"] == "remark"


def test_settings_that_a_command_copies_with_a_secret_in_them_are_named_and_not_kept(workplace: Workplace) -> None:
    body = (
        "import os; os.makedirs('out/.hydra')\n"
        "open('out/.hydra/config.yaml', 'w').write('db:\\n  password: Qz81' + '-haus-boot\\n')\n"
        "open('out/overrides.yaml', 'w').write('- lr=0.1\\n')\n"
        "open('out/result.txt', 'w').write('password: Qz81' + '-haus-boot\\n')\n"
    )
    record = workplace.record(sys.executable, workplace.script("copy.py", body))
    found = {artifact["path"]: artifact for artifact in record["artifacts"]}
    copied = found["out/.hydra/config.yaml"]
    assert (copied["digest"], copied["kept"]) == (None, False)
    assert copied["because"] == "not digested: it holds a value that looks like a secret"
    assert found["out/overrides.yaml"]["digest"] and found["out/result.txt"]["digest"]


@pytest.mark.scenario("J11")
@pytest.mark.parametrize("options", [(), ("--input", "state.json")])
def test_a_tracked_file_that_the_run_updates_has_both_its_digests_and_is_no_fault(
    options: tuple[str, ...], repository: Workplace
) -> None:
    repository.write("state.json", '{"n": 1}')
    repository.script("t.py", "text = open('state.json').read()\nopen('state.json', 'w').write(text + ' ')\n")
    repository.commit("state")
    time.sleep(0.05)
    record = repository.record("python", "t.py", options=options)
    (item,) = record["inputs"]
    assert (item["digest"], item["changed"], item["digest_after"]) == (sha(b'{"n": 1}'), "yes", sha(b'{"n": 1} '))
    changed = artifacts(record)["state.json"]
    assert (changed["role"], changed["digest_before"]) == ("changed", sha(b'{"n": 1}'))
    said = repository.whence("audit", "@", "--json").json()["findings"]
    assert {one["what"]: one["level"] for one in said}["inputs.state.json"] == "remark"


@pytest.mark.scenario("S15")
def test_what_a_run_prints_to_is_neither_its_code_nor_a_change(repository: Workplace) -> None:
    repository.script("t.py", "print('epoch 1')\n")
    repository.git("add", "t.py")
    repository.commit("code")
    records: list[Record] = []
    for name in ("train-1.log", "train-2.log", "job.out", "job.out"):
        with (repository.path / name).open("ab", buffering=0) as log:
            if log.name.endswith("job.out"):
                log.write(b"a batch system\n")
            process = repository.start_whence("run", "--policy", "dirty=refuse", "--", "python", "t.py", stdout=log)
            assert process.wait() == 0
        records.append(repository.show())
    assert len({record["code"]["id"] for record in records}) == 1
    assert [record["code"]["dirty"] for record in records] == [False] * 4
    assert [list(artifacts(record)) for record in records] == [["train-1.log"], ["train-2.log"], [], []]
    assert (repository.path / "job.out").read_text() == "a batch system\nepoch 1\n" * 2
    assert "job.out" not in [item["path"] for item in records[-1]["inputs"]]
    repository.whence("restore", "@", repository.path.parent / "back").ok()
    assert not (repository.path.parent / "back" / "job.out").exists()


PIPES = {
    "tee": "{} | tee train.log",
    "tee, behind the command": "{} 2>&1 | tee -a train.log >/dev/null",
    "through another program": "{} | grep -v nothing | tee train.log",
    "a program that comes later": "{} | (sleep 0.2; exec tee train.log)",
    "two of them": "{} | tee train.log | tee second.log",
}


@pytest.mark.scenario("B13", "S15")
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc")
@pytest.mark.parametrize("case", PIPES)
def test_what_others_write_of_what_a_run_prints_is_neither_its_code_nor_a_change(
    case: str, repository: Workplace
) -> None:
    repository.script("t.py", "import sys, time\nprint('epoch 1', flush=True)\ntime.sleep(0.5)\n")
    repository.git("add", "t.py")
    repository.commit("code")
    records: list[Record] = []
    line = PIPES[case].format('"$@"')
    for _ in range(2):
        command = [*WHENCE, "run", "--policy", "dirty=refuse", "--", sys.executable, "t.py"]
        repository.run(["sh", "-c", line, "sh", *command]).ok()
        records.append(repository.show())
    assert [(record["status"], record["code"]["dirty"]) for record in records] == [("succeeded", False)] * 2
    assert len({record["code"]["id"] for record in records}) == 1
    assert "epoch 1\n" in (repository.path / "train.log").read_text()
    if case != "a program that comes later":  # That one may come when the folder has been looked at.
        repository.whence("restore", "@", repository.path.parent / "back").ok()
        assert not (repository.path.parent / "back" / "train.log").exists()


def test_a_file_that_nobody_prints_to_is_a_change_also_behind_a_pipe(repository: Workplace) -> None:
    repository.write("notes.txt", "mine")
    done = repository.run(
        ["sh", "-c", '"$@" | (exec 3< notes.txt; cat)', "sh", *WHENCE, "run", "--policy", "dirty=refuse", "--", "true"]
    )
    assert "notes.txt" in done.err and repository.show()["error"]["type"] == "refused"


def test_any_program_is_seen_and_temporary_files_are_not_results(workplace: Workplace) -> None:
    workplace.write("b.txt", "2\n1\n")
    record = workplace.record(
        "sh", "-c", "sort b.txt > sorted.txt; cp sorted.txt copy.txt; mktemp -p . t.XXXX | xargs rm"
    )
    assert inputs(record).keys() == {"b.txt"}
    assert {path: item["role"] for path, item in artifacts(record).items()} == {
        "sorted.txt": "intermediate",
        "copy.txt": "output",
    }
    assert {Path(program["path"]).name for program in record["programs"]} >= {"sort", "cp", "mktemp", "rm"}
    assert all(program["digest"] for program in record["programs"])
    packages = {Path(program["path"]).name: program["package"] for program in record["programs"]}
    by_dpkg = Path("/var/lib/dpkg/info/coreutils.list").exists()
    assert (packages["sort"] or {}).get("name") == ("coreutils" if by_dpkg else None)


@pytest.mark.scenario("J11")
def test_a_file_that_is_read_and_overwritten_is_input_and_artifact(workplace: Workplace) -> None:
    workplace.write("table.csv", "before")
    workplace.script("s.py", "x = open('table.csv').read()\nopen('table.csv', 'w').write(x + ' and after')\n")
    record = workplace.record("python", "s.py")
    made = artifacts(record)["table.csv"]
    assert (made["role"], made["digest"]) == ("changed", sha(b"before and after"))
    assert made["digest_before"] == sha(b"before")
    read = inputs(record)["table.csv"]
    assert (read["digest"], read["changed"]) == (sha(b"before"), "yes")
    assert read["digest_after"] == sha(b"before and after")


def before(artifact: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    return artifact["digest_before"], artifact["before_by"], artifact["before_because"]


@pytest.mark.scenario("J11")
def test_what_is_written_over_or_into_has_its_digest_before_and_after(workplace: Workplace) -> None:
    for name in ("emptied.csv", "patched.csv", "log.csv", "replaced.csv"):
        workplace.write(name, f"{name} before\n")
    write = "dd of=patched.csv conv=notrunc status=none"
    script = (
        f"echo 1 > emptied.csv; echo 2 | {write}; echo 3 >> log.csv; echo 4 > new.csv; echo 5 > t; mv t replaced.csv"
    )
    record = workplace.record("sh", "-c", script)
    made = artifacts(record)
    assert {name: item["role"] for name, item in made.items()} == {
        "emptied.csv": "output", "patched.csv": "changed", "log.csv": "changed", "new.csv": "output",
        "replaced.csv": "output",
    }  # fmt: skip
    for name in ("emptied.csv", "patched.csv", "log.csv"):
        assert before(made[name]) == (sha(f"{name} before\n".encode()), "pre-image", None)
        assert made[name]["digest"] == sha((workplace.path / name).read_bytes())
    assert before(made["new.csv"]) == (None, None, None)
    read = inputs(record)
    assert {name: (one["digest"], one["changed"]) for name, one in read.items()} == {
        name: (sha(f"{name} before\n".encode()), "yes") for name in ("patched.csv", "log.csv")
    }
    assert {name: one["digest_after"] for name, one in read.items()} == {name: made[name]["digest"] for name in read}
    said = {one["what"]: one["level"] for one in workplace.whence("audit", "@", "--json").json()["findings"]}
    assert {said[f"inputs.{name}"] for name in read} == {"remark"}
    page = workplace.whence("show", "@").ok().out
    assert f"before: {sha(b'log.csv before' + bytes([10]))}" in page


def test_what_was_written_into_and_not_copied_is_said_with_the_reason(workplace: Workplace) -> None:
    workplace.write("large.bin", "x" * (5 << 20))
    script = "printf y | dd of=large.bin conv=notrunc status=none; printf y | dd of=.env conv=notrunc status=none"
    workplace.write(".env", "TOKEN=abc\n")
    record = workplace.record("sh", "-c", script, options=("--policy", "untracked_limit=1MiB"))
    made = artifacts(record)
    reason = f"it has {5 << 20} bytes, more than are copied ({1 << 20})"
    digest, by, said = before(made["large.bin"])
    assert (made["large.bin"]["role"], digest, by) == ("changed", None, None)
    assert said is not None
    assert said.startswith(reason)
    because = "not digested: a file named .env holds secrets by custom"
    assert before(made[".env"]) == (None, None, because)
    assert inputs(record) == {}
    assert sha(b"TOKEN=abc\n") not in "".join(f.read_text() for f in workplace.run_folders()[0].glob("*.jsonl"))
    findings = workplace.whence("audit", "@", "--json").json()["findings"]
    told = f"what was there before it was changed in place is not known: {said}"
    assert [one["level"] for one in findings if one["because"] == told] == ["remark"]
    assert f"before: not known: {said}" in workplace.whence("show", "@").ok().out


def test_a_large_file_that_is_tracked_has_its_digest_before_from_the_snapshot(repository: Workplace) -> None:
    content = "x" * (5 << 20)
    repository.write("large.txt", content)
    repository.commit("large")
    time.sleep(0.05)
    record = repository.record("sh", "-c", "echo y >> large.txt")
    assert before(artifacts(record)["large.txt"]) == (sha(content.encode()), "snapshot", None)


def test_two_runs_at_once_each_say_what_they_found(workplace: Workplace) -> None:
    workplace.write("a.csv", "first")
    script = "echo > ready.$0; while [ ! -e go ]; do sleep 0.01; done; echo $0 >> a.csv; echo > did.$0; sleep 0.1"
    runs = [workplace.start_whence("run", "--name", name, "--", "sh", "-c", script, name) for name in ("one", "two")]
    for name in ("one", "two"):
        wait_until((workplace.path / f"ready.{name}").exists, what="both run")
    workplace.write("go")
    assert [run.wait() for run in runs] == [0, 0]
    found = {artifacts(workplace.show(name))["a.csv"]["digest_before"] for name in ("one", "two")}
    assert sha(b"first") in found
    assert found <= {sha(b"first"), sha(b"firstone\n"), sha(b"firsttwo\n")}


def test_a_database_that_is_updated_is_changed_in_place(workplace: Workplace) -> None:
    database = sqlite3.connect(workplace.path / "state.db")
    database.execute("create table t (x)")
    database.commit()
    database.close()
    content = sha((workplace.path / "state.db").read_bytes())
    workplace.script(
        "s.py",
        "import sqlite3; d = sqlite3.connect('state.db'); d.execute('insert into t values (1)'); d.commit(); d.close()",
    )
    record = workplace.record("python", "s.py")
    assert {path: item["role"] for path, item in artifacts(record).items()} == {"state.db": "changed"}
    assert (before(artifacts(record)["state.db"])[0], inputs(record)["state.db"]["digest"]) == (content, content)
    workplace.script("q.py", "import sqlite3; print(list(sqlite3.connect('state.db').execute('select * from t')))")
    record = workplace.record("python", "q.py")
    assert (artifacts(record), inputs(record).keys()) == ({}, {"state.db"})


EDITS = {
    "in place": "open('a.csv', 'r+').write('other')",
    "through a mapping": (
        "import mmap\nf = open('a.csv', 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close()\nm[:] = b'other'; m.close()"
    ),
    "by another file in its place": "import os\nopen('b.csv', 'w').write('other'); os.replace('b.csv', 'a.csv')",
}


@pytest.mark.scenario("X1")
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edit_with_the_mtime_restored_while_the_command_runs_is_never_confirmed(
    edit: str, workplace: Workplace
) -> None:
    path = workplace.write("a.csv", "first")
    workplace.script(
        "s.py",
        "import os, time\nopen('a.csv').read()\nopen('ready', 'w').close()\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n",
    )
    process = workplace.start_whence("run", "--", "python", "s.py")
    wait_until(lambda: (workplace.path / "ready").exists(), what="the script read its file")
    stat = path.stat()
    workplace.python("-c", edit).ok()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    workplace.write("go")
    assert process.wait() == 0
    read = inputs(workplace.show())["a.csv"]
    assert read["changed"] in ("yes", "unknown")
    assert read["digest"] in (None, sha(b"first"))
    assert read["digest_after"] == sha(b"other")
    assert read["stat"]["mtime"] == read["stat_after"]["mtime"]
    assert read["stat"]["ctime"] != read["stat_after"]["ctime"]
    assert any(
        finding["what"] == "inputs.a.csv" for finding in workplace.whence("audit", "@", "--json").json()["findings"]
    )


@pytest.mark.scenario("X2")
def test_folders_with_two_files_swapped_are_two_identities(workplace: Workplace) -> None:
    for folder in ("one", "two"):
        for number in range(101):
            workplace.write(f"{folder}/{number}.csv", f"{number}")
    workplace.write("two/0.csv", "1")
    workplace.write("two/1.csv", "0")
    workplace.script(
        "s.py", "import pathlib\nfor f in ('one', 'two'):\n    [p.read_bytes() for p in pathlib.Path(f).iterdir()]\n"
    )
    found = inputs(workplace.record("python", "s.py"))
    assert {path: (item["kind"], item["files"], item["whole"]) for path, item in found.items()} == {
        "one": ("folder", 101, True),
        "two": ("folder", 101, True),
    }
    assert found["one"]["digest"] != found["two"]["digest"]
    said = inputs(workplace.record("true", options=("--input", "one")), "declared")
    assert said["one"]["digest"] == found["one"]["digest"]


def test_a_folder_of_links_has_the_identity_of_the_data_that_was_read_through_them(workplace: Workplace) -> None:
    (workplace.path / "staged").mkdir()
    (workplace.path / "mixed").mkdir()
    for number in range(101):
        workplace.write(f"data/{number}.csv", f"{number}")
        workplace.write(f"mixed/{number}.csv", f"{number}")
        (workplace.path / "staged" / f"{number}.csv").symlink_to(f"../data/{number}.csv")
    workplace.write("other/one.csv", "one")
    (workplace.path / "mixed" / "one.csv").symlink_to("../other/one.csv")
    command = ("sh", "-c", "cat staged/*.csv; cat mixed/*.csv")
    before = inputs(workplace.record(*command))
    assert {path: (one["files"], one["whole"], one["changed"]) for path, one in before.items()} == {
        "staged": (101, True, "no"),
        "mixed": (102, True, "no"),
    }
    workplace.write("data/7.csv", "x")
    workplace.write("other/one.csv", "two")
    after = inputs(workplace.record(*command))
    assert before.keys() == after.keys()
    assert all(before[path]["digest"] != after[path]["digest"] for path in before)


def test_of_a_folder_that_is_not_read_whole_the_manifest_has_what_was_read(workplace: Workplace) -> None:
    for number in range(150):
        workplace.write(f"d/{number}.csv", f"{number}")
    workplace.script("s.py", "for n in range(120): open(f'd/{n}.csv').read()\n")
    found = inputs(workplace.record("python", "s.py"))["d"]
    assert (found["files"], found["whole"], found["changed"]) == (120, False, "no")
    digest = found["digest"].removeprefix("sha256:")
    manifest = workplace.store / "objects" / "sha256" / digest[:2] / digest[2:]
    assert manifest.read_text().count('"file"') == 120


@pytest.mark.scenario("X7")
def test_an_output_that_a_survivor_has_mapped_for_writing_is_not_final(workplace: Workplace) -> None:
    workplace.script(
        "child.py",
        "import mmap, os, sys, time\nf = open('out.bin', 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close()\n"
        "open('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n",
    )
    workplace.script(
        "s.py",
        "import os, subprocess, sys, time\nopen('out.bin', 'wb').write(b'0' * 100)\n"
        "subprocess.Popen([sys.executable, 'child.py'], start_new_session=True, stdout=subprocess.DEVNULL,"
        " stderr=subprocess.DEVNULL)\nwhile not os.path.exists('pid') or not open('pid').read(): time.sleep(0.01)\n",
    )
    try:
        record = workplace.record("python", "s.py")
    finally:
        os.kill(int((workplace.path / "pid").read_text()), signal.SIGKILL)
    assert artifacts(record)["out.bin"]["final"] is False
    assert record["observation"]["complete"] is False
    assert record["observation"]["gaps"] == ["descendants outlived the command"]
    weak = [f["what"] for f in workplace.whence("audit", "@", "--json").json()["findings"] if f["level"] == "weak"]
    assert {"observation", "artifacts.out.bin"} <= set(weak)


@pytest.mark.scenario("A13", "A14")
def test_code_that_git_ignores_and_that_ran_is_kept(workplace: Workplace) -> None:
    script = "import sys; sys.path.insert(0, 'outputs')\nimport generated, late\n"
    workplace.repository(**{".gitignore": "generated.py\noutputs/\n", "s.py": script})
    workplace.write("generated.py", "x = 1\n")
    workplace.write("outputs/late.py", "y = 2\n")
    code = workplace.record("python", "s.py")["code"]
    assert {one["path"]: (one["state"], one["kept"], one["certain"]) for one in code["outside_snapshot"]} == {
        "generated.py": ("absent", True, True),
        "outputs/late.py": ("absent", True, True),
    }
    assert [one["by"] for one in code["observed_by"]] == ["programs", "opens"]
    workplace.whence("get", sha(b"x = 1\n"), "back.py").ok()
    assert (workplace.path / "back.py").read_text() == "x = 1\n"


@pytest.mark.scenario("A12")
def test_code_of_a_sibling_folder_is_named_and_kept(workplace: Workplace, tmp_path: Path) -> None:
    sibling = Workplace(tmp_path / "lib", workplace.home)
    sibling.repository(**{"helper.py": "z = 3\n"})
    workplace.repository(**{"s.py": f"import sys; sys.path.insert(0, {str(sibling.path)!r})\nimport helper\n"})
    code = workplace.record("python", "s.py")["code"]
    assert {one["path"]: (one["state"], one["kept"]) for one in code["outside_snapshot"]} == {
        str(sibling.path / "helper.py"): ("elsewhere", True)
    }


def test_a_tracked_data_file_is_an_input_and_tracked_code_is_not(workplace: Workplace) -> None:
    workplace.repository(**{"words.txt": "a\n", "s.py": "import helper; open('words.txt').read()\n", "helper.py": "\n"})
    record = workplace.record("python", "s.py")
    assert inputs(record).keys() == {"words.txt"}
    assert record["observation"]["files"]["code"] == 2


def test_settings_are_inputs_of_their_own_role_and_secrets_have_no_digest(workplace: Workplace) -> None:
    workplace.write("a.yaml", "lr: 1\n")
    workplace.write(".env", "TOKEN=abc\n")
    workplace.script("s.py", "open('a.yaml').read(); open('.env').read()\n")
    found = inputs(workplace.record("python", "s.py"))
    assert {path: item["role"] for path, item in found.items()} == {"a.yaml": "config", ".env": "config"}
    assert found["a.yaml"]["digest"] == sha(b"lr: 1\n")
    assert found[".env"]["digest"] is None
    assert sha(b"TOKEN=abc\n") not in "".join(f.read_text() for f in workplace.run_folders()[0].glob("*.jsonl"))


def test_policy_says_what_counts(workplace: Workplace) -> None:
    workplace.write("whence.toml", 'ignore = ["scratch/"]\noutputs = ["state.json"]\ninputs = ["fixture.py"]\n')
    for name in ("scratch/a.csv", "fixture.py"):
        workplace.write(name, "1\n")
    workplace.script("s.py", "open('scratch/a.csv').read(); open('fixture.py').read()\n"
                 "open('state.json', 'w').write('1'); open('state.json').read()\n")  # fmt: skip
    record = workplace.record("python", "s.py")
    assert {path: item["role"] for path, item in inputs(record).items()} == {"fixture.py": "data"}
    assert {path: item["role"] for path, item in artifacts(record).items()} == {"state.json": "output"}


def test_observation_can_be_switched_off_and_says_so(workplace: Workplace) -> None:
    workplace.write("a.csv", "1\n")
    record = workplace.record("cat", "a.csv", options=("--policy", "observe=off"))
    assert record["inputs"] == []
    assert record["observation"]["mechanism"] == "declared"
    assert record["observation"]["gaps"] == ["the command was not watched: it is switched off"]


def test_redirections_of_the_shell_are_seen(workplace: Workplace) -> None:
    workplace.write("in.txt", "2\n1\n")
    with (workplace.path / "in.txt").open() as source, (workplace.path / "out.txt").open("w") as target:
        process = workplace.start_whence("run", "--", "sort", stdin=source, stdout=target)
        assert process.wait() == 0
    record = workplace.show()
    assert inputs(record).keys() == {"in.txt"}
    assert {path: item["role"] for path, item in artifacts(record).items()} == {"out.txt": "output"}


def test_who_had_an_output_open_before_the_command_leaves_it_final(workplace: Workplace) -> None:
    with (workplace.path / "out.txt").open("w") as target:
        assert workplace.start_whence("run", "--", "echo", "done", stdout=target).wait() == 0
        record = workplace.show()
    written = artifacts(record)["out.txt"]
    assert (written["final"], written["because"], written["digest"]) == (True, None, sha(b"done\n"))


def test_who_outlives_the_command_with_its_output_open_does_not(workplace: Workplace) -> None:
    with (workplace.path / "out.txt").open("w") as target:
        process = workplace.start_whence("run", "--", "sh", "-c", "echo done; exec 2>&-; sleep 2 &", stdout=target)
        assert process.wait() == 0
        record = workplace.show()
    assert artifacts(record)["out.txt"]["final"] is False


def test_hosts_that_are_asked_are_listed(workplace: Workplace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        record = workplace.record(
            "python", "-c", f"import socket; socket.create_connection(('127.0.0.1', {port})).close()"
        )
    assert {"host": "127.0.0.1", "port": port, "times": 1} in record["network"]


def test_what_a_killed_program_had_read_is_known(workplace: Workplace) -> None:
    workplace.write("a.csv", "1\n")
    script = "import os, signal; open('a.csv').read(); os.kill(os.getpid(), signal.SIGKILL)"
    record = workplace.record("python", "-c", script)
    assert (record["status"], inputs(record).keys()) == ("killed", {"a.csv"})


def test_deleted_files_are_an_anomaly(workplace: Workplace) -> None:
    workplace.write("old.csv", "1\n")
    record = workplace.record("rm", "old.csv")
    told = {anomaly["what"]: anomaly["detail"] for anomaly in record["anomalies"]}
    assert told["the run deleted files that were there before"] == ["old.csv"]


def test_what_the_script_names_itself_is_not_listed_twice(workplace: Workplace) -> None:
    workplace.write("a.csv", "1\n")
    workplace.script(
        "s.py",
        "import whence\nwith whence.start() as run:\n    run.input('a.csv', name='train'); open('a.csv').read()\n"
        "    open('out.csv', 'w').write('2'); run.output('out.csv', name='scores')\n",
    )
    record = workplace.record("python", "s.py")
    assert [(item["name"], item["how"]) for item in record["inputs"]] == [("train", "declared")]
    assert [(item["name"], item["how"]) for item in record["artifacts"]] == [("scores", "declared")]


def test_a_source_file_that_a_run_writes_stays_part_of_the_program(workplace: Workplace) -> None:
    workplace.repository(**{"s.py": "open('t.py', 'a').write('# more\\n')\n", "t.py": "x = 1\n"})
    workplace.record("python", "s.py")
    first = workplace.record("true")["code"]["id"]
    workplace.write("t.py", "x = 2\n")
    assert workplace.record("true")["code"]["id"] != first


SERVED = """
import ctypes, os, struct, threading
place = os.path.abspath('mounted')
os.mkdir(place)
fuse = os.open('/dev/fuse', os.O_RDWR)
options = b'fd=%d,rootmode=40000,user_id=0,group_id=0' % fuse
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mount(b'none', place.encode(), b'fuse.test', 0, options) == 0
DATA = b'a,b'
def attributes(node):
    mode, size = (0o40755, 0) if node == 1 else (0o100644, len(DATA))
    return struct.pack('QQQQQQIIIIIIIIII', node, size, 1, *[0] * 6, mode, 1, 0, 0, 0, 4096, 0)
def answer(kind, node, body):
    if kind == 26: return 0, struct.pack('IIIIHHI', 7, 12, 0, 0, 0, 0, 4096)
    if kind == 1 and body == b'data.csv\\0': return 0, struct.pack('QQQQII', 2, 0, 0, 0, 0, 0) + attributes(2)
    if kind == 3: return 0, struct.pack('QII', 0, 0, 0) + attributes(node)
    if kind in (14, 27): return 0, struct.pack('QII', 0, 0, 0)
    if kind == 15: return 0, DATA[struct.unpack_from('Q', body, 8)[0]:]
    return (0, b'') if kind in (18, 25, 29) else (-2 if kind == 1 else -38, b'')
def serve():
    while True:
        asked = os.read(fuse, 1 << 20)
        _, kind, unique, node = struct.unpack_from('IIQQ', asked)
        if kind in (2, 36, 42): continue
        os.write(1, b'z' * 200_000)     # More than any pipe holds: nobody who reads it may wait for us.
        error, body = answer(kind, node, asked[40:])
        os.write(fuse, struct.pack('IiQ', 16 + len(body), error, unique) + body)
threading.Thread(target=serve, daemon=True).start()
if os.fork() == 0:
    os._exit(open(place + '/data.csv').read() != 'a,b')
os.write(2, b'%d' % os.wait()[1])
os._exit(0)         # The server may be in the midst of an answer.
"""
"""Serves a file system and prints at each request, as `sshfs -d` and `rclone -vv` do; a process of its own reads."""


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/fuse"), reason="needs root and FUSE")
def test_a_file_system_that_the_command_serves_and_talks_about_holds_up_nobody(workplace: Workplace) -> None:
    workplace.script("served.py", SERVED)
    whence = shutil.which("whence", path=workplace.environ["PATH"])
    assert whence is not None
    done = workplace.run(["unshare", "--mount", whence, "run", "--", "python", "served.py"])
    assert (done.code, done.err.splitlines()[-1]) == (0, "0")
    assert "mounted/data.csv" in inputs(workplace.show())


UNPRIVILEGED = ("setpriv", "--bounding-set=-sys_admin") if os.geteuid() == 0 else ()
"""As root: without the right that keeps a watched program's privileges."""


def test_a_setuid_program_in_the_middle_is_named_with_a_way_out(workplace: Workplace) -> None:
    mine = workplace.path / "mine"
    shutil.copy("/bin/true", mine)
    mine.chmod(0o4755)
    workplace.run([*UNPRIVILEGED, *WHENCE, "run", "--", "sh", "-c", "./mine; echo 1 > out.csv"]).ok()
    seen = workplace.show()["observation"]
    assert (seen["mechanism"], seen["complete"]) == ("seccomp", False)
    assert ["mine (setuid)" in gap and "--observe off" in gap for gap in seen["gaps"]] == [True]


def test_a_rename_that_the_kernel_refuses_makes_no_results_and_loses_none(workplace: Workplace) -> None:
    for name in ("results.csv", "new.csv", "lock.dat", "j.csv", "b/a.csv"):
        workplace.write(name, name)
    (workplace.path / "folder").mkdir()
    body = """
import os, subprocess
subprocess.run(["mv", "-n", "new.csv", "results.csv"])
open("t.tmp", "w").write("own")
os.mkdir("a")
open("a/out.csv", "w").write("own")
for move, old, new in ((os.link, "t.tmp", "lock.dat"), (os.rename, "j.csv", "folder"), (os.rename, "a", "b")):
    try:
        move(old, new)
    except OSError:
        continue
    raise SystemExit(f"{new} is there after all")
"""
    workplace.script("s.py", body)
    record = workplace.record("python", "s.py")
    assert (record["exit_code"], record["observation"]["complete"]) == (0, True)
    assert artifacts(record).keys() == {"t.tmp", "a/out.csv"}
    assert inputs(record) == {}
    assert record["anomalies"] == []


def test_what_is_read_through_links_that_the_run_makes_and_removes_is_the_file_itself(workplace: Workplace) -> None:
    """Work folders of workflows stage their inputs so."""
    workplace.write("real/in.csv", "1\n")
    workplace.write("real/set/x.csv", "2\n")
    workplace.write(
        "stage.sh",
        """
mkdir -p work/1
ln -s "$PWD/real/in.csv" work/1/in.csv
ln -s ../../real/set work/1/set
cat work/1/in.csv work/1/set/x.csv > res.csv
mkfifo work/1/pipe
python -c "import socket; socket.socket(socket.AF_UNIX).bind('work/1/socket')"
rm -r work
ln -s res.csv latest.csv
ln -sfn res.csv latest.csv
""",
    )
    record = workplace.record("sh", "-e", "stage.sh")
    assert {path: (item["digest"], item["changed"]) for path, item in inputs(record).items()} == {
        "real/in.csv": (sha(b"1\n"), "no"),
        "real/set/x.csv": (sha(b"2\n"), "no"),
    }
    assert (artifacts(record).keys(), record["anomalies"], record["exit_code"]) == ({"res.csv"}, [], 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_file_that_only_hides_behind_a_mount_of_the_command_is_neither_input_nor_result(workplace: Workplace) -> None:
    for name in ("inner/x.csv", "inner/in.csv", "place/x.csv", "place/in.csv", "own.csv"):
        workplace.write(name, name)
    script = "mount --bind inner place; cat own.csv place/in.csv > place/x.csv"
    record = workplace.record("unshare", "--mount", "sh", "-c", script)
    assert (inputs(record).keys(), artifacts(record).keys()) == ({"own.csv"}, set())
    assert record["observation"]["complete"] is False
    assert (workplace.path / "inner" / "x.csv").read_text() == "own.csvinner/in.csv"


@pytest.mark.parametrize("mechanism", ["seccomp", "strace"])
def test_the_interpreter_of_a_script_is_among_the_programs(workplace: Workplace, mechanism: str) -> None:
    if mechanism == "strace" and not shutil.which("strace"):
        pytest.skip("strace is not installed")
    workplace.write("part.sh", "#!/bin/sh\ncat a.csv\n").chmod(0o755)
    workplace.write("a.csv", "1\n")
    record = workplace.record("./part.sh", options=("--observe", mechanism))
    programs = {one["path"]: one for one in record["programs"] if one["kind"] == "program"}
    assert [path.rpartition("/")[2] for path in programs] == ["part.sh", "sh", "cat"]
    assert (programs["/bin/sh"]["digest"], programs["/bin/sh"]["changed"]) == (sha(Path("/bin/sh").read_bytes()), "no")


@pytest.mark.parametrize("mechanism", ["seccomp", "strace", "python"])
def test_files_by_the_same_name_of_a_link_that_is_moved_on_are_each_recorded(
    workplace: Workplace, mechanism: str
) -> None:
    if mechanism == "strace" and not shutil.which("strace"):
        pytest.skip("strace is not installed")
    names = [f"{number}" for number in range(4)]
    for name in names:
        workplace.write(f"v{name}/reads.csv", f"reads {name}")
        workplace.write(f"x{name}.csv", f"file {name}")
    workplace.script(
        "s.py",
        "import os\n"
        "def lead(link, target):\n"
        "    os.symlink(target, 'tmp'); os.rename('tmp', link)\n"
        f"for name in {names}:\n"
        "    lead('cur', f'v{name}'); lead('in.csv', f'x{name}.csv')\n"
        "    open('cur/reads.csv').read(); open('in.csv').read(); open('cur/out.txt', 'w').write(name)\n"
        "os.unlink('cur'); os.unlink('in.csv')\n",
    )
    record = workplace.record("python", "s.py", options=("--observe", mechanism))
    found = {path: item["digest"] for path, item in inputs(record).items() if path.endswith(".csv")}
    expected = {f"v{name}/reads.csv": f"reads {name}" for name in names}
    expected |= {f"x{name}.csv": f"file {name}" for name in names}
    assert found == {path: sha(content.encode()) for path, content in expected.items()}
    written = {path: one["digest"] for path, one in artifacts(record).items()}
    assert written == {f"v{name}/out.txt": sha(name.encode()) for name in names}
    assert not record["anomalies"]


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_under_strace_a_file_that_was_read_and_then_cut_off_has_no_digest_of_what_is_left(workplace: Workplace) -> None:
    workplace.write("a.csv", "1\n")
    workplace.script("s.py", "import os\nopen('a.csv').read(); os.truncate('a.csv', 0)\n")
    script = "python s.py; ln a.csv b.csv; rm b.csv"
    record = workplace.record("sh", "-c", script, options=("--observe", "strace"))
    found = inputs(record)["a.csv"]
    assert found["digest"] in (None, sha(b"1\n"))
    assert artifacts(record)["a.csv"]["digest"] == sha(b"")
    assert not [one for one in record["anomalies"] if "deleted" in one["what"]]


def test_what_was_read_by_one_name_and_written_by_another_is_an_input_by_the_first(workplace: Workplace) -> None:
    workplace.write("a.csv", "1\n")
    record = workplace.record("sh", "-c", "ln a.csv b.csv; cat a.csv; echo 2 >> b.csv")
    assert {path: one["digest"] for path, one in inputs(record).items()} == {"a.csv": sha(b"1\n")}
    assert artifacts(record)["b.csv"]["digest"] == sha(b"1\n2\n")


WRITES_THROUGH_A_MAPPING = """
import mmap, sys
with open("data.bin", "r+b") as file:
    there = mmap.mmap(file.fileno(), 0)
for letter in (b"1", b"2"):
    there[:4] = letter * 4
    print(flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("many", [False, True])
def test_an_input_that_another_process_has_mapped_for_writing_may_have_changed(
    workplace: Workplace, many: bool
) -> None:
    workplace.write("data.bin", b"0000" * 2000)
    for number in range(150 if many else 0):
        workplace.write(f"{number}.bin", b"x")
    argv = [sys.executable, "-c", WRITES_THROUGH_A_MAPPING]
    writer = workplace.start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdin and writer.stdout
    writer.stdout.readline()
    record = workplace.record("sh", "-c", "cat *.bin > /dev/null")
    writer.communicate(b"\n\n")
    changed = [(one["changed"], one["because"]) for one in record["inputs"]]
    assert len(changed) == 1 and changed[0][0] == "unknown" and WRITTEN_TO in changed[0][1]
    again = workplace.record("sh", "-c", "cat *.bin > /dev/null")
    assert [one["changed"] for one in again["inputs"]] == ["no"]


# Bytes that were put back before the end.


PUT_BACK = """
import os, sys, time
path, go, done = sys.argv[1:]
while not os.path.exists(go):
    time.sleep(0.01)
content, stat = open(path, "rb").read(), os.stat(path)
os.chmod(path, 0o644)
open(path, "wb").write(b"evil" + content[4:])
open(done, "w")
while os.path.exists(done):
    time.sleep(0.01)
open(path, "wb").write(content)
os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
open(go + ".back", "w")
"""

READ_MEANWHILE = """
touch go; while [ ! -e done ]; do sleep 0.01; done; cat "$1"; sleep 0.5; rm done
while [ ! -e go.back ]; do sleep 0.01; done
"""


@pytest.mark.parametrize("how", ["declared file", "declared folder", "pinned"])
def test_an_input_that_was_other_while_it_was_read_and_put_back_is_no_unchanged_one(
    workplace: Workplace, how: str
) -> None:
    workplace.write("data/a.csv", "true,1\n")
    workplace.write("put_back.py", PUT_BACK)
    workplace.write("read.sh", READ_MEANWHILE)
    options, path = ["--input", "data/a.csv" if how == "declared file" else "data"], "data/a.csv"
    if how == "pinned":
        workplace.whence("data", "create", "set", "data").ok()
        record = workplace.record("true", options=("--data", "set@0.1.0"))
        options, path = ["--data", "set@0.1.0"], record["inputs"][0]["path"] + "/a.csv"
    time.sleep(2.1)  # Older than caches take for new.
    other = workplace.start([sys.executable, "put_back.py", path, "go", "done"])
    record = workplace.record("sh", "read.sh", path, options=options)
    assert other.wait() == 0
    (item,) = [item for item in record["inputs"] if item["how"] in ("declared", "pinned")]
    assert (item["changed"], item["digest_after"]) == ("yes", "sha256:" + hashlib.sha256(b"evil,1\n").hexdigest())
    assert "when it was opened" in item["because"]
    assert workplace.whence("cat", "@:output").ok().out == "evil,1\n"


def test_an_input_that_was_only_touched_is_unchanged_where_every_open_was_seen(workplace: Workplace) -> None:
    workplace.write("a.csv", "true,1\n")
    record = workplace.record("sh", "-c", "cat a.csv; touch -d yesterday a.csv", options=("--input", "a.csv"))
    assert (record["inputs"][0]["changed"], record["inputs"][0]["because"]) == ("no", None)
    unseen = workplace.record("sh", "-c", "cat a.csv; touch a.csv", options=("--input", "a.csv", "--observe", "off"))
    assert unseen["inputs"][0]["changed"] == "unknown" and "touched" in unseen["inputs"][0]["because"]


@pytest.mark.parametrize("command", [["./job.sh"], ["make", "-s"]], ids=["a script", "make"])
def test_the_environment_of_the_python_that_a_script_runs_is_in_the_record(
    repository: Workplace, command: list[str]
) -> None:
    repository.write("job.sh", f"#!/bin/sh\n{sys.executable} x.py\n").chmod(0o755)
    repository.write("Makefile", f"all:\n\t{sys.executable} x.py\n")
    repository.write("x.py", "import msgspec")
    environment = repository.record(*command)["environment"]
    direct = repository.record(sys.executable, "x.py")["environment"]
    assert (environment["when"], direct["when"]) == ("end", "launch")
    assert environment["fingerprint"] == direct["fingerprint"]
    assert environment["python"]["executable"] == sys.executable
    assert "msgspec" in {one["name"] for one in environment["packages"]}


@pytest.mark.parametrize(
    "meanwhile",
    [
        "chmod u+w a; echo other > a; cat a; echo true > a",
        "cat a; chmod u+w a; printf other 1<>a; cat a; echo true 1<>a",
        "cp -p a ../was; chmod u+w a; rm a; echo other > a; cat a; mv -f ../was a",
        "d=$PWD; mkdir ../o; echo other > ../o/a; mv $d ../w; mv ../o $d; cat $d/a; mv $d ../o; mv ../w $d",
    ],
    ids=["in place", "in part", "replaced", "the folder replaced"],
)
@pytest.mark.parametrize("how", ["declared", "pinned"])
def test_an_input_that_the_run_itself_made_another_for_a_while_is_not_said_to_be_unchanged(
    workplace: Workplace, how: str, meanwhile: str
) -> None:
    workplace.write("data/a", "true\n")
    command, options = f"cd data; {meanwhile}", ["--input", "data"]
    if how == "pinned":
        workplace.whence("data", "create", "set", "data").ok()
        command, options = f"cd {{data.set}}; {meanwhile}", ["--data", "set@0.1.0"]
    record = workplace.record("sh", "-c", command, options=options)
    (item,) = [item for item in record["inputs"] if item["how"] in ("declared", "pinned")]
    assert item["changed"] in ("yes", "unknown") and item["because"] and item["opened"]
    assert "other" in workplace.whence("cat", "@:output").ok().out
