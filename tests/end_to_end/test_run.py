"""`whence run` from outside: one process records, another reads."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from workplace import LIMIT, WHENCE, Workplace, kill, wait_until

PYTHON = sys.executable


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def every_byte(store: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of a store, raw, and what is compressed in it, unpacked."""
    for path in store.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield path, content
            if "objects" in path.parts and "code.git" in path.parts:
                yield from ((path, plain) for plain in inflated(content))


def inflated(content: bytes) -> Iterator[bytes]:
    """Every zlib stream that begins anywhere in the bytes: loose objects and packs alike."""
    for at in range(len(content) - 1):
        if content[at] & 0x0F == 8 and (content[at] << 8 | content[at + 1]) % 31 == 0:
            try:
                yield zlib.decompressobj().decompress(content[at:])
            except zlib.error:
                continue


# What is recorded.


@pytest.mark.scenario("Y2", "S6")
def test_a_run_records_code_configuration_data_environment_and_artifacts_each_with_its_time(
    repository: Workplace,
) -> None:
    repository.write("data.csv", "x,y\n1,2\n")
    repository.write("settings.json", '{"optim": {"lr": 0.1}, "seed": 7}')
    program = "import json; json.dump({'w': 1}, open('model.json', 'w'))"
    options = (
        "--input",
        "data.csv",
        "--config",
        "settings.json",
        "--param",
        "optim.name=sgd",
        "--output",
        "model.json",
    )
    record = repository.record(PYTHON, "-c", program, options=options)
    assert (record["status"], record["exit_code"]) == ("succeeded", 0)
    assert record["code"]["commit"] == repository.git("rev-parse", "HEAD")
    assert record["config"]["values"] == {"optim": {"lr": 0.1, "name": "sgd"}, "seed": 7}
    assert record["config"]["origins"] == {"optim.lr": "file", "optim.name": "command_line", "seed": "file"}
    assert [(s["name"], s["value"]) for s in record["config"]["seeds"]] == [("seed", 7)]
    (data,) = record["inputs"]
    assert (data["path"], data["digest"], data["how"], data["changed"]) == (
        "data.csv",
        sha256(b"x,y\n1,2\n"),
        "declared",
        "no",
    )
    (model,) = record["artifacts"]
    assert (model["digest"], model["kept"], model["kind"]) == (sha256(b'{"w": 1}'), True, "model")
    assert record["environment"]["fingerprint"].startswith("sha256:")
    assert record["environment"]["python"]["executable"]
    times = {part: record[part]["when"] for part in ("code", "config", "environment")}
    assert times == {"code": "launch", "config": "launch", "environment": "launch"}
    assert (data["when"], model["when"]) == ("launch", "end")


@pytest.mark.scenario("H2")
def test_times_are_utc_and_the_duration_is_monotonic(repository: Workplace) -> None:
    record = repository.record("sleep", "0.2")
    assert all(record[name].endswith("Z") for name in ("created", "started", "ended"))
    assert record["created"] <= record["started"] <= record["ended"]
    assert record["duration"] >= 0.2
    assert record["utc_offset"] is not None


def test_the_first_run_says_where_it_made_the_store_and_the_second_says_nothing(repository: Workplace) -> None:
    first = repository.whence("run", "--", "true")
    assert first.err == (
        f"whence: made a store at {repository.store}; added the line '/.whence/' to .git/info/exclude\n"
    )
    assert repository.whence("run", "--", "true").err == ""


def test_a_store_is_found_from_a_folder_below(repository: Workplace) -> None:
    repository.record("true")
    below = repository.path / "a" / "b"
    below.mkdir(parents=True)
    assert repository.whence("run", "--", "true", cwd=below).code == 0
    assert len(repository.run_folders()) == 2
    assert repository.show()["cwd"] == str(below)


@pytest.mark.scenario("S15", "X9")
@pytest.mark.slow
def test_sixty_four_first_runs_at_once_make_one_store_and_lose_no_run(repository: Workplace) -> None:
    started = [repository.start_whence("run", "--", "true", stderr=-3) for _ in range(64)]
    assert [process.wait() for process in started] == [0] * 64
    lines = repository.whence("log", "--limit", "100", "--json").ok().json_lines()
    assert len({line["id"] for line in lines}) == 64
    assert {line["status"] for line in lines} == {"succeeded"}
    assert len({line["code"]["id"] for line in lines}) == 1
    assert repository.whence("verify").code == 0
    assert len(list(repository.path.glob(".whence*"))) == 1


# Codes of the shell.


REFUSED = {
    "no program": ("./t.py", 126, "Permission denied", "`chmod +x ./t.py` makes it a program; or name its interpreter"),
    "quoted": ("python t.py", 127, "command not found", "without the quotes: `whence run -- python t.py`"),
    "empty": ("", 127, "command not found", "the first word behind `--` is empty"),
    "a folder": ("./", 126, "Permission denied", "it is a folder"),
    "no interpreter": ("./lost.sh", 127, "its interpreter /no/such/shell was not found", "mend the first line"),
    "not on PATH": ("lost.sh", 127, "command not found", "which is not on PATH: `whence run -- ./lost.sh`"),
}


