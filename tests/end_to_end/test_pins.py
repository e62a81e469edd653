"""Runs that pin data: what they get, what the record says, and what is refused before anything starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace, wait_until

DIGITS = {"a.csv": "1\n2\n", "deep/b.csv": "3\n", "two words.csv": "4\n"}


@pytest.fixture
def cifar(workplace: Workplace) -> Workplace:
    """A repository with a dataset of two releases; the second has one file more and one file changed."""
    workplace.repository(**{"train.py": "print('trained')\n", ".gitignore": "/data\n"})
    for name, content in DIGITS.items():
        workplace.write(f"data/{name}", content)
    data(workplace, "create", "cifar", "data")
    workplace.write("data/a.csv", "1\n2\n3\n")
    workplace.write("data/c.csv", "5\n")
    data(workplace, "add", "cifar", "data")
    data(workplace, "release", "minor", "cifar")
    shutil.rmtree(workplace.path / "data")
    return workplace


def data(workplace: Workplace, *words: str) -> Any:
    return workplace.whence("data", *words, "--json").ok().json()


def pinned(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in record["inputs"] if item["how"] == "pinned"}


def contents(folder: str | Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in Path(folder).rglob("*") if path.is_file()}


def refused(workplace: Workplace, *words: str, started: str = "touch started") -> tuple[str, dict[str, Any]]:
    """What was said, and the record of the refusal."""
    done = workplace.whence("run", *words, "--", "sh", "-c", started)
    assert done.code == 125
    assert not (workplace.path / "started").exists()
    record = workplace.show()
    assert (record["status"], record["error"]["type"], record["started"]) == ("failed", "refused", None)
    assert record["error"]["message"] in done.err
    return done.err, record


@pytest.mark.scenario("C2", "C6", "S7")
def test_a_pin_gives_the_bytes_of_its_version_whatever_came_after(cifar: Workplace) -> None:
    record = cifar.record("cp", "-r", "{data.train}", "got", options=("--data", "train=cifar@0.1.0"))
    assert contents(cifar.path / "got") == DIGITS
    train = pinned(record)["train"]
    version = data(cifar, "show", "cifar@0.1.0")
    assert (train["dataset"], train["dataset_id"], train["version"]) == ("cifar", version["id"], "0.1.0")
    assert (train["digest"], train["files"], train["materialized"]) == (version["manifest"], 3, True)
    assert (train["changed"], train["digest_after"], train["floating"]) == ("no", version["manifest"], False)


@pytest.mark.scenario("C1", "C6")
def test_a_pin_gives_the_same_bytes_from_an_empty_cache(cifar: Workplace) -> None:
    first = cifar.record("cp", "-r", "{data.cifar}", "one", options=("--data", "cifar@0.1.0"))
    shutil.rmtree(cifar.store / "cache")
    again = cifar.record("cp", "-r", "{data.cifar}", "two", options=("--data", "cifar@0.1.0"))
    assert contents(cifar.path / "one") == contents(cifar.path / "two") == DIGITS
    assert pinned(first)["cifar"]["digest"] == pinned(again)["cifar"]["digest"]


def test_the_folder_stands_in_a_variable_and_in_the_command_line(cifar: Workplace) -> None:
    record = cifar.record(
        "sh", "-c", 'echo "$WHENCE_DATA_MY_SET $0"', "--in={data.my-set}/a.csv",
        options=("--data", "my-set=cifar@0.1.0"),
    )  # fmt: skip
    folder = pinned(record)["my-set"]["path"]
    assert cifar.whence("cat", "@:output").ok().out == f"{folder} --in={folder}/a.csv\n"
    assert record["command"][-1] == "--in={data.my-set}/a.csv", "what was asked for"
    assert record["config"]["argv"][-1] == f"--in={folder}/a.csv", "what was started"


@pytest.mark.parametrize("command", [["echo", "{data.train}"], ["echo", "{}", "{data.}", "{x.y}"]])
def test_a_command_without_pins_is_left_alone(cifar: Workplace, command: list[str]) -> None:
    cifar.record(*command)
    assert cifar.whence("cat", "@:output").ok().out == " ".join(command[1:]) + "\n"


@pytest.mark.scenario("C3")
def test_what_is_read_below_a_pin_is_not_listed_again_and_the_pin_says_that_it_was_opened(cifar: Workplace) -> None:
    cifar.write("plain.txt", "read, too\n")
    record = cifar.record("cat", "{data.cifar}/a.csv", "plain.txt", options=("--data", "cifar@0.1.0"))
    assert [(item["name"], item["how"]) for item in record["inputs"]] == [
        ("cifar", "pinned"),
        ("plain.txt", "observed"),
    ]
    unread = cifar.record("true", options=("--data", "cifar@0.1.0"))
    if record["observation"]["mechanism"] == "seccomp":
        assert (pinned(record)["cifar"]["opened"], pinned(unread)["cifar"]["opened"]) == (True, False)


@pytest.mark.scenario("S9", "C2")
def test_a_pin_without_a_version_takes_the_current_release_says_so_and_is_recorded(cifar: Workplace) -> None:
    done = cifar.whence("run", "--data", "train=cifar", "--", "true").ok()
    assert "data train=cifar@0.2.0: no fixed version was named" in done.err
    assert "--data train=cifar@0.2.0" in done.err
    train = pinned(cifar.show())["train"]
    assert (train["version"], train["floating"]) == ("0.2.0", True)
    quiet = cifar.whence("run", "--data", "train=cifar@0.2.0", "--", "true").ok()
    assert "no version" not in quiet.err
    assert (
        "no version"
        not in cifar.whence("run", "--policy", "unpinned_data=allow", "--data", "cifar", "--", "true").ok().err
    )
    said, _ = refused(cifar, "--policy", "unpinned_data=refuse", "--data", "cifar")
    assert "unpinned_data = refuse" in said


@pytest.mark.scenario("C4")
def test_a_developing_version_is_pinned_as_such_and_never_as_the_release(cifar: Workplace) -> None:
    cifar.write("more.csv", "6\n")
    data(cifar, "add", "cifar", "more.csv")
    record = cifar.record("ls", "{data.cifar}", options=("--data", "cifar@0.2.0.post1.dev1"))
    assert pinned(record)["cifar"]["version"] == "0.2.0.post1.dev1"
    data(cifar, "release", "patch", "cifar")
    assert pinned(cifar.show(record["id"]))["cifar"]["version"] == "0.2.0.post1.dev1"
    assert pinned(record)["cifar"]["digest"] == data(cifar, "show", "cifar@0.2.1")["manifest"]


@pytest.mark.scenario("C2", "S4")
def test_a_version_that_is_not_there_is_refused_and_those_that_are_there_are_named(cifar: Workplace) -> None:
    said, record = refused(cifar, "--data", "train=cifar@7.0.0")
    assert "dataset cifar: has no version 7.0.0; found 0.1.0, 0.1.0.post1.dev1, 0.2.0" in said
    assert record["code"]["tree"] is not None, "all else was captured"


@pytest.mark.scenario("S11")
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("cifer@0.1.0", "no dataset cifer"),
        ("train=cifar@0.1", "version '0.1': expected three numbers"),
        ("train=cifar@latest", "leave the version out"),
    ],
)
def test_what_cannot_be_resolved_is_refused_with_a_way_out(cifar: Workplace, word: str, said: str) -> None:
    assert said in refused(cifar, "--data", word)[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data", "a=cifar@0.1.0", "--data", "a=cifar@0.2.0"), "with the same name"),
        (("--data", "a-b=cifar@0.1.0", "--data", "a_b=cifar@0.2.0"), "WHENCE_DATA_A_B"),
        (("--data", "=cifar"), "expected NAME=DATASET@VERSION"),
        (("--data", "b=cifar@0.1.0"), "found {data.a} in the command"),
    ],
)
def test_words_that_cannot_be_meant_are_refused_before_anything_is_recorded(
    cifar: Workplace, words: tuple[str, ...], said: str
) -> None:
    done = cifar.whence("run", *words, "--", "echo", "{data.a}")
    assert done.code == 2 and said in done.err
    assert cifar.whence("log", "--json").ok().out == ""


@pytest.mark.scenario("C5")
def test_a_dataset_that_is_pinned_twice_is_recorded_twice_and_said(cifar: Workplace) -> None:
    done = cifar.whence(
        "run", "--data", "a=cifar@0.1.0", "--data", "b=cifar@0.2.0", "--data", "c=cifar@0.1.0", "--", "true"
    )
    assert "data b=cifar@0.2.0: a is another version, 0.1.0, of this dataset" in done.ok().err
    assert "data c=cifar@0.1.0: a is the same version of this dataset" in done.err
    found = pinned(cifar.show())
    assert {name: item["version"] for name, item in found.items()} == {"a": "0.1.0", "b": "0.2.0", "c": "0.1.0"}
    assert found["a"]["path"] == found["c"]["path"] != found["b"]["path"]


# What somebody did to the copies.


def forget(cifar: Workplace) -> Path:
    """The folder of 0.1.0 as it was laid out."""
    return Path(pinned(cifar.record("true", options=("--data", "cifar@0.1.0")))["cifar"]["path"])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.chmod(0o644)
    stat = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.scenario("C7", "C8")
@pytest.mark.parametrize("harm", ["flipped", "truncated", "more", "missing", "replaced by a link"])
def test_a_copy_that_somebody_changed_is_not_used_again(cifar: Workplace, harm: str, tmp_path: Path) -> None:
    folder = forget(cifar)
    victim = folder / "a.csv"
    if harm == "flipped":
        flip(victim)
    elif harm == "truncated":
        victim.chmod(0o644)
        victim.write_text("")
    elif harm == "more":
        (folder / "labels.cache").write_text("made by a program")
    else:
        victim.unlink()
        if harm == "replaced by a link":
            victim.symlink_to(cifar.write("elsewhere.csv", "1\n2\n"))
    done = cifar.whence("run", "--data", "cifar@0.1.0", "--", "cp", "-r", "{data.cifar}", "got").ok()
    assert contents(cifar.path / "got") == DIGITS
    if harm == "missing":
        assert "warning" not in done.err, "nothing was changed: it is only made whole"
        return
    assert str(folder) in done.err and ("labels.cache" if harm == "more" else "a.csv") in done.err
    assert Path(pinned(cifar.show())["cifar"]["path"]) != folder, "what was changed is left to whoever did that"


def test_what_a_run_changes_in_the_folder_of_a_pin_stands_in_its_record(cifar: Workplace) -> None:
    record = cifar.record(
        "sh", "-c", "rm -f $WHENCE_DATA_CIFAR/a.csv; echo new > $WHENCE_DATA_CIFAR/a.csv",
        options=("--data", "cifar@0.1.0"),
    )  # fmt: skip
    item = pinned(record)["cifar"]
    assert item["changed"] == "yes" and "'a.csv'" in item["because"]


@pytest.mark.scenario("C7")
def test_a_damaged_object_is_found_before_the_command_starts(cifar: Workplace) -> None:
    forget(cifar)
    shutil.rmtree(cifar.store / "cache")
    for path in [*(cifar.store / "objects").rglob("*"), *(cifar.store / "packs").rglob("*.tar")]:
        if path.is_file() and b"1\n2\n" in path.read_bytes() and len(path.read_bytes()) == 4:
            path.chmod(0o644)
            path.write_bytes(b"1\n7\n")
    said, _ = refused(cifar, "--data", "cifar@0.1.0")
    assert "data cifar@0.1.0" in said and "damaged" in said


@pytest.mark.scenario("C9")
def test_many_runs_that_lay_out_one_version_at_once_all_get_it_whole(cifar: Workplace) -> None:
    running = [
        cifar.start_whence("run", "--data", "cifar@0.1.0", "--", "cp", "-r", "{data.cifar}", f"got{n}")
        for n in range(6)
    ]
    assert [process.wait() for process in running] == [0] * 6
    assert all(contents(cifar.path / f"got{n}") == DIGITS for n in range(6))
    assert len(list((cifar.store / "cache/data").iterdir())) == 1


@pytest.mark.scenario("C11")
def test_two_datasets_of_one_content_share_one_folder(cifar: Workplace) -> None:
    data(cifar, "get", "cifar@0.1.0", "same")
    data(cifar, "create", "twin", "same")
    found = pinned(cifar.record("true", options=("--data", "cifar@0.1.0", "--data", "twin@0.1.0")))
    assert found["cifar"]["path"] == found["twin"]["path"]
    assert found["cifar"]["dataset_id"] != found["twin"]["dataset_id"]


@pytest.mark.scenario("S26")
def test_a_dry_run_gets_the_data_and_records_nothing(cifar: Workplace) -> None:
    def held() -> set[str]:
        return {str(path) for path in cifar.store.rglob("*") if cifar.store / "cache" not in path.parents}

    before = held()
    done = cifar.whence(
        "run", "--dry-run", "--data", "t=cifar@0.1.0", "--", "sh", "-c", "cat {data.t}/a.csv $WHENCE_DATA_T/a.csv"
    )
    assert done.ok().out == "1\n2\n1\n2\n"
    assert held() == before
    assert cifar.whence("run", "--dry-run", "--data", "t=cifar@9.9.9", "--", "true").code == 125


# From Python.


def script(cifar: Workplace, body: str, *options: str) -> Any:
    cifar.write("job.py", "import pathlib, whence\n" + body)
    return cifar.whence("run", *options, "--", sys.executable, "job.py") if options else cifar.python("job.py")


@pytest.mark.scenario("S26")
def test_in_a_dry_run_code_finds_the_data_that_it_would_find(cifar: Workplace) -> None:
    body = """
