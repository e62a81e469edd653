"""Outputs, progress, overrides and fields, read back by another process; and the way from a file to its run."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from typing import Any

import pytest
from workplace import Workplace, wait_until

PYTHON = sys.executable


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def script(workplace: Workplace, body: str, *args: str, name: str = "job.py") -> dict[str, Any]:
    workplace.write(name, "import whence\n" + body)
    done = workplace.python(name, *args).ok()
    assert "Traceback" not in done.err, done.err
    return workplace.show()


# Changed after it was named, after it was stored.


@pytest.mark.scenario("J3")
def test_an_output_that_changes_after_it_was_named_is_stored_as_it_was_at_the_end(workplace: Workplace) -> None:
    record = script(
        workplace,
        """
with whence.start() as run:
    open("net.bin", "w").write("first")
    run.output("net.bin", kind="model")
    open("net.bin", "w").write("second")
""",
    )
    (net,) = record["artifacts"]
    assert (net["digest"], net["kept"], net["kind"]) == (sha256(b"second"), True, "model")
    assert workplace.whence("get", "@:net.bin", "-").ok().out == "second"
    assert workplace.whence("get", sha256(b"first"), "-").ok().out == "first", "what was hashed first is stored too"
    journal = workplace.whence("cat", "@:log").ok().out
    assert sha256(b"first") in journal and sha256(b"second") in journal, "both were said"


@pytest.mark.scenario("J3")
def test_an_output_that_changes_after_the_run_is_noticed_and_the_stored_bytes_stay(workplace: Workplace) -> None:
    record = workplace.record("sh", "-c", "echo made > out.txt", options=("--output", "out.txt"))
    assert workplace.whence("show", "./out.txt", "--json").ok().json()["id"] == record["id"]
    workplace.write("out.txt", "edited\n")
    unknown = workplace.whence("show", "./out.txt")
    assert unknown.code == 3 and "recorded these bytes" in unknown.err
    kept = workplace.whence("get", "@:out.txt")
    assert kept.code == 1 and "holds other bytes" in kept.err
    assert (workplace.path / "out.txt").read_text() == "edited\n"
    assert workplace.whence("get", "@:out.txt", "-").ok().out == "made\n"
    workplace.whence("verify").ok()


# Roles and kinds.


@pytest.mark.scenario("J6")
def test_what_a_file_is_to_the_run_is_said_by_how_it_was_named(workplace: Workplace) -> None:
    workplace.write("data.csv", "1\n")
    workplace.write("settings.json", '{"lr": 0.1}')
    record = workplace.record(
        "sh", "-c", "cp data.csv copy.csv",
        options=("--input", "data.csv", "--config", "settings.json", "--output", "copy.csv"),
    )  # fmt: skip
    assert [(item["path"], item["role"]) for item in record["inputs"]] == [("data.csv", "data")]
    assert [file["path"] for file in record["config"]["files"]] == ["settings.json"]
    assert [item["path"] for item in record["artifacts"]] == ["copy.csv"]


@pytest.mark.scenario("J6")
@pytest.mark.parametrize(
    ("name", "kind", "recorded"),
    [
        ("net.bin", "model", "model"),
        ("figure.png", "report", "report"),
        ("plain.txt", "other", "other"),
        ("figure.png", None, "plot"),
        ("unknown.zzz", None, "other"),
    ],
)
def test_a_declared_kind_is_kept_as_given_and_guessed_only_without_one(
    workplace: Workplace, name: str, kind: str | None, recorded: str
) -> None:
    spec = name if kind is None else f"{kind}:{name}"
    (declared,) = workplace.record("sh", "-c", f"echo 1 > {name}", options=("--output", spec))["artifacts"]
    assert (declared["path"], declared["kind"]) == (name, recorded)
    body = f"with whence.start() as run:\n    open({name!r}, 'w').write('2')\n    run.output({name!r}, kind={kind!r})\n"
    (inside,) = script(workplace, body + f"    open({name!r}, 'w').write('3')\n")["artifacts"]
    assert inside["kind"] == recorded, "said again at the end, with the same kind"


@pytest.mark.scenario("J6")
def test_a_role_is_no_kind(workplace: Workplace) -> None:
    record = script(
        workplace,
        """