@pytest.mark.scenario("P4")
@pytest.mark.parametrize("case", REFUSED)
def test_a_command_that_cannot_be_executed_is_said_with_what_to_do(case: str, workplace: Workplace) -> None:
    command, code, because, hint = REFUSED[case]
    workplace.write("t.py", "print(1)\n")
    workplace.write("lost.sh", "#!/no/such/shell -e\n").chmod(0o755)
    for options in ([], ["--dry-run"]):
        done = workplace.whence("run", *options, "--", command)
        assert done.code == code
        said, told = done.err.splitlines()[-2:]
        assert said == f"whence: {command or repr('')}: {because}"
        assert told.startswith("hint: ")
        assert hint in told
    assert workplace.show()["error"]["message"] == f"{command}: {because}"


@pytest.mark.scenario("P4", "H12")
@pytest.mark.parametrize(
    ("command", "code", "status", "kind"),
    [
        (["true"], 0, "succeeded", None),
        (["sh", "-c", "exit 3"], 3, "failed", "exit_code"),
        (["no-such-command-at-all"], 127, "failed", "not_found"),
        (["./plain"], 126, "failed", "not_executable"),
        (["sh", "-c", "kill -TERM $$"], 128 + 15, "killed", "signal"),
        (["sh", "-c", "kill -KILL $$"], 128 + 9, "killed", "signal"),
        (["sh", "-c", "kill -INT $$"], 128 + 2, "interrupted", "signal"),
        ([PYTHON, "-c", "import sys; sys.exit()"], 0, "succeeded", None),
        ([PYTHON, "-c", "import os; os._exit(5)"], 5, "failed", "exit_code"),
        ([PYTHON, "-c", "raise ValueError('bad')"], 1, "failed", "ValueError"),
    ],
)
def test_the_exit_code_is_the_commands_own_and_the_status_says_what_happened(
    repository: Workplace, command: list[str], code: int, status: str, kind: str | None
) -> None:
    repository.write("plain", "text")
    done = repository.whence("run", "--", *command)
    record = repository.show()
    assert (done.code, record["status"]) == (code, status)
    assert (record["error"] or {}).get("type") == kind


@pytest.mark.scenario("H3")
def test_an_exception_is_recorded_with_type_message_and_traceback(repository: Workplace) -> None:
    repository.script("fail.py", "def f():\n    raise KeyError('warmup')\nf()\n")
    error = repository.record(PYTHON, "fail.py")["error"]
    assert (error["type"], error["message"]) == ("KeyError", "'warmup'")
    assert 'File "' in error["traceback"]
    assert "raise KeyError" in error["traceback"]


@pytest.mark.scenario("P2")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--"], "whence: no command: expected `--` and a command"),
        (["run"], "whence: no command: expected `--` and a command"),
        (["run", "--param", "lr", "--", "true"], "whence: whence run: --param 'lr': expected NAME=VALUE"),
        (["run", "--policy", "drity=x", "--", "true"], "whence: --policy: unknown policy key 'drity'"),
        (
            ["run", "--policy", "dirty=no", "--", "true"],
            "whence: --policy: dirty = 'no': expected one of allow, warn, refuse",
        ),
        (["run", "--tag", "=x", "--", "true"], "whence: whence run: --tag =x: expected K=V"),
    ],
)
def test_wrong_words_are_named_with_a_hint_and_nothing_is_recorded(
    repository: Workplace, words: list[str], message: str
) -> None:
    done = repository.whence(*words)
    assert (done.code, done.err.splitlines()[0]) == (2, message)
    assert done.err.splitlines()[1].startswith("hint: ")
    assert not repository.store.exists()


def test_a_bare_positional_is_refused_with_the_way_to_say_it(repository: Workplace) -> None:
    done = repository.whence("run", "python", "train.py")
    assert done.code == 2
    assert "--" in done.err
    assert not repository.store.exists()


# Refusals are records.


@pytest.mark.scenario("C13", "S4")
def test_a_missing_input_is_refused_before_the_start_and_the_refusal_is_a_record(repository: Workplace) -> None:
    repository.write("data/train.csv", "1")
    done = repository.whence("run", "--input", "data/trian.csv", "--", "touch", "started")
    assert done.code == 125
    assert done.err.splitlines()[-2:] == [
        f"whence: input data/trian.csv: no such file or folder in {repository.path}",
        "hint: did you mean data/train.csv?",
    ]
    assert not (repository.path / "started").exists()
    record = repository.show()
    assert (record["status"], record["error"]["type"], record["started"], record["exit_code"]) == (
        "failed",
        "refused",
        None,
        125,
    )
    assert record["code"]["commit"]
    assert record["seal"]


def test_a_refused_run_names_the_inputs_that_were_there_and_is_sound(repository: Workplace) -> None:
    repository.write("data/train.csv", "1")
    options = ("--input", "data/train.csv", "--input", "data/trian.csv")
    assert repository.whence("run", *options, "--", "true").code == 125
    assert [item["path"] for item in repository.show()["inputs"]] == ["data/train.csv"]
    assert repository.whence("verify").code == 0


@pytest.mark.scenario("B10", "B11")
def test_policy_refuses_a_dirty_folder_naming_each_path_and_the_ways_out(repository: Workplace) -> None:
    repository.write("train.py", "print('edited')\n")
    repository.write("new.py", "")
    repository.write("staged.py", "")
    repository.git("add", "staged.py")
    done = repository.whence("run", "--policy", "dirty=refuse", "--", "touch", "started")
    assert done.code == 125
    assert "train.py (modified)" in done.err
    assert "new.py (untracked)" in done.err
    assert "staged.py (added, staged)" in done.err
    for command in ("show", "status"):
        lines = [line.split() for line in repository.whence(command).out.splitlines()]
        assert any(line[-3:] == ["added,", "staged", "staged.py"] for line in lines)
    assert "hint: commit, stash or ignore them" in done.err
    assert not (repository.path / "started").exists()
    assert repository.show()["error"]["type"] == "refused"