with whence.start(data={"own": "cifar@0.1.0"}) as run:
    print(run.data("my-set") == pathlib.Path(os.environ["WHENCE_DATA_MY_SET"]), run.data("own") == run.data("my-set"))
    print(run.data("new", "cifar", "0.2.0") == run.data("new"))
    try:
        run.data("else")
    except whence.UnresolvedError as error:
        print(error.candidates)
"""
    dry = script(cifar, f"import os\n{body}", "--dry-run", "--data", "my-set=cifar@0.1.0").ok()
    assert dry.out == "True True\nTrue\n('own', 'new')\n"
    assert cifar.whence("log", "--json").ok().out == ""
    wet = script(cifar, f"import os\n{body}", "--data", "my-set=cifar@0.1.0").ok()
    assert wet.out.splitlines()[:2] == dry.out.splitlines()[:2]


@pytest.mark.scenario("S8", "S9")
def test_code_pins_a_version_in_any_of_its_forms(cifar: Workplace) -> None:
    script(
        cifar,
        """
with whence.start() as run:
    for number, version in enumerate(["0.1.0", [0, 1, 0], (0, 1, 0)]):
        folder = run.data(f"set{number}", "cifar", version=version)
        assert (folder / "a.csv").read_text() == "1\\n2\\n", folder
    assert run.data("now", "cifar").is_dir()
    assert run.data("line", "cifar", version=whence.open().dataset("cifar").versions()[0]) == folder
    assert run.data("newest", "cifar", version="newest").is_dir()