with whence.start() as run:
    open("a.txt", "w").write("1")
    for wrong in ("input", "output", "modle"):
        run.output("a.txt", kind=wrong)
    run.tag("model", kind="mine")
""",
    )
    assert [artifact["kind"] for artifact in record["artifacts"]] == ["report"], "guessed, not what was said"
    assert [loss["because"].partition(":")[0] for loss in record["losses"]] == [
        "kind 'input'",
        "kind 'output'",
        "kind 'modle'",
    ]
    assert record["tags"] == {"model": "", "kind": "mine"}


# What is required.


FIELDS = """
missing_fields = "refuse"
dirty = "refuse"
[fields.instrument]
required = true
[fields.batch]
required = true
[fields.operator]
[fields.depth]
type = "int"
required = true
"""


@pytest.mark.scenario("J7", "B11")
def test_everything_that_is_missing_is_named_in_one_message_in_the_order_of_the_project(repository: Workplace) -> None:
    repository.write("whence.toml", FIELDS)
    commands = [repository.whence("run", "--field", "batch=7", "--", "touch", "started") for _ in range(3)]
    assert {done.code for done in commands} == {125}
    message, hint = commands[-1].err.splitlines()[-2:]
    assert message == (
        "whence: policy dirty = refuse: the working folder differs from its commit: whence.toml (untracked); "
        "policy missing_fields = refuse: field instrument: required, and has no value; "
        "field depth: required, and has no value"
    )
    assert "give them with --field instrument=VALUE --field depth=VALUE" in hint
    assert commands[0].err.splitlines()[-2:] == commands[1].err.splitlines()[-2:] == [message, hint]
    assert repository.show()["error"]["message"] == message.removeprefix("whence: ")
    assert not (repository.path / "started").exists()
    audited = repository.whence("audit", "@", "--json").json()["findings"]
    assert [f["what"] for f in audited if f["what"].startswith("ext.")] == ["ext.instrument", "ext.depth"]


@pytest.mark.scenario("J7", "C13")
def test_all_inputs_that_are_not_there_are_named_in_one_message(repository: Workplace) -> None:
    options = ("--input", "b.csv", "--input", "train.py", "--input", "a.csv")
    done = repository.whence("run", *options, "--", "touch", "started")
    where = repository.path
    assert done.code == 125
    assert (
        f"whence: input b.csv: no such file or folder in {where}; input a.csv: no such file or folder in {where}"
        in done.err
    )
    assert not (repository.path / "started").exists()


# None is not absent.


@pytest.mark.scenario("J8")
def test_none_is_recorded_as_none_and_absence_as_absence(workplace: Workplace) -> None:
    record = script(
        workplace,
        """
with whence.start({"warmup": None, "lr": 0.1}, params={"depth": None}, name="with") as run:
    run.field("operator", None)
    run.log({"loss": None, "acc": 0.5})
""",
    )
    script(workplace, "with whence.start({'lr': 0.1}, name='without') as run:\n    run.log(acc=0.5)\n")
    assert record["config"]["values"] == {"warmup": None, "lr": 0.1, "depth": None}
    assert record["ext"] == {"operator": None}
    assert list(record["metrics"]) == ["acc"], "None is no number, and not zero"
    assert [(loss["what"], loss["because"]) for loss in record["losses"]] == [
        ("metric loss", "None, expected a number")
    ]
    without = workplace.show("without")
    assert (without["config"]["values"], without["ext"], without["losses"]) == ({"lr": 0.1}, {}, [])
    told = workplace.record("true", options=("--param", "warmup=null", "--name", "told"))
    assert told["config"]["values"] == {"warmup": None}


# Progress.


@pytest.mark.scenario("H8")
def test_how_far_a_run_is_is_read_while_it_goes_on(workplace: Workplace) -> None:
    body = """