@pytest.mark.scenario("B11")
def test_policy_comes_from_the_flag_then_the_environment_then_the_file(repository: Workplace) -> None:
    repository.write("whence.toml", 'dirty = "refuse"\n')
    dirty = {"WHENCE_POLICY_DIRTY": "allow"}
    assert repository.whence("run", "--", "true").code == 125
    assert repository.whence("run", "--", "true", env=dirty).code == 0
    assert repository.whence("run", "--policy", "dirty=refuse", "--", "true", env=dirty).code == 125


@pytest.mark.scenario("S25", "B14")
def test_the_dirty_flag_says_what_was_and_not_what_was_allowed(repository: Workplace) -> None:
    clean = repository.record("true", options=("--policy", "dirty=allow"))
    repository.write("train.py", "print('edited')\n")
    dirty = repository.record("true", options=("--policy", "dirty=allow"))
    assert (clean["code"]["dirty"], dirty["code"]["dirty"]) == (False, True)
    listed = repository.whence("log", "code.dirty = true", "--json").ok().json_lines()
    assert [line["id"] for line in listed] == [dirty["id"]]


# The project's own fields.


def test_declared_fields_are_typed_and_stand_under_ext(repository: Workplace) -> None:
    repository.write(
        "whence.toml", '[fields.instrument]\nvocabulary = ["LC-MS", "GC-MS"]\n[fields.depth]\ntype = "int"\n'
    )
    record = repository.record("true", options=("--field", "instrument=LC-MS", "--field", "depth=3"))
    assert record["ext"] == {"instrument": "LC-MS", "depth": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--field", "instrument=LCMS"],
            "whence: instrument = 'LCMS': expected one of LC-MS, GC-MS (did you mean LC-MS?)",
        ),
        (["--field", "instrumnet=LC-MS"], "whence: instrumnet: not declared under [fields]; did you mean instrument?"),
    ],
)
def test_a_wrong_field_is_named(repository: Workplace, options: list[str], message: str) -> None:
    repository.write("whence.toml", '[fields.instrument]\nvocabulary = ["LC-MS", "GC-MS"]\n')
    done = repository.whence("run", *options, "--", "true")
    assert (done.code, done.err.splitlines()[0]) == (2, message)


def test_a_required_field_without_a_value_is_refused_by_policy(repository: Workplace) -> None:
    repository.write("whence.toml", 'missing_fields = "refuse"\n[fields.instrument]\nrequired = true\n')
    done = repository.whence("run", "--", "true")
    assert done.code == 125
    assert "field instrument: required, and has no value" in done.err


# Dry run, and the surroundings left alone.


def state_of(folder: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.scenario("S26", "B15")
def test_a_dry_run_executes_the_command_and_leaves_the_store_as_it_was(repository: Workplace) -> None:
    repository.record("true")
    before = state_of(repository.store)
    done = repository.whence("run", "--dry-run", "--output", "out", "--", "sh", "-c", "echo hi; echo x > out; exit 4")
    assert (done.code, done.out) == (4, "hi\n")
    assert (repository.path / "out").exists()
    assert state_of(repository.store) == before


def test_a_dry_run_in_a_folder_without_a_store_makes_none(repository: Workplace) -> None:
    assert repository.whence("run", "--dry-run", "--", "true").code == 0
    assert not repository.store.exists()


SPEAKS = """
import sys, whence
whence.log(loss=1)
with whence.start(name="inner") as run:
    run.log(loss=2)
    whence.log(loss=3)
    print(run.id, whence.current() is not None)
"""


@pytest.mark.scenario("S26")
@pytest.mark.parametrize("there", [False, True], ids=["without a store", "with a store"])
def test_what_uses_whence_in_a_dry_run_records_nothing_either(repository: Workplace, there: bool) -> None:
    repository.script("speaks.py", SPEAKS)
    repository.write("nested.sh", "whence run --name inner --output o -- sh -c 'echo x > o; exit 5'; echo $?\n")
    if there:
        repository.record("true")
    before = state_of(repository.store)
    spoken = repository.whence("run", "--dry-run", "--", "python", "speaks.py").ok()
    assert spoken.out == "dry-run True\n"
    assert spoken.err.count("WHENCE_DRY_RUN is set: nothing is recorded") == 1
    nested = repository.whence("run", "--dry-run", "--", "sh", "nested.sh").ok()
    assert (nested.out, nested.err) == ("5\n", "whence: WHENCE_DRY_RUN is set: nothing is recorded\n")
    assert repository.store.exists() == there and state_of(repository.store) == before


def test_a_dry_run_inside_a_run_adds_nothing_to_it(repository: Workplace) -> None:
    repository.script("log.py", "import whence\nwhence.log(loss=1)\n")
    record = repository.record("whence", "run", "--dry-run", "--", "python", "log.py")
    assert (record["metrics"], [writer["name"] for writer in record["writers"]]) == ({}, ["main"])


@pytest.mark.scenario("L1", "P1")
def test_reading_commands_leave_the_store_as_it_was(repository: Workplace) -> None:
    repository.write("data", "1")
    repository.record("sh", "-c", "echo 1 > out", options=("--input", "data", "--output", "out"))
    before = state_of(repository.store)
    for words in (["log"], ["show", "@"], ["audit"], ["verify"], ["status"], ["du"], ["cat", "@:log"], ["doctor"]):
        assert repository.whence(*words).code in (0, 1)
    after = state_of(repository.store)
    for state in (before, after):
        assert state.pop("cache/index.sqlite"), "a copy, which may be deleted"
    assert after == before


# Secrets.

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYzzKEYzzKEYAA",
    "HF_TOKEN": "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "DB_PASSWORD": "correct-horse-battery",
    "DATABASE_URL": "postgres://ada:s3cr3tpass@db.example.org/x",
}