""",
    ).ok()
    found = pinned(cifar.show())
    assert {name: item["version"] for name, item in found.items()} == {
        "set0": "0.1.0", "set1": "0.1.0", "set2": "0.1.0", "now": "0.2.0", "line": "0.1.0", "newest": "0.2.0",
    }  # fmt: skip
    assert [name for name, item in found.items() if item["floating"]] == ["now", "newest"]
    assert {item["when"] for item in found.values()} == {"during"}


@pytest.mark.scenario("S8")
@pytest.mark.parametrize("version", ["'0.1'", "[0, 1]", "'latest'", "'0.1.0 '", "True", "[True, 1, 0]"])
def test_a_version_that_is_none_is_an_error_that_code_can_catch_and_the_record_has(
    cifar: Workplace, version: str
) -> None:
    done = script(
        cifar,
        f"""
with whence.start() as run:
    try:
        run.data("train", "cifar", version={version})
    except whence.UsageError as error:
        print(error.message)
""",
    ).ok()
    assert "expected three numbers" in done.out
    assert cifar.show()["status"] == "succeeded"


def test_data_that_are_not_there_are_an_error_and_a_gap_in_the_record(cifar: Workplace) -> None:
    done = script(
        cifar,
        """
with whence.start() as run:
    try:
        run.data("train", "cifar", version="5.0.0")
    except whence.UnresolvedError as error:
        print(error.candidates)
