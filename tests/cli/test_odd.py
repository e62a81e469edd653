"""Odd places and names: archives of a month, names that are not UTF-8, stores elsewhere."""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest
from workplace import Workplace


def test_a_month_in_an_archive_reads_like_folders(workplace: Workplace) -> None:
    first = workplace.record(
        "sh", "-c", "echo hello; echo x > out.log", options=("--output", "out.log", "--name", "old")
    )
    workplace.whence("note", "old", "kept").ok()
    before = workplace.whence("show", "old", "--json").ok().json()
    folder = workplace.run_folders()[0]
    day = folder.parent.name
    with zipfile.ZipFile(workplace.store / "runs" / f"{day[:7]}.zip", "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{day}/{folder.name}/{path.relative_to(folder)}")
    shutil.rmtree(folder.parent)
    assert workplace.whence("log", "--json").ok().json()["id"] == first["id"]
    after = workplace.whence("show", first["id"][-6:], "--json").ok().json()
    assert {**after, "as_of": None} == {**before, "as_of": None}
    assert workplace.whence("cat", "old:output").ok().out == "hello\n"
    assert workplace.whence("get", "old:out.log", "-").ok().out == "x\n"
    assert workplace.whence("note", "old", "again", "--json").ok().json()["subject"]["seal"] == before["seal"]


@pytest.mark.scenario("B17", "J4")
def test_names_that_are_no_utf8_are_shown_escaped_and_kept(workplace: Workplace) -> None:
    name = b"in\xff\n.csv"
    workplace.write(name.decode("utf-8", "surrogateescape"), "x")
    done = workplace.whence("run", "--input", name, "--", "python", "-c", "pass", b"arg\xfe")
    assert done.code == 0, done.err
    page = workplace.whence("show").ok().out
    assert "in\\xff\\n.csv" in page
    assert len(workplace.whence("log").ok().out.splitlines()) == 2
    assert json.loads(workplace.whence("log", "--json").ok().out)["command"][-1] == "arg\udcfe"
    workplace.whence("get", b"@:" + name, "copy").ok()
    assert (workplace.path / "copy").read_text() == "x"


@pytest.mark.scenario("V6")
def test_a_store_that_was_moved_reads_the_same(workplace: Workplace) -> None:
    record = workplace.record("sh", "-c", "echo x > out.log", options=("--output", "out.log"))
    moved = workplace.path.parent / "elsewhere"
    shutil.move(workplace.store, moved)
    env = {"WHENCE_STORE": str(moved)}
    assert workplace.whence("show", "--json", env=env).ok().json()["id"] == record["id"]
    assert workplace.whence("get", "@:out.log", "-", env=env).ok().out == "x\n"
    workplace.whence("verify", env=env).ok()


def test_a_store_is_found_from_a_folder_below(workplace: Workplace) -> None:
    run = workplace.record("true")["id"]
    below = workplace.path / "a" / "b"
    below.mkdir(parents=True)
    assert workplace.whence("log", "--json", cwd=below).ok().json()["id"] == run


def test_a_narrow_encoding_is_no_fault(workplace: Workplace) -> None:
    workplace.whence("run", "--name", "größe", "--", "true").ok()
    done = workplace.whence("log", env={"PYTHONIOENCODING": "ascii"}).ok()
    assert "gr\\xf6\\xdfe" in done.out


def test_following_says_nothing_twice(workplace: Workplace) -> None:
    import signal
    import subprocess

    for name in ("one", "two", "three"):
        workplace.whence("run", "--name", name, "--", "true").ok()
    follower = workplace.start_whence("log", "-f", "--json", "--limit", "1", stdout=subprocess.PIPE)
    assert follower.stdout is not None
    assert json.loads(follower.stdout.readline())["name"] == "three"
    workplace.whence("run", "--name", "four", "--", "true").ok()
    assert json.loads(follower.stdout.readline())["name"] == "four"
    follower.send_signal(signal.SIGTERM)
    follower.wait(60)
    follower.stdout.close()