@pytest.mark.scenario("S23", "G4", "A8", "F6")
def test_no_planted_secret_is_anywhere_in_the_store(repository: Workplace) -> None:
    repository.git(
        "remote", "add", "origin", "https://ada:ghp_abcdefghijklmnopqrstuvwxyz0123456789@example.org/a/b.git"
    )
    repository.write(".env", "API_KEY=planted-in-dotenv-0123456789\n")
    key = "-----BEGIN PRIVATE KEY-----\nMIIplantedkeyplantedkeyplantedkey\n-----END PRIVATE KEY-----\n"
    repository.write("deploy.pem", key)
    repository.write("settings.json", '{"api": {"token": "planted-in-settings-9876543210"}, "lr": 1}')
    repository.write("new.py", 'os.environ["OPENAI_API_KEY"] = "planted-in-source-1"\n')
    repository.write("whence.toml", 'environment_variables = ["*"]\n')
    options = (
        "--config",
        "settings.json",
        "--param",
        "db.password=planted-in-param",
        "--tag",
        "token=planted-in-a-tag",
    )
    command = ("sh", "-c", "true", "--", "--api-key=planted-in-argv-abcdef", "--password", "planted-after-option")
    record = repository.record(*command, options=options, env=SECRETS)
    planted = [
        *(value.encode() for name, value in SECRETS.items() if name != "DATABASE_URL"),
        b"s3cr3tpass",
        b"ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        b"planted-in-dotenv-0123456789",
        b"MIIplantedkeyplantedkeyplantedkey",
        b"planted-in-settings-9876543210",
        b"planted-in-source-1",
        b"planted-in-param",
        b"planted-in-a-tag",
        b"planted-in-argv-abcdef",
        b"planted-after-option",
    ]
    for path, content in every_byte(repository.store):
        assert not [value for value in planted if value in content], path
    left_out = {item["path"]: item["digest"].split(":")[0] for item in record["code"]["files_left_out"]}
    assert left_out == {".env": "keyed", "deploy.pem": "keyed", "new.py": "keyed", "settings.json": "keyed"}
    assert record["config"]["values"]["lr"] == 1
    restored = repository.whence("restore", "@", repository.path.parent / "restored").ok()
    assert ".env" in restored.out + restored.err


@pytest.mark.scenario("S23")
def test_what_is_a_secret_only_now_is_left_out_though_an_earlier_run_kept_it(repository: Workplace) -> None:
    repository.write(".env", "API_KEY=planted-in-dotenv-0123456789\n")
    repository.commit()
    repository.write("lab.cfg", "zugang = planted-by-pattern-77\n")
    repository.write("seen.py", "print('planted-by-environment-88')\n")
    repository.write("plain.py", "print(1)\n")
    time.sleep(2.1)  # What changed less than two seconds ago is not remembered.

    def left_out(**env: str) -> set[str]:
        done = repository.whence("run", "--", "true", env=env).ok()
        found = {item["path"] for item in repository.show()["code"]["files_left_out"]}
        assert ("seen.py is not in the snapshot" in done.err) == ("seen.py" in found)
        return found

    assert left_out() == set()
    repository.git("rm", "-q", "--cached", ".env")
    repository.write("whence.toml", 'secret_patterns = ["zugang"]\n')
    assert left_out() == {".env", "lab.cfg"}
    assert left_out(MY_SECRET_TOKEN="planted-by-environment-88") == {".env", "lab.cfg", "seen.py"}
    repository.whence("restore", "@", "again").ok()
    assert {path.name for path in (repository.path / "again").iterdir()} >= {"plain.py", "whence.toml"}
    assert not {".env", "lab.cfg", "seen.py"} & {path.name for path in (repository.path / "again").iterdir()}


NAMES = """
import os, whence
key = os.environ["OPENAI_API_KEY"]
issued = "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789"
for token in (key, issued):
    for word in ("o", "late", "seen"):
        open(f"{word}-{token}", "w").write(token[:4])
with whence.start(outputs=[f"late-{key}"], inputs=[f"start-{issued}=a.py"], nested=True) as run:
    run.output(f"o-{key}", name=f"o-{key}")
    run.output(f"o-{issued}")
    run.output(f"never-{key}")
    run.input("a.py", name=f"i-{key}")
    run.input(f"nothing-{issued}")
    run.data(issued, "cifar", "0.1.0")
    try:
        run.data(f"x-{issued}", "cifar", "9.9.9")
    except Exception:
        pass
    run.output_dataset(issued, "a.py")
    run.output_dataset("made", "a.py")
open(f"seen-{key}").read()
"""