""",
    ).ok()
    assert "0.1.0" in done.out
    (gap,) = [gap for gap in cifar.show()["missing"] if gap["what"] == "inputs.train"]
    assert "has no version 5.0.0" in gap["because"]


@pytest.mark.scenario("S10")
def test_without_materializing_no_byte_moves_until_it_is_asked_for(cifar: Workplace) -> None:
    script(
        cifar,
        """
with whence.start() as run:
    folder = run.data("train", "cifar", version="0.1.0", materialize=False)
    run.tag(before=folder.exists())
    assert run.data("train") == folder
    run.tag(after=folder.exists())
with whence.start() as run:
    run.data("train", "cifar", version="0.2.0", materialize=False)
""",
    ).ok()
    later, first = cifar.whence("log", "--json").ok().json_lines()
    assert cifar.show(first["id"])["tags"] == {"before": "False", "after": "True"}
    assert pinned(cifar.show(first["id"]))["train"]["materialized"] is True
    assert pinned(cifar.show(later["id"]))["train"]["materialized"] is False


def test_code_finds_what_the_command_line_pinned(cifar: Workplace) -> None:
    done = script(
        cifar,
        """
with whence.start() as run:
    print((run.data("train") / "a.csv").read_text())
    try:
        run.data("test")
    except whence.UnresolvedError as error:
        print(error.candidates)