WITHOUT_THE_DASHES = {
    "--name python python train.py --lr 0.1": (
        "no command: expected `--` before python",
        "`whence run --name python -- python train.py --lr 0.1`",
    ),
    "--name=x python train.py --name y": (
        "no command: expected `--` before python",
        "`whence run --name=x -- python train.py --name y`",
    ),
    "--dry-run make -h": ("no command: expected `--` before make", "`whence run --dry-run -- make -h`"),
    "--name make make -- all": (
        "found make before `--`, expected only options there",
        "if the command begins with it: `whence run --name make -- make -- all`",
    ),
    "--name x --lr 0.1 python train.py": ("found the option --lr, which is none of ours", "come behind it"),
}


@pytest.mark.parametrize("words", WITHOUT_THE_DASHES)
def test_a_command_without_its_dashes_is_told_where_they_go(words: str, workplace: Workplace) -> None:
    message, hint = WITHOUT_THE_DASHES[words]
    done = workplace.whence("run", *words.split())
    assert done.code == 2
    said, _, hinted = done.err.partition("hint: ")
    assert message in said and hint in hinted
    assert list(workplace.path.iterdir()) == []


def test_a_control_character_in_the_name_of_a_command_is_escaped(workplace: Workplace) -> None:
    done = workplace.whence("run", "--", "no\x1b[31msuch")
    assert done.code == 127
    assert "whence: no\\x1b[31msuch: command not found" in done.err and "\x1b" not in done.err


def test_a_patch_is_json_where_json_is_asked_for(repository: Workplace) -> None:
    repository.write("train.py", "print('changed')\n")
    run = repository.record("true")["id"]
    text = repository.whence("restore", "@", "--patch").ok().out
    assert text.startswith("diff --git a/train.py b/train.py\n")
    assert repository.whence("restore", "@", "--patch", "--json").ok().json() == {
        "id": run,
        "encoding": "utf-8",
        "patch": text,
        "lacks": {"files_left_out": [], "nested": [], "outside_snapshot": []},
    }


def test_the_answer_of_each_command_is_on_standard_output(repository: Workplace) -> None:
    repository.record("true")
    answers = {
        ("verify",): "1 run, ",
        ("restore", "@", "--plan"): "the folder: would hold ",
        ("bump", "minor", "--plan"): "would tag v0.1.0 at ",
    }
    for words, begin in answers.items():
        done = repository.whence(*words).ok()
        assert (done.out.startswith(begin), done.err) == (True, ""), words


WRONG_WORDS = {
    "--code-commit zzz": "--code-commit zzz: expected the hexadecimal digits of a commit, 6 or more",
    "--param a=1 --param a.b=2": "--param a.b: found a value for a too, expected only one of the two",
    "--param a.b.c=2 --param a.b=1": "--param a.b.c: found a value for a.b too, expected only one of the two",
}


@pytest.mark.parametrize("words", WRONG_WORDS)
def test_words_that_cannot_be_meant_are_refused_and_nothing_is_recorded(words: str, workplace: Workplace) -> None:
    done = workplace.whence("run", *words.split(), "--", "true")
    assert (done.code, done.err.splitlines()[0]) == (2, f"whence: whence run: {WRONG_WORDS[words]}")
    assert not workplace.store.exists()


GIVEN = {
    "a query": ("log", "(" * 5000),
    "a query with not": ("log", "not " * 3000 + "a=1"),
    "a name": ("run", "--name", "n" * 100_000, "--", "true"),
    "a reference": ("show", "r" * 100_000),
    "a dataset": ("data", "show", "d" * 100_000),
    "an option": ("log", "--" + "o" * 100_000),
}


@pytest.mark.parametrize("case", GIVEN)
def test_what_is_far_too_long_or_deep_is_a_mistake_and_not_printed_back_whole(case: str, workplace: Workplace) -> None:
    workplace.record("true")
    done = workplace.whence(*GIVEN[case])
    assert done.code in (2, 3)
    assert done.out == "" and len(done.err) < 6000, len(done.err)


FILES = {
    "a zero character in a path": 'store = "\\u0000"',
    "a path that is too long": f'store = "{"s" * 5000}"',
    "lists in lists": "ignore = " + "[" * 5000,
}


@pytest.mark.parametrize("case", FILES)
def test_a_policy_that_cannot_be_is_a_mistake(case: str, workplace: Workplace) -> None:
    workplace.write("whence.toml", FILES[case])
    for words in (("run", "--", "true"), ("log",)):
        done = workplace.whence(*words)
        assert done.code in (2, 4, 125) and "Traceback" not in done.err and "fault of whence" not in done.err, done.err