@pytest.mark.scenario("S23")
def test_no_secret_in_the_name_of_an_input_or_output_is_in_the_store(repository: Workplace) -> None:
    key, issued = "planted-name-of-1234", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    repository.write("a.py", "print(1)\n")
    repository.write("given.csv", "1\n")
    repository.script("names.py", NAMES)
    repository.git("add", "names.py")
    repository.whence("data", "create", "cifar", "a.py").ok()
    options = (
        "--input", f"{issued}=a.py", "--input", f"in-{key}=given.csv", "--output", f"{key}=o.txt",
        "--output", f"model:out-{issued}.bin", "--data", f"t-{issued}=cifar@0.1.0",
    )  # fmt: skip
    env = {"OPENAI_API_KEY": key}
    done = repository.whence("run", *options, "--", "python", "names.py", env=env).ok()
    refused = repository.whence("run", "--input", f"not-{issued}", "--", "true", env=env)
    assert (refused.code, done.code) == (125, 0)
    shown = repository.whence("log", "--json").ok().json_lines()
    outer = next(run for run in shown if run["parent"] is None and run["status"] == "succeeded")
    names = {one["name"] for one in repository.show(outer["id"])["inputs"]}
    assert sum("<secret keyed:" in name for name in names) >= 3
    for path, content in every_byte(repository.store):
        if "cache" not in path.parts:  # It knows the files of this folder by their names.
            assert not [value for value in (key, issued) if value.encode() in content or value in str(path)], path
    assert repository.whence("verify").code == 0


def test_a_dataset_is_not_called_by_a_token(repository: Workplace) -> None:
    repository.write("a.csv", "1\n")
    done = repository.whence("data", "create", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "a.csv")
    assert done.code == 2 and "whence: a dataset's name: found what looks like a token\n" in done.err


def test_no_secret_in_a_name_a_place_a_login_or_an_image_is_in_the_store(repository: Workplace) -> None:
    issued = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    program = repository.path.parent / issued / "tool"
    repository.write(program, "#!/bin/sh\n").chmod(0o755)
    image = {"WHENCE_IN_CONTAINER": "true", "WHENCE_IMAGE_NAME": "https://ada:planted-in-image@reg.example.org/i"}
    image["WHENCE_STORE"] = str(repository.store)
    url = "s3://AKIAABCDEFGHIJKLMNOP:planted-in-url@bucket/x"
    options = ("--name", issued, "--input", url, "--param", "pw=planted-in-pw")
    repository.record(program, "curl", "-u", "ada:planted-login", options=options, env=image, cwd=program.parent)
    repository.write("local.sh", "export AWS_SECRET_ACCESS_KEY=planted7in8script9\n")
    repository.write("prod.env", "A=planted-in-env\n")
    repository.write(f"{issued}.txt", "1\n")
    repository.write(f"notes-{issued}/a.txt", "1\n")
    repository.record("sh", "-c", "cat notes-*/a.txt; echo 2 > ghp_*.txt")
    for path, content in every_byte(repository.store):
        assert b"planted" not in content, path
        assert issued.encode() not in content, path


def test_no_secret_in_a_note_or_a_tag_said_later_is_in_the_store(repository: Workplace) -> None:
    repository.record("true")
    issued = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    repository.whence("note", "@", "password=planted-in-note https://ada:planted-in-url@example.org").ok()
    repository.whence("tag", "@", "secret=planted-in-tag", f"seen={issued}", f"{issued}=1", "units=mm").ok()
    said = "import whence; run = whence.open().run(); run.note('token: planted-by-note'); run.tag(secret='planted-tag')"
    repository.python("-c", said).ok()
    for path, content in every_byte(repository.store):
        assert b"planted-" not in content, path
        assert issued.encode() not in content, path
    assert repository.show()["tags"]["units"] == "mm"


# Data.


@pytest.mark.scenario("S2")
def test_inputs_are_kept_where_policy_asks_for_it_and_come_back_when_they_are_gone(repository: Workplace) -> None:
    repository.write("data/a.csv", "1,2\n")
    repository.write("one.csv", "3\n")
    options = ("--policy", "keep_inputs=copy", "--input", "one.csv", "--input", "data")
    record = repository.record("true", options=options)
    assert [item["kept"] for item in record["inputs"]] == [True, True]
    (repository.path / "one.csv").unlink()
    assert repository.whence("get", "@:one.csv", "-").ok().out == "3\n"
    repository.whence("get", "@:data", repository.path.parent / "again").ok()
    assert (repository.path.parent / "again" / "a.csv").read_text() == "1,2\n"


@pytest.mark.scenario("A17", "Y4")
def test_a_source_file_edited_while_the_run_is_going_is_marked_and_the_launched_bytes_are_kept(
    repository: Workplace,
) -> None:
    record = repository.record("sh", "-c", "echo 'print(2)' > train.py")
    assert [a["detail"] for a in record["anomalies"]] == [["train.py"]]
    repository.whence("restore", "@", repository.path.parent / "restored").ok()
    assert (repository.path.parent / "restored" / "train.py").read_text() == "print('trained')\n"