""",
        "--data",
        "train=cifar@0.1.0",
    ).ok()
    assert done.out == "1\n2\n\n('train',)\n"
    assert list(pinned(cifar.show())) == ["train"]


def test_a_block_can_pin_before_it_begins(cifar: Workplace) -> None:
    script(
        cifar,
        """
with whence.start(data={"train": "cifar@0.1.0"}) as run:
    print(run.data("train"))
try:
    whence.start(data=["train=cifar@0.3.0"])
except whence.RefusedError as error:
    print(error.message)
""",
    ).ok()
    refusal, first = cifar.whence("log", "--json").ok().json_lines()
    assert pinned(cifar.show(first["id"]))["train"]["when"] == "launch"
    assert refusal["status"] == "failed"


def test_a_name_stands_for_one_version_in_a_run(cifar: Workplace) -> None:
    done = script(
        cifar,
        """
with whence.start() as run:
    run.data("train", "cifar", version="0.1.0")
    try:
        run.data("train", "cifar", version="0.2.0")
    except whence.UsageError as error:
        print(error.message)
""",
    ).ok()
    assert "train is cifar@0.1.0 in this run already" in done.out


def test_an_interrupt_while_data_are_laid_out_ends_the_launch(cifar: Workplace) -> None:
    folder = forget(cifar)
    shutil.rmtree(folder)
    folder.mkdir()
    with subprocess.Popen(["flock", str(folder), "sleep", "60"], start_new_session=True) as holder:
        try:
            process = cifar.start_whence("run", "--data", "cifar@0.1.0", "--", "touch", "started")
            interrupted = wait_for_run(cifar, process)
        finally:
            os.killpg(holder.pid, 9)
    assert interrupted == 130
    assert not (cifar.path / "started").exists()
    assert cifar.show()["status"] == "interrupted"


def wait_for_run(cifar: Workplace, process: subprocess.Popen[bytes]) -> int:
    """Interrupt it once it waits for the data."""
    wait_until(lambda: len(cifar.run_folders()) > 1, what="the run's folder")
    wait_until(lambda: "environment.captured" in journal(cifar), what="the capture of the environment")
    process.send_signal(2)
    return process.wait()


def journal(cifar: Workplace) -> str:
    return max(cifar.run_folders()).joinpath("main.jsonl").read_text()


# Produced by runs.


def produced(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in record["artifacts"] if item["kind"] == "dataset"}


@pytest.mark.scenario("D1", "D6")
def test_a_run_makes_a_dataset_and_its_next_version_with_itself_as_producer(cifar: Workplace) -> None:
    def make(content: str) -> dict[str, Any]:
        script = f"mkdir -p out; echo {content} > out/f.csv"
        return cifar.record("sh", "-c", script, options=("--output-data", "features=out"))

    runs = [make(content) for content in ("one", "two", "three")]
    made = [produced(run)["features"] for run in runs]
    assert [item["version"] for item in made] == [f"0.0.0.post1.dev{number}" for number in (1, 2, 3)]
    assert [item["dataset"] for item in made] == ["features"] * 3
    log = cifar.whence("data", "log", "features", "--json").ok().json_lines()
    assert [(line["run"], line["manifest"], line["operation"]) for line in log] == [
        (run["id"], item["digest"], "produce") for run, item in zip(runs, made, strict=True)
    ]
    assert [line["released"] for line in log] == [False] * 3, "a person releases"
    done = cifar.whence("run", "--data", "features", "--", "cat", "{data.features}/f.csv").ok()
    assert "features@0.0.0.post1.dev3" in done.err and "the newest version, which is not released" in done.err
    assert (done.out, pinned(cifar.show())["features"]["floating"]) == ("three\n", True)
    released = data(cifar, "release", "minor", "features")
    assert (released["version"], released["producers"]) == ("0.1.0", [run["id"] for run in runs])
    last = cifar.record("cat", "{data.features}/f.csv", options=("--data", "features@0.1.0"))
    assert cifar.whence("cat", f"{last['id']}:output").ok().out == "three\n"


@pytest.mark.scenario("J5")
def test_two_runs_that_make_the_same_content_share_the_version_and_both_list_it(cifar: Workplace) -> None:
    options = ("--output-data", "features=out")
    runs = [cifar.record("sh", "-c", "mkdir -p out; echo same > out/f.csv", options=options) for _ in range(2)]
    assert {(item["version"], item["digest"]) for run in runs for item in produced(run).values()} == {
        ("0.0.0.post1.dev1", produced(runs[0])["features"]["digest"])
    }


@pytest.mark.scenario("H7")
def test_a_run_that_fails_makes_no_version_and_what_it_wrote_is_kept_as_an_output(cifar: Workplace) -> None:
    record = cifar.record("sh", "-c", "mkdir out; echo half > out/f; exit 3", options=("--output-data", "features=out"))
    item = produced(record)["features"]
    assert (item["version"], item["unfinished"], item["kept"]) == (None, True, True)
    (gap,) = [gap for gap in record["missing"] if gap["what"] == "datasets.features"]
    assert "the run did not succeed" in gap["because"]
    assert cifar.whence("data", "show", "features").code == 3


def test_output_data_that_were_never_written_are_missing(cifar: Workplace) -> None:
    item = produced(cifar.record("true", options=("--output-data", "features=out")))["features"]
    assert item["missing"] and item["version"] is None
    assert cifar.whence("data", "show", "features").code == 3


@pytest.mark.scenario("J2")
def test_what_a_run_found_and_did_not_write_is_no_version_and_no_output_of_its(cifar: Workplace) -> None:
    cifar.write("o/a", "1\n")
    options = ("--output-data", "features=o", "--output-data", "one=o/a", "--output", "o")
    record = cifar.record("cat", "o/a", options=options)
    assert {(item["name"], item["missing"], item["kept"]) for item in record["artifacts"]} == {
        ("features", True, False),
        ("one", True, False),
        ("o", True, False),
    }
    assert {gap["what"] for gap in record["missing"]} >= {"datasets.features", "datasets.one"}
    assert cifar.whence("data", "list").ok().out.count("cifar") and cifar.whence("data", "log", "one").code == 3
    assert cifar.whence("audit", "@").code == 1
    written = cifar.record("sh", "-c", "echo 1 > o/a", options=options)  # The same bytes, written.
    assert {(item["name"], item["version"], item["missing"]) for item in written["artifacts"]} == {
        ("features", "0.0.0.post1.dev1", False),
        ("one", "0.0.0.post1.dev1", False),
        ("o", None, False),
    }


@pytest.mark.parametrize("word", ["features", "=out", "features=", "not a name=out"])
def test_output_data_that_cannot_be_meant_are_refused(cifar: Workplace, word: str) -> None:
    assert cifar.whence("run", "--output-data", word, "--", "true").code == 2


def test_each_version_that_a_run_made_is_a_result_of_its_own(workplace: Workplace) -> None:
    done = script(
        workplace,
        """