import sys
with whence.start() as run:
    whence.progress("warming up")
    run.progress("epoch 3 of 10", 0.3)
    print("said", flush=True)
    sys.stdin.readline()
    run.progress(fraction=1.0)
"""
    workplace.write("job.py", "import whence\n" + body)
    job = workplace.start([PYTHON, "job.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert job.stdout is not None and job.stdin is not None
    job.stdout.readline()
    running = workplace.show()
    assert running["status"] == "running"
    assert (running["progress"]["text"], running["progress"]["fraction"]) == ("epoch 3 of 10", 0.3)
    assert "30% epoch 3 of 10" in workplace.whence("show").ok().out
    job.stdin.write(b"\n")
    job.stdin.flush()
    assert job.wait() == 0
    ended = workplace.show()
    assert (ended["status"], ended["progress"]["fraction"]) == ("succeeded", 1.0)


@pytest.mark.scenario("H8")
def test_a_script_under_whence_run_says_how_far_it_is(workplace: Workplace) -> None:
    workplace.write("job.py", "import whence\nwhence.progress('half', 0.5)\n")
    assert workplace.record(PYTHON, "job.py")["progress"]["fraction"] == 0.5


# What the command line overrides.


@pytest.mark.scenario("F3", "F5")
def test_what_the_command_line_overrides_is_marked_and_the_rest_is_not(repository: Workplace) -> None:
    repository.write("config.json", '{"optim": {"lr": 0.1, "name": "sgd"}, "seed": 1}')
    options = ("--config", "config.json", "--param", "optim.lr=0.3", "--param", "extra=x")
    record = repository.record("true", "--lr", "0.3", options=options)
    assert record["config"]["values"] == {"optim": {"lr": 0.3, "name": "sgd"}, "seed": 1, "extra": "x"}
    assert record["config"]["origins"] == {
        "optim.lr": "command_line", "extra": "command_line", "optim.name": "file", "seed": "file",
    }  # fmt: skip
    assert record["command"] == ["true", "--lr", "0.3"], "the command's own words, as they were typed"
    shown = repository.whence("show").ok().out
    assert "0.3  (command_line)" in shown and "sgd  (file)" in shown and "true --lr 0.3" in shown
    assert repository.whence("cat", "@:config", "--json").ok()


HYDRA = """
import hydra, whence
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    with whence.start(cfg):
        pass