@pytest.mark.scenario("J11")
def test_an_input_that_the_command_overwrites_is_marked_with_both_digests(repository: Workplace) -> None:
    repository.write("data", "before")
    (data,) = repository.record("sh", "-c", "printf after > data", options=("--input", "data"))["inputs"]
    assert (data["changed"], data["digest"], data["digest_after"]) == ("yes", sha256(b"before"), sha256(b"after"))


@pytest.mark.scenario("X1")
def test_an_input_edited_in_place_with_its_time_restored_is_noticed(repository: Workplace) -> None:
    path = repository.write("data", "before")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    edit = "import os; open('data', 'r+').write('EDITED'); os.utime('data', (1_600_000_000, 1_600_000_000))"
    first = repository.record(PYTHON, "-c", edit, options=("--input", "data"))
    second = repository.record("true", options=("--input", "data"))
    assert first["inputs"][0]["changed"] == "yes"
    assert second["inputs"][0]["digest"] == sha256(b"EDITED")


@pytest.mark.scenario("X2", "C15")
def test_folders_with_swapped_contents_and_same_names_are_told_apart(repository: Workplace) -> None:
    for folder, texts in (("a", "12"), ("b", "21")):
        for n, text in enumerate(texts):
            repository.write(f"{folder}/{n}", text)
    record = repository.record("true", options=("--input", "a", "--input", "b"))
    assert [(i["path"], i["kind"], i["files"]) for i in record["inputs"]] == [("a", "folder", 2), ("b", "folder", 2)]
    assert len({i["digest"] for i in record["inputs"]}) == 2


@pytest.mark.scenario("J1", "J5")
def test_outputs_of_one_name_and_equal_bytes_stay_apart_and_share_one_object(repository: Workplace) -> None:
    command = ("sh", "-c", "mkdir -p a b; echo same > a/m.pt; echo same > b/m.pt")
    options = ("--output", "a/m.pt", "--output", "b/m.pt")
    first, second = (repository.record(*command, options=options) for _ in range(2))
    assert [a["path"] for a in first["artifacts"]] == ["a/m.pt", "b/m.pt"]
    assert {a["digest"] for a in first["artifacts"] + second["artifacts"]} == {sha256(b"same\n")}
    holding = [path for path in repository.store.glob("objects/sha256/*/*") if path.read_bytes() == b"same\n"]
    assert len(holding) == 1
    assert (repository.path / "a" / "m.pt").read_text() == "same\n"


def test_the_kind_of_an_output_can_be_declared(repository: Workplace) -> None:
    (artifact,) = repository.record("sh", "-c", "echo 1 > net.bin", options=("--output", "model:net.bin"))["artifacts"]
    assert (artifact["path"], artifact["kind"], artifact["kept"]) == ("net.bin", "model", True)


def test_content_is_found_by_the_end_of_its_path_unless_that_is_ambiguous(repository: Workplace) -> None:
    command = ("sh", "-c", "mkdir a b; echo 1 > a/m.pt; echo 2 > b/m.pt; echo 3 > b/n.pt")
    repository.record(*command, options=[word for p in ("a/m.pt", "b/m.pt", "b/n.pt") for word in ("--output", p)])
    assert repository.whence("get", "@:n.pt", "-").ok().out == "3\n"
    ambiguous = repository.whence("get", "@:m.pt", "-")
    assert (ambiguous.code, "a/m.pt" in ambiguous.err, "b/m.pt" in ambiguous.err) == (3, True, True)


@pytest.mark.scenario("J2")
def test_an_output_that_was_never_written_is_missing_never_stored(repository: Workplace) -> None:
    (artifact,) = repository.record("true", options=("--output", "model.pt"))["artifacts"]
    assert (artifact["missing"], artifact["kept"], artifact["digest"]) == (True, False, None)
    assert repository.whence("audit", "@").code == 1


@pytest.mark.scenario("H7", "J12")
def test_the_outputs_of_a_failed_run_are_kept_and_flagged(repository: Workplace) -> None:
    (artifact,) = repository.record("sh", "-c", "echo x > part; exit 1", options=("--output", "part"))["artifacts"]
    assert (artifact["unfinished"], artifact["kept"], artifact["digest"]) == (True, True, sha256(b"x\n"))


@pytest.mark.scenario("X3")
def test_writing_through_an_output_after_the_run_leaves_the_stored_object_alone(repository: Workplace) -> None:
    repository.record("sh", "-c", "echo one > out", options=("--output", "out"))
    (repository.path / "out").write_text("two\n")
    assert repository.whence("get", "@:out", "-").ok().out == "one\n"
    assert repository.whence("verify").code == 0


def test_ten_runs_of_a_program_that_writes_its_outputs_have_one_code_id(repository: Workplace) -> None:
    ids = set()
    for _ in range(10):
        command = ("sh", "-c", "mkdir -p out; date +%N > out/report.txt; date +%N > model.json")
        record = repository.record(*command, options=("--output", "out", "--output", "model.json"))
        ids.add(record["code"]["id"])
        assert not record["code"]["dirty"]
    assert len(ids) == 1


def test_an_output_that_the_code_names_itself_is_a_result_of_the_next_run(repository: Workplace) -> None:
    body = "import whence\nwith whence.start() as run:\n    open('o.txt', 'w').write('x')\n    run.output('o.txt')\n"
    repository.script("named.py", body)
    repository.commit()
    for _ in range(2):
        repository.python("named.py").ok()
    lines = repository.whence("log", "--json").ok().json_lines()
    assert [line["code"]["dirty"] for line in lines] == [False, False]
    assert len({line["code"]["id"] for line in lines}) == 1