with whence.start() as run:
    for text in ("one", "two"):
        pathlib.Path("out").mkdir(exist_ok=True)
        pathlib.Path("out/f.csv").write_text(text)
        print(run.output_dataset("features", "out"))
""",
    ).ok()
    artifacts = workplace.show()["artifacts"]
    assert [(item["name"], item["version"]) for item in artifacts] == [("features", one) for one in done.out.split()]
    assert done.out.split() == ["0.0.0.post1.dev1", "0.0.0.post1.dev2"]
    workplace.whence("get", "@:features/f.csv", "got").ok()
    assert (workplace.path / "got").read_text() == "two", "a name alone means the last one"


def test_code_makes_a_version_at_once_and_pins_it(cifar: Workplace) -> None:
    done = script(
        cifar,
        """
with whence.start() as run:
    pathlib.Path("out").mkdir()
    pathlib.Path("out/f.csv").write_text("x")
    version = run.output_dataset("features", "out")
    print(version, (run.data("again", "features", version) / "f.csv").read_text())
    print(run.output_dataset("features", "nothing-here"))
    print(run.output_dataset("no name", "out"))
""",
    ).ok()
    assert done.out == "0.0.0.post1.dev1 x\nNone\nNone\n"
    assert "nothing-here" in done.err and "'no name'" in done.err
    record = cifar.show()
    assert produced(record)["features"]["version"] == "0.0.0.post1.dev1"
    assert pinned(record)["again"]["digest"] == produced(record)["features"]["digest"]


def test_what_becomes_a_dataset_is_no_code_of_the_next_run(cifar: Workplace) -> None:
    first = cifar.record("sh", "-c", "mkdir out; echo 1 > out/f", options=("--output-data", "features=out"))
    again = cifar.record("sh", "-c", "echo 2 > out/f", options=("--output-data", "features=out"))
    assert first["code"]["id"] == again["code"]["id"] and again["code"]["dirty"] is False


# Datasets from Python.


@pytest.mark.scenario("S8", "D2", "D3", "D10")
def test_code_does_with_datasets_what_the_command_line_does(cifar: Workplace) -> None:
    cifar.write("new/e.csv", "7\n")
    cifar.write(
        "job.py",
        """