main()
"""


@pytest.mark.scenario("F3", "S5")
def test_overrides_of_a_configuration_framework_are_recorded_as_such(repository: Workplace) -> None:
    repository.write("conf/config.yaml", "defaults:\n- model: small\n- _self_\nlr: 0.1\ndepth: 2\n")
    repository.write("conf/model/small.yaml", "width: 8\n")
    repository.write("conf/model/large.yaml", "width: 64\n")
    record = script(repository, HYDRA, "model=large", "lr=0.3", name="train.py")
    config = record["config"]
    assert config["values"] == {"model": {"width": 64}, "lr": 0.3, "depth": 2}
    assert config["overrides"] == ["model=large", "lr=0.3"]
    assert config["choices"]["model"] == "large"
    assert config["origins"]["lr"] == "command_line" and config["origins"]["depth"] == "declared"
    assert record["command"][-2:] == ["model=large", "lr=0.3"]


# From the file to the run.


@pytest.mark.scenario("Y3", "S1")
def test_a_renamed_copy_leads_to_the_run_with_its_branch_data_and_runtime(repository: Workplace) -> None:
    data = repository.path.parent / "mount" / "cohort.csv"
    data.parent.mkdir()
    data.write_text("1,2\n")
    repository.git("checkout", "-q", "-b", "paper/fig-2")
    made = repository.record(
        "sh", "-c", "echo result > model.pt", options=("--input", str(data), "--output", "model.pt")
    )
    repository.git("checkout", "-q", "main")
    copy = repository.path.parent / "mail" / "final (3).pt"
    copy.parent.mkdir()
    shutil.move(repository.path / "model.pt", copy)
    data.unlink()
    found = repository.whence("show", copy, "--json").ok().json()
    assert found["id"] == made["id"]
    assert (found["code"]["branch"], found["code"]["commit"]) == ("paper/fig-2", repository.git("rev-parse", "main"))
    (cohort,) = found["inputs"]
    assert (cohort["path"], cohort["digest"]) == (str(data), sha256(b"1,2\n"))
    assert cohort["location"]["host"] and cohort["location"]["mount"]
    assert found["environment"]["os"]["kernel"] and found["environment"]["fingerprint"]
    digest = sha256(b"result\n")
    assert repository.whence("show", digest, "--json").ok().json()["id"] == made["id"]
    by_query = repository.whence("log", f'artifacts.digest = "{digest}"', "--json").ok().json_lines()
    assert [line["id"] for line in by_query] == [made["id"]]
    again = repository.path.parent / "again.pt"
    repository.whence("get", digest, again).ok()
    assert again.read_text() == "result\n"
    stranger = repository.write("stranger.pt", "other\n")
    assert repository.whence("show", stranger).code == 3, "a file of no run is said to be of none"


# What was stored, and where.


TERMINAL = """
import os, pty, sys
out = b""
def read(fd):
    global out
    data = os.read(fd, 1024)
    out += data
    return data
status = pty.spawn(sys.argv[1:], read)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.scenario("P3")
def test_at_a_terminal_one_line_after_the_command_says_what_was_stored_and_where(repository: Workplace) -> None:
    repository.record("true")
    repository.write("data.csv", "1\n")
    whence = str(wait_until(lambda: shutil.which("whence", path=repository.environ["PATH"]), what="whence"))
    words = ["run", "--input", "data.csv", "--output", "out", "--", "sh", "-c", "echo hello; echo x > out; exit 3"]
    done = repository.python("-c", TERMINAL, whence, *words)
    assert done.code == 3
    first, last = done.out.splitlines()
    record = repository.show()
    short = record["id"][-8:]
    assert first == "hello"
    assert last.startswith(f"whence: recorded {short}, failed in ")
    assert last.endswith(f"; 1 artifact, 1 input: whence show {short}")
    assert repository.show(short)["id"] == record["id"]


@pytest.mark.scenario("P3")
def test_where_nobody_looks_nothing_is_added_and_a_file_tells_programs(repository: Workplace) -> None:
    repository.record("true")
    told = repository.path.parent / "told.json"
    done = repository.whence("run", "--record-json", told, "--output", "out", "--", "sh", "-c", "echo 1; echo x > out")
    assert (done.code, done.out, done.err) == (0, "1\n", "")
    line = repository.python("-c", f"import json; print(json.load(open({str(told)!r}))['id'])").ok().out.strip()
    assert line == repository.show()["id"]


@pytest.mark.scenario("P3")
def test_commands_that_write_say_what_and_where(repository: Workplace) -> None:
    record = repository.record("sh", "-c", "echo x > out", options=("--output", "out"))
    dest = repository.path.parent / "copy"
    assert repository.whence("note", "@", "seen").ok().err == f"noted on {record['id']}\n"
    assert repository.whence("tag", "@", "paper").ok().err == f"tagged {record['id']}\n"
    assert repository.whence("get", "@:out", dest).ok().err == f"{dest}: {sha256(b'x' + bytes([10]))}\n"
    restored = repository.path.parent / "restored"
    assert str(restored) in repository.whence("restore", "@", restored).ok().out