def test_what_tools_derive_is_no_part_of_the_program(repository: Workplace) -> None:
    before = repository.record("true")["code"]
    repository.write("__pycache__/helper.cpython-311.pyc", "x")
    after = repository.record("true")["code"]
    assert (after["id"], after["dirty"]) == (before["id"], False)


def test_a_script_that_holds_a_token_is_said_to_be_left_out_and_tells_programs_apart(
    repository: Workplace,
) -> None:
    ids = set()
    for n in range(2):
        repository.write("own.py", f"key = 'ghp_abcdefghijklmnopqrstuvwxyz0123456789'; n = {n}\n")
        done = repository.whence("run", "--", PYTHON, "own.py")
        warning = "warning: own.py is not in the snapshot, and not restored: it holds a token of a known form"
        assert warning in done.err
        ids.add(repository.show()["code"]["id"])
    assert len(ids) == 2


def test_a_repository_that_is_younger_than_the_store_is_told_of_it_at_the_next_run(workplace: Workplace) -> None:
    workplace.whence("run", "--", "true").ok()
    workplace.git("init", "-q")
    assert workplace.whence("run", "--", "true").err == "whence: added the line '/.whence/' to .git/info/exclude\n"
    workplace.write("a.txt", "a")
    workplace.git("add", ".")
    assert workplace.git("status", "--porcelain") == "A  a.txt"


def test_a_name_that_several_runs_have_is_ambiguous_and_its_latest_can_be_asked_for(repository: Workplace) -> None:
    first = repository.record("true", options=("--name", "sweep"))
    second = repository.record("true", options=("--name", "sweep"))
    ambiguous = repository.whence("show", "sweep")
    assert ambiguous.code == 3
    assert ambiguous.err.endswith("hint: @sweep is the latest of that name\n")
    assert repository.show("@sweep")["id"] == second["id"]
    assert repository.show("@sweep~1")["id"] == first["id"]


# The code outlives its repository.


@pytest.mark.scenario("S2", "A5", "S24")
def test_the_exact_code_comes_back_when_repository_and_data_are_gone(repository: Workplace) -> None:
    repository.write("train.py", "print('edited')\n")
    repository.write("helper.py", b"\xff\x00binary\r\n")
    (repository.path / "link").symlink_to("train.py")
    repository.write("tool.sh", "#!/bin/sh\n").chmod(0o755)
    record = repository.record("true")
    store = repository.path.parent / "moved"
    repository.store.rename(store)
    for path in repository.path.iterdir():
        if path.name != ".git":
            path.unlink()
    restored = repository.path.parent / "restored"
    repository.whence("restore", record["id"], restored, env={"WHENCE_STORE": str(store)}).ok()
    assert (restored / "train.py").read_text() == "print('edited')\n"
    assert (restored / "helper.py").read_bytes() == b"\xff\x00binary\r\n"
    assert (restored / "link").readlink() == Path("train.py")
    assert (restored / "tool.sh").stat().st_mode & 0o777 == 0o755


# Kills.


@pytest.mark.scenario("S3", "I1")
def test_a_command_that_kills_itself_first_leaves_code_configuration_and_environment(repository: Workplace) -> None:
    program = "import os; os.kill(os.getpid(), 9)"
    record = repository.record(PYTHON, "-c", program, options=("--param", "lr=1"))
    assert (record["status"], record["signal"]) == ("killed", "SIGKILL")
    assert record["config"]["values"] == {"lr": 1}
    assert record["code"]["tree"]
    assert record["environment"]["fingerprint"]


def sleeping(workplace: Workplace) -> tuple[Any, Path]:
    """A recorded `sleep` that has started."""
    process = workplace.start_whence("run", "--", "sleep", "600", stderr=-3)
    folder = wait_until(workplace.run_folders, what="a run folder")[0]
    wait_until(lambda: b'"run.started"' in (folder / "main.jsonl").read_bytes(), what="the start")
    return process, folder


def command_of(folder: Path) -> int:
    for line in (folder / "main.jsonl").read_bytes().splitlines():
        event = json.loads(line)
        if event["kind"] == "run.started":
            return event["process"]["pid"]
    raise AssertionError("no run.started")


def keeper_of(folder: Path) -> int:
    for line in (folder / "main.jsonl").read_bytes().splitlines():
        event = json.loads(line)
        if event["kind"] == "run.started":
            return event["writer"]["pid"]
    raise AssertionError("no run.started")


@pytest.mark.scenario("X10", "H4")
def test_with_the_shells_process_killed_the_keeper_records_how_the_command_ended(repository: Workplace) -> None:
    process, folder = sleeping(repository)
    assert kill(process) == -signal.SIGKILL
    assert repository.show()["status"] == "running"
    os.kill(command_of(folder), signal.SIGTERM)
    wait_until((folder / "seal.json").exists, what="the seal")
    record = repository.show()
    assert (record["status"], record["signal"]) == ("killed", "SIGTERM")