import whence
store = whence.open()
cifar = store.dataset("cifar")
forms = ["0.1.0", [0, 1, 0], (0, 1, 0), whence.DatasetVersion(0, 1, 0), cifar.versions()[0]]
assert len({cifar.version(form).manifest for form in forms}) == 1
assert [file.path for file in cifar.files("0.1.0")] == ["a.csv", "deep/b.csv", "two words.csv"]
print(cifar.add("new", below="more", because="asked for").version)
print(cifar.add("new", below="more").version)
print(cifar.remove("more/*").version)
assert cifar.diff("0.2.0", "0.2.0.post1.dev2").same
cifar.add("new")
print(cifar.release("major").version, cifar.version().version)
print((cifar.get("here", "0.1.0") / "a.csv").read_text())
print([dataset.name for dataset in store.datasets()], store.create_dataset("small", "new").version().version)
for wrong in ("0.1", [0, 1], "latest", "0.1.0 ", True, [True, 1, 0]):
    try:
        cifar.version(wrong)
    except whence.UsageError as error:
        print(error.message)
""",
    )
    done = cifar.python("job.py").ok().out.splitlines()
    assert done[:4] == ["0.2.0.post1.dev1", "0.2.0.post1.dev1", "0.2.0.post1.dev2", "1.0.0 1.0.0"]
    assert done[4:8] == ["1", "2", "", "['cifar'] 0.1.0"]
    assert len(done) == 14 and all("expected three numbers" in line for line in done[8:])
    assert cifar.whence("data", "log", "cifar", "--json").ok().json_lines()[3]["why"] == "asked for"


# The story of the rows.


@pytest.mark.scenario("Z9")
def test_what_a_run_did_to_rows_stands_in_its_record_and_in_the_log_of_what_it_made(cifar: Workplace) -> None:
    script(
        cifar,
        """
with whence.start() as run:
    run.data("train", "cifar", version="0.1.0", materialize=False)
    run.transform("filter", "train", rows_in=900, rows_out=812, criteria="age >= 18")
    run.transform("join", "train", "cohort", rows_in=812, rows_out=812.0, columns_in=3, columns_out=5, on="id")
    run.transform("drop", rows_in=True, rows_out=-1)
    run.transform("count", rows_in=2**53 + 1)
    pathlib.Path("out").mkdir()
    pathlib.Path("out/f.csv").write_text("x")
    run.output_dataset("features", "out")
""",
    ).ok()
    record = cifar.show()
    filtered, joined, odd, many = record["transforms"]
    assert many["rows_in"] == 2**53 + 1
    assert (filtered["dataset"], filtered["version"], filtered["rows_out"]) == ("cifar", "0.1.0", 812)
    assert filtered["dataset_id"] == pinned(record)["train"]["dataset_id"] and filtered["at"].endswith("Z")
    assert (joined["rows_out"], joined["parameters"]) == (812, {"on": "id"})
    assert (odd["rows_in"], odd["rows_out"]) == (None, None)
    assert [loss["what"] for loss in record["losses"]] == ["transform rows_in", "transform rows_out"]
    told = "filter train (cifar@0.1.0): 900 -> 812 rows (88 out), age >= 18"
    assert told in cifar.whence("show", "@").ok().out
    assert told in cifar.whence("data", "log", "features").ok().out
    (version,) = cifar.whence("data", "log", "features", "--json").ok().json_lines()
    assert version["transforms"] == record["transforms"]