@pytest.mark.scenario("X10", "I1")
def test_with_supervisor_and_command_killed_the_run_reads_as_lost_at_once(repository: Workplace) -> None:
    process, folder = sleeping(repository)
    os.kill(keeper_of(folder), signal.SIGKILL)
    os.kill(command_of(folder), signal.SIGKILL)
    kill(process)
    record = wait_until(lambda: (r := repository.show())["status"] == "lost" and r, what="the run to read as lost")
    assert record["evidence"]
    assert repository.whence("doctor", "--close").code in (0, 1)
    closed = repository.show()
    assert closed["status"] == "lost"
    assert closed["closed_by"]["evidence"]
    assert repository.whence("verify").code == 0


# Odd names.


@pytest.mark.scenario("J4", "B17")
def test_odd_names_are_recorded_and_come_back(repository: Workplace) -> None:
    names = [b"new\nline", b"bad\xffbyte", "ümläut and space".encode(), b"-dash", b'quo"te']
    for name in names:
        repository.path.joinpath(os.fsdecode(name)).write_bytes(b"in " + name)
    options = [word for name in names for word in ("--input", "./" + os.fsdecode(name))]
    record = repository.record("true", options=options)
    assert {os.fsencode(i["path"]) for i in record["inputs"]} == set(names)
    restored = repository.path.parent / "restored"
    repository.whence("restore", "@", restored).ok()
    assert {os.fsencode(path.name) for path in restored.iterdir()} >= set(names)
    assert repository.whence("verify").code == 0
    assert len(repository.whence("log").ok().out.splitlines()) == 2


def test_an_argument_that_is_not_utf8_is_recorded_without_loss(repository: Workplace) -> None:
    repository.whence("run", "--", "echo", b"\xff\n").ok()
    assert os.fsencode(repository.show()["command"][1]) == b"\xff\n"


# Without git.


def test_without_version_control_nothing_is_clean_or_dirty_and_no_policy_refuses_it(workplace: Workplace) -> None:
    code = workplace.record("true", options=("--policy", "dirty=refuse"))["code"]
    assert (code["vcs"], code["dirty"]) == ("none", None)
    for query in ("code.dirty = true", "code.dirty = false"):
        assert not workplace.whence("log", query, "--json").ok().json_lines()
    assert "?" not in workplace.whence("log").ok().out


@pytest.mark.scenario("A15")
def test_a_folder_without_git_is_recorded_with_its_snapshot(workplace: Workplace) -> None:
    workplace.script("train.py", "print(1)\n")
    record = workplace.record(PYTHON, "train.py")
    assert (record["code"]["vcs"], record["code"]["commit"]) == ("none", None)
    restored = workplace.path.parent / "restored"
    workplace.whence("restore", "@", restored).ok()
    assert (restored / "train.py").read_text() == "print(1)\n"


# Unusable stores.


def make_foreign(path: Path) -> None:
    path.mkdir()
    (path / "store.json").write_text('{"format": "whence-store/9", "id": "x", "created": "x"}')


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("x"), "found a file, expected a folder"),
        (lambda path: make_foreign(path), "whence-store/9"),
    ],
)
def test_an_unusable_store_is_named_and_the_command_is_not_started(
    repository: Workplace, make: Any, words: str
) -> None:
    make(repository.store)
    done = repository.whence("run", "--", "touch", "started")
    assert done.code == 125
    assert words in done.err
    assert "Traceback" not in done.err
    assert not (repository.path / "started").exists()


# A store that may stall: the record goes to a local disk first.

SPOOLED = {"WHENCE_POLICY_SPOOL": "always"}


@pytest.mark.scenario("X12", "V2")
def test_a_spooled_run_arrives_in_the_store_whole(repository: Workplace) -> None:
    repository.whence("run", "--", "sh", "-c", "echo printed", env=SPOOLED).ok()
    (folder,) = wait_until(repository.run_folders, what="the run in the store")
    wait_until((folder / "seal.json").exists, what="the seal in the store")
    assert repository.show()["status"] == "succeeded"
    assert repository.whence("cat", "@:output").ok().out == "printed\n"
    assert repository.whence("verify").code == 0


@pytest.mark.scenario("X12")
def test_a_spooled_run_that_is_killed_loses_no_line(repository: Workplace) -> None:
    process = repository.start_whence("run", "--", "sleep", "600", stderr=-3, env=SPOOLED)
    folder = wait_until(repository.run_folders, what="a run folder")[0]
    wait_until(lambda: b'"run.started"' in (folder / "main.jsonl").read_bytes(), what="the start in the store")
    os.kill(keeper_of(folder), signal.SIGKILL)
    os.kill(command_of(folder), signal.SIGKILL)
    kill(process)
    wait_until(lambda: repository.show()["status"] == "lost", what="the run to read as lost")
    assert repository.whence("verify").code == 0


def test_our_own_word_on_a_command_that_is_not_there_is_nothing_that_it_printed(repository: Workplace) -> None:
    repository.run(["sh", "-c", 'exec "$@" > out.txt 2>&1', "sh", *WHENCE, "run", "--", "no-such-command"])
    assert "no-such-command: command not found" in (repository.path / "out.txt").read_text()
    output = repository.show()["output"]
    assert output is None or output["bytes"] == 0


def test_of_many_first_runs_at_once_one_says_that_it_made_the_store(repository: Workplace) -> None:
    runs = [repository.start_whence("run", "--", "true", stderr=subprocess.PIPE) for _ in range(6)]
    said = b"".join(run.communicate(timeout=LIMIT)[1] for run in runs)
    assert said.count(b"made a store at ") == 1
    assert len(repository.run_folders()) == 6
