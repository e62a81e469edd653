"""Every option of every command has an effect: the table says how it shows, and nothing may be missing from it."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import webserver
from workplace import Workplace, wait_until

from whence.cli.main import every_command

Effect = Callable[[Workplace], None]

EFFECTS: dict[str, Effect] = {}
"""`command --option` -> a function that fails when the option is ignored."""


def shows(*options: str) -> Callable[[Effect], Effect]:
    """The function shows what these options do."""

    def enter(effect: Effect) -> Effect:
        for option in options:
            assert option not in EFFECTS, option
            EFFECTS[option] = effect
        return effect

    return enter


def options() -> Iterator[str]:
    for command in every_command():
        parser: argparse.ArgumentParser = import_module(f"whence.cli.{command.replace(' ', '.')}").parser()
        for action in parser._actions:  # argparse has no public list
            if action.option_strings and action.dest != "help":
                yield f"{command} {next(word for word in action.option_strings if word.startswith('--'))}"


def short_forms() -> dict[str, str]:
    found: dict[str, str] = {}
    for command in every_command():
        for action in import_module(f"whence.cli.{command.replace(' ', '.')}").parser()._actions:
            for word in action.option_strings:
                if not word.startswith("--") and action.dest != "help":
                    found[f"{command} {word}"] = action.option_strings[0]
    return found


JSON = {
    "status": ["status"],
    "log": ["log"],
    "show": ["show"],
    "diff": ["diff", "@", "@"],
    "audit": ["audit"],
    "verify": ["verify"],
    "restore": ["restore", "@", "../restored"],
    "get": ["get", "@:out.txt", "../copy.txt"],
    "cat": ["cat", "@:output"],
    "note": ["note", "@", "seen"],
    "tag": ["tag", "@", "paper"],
    "stop": ["stop", "@", "--plan"],
    "du": ["du"],
    "doctor": ["doctor"],
    "schema": ["schema", "seal"],
    "bump": ["bump", "patch", "--plan"],
    "index rebuild": ["index", "rebuild"],
    "data create": ["data", "create", "other", "data.csv"],
    "data add": ["data", "add", "letters", "data.csv"],
    "data remove": ["data", "remove", "letters", "a.txt"],
    "data release": ["data", "release", "patch", "letters"],
    "data list": ["data", "list"],
    "data log": ["data", "log", "letters"],
    "data show": ["data", "show", "letters"],
    "data diff": ["data", "diff", "letters@0.1.0", "letters@0.1.0.post1.dev1"],
    "data status": ["data", "status", "letters", "letters"],
    "data get": ["data", "get", "letters", "../letters-again"],
    "data subset": ["data", "subset", "letters@0.1.0", "one", "--where", "path = a.txt"],
    "data derive": ["data", "derive", "letters-one", "--check"],
    "data split": ["data", "split", "letters@0.1.0", "--into", "one=1", "--plan"],
    "data check": ["data", "check", "letters@0.1.0"],
    "data verify": ["data", "verify"],
    "data export": ["data", "export", "letters@0.1.0", "../letters.tar"],
    "data import": ["data", "import", "letters.zip"],
    "data expire": ["data", "expire", "letters@0.1.0", "--plan"],
    "data describe": ["data", "describe", "letters", "a few letters"],
    "data nest": ["data", "nest", "letters", "letters-one"],
    "data pick": ["data", "pick", "letters", "0.1.1"],
}


@pytest.fixture
def place(repository: Workplace) -> Workplace:
    """A repository with one run, which made `out.txt` from `data.csv` and printed a line."""
    repository.write("data.csv", "1\n")
    repository.write("settings.json", '{"lr": 0.1}')
    repository.write(".gitignore", "out.txt\nready\n")
    repository.commit()
    options = ("--name", "first", "--input", "data.csv", "--output", "out.txt")
    repository.record("sh", "-c", "echo printed; echo x > out.txt", options=options)
    return repository


@pytest.mark.scenario("P7")
def test_no_option_is_without_a_test_and_no_test_without_an_option() -> None:
    assert {*EFFECTS, *(f"{command} --json" for command in JSON)} == set(options())


@pytest.mark.scenario("P7")
@pytest.mark.parametrize("option", EFFECTS)
def test_an_option_does_what_its_help_says(option: str, place: Workplace) -> None:
    EFFECTS[option](place)


@pytest.mark.scenario("P5", "P7")
@pytest.mark.parametrize("command", JSON)
def test_json_is_what_is_printed_when_it_is_asked_for(command: str, place: Workplace) -> None:
    if command.startswith("data "):
        _letters(place)
    if command == "data pick":
        _apart_and_merged(place)
    if command == "stop":
        _sleeping(place, "touch ready; exec sleep 600")
    done = place.whence(*JSON[command], "--json")
    assert done.code in (0, 1), done.err
    try:
        json.loads(done.out)
    except json.JSONDecodeError:
        assert [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.scenario("P7")
def test_a_short_form_is_the_option_that_it_stands_for(place: Workplace) -> None:
    assert short_forms() == {"log -n": "--limit", "log -f": "--follow", "cat -f": "--follow"}
    place.record("true")
    assert len(place.whence("log", "-n", "1", "--json").ok().json_lines()) == 1


@pytest.mark.scenario("P7")
@pytest.mark.parametrize("words", [["cat", "@:output", "-f", "--json"], ["get", "@:out.txt", "-", "--json"]])
def test_options_that_exclude_each_other_are_refused_rather_than_ignored(words: list[str], place: Workplace) -> None:
    done = place.whence(*words)
    assert (done.code, done.out) == (2, "")
    assert "--json" in done.err


# whence run


@shows("run --tag")
def _(place: Workplace) -> None:
    assert place.record("true", options=("--tag", "a", "--tag", "b=2"))["tags"] == {"a": "", "b": "2"}


@shows("run --field")
def _(place: Workplace) -> None:
    assert place.record("true", options=("--field", "batch=7"))["ext"] == {"batch": "7"}


@shows("run --config")
def _(place: Workplace) -> None:
    assert place.record("true", options=("--config", "settings.json"))["config"]["values"] == {"lr": 0.1}


@shows("run --param")
def _(place: Workplace) -> None:
    assert place.record("true", options=("--param", "a.b=2"))["config"]["values"] == {"a": {"b": 2}}


@shows("run --input")
def _(place: Workplace) -> None:
    assert [i["path"] for i in place.record("true", options=("--input", "data.csv"))["inputs"]] == ["data.csv"]


@shows("run --output")
def _(place: Workplace) -> None:
    (made,) = place.record("sh", "-c", "echo 1 > net.bin", options=("--output", "model:net.bin"))["artifacts"]
    assert (made["path"], made["kind"]) == ("net.bin", "model")


@shows("run --policy")
def _(place: Workplace) -> None:
    place.write("new.py")
    assert place.whence("run", "--policy", "dirty=refuse", "--", "true").code == 125


@shows("run --observe")
def _(place: Workplace) -> None:
    assert place.record("true", options=("--observe", "off"))["observation"]["mechanism"] == "declared"
    assert place.record("true", options=("--observe", "auto"))["observation"]["mechanism"] == "seccomp"
    assert place.whence("run", "--observe", "hard", "--", "true").code == 2


@shows("run --name", "run --purpose", "run --hypothesis")
def _(place: Workplace) -> None:
    options = ("--name", "n1", "--purpose", "to see", "--hypothesis", "it helps")
    record = place.record("true", options=options)
    assert (record["name"], record["purpose"], record["hypothesis"]) == ("n1", "to see", "it helps")
    assert place.show("n1")["id"] == record["id"]


@shows("run --code-url", "run --code-commit")
def _(place: Workplace) -> None:
    url, commit = "https://example.org/a/b", "0" * 40
    declared = place.record("true", options=("--code-url", url, "--code-commit", commit))["code"]["declared"]
    found = {item["name"]: (item["value"], item["checked"]) for item in declared}
    assert found == {"code.url": (url, "unchecked"), "code.commit": (commit, "differs")}


@shows("run --record-json")
def _(place: Workplace) -> None:
    place.whence("run", "--record-json", "../line.json", "--", "true").ok()
    line = json.loads((place.path.parent / "line.json").read_text())
    assert line["id"] == place.show()["id"]


@shows("run --dry-run")
def _(place: Workplace) -> None:
    place.whence("run", "--dry-run", "--", "touch", "here").ok()
    assert (place.path / "here").exists() and len(place.run_folders()) == 1


# whence data


def _letters(place: Workplace) -> None:
    """A dataset with a release and a change."""
    place.write("letters/a.txt", "a")
    place.write("letters/sub/b.txt", "b")
    place.whence("data", "create", "letters", "letters").ok()
    place.whence("data", "split", "letters", "--into", "one=1").ok()
    place.write("letters/c.txt", "c")
    place.whence("data", "add", "letters", "letters").ok()
    place.whence("data", "export", "letters@0.1.0", "letters.zip").ok()


def _apart_and_merged(place: Workplace) -> None:
    """Two stores: here something was removed, there 0.1.1 was released; what this one has not was copied from there."""
    there = place.path.parent / "there"
    shutil.copytree(place.store, there, symlinks=True)
    place.whence("data", "release", "patch", "letters", env={"WHENCE_STORE": str(there)}).ok()
    place.whence("data", "remove", "letters", "c.txt").ok()
    (step,) = (there / "datasets").glob("*/steps/2/*.json")
    shutil.copy2(step, place.store / step.parent.relative_to(there))


def _version(place: Workplace, *words: str) -> Any:
    return place.whence("data", *words, "--json").ok().json()


def _paths(place: Workplace, version: str) -> list[str]:
    return [entry["path"] for entry in _version(place, "show", version, "--files")["entries"]]


@shows("data show --files")
def _(place: Workplace) -> None:
    _letters(place)
    assert _paths(place, "letters") == ["a.txt", "sub/b.txt"]
    assert "entries" not in _version(place, "show", "letters")
    assert "sub/b.txt" in place.whence("data", "show", "letters", "--files").ok().out


@shows("data create --as", "data add --as")
def _(place: Workplace) -> None:
    place.whence("data", "create", "one", "data.csv", "--as", "raw").ok()
    assert _paths(place, "one") == ["raw/data.csv"]
    place.whence("data", "add", "one", "settings.json", "--as", "meta/deep").ok()
    assert _paths(place, "one@0.1.0.post1.dev1") == ["meta/deep/settings.json", "raw/data.csv"]
    assert place.whence("data", "add", "one", "settings.json", "--as", "../out").code == 2


@shows(*(f"data {verb} --{option}" for verb in ("create", "add") for option in ("sql", "from", "parameter")))
def _(place: Workplace) -> None:
    words = ("--sql", "SELECT $n AS n", "--from", "duckdb://", "--parameter")
    place.whence("data", "create", "one", *words, "n=1").ok()
    assert _paths(place, "one") == ["one.parquet"]
    place.whence("data", "add", "one", *words, "n=2").ok()
    assert _version(place, "show", "one@0.1.0.post1.dev1")["parameters"]["parameters"] == {"n": 2}


@shows("data create --tables", "data add --tables")
def _(place: Workplace) -> None:
    for number in range(65):
        place.write(f"many/{number}.csv", "a\n1\n")
    for verb, *words in (("create", "some"), ("create", "all", "--tables"), ("add", "letters", "--tables")):
        if verb == "add":
            _letters(place)
        made = _version(place, verb, *words, "many")
        shown = _version(place, "show", f"{words[0]}@{made['version']}")
        assert ("rows" in shown["tables"][0] and "digest" in shown["tables"][0]) == ("--tables" in words)


@shows("data create --reference", "data add --reference")
def _(place: Workplace) -> None:
    place.whence("data", "create", "one", "data.csv", "--reference").ok()
    place.whence("data", "add", "one", "settings.json", "--reference").ok()
    assert _version(place, "show", "one")["here"]["files"] == 0
    place.write("data.csv", "other bytes")
    refused = place.whence("data", "get", "one", "../one")
    assert (refused.code, "data.csv" in refused.err) == (3, True)


@shows(
    *(f"data {verb} --because" for verb in ("create", "add", "remove", "release", "nest")),
    *(f"data {verb} --description" for verb in ("create", "add", "remove", "release", "nest")),
)
def _(place: Workplace) -> None:
    steps = (
        ("create", "one", "data.csv", "settings.json"),
        ("add", "one", "train.py"),
        ("remove", "one", "train.py"),
        ("release", "patch", "one"),
        ("nest", "one", "part"),
    )
    place.write("other.csv", "2")
    place.whence("data", "create", "part", "other.csv").ok()
    for number, (verb, *words) in enumerate(steps):
        if verb == "release":
            place.whence("data", "add", "one", "other.csv").ok()
        made = _version(place, verb, *words, "--because", f"reason {number}", "--description", f"text {number}")
        shown = _version(place, "show", f"one@{made['version']}")
        assert (shown["why"], shown["description"]) == (f"reason {number}", f"text {number}")


@shows("data get --verify", "data get --replace", "data get --link")
def _(place: Workplace) -> None:
    _letters(place)
    target = place.path.parent / "target"
    place.whence("data", "get", "letters", str(target)).ok()
    (target / "a.txt").write_text("x")
    refused = place.whence("data", "get", "letters", str(target))
    assert (refused.code, "a.txt" in refused.err) == (1, True)
    (target / "a.txt").write_text("b")  # The store holds these bytes, so that nothing is lost.
    assert _version(place, "get", "letters", str(target), "--replace")["written"] == 1
    assert (target / "a.txt").read_text() == "a"
    assert _version(place, "get", "letters", str(target), "--verify")["written"] == 0
    linked = _version(place, "get", "letters", str(place.path.parent / "linked"), "--link")
    assert (linked["written"], (place.path.parent / "linked/a.txt").stat().st_mode & 0o222) == (2, 0)


@shows("data get --metadata-only")
def _(place: Workplace) -> None:
    _letters(place)
    told = _version(place, "get", "letters", "about", "--metadata-only")
    about = place.path / "about"
    assert sorted(path.name for path in about.iterdir()) == ["manifest.json", "version.json"]
    assert told["manifest"] == "sha256:" + hashlib.sha256((about / "manifest.json").read_bytes()).hexdigest()
    assert json.loads((about / "version.json").read_text()) == _version(place, "show", "letters")
    assert _version(place, "get", "letters", "about", "--metadata-only")["written"] == 0
    (about / "manifest.json").write_text("mine")
    refused = place.whence("data", "get", "letters", "about", "--metadata-only")
    assert (refused.code, (about / "manifest.json").read_text()) == (2, "mine")


def _pictures(place: Workplace) -> None:
    """A dataset of six pictures, and a table whose last row says nothing of its own."""
    rows = [f"{at}.png,{'ab'[at % 2]},{at // 2}" for at in range(5)]
    for at in range(6):
        place.write(f"pictures/{at}.png", str(at))
    place.write("pictures/of.csv", "\n".join(["file,kind,who", *rows, "5.png,,", ""]))
    place.write("pictures/also.csv", "file\n")
    place.whence("data", "create", "pictures", "pictures").ok()


def _split(place: Workplace, *words: str) -> dict[str, list[str]]:
    """The paths of each part that was made."""
    made = _version(place, "split", "pictures@0.1.0", "--into", "one=0.5", "--into", "two", *words)
    return {one["part"]: _paths(place, one["name"]) for one in made["derived"]}


@shows("data split --into", "data split --seed", "data split --name")
def _(place: Workplace) -> None:
    _pictures(place)
    first = _split(place)
    assert [len(paths) for paths in first.values()] == [4, 4]
    assert _split(place, "--seed", "1") != first
    _split(place, "--name", "one=half")
    assert _paths(place, "half") == first["one"]


@shows("data split --table", "data split --key", "data split --stratify", "data split --missing")
def _(place: Workplace) -> None:
    _pictures(place)
    words = ["--stratify", "kind", "--table", "of.csv", "--key", "file"]
    for left_out in ("--table", "--key", "--missing"):
        given = [word for word in words if left_out not in (word, words[words.index(word) - 1])]
        assert place.whence("data", "split", "pictures", "--into", "one=0.5", *given).code == 2
    parts = _split(place, *words, "--missing", "include")
    assert all({"0.png", "2.png", "4.png"} & set(paths) for paths in parts.values())
    assert "5.png" in parts["one"] + parts["two"]


@shows("data split --group")
def _(place: Workplace) -> None:
    _pictures(place)
    parts = _split(place, "--group", "who", "--table", "of.csv", "--key", "file", "--missing", "drop")
    assert ("0.png" in parts["one"]) == ("1.png" in parts["one"])
    assert ("2.png" in parts["one"]) == ("3.png" in parts["one"])


@shows("data split --by")
def _(place: Workplace) -> None:
    _pictures(place)
    assert _split(place, "--by", "rows", "--table", "of.csv") == {"one": ["of.csv"], "two": ["of.csv"]}


@shows("data split --plan")
def _(place: Workplace) -> None:
    _pictures(place)
    planned = _version(place, "split", "pictures", "--into", "one=0.5", "--plan")
    assert (planned["plan"], place.whence("data", "show", "pictures-one").code) == (True, 3)


@shows("data subset --where", "data subset --paths", "data subset --plan")
def _(place: Workplace) -> None:
    _pictures(place)
    place.write("list.txt", "1.png\n")
    place.whence("data", "subset", "pictures", "one", "--where", "path = 0.png", "--plan").ok()
    assert place.whence("data", "show", "one").code == 3
    place.whence("data", "subset", "pictures", "one", "--where", "path = 0.png").ok()
    place.whence("data", "subset", "pictures", "two", "--paths", "list.txt").ok()
    assert (_paths(place, "one"), _paths(place, "two")) == (["0.png"], ["1.png"])


@shows("data subset --by", "data subset --table", "data subset --key")
def _(place: Workplace) -> None:
    _pictures(place)
    words = ["data", "subset", "pictures", "some", "--where", "kind = a", "--table", "of.csv"]
    assert place.whence(*words).code == 2
    place.whence(*words, "--key", "file").ok()
    assert _paths(place, "some") == ["0.png", "2.png", "4.png", "of.csv"]
    place.whence(*words, "--by", "rows").ok()
    assert _paths(place, "some") == ["of.csv"]


@shows("data subset --because", "data subset --description")
def _(place: Workplace) -> None:
    _pictures(place)
    words = ("--because", "to compare", "--description", "a half")
    place.whence("data", "subset", "pictures", "some", "--where", "size < 2", *words).ok()
    shown = _version(place, "show", "some")
    assert (shown["why"], shown["description"]) == ("to compare", "a half")


@shows("data derive --check", "data derive --plan", "data derive --because", "data derive --description")
def _(place: Workplace) -> None:
    _letters(place)
    place.whence("data", "release", "patch", "letters").ok()
    assert _version(place, "derive", "letters-one", "--check")["same"]
    assert _version(place, "derive", "letters-one", "--plan")["plan"]
    assert _version(place, "show", "letters-one")["version"] == "0.1.0"
    _version(place, "derive", "letters-one", "--because", "there are more", "--description", "one")
    shown = _version(place, "show", "letters-one")
    assert (shown["version"], shown["why"], shown["description"]) == ("0.1.1", "there are more", "one")


@shows("data split --because", "data split --description")
def _(place: Workplace) -> None:
    _pictures(place)
    _split(place, "--because", "to compare", "--description", "a half")
    shown = _version(place, "show", "pictures-one")
    assert (shown["why"], shown["description"]) == ("to compare", "a half")


# Looking


@shows("status --policy")
def _(place: Workplace) -> None:
    place.write("new.py")
    asked = place.whence("status", "--policy", "dirty=refuse")
    assert (asked.code, "dirty = refuse" in asked.out) == (1, True)
    assert "dirty = refuse" not in place.whence("status").ok().out


def _ids(place: Workplace, *words: str) -> list[str]:
    return [line["id"] for line in place.whence("log", *words, "--json").ok().json_lines()]


@shows("log --limit", "log --status")
def _(place: Workplace) -> None:
    first, failed = place.show()["id"], place.record("false")["id"]
    assert _ids(place) == [failed, first]
    assert _ids(place, "--limit", "1") == [failed]
    assert _ids(place, "--status", "succeeded") == [first]


@shows("log --sort", "log --columns", "log --group")
def _(place: Workplace) -> None:
    first = place.show()["id"]
    rows = [place.record("true", options=("--param", f"lr={rate}"))["id"] for rate in (0.1, 0.3, 0.2)]
    assert _ids(place, "--sort", "-config.lr") == [rows[1], rows[2], rows[0], first]
    assert _ids(place, "--sort", "config.lr", "--limit", "1") == [rows[0]]
    [line, *_] = place.whence("log", "--columns", "config.lr,status", "--json").ok().json_lines()
    assert line == {"id": rows[2], "config.lr": 0.2, "status": "succeeded"}
    groups = place.whence("log", "--group", "config.lr", "--json").ok().json_lines()
    assert [(group["value"], group["runs"], group["latest"]) for group in groups] == [
        *((rate, 1, run) for rate, run in sorted(zip((0.1, 0.3, 0.2), rows, strict=True))),
        (None, 1, first),
    ]


@shows("log --original", "log --reruns-of")
def _(place: Workplace) -> None:
    first = place.show()["id"]
    place.write("job.py", "import whence\nwith whence.start(): pass\n")
    place.python("job.py", env={"SLURM_JOB_ID": "7"}).ok()
    original = place.show()["id"]
    place.python("job.py", env={"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1"}).ok()
    again = place.show()["id"]
    assert _ids(place, "--original") == [original, first]
    assert _ids(place, "--reruns-of", original) == [again]


@shows("log --follow")
def _(place: Workplace) -> None:
    follower = place.start_whence("log", "--follow", "--json", stdout=subprocess.PIPE)
    assert follower.stdout is not None
    assert json.loads(follower.stdout.readline())["name"] == "first"
    place.record("true", options=("--name", "second"))
    assert json.loads(follower.stdout.readline())["name"] == "second"


@shows("show --all")
def _(place: Workplace) -> None:
    words = [word for n in range(60) for word in ("--param", f"p{n:02}={n}")]
    place.record("true", options=words)
    assert "p59" in place.whence("show", "--all").ok().out
    assert "p59" not in place.whence("show").ok().out


@shows("diff --only", "diff --exit-code")
def _(place: Workplace) -> None:
    place.record("true", options=("--param", "lr=2"))
    found = place.whence("diff", "first", "@", "--only", "config", "--json").ok().json()
    assert list(found["parts"]) == ["config"]
    assert place.whence("diff", "first", "@", "--only", "config", "--exit-code").code == 1
    assert place.whence("diff", "@", "@", "--only", "config", "--exit-code").code == 0


@shows("diff --explain", "diff --html")
def _(place: Workplace) -> None:
    place.record("false")
    assert "they did not end alike" in place.whence("diff", "first", "@", "--explain").ok().out
    assert "they did not end alike" not in place.whence("diff", "first", "@").ok().out
    assert place.whence("diff", "first", "@", "--html").ok().out.startswith("<!DOCTYPE html>")


@shows("diff --full")
def _(place: Workplace) -> None:
    place.record("true", options=[word for n in range(60) for word in ("--param", f"p{n:02}={n}")])
    assert "p59" in place.whence("diff", "first", "@", "--full").ok().out
    assert "p59" not in place.whence("diff", "first", "@").ok().out


@shows("audit --all")
def _(place: Workplace) -> None:
    remarks = place.whence("audit", "@", "--all").out.count("remark ")
    assert remarks > place.whence("audit", "@").out.count("remark ") == 0


@shows("cat --follow")
def _(place: Workplace) -> None:
    process = place.start_whence("run", "--", "sh", "-c", "echo one; read line", stdin=subprocess.PIPE, stdout=-3)
    wait_until(lambda: len(place.run_folders()) == 2 and place.show()["started"], what="the run")
    follower = place.start_whence("cat", "@:output", "--follow", stdout=subprocess.PIPE)
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"one\n"
    assert follower.poll() is None, "it goes on until the run has ended"
    process.communicate(b"\n")
    assert follower.wait(60) == 0


# Doing


@shows("restore --patch")
def _(place: Workplace) -> None:
    place.write("train.py", "print('edited')\n")
    place.record("true")
    assert "+print('edited')" in place.whence("restore", "@", "--patch").ok().out


@shows("restore --plan")
def _(place: Workplace) -> None:
    place.whence("restore", "@", "../restored", "--plan").ok()
    assert not (place.path.parent / "restored").exists()


@shows("tag --remove")
def _(place: Workplace) -> None:
    place.whence("tag", "@", "paper", "draft").ok()
    assert place.whence("tag", "@", "--remove", "draft").ok().err.startswith("untagged ")
    assert place.show()["tags"] == {"paper": ""}


def _sleeping(place: Workplace, command: str) -> subprocess.Popen[bytes]:
    process = place.start_whence("run", "--", "sh", "-c", command, stdout=-3, stderr=-3)
    wait_until(lambda: (place.path / "ready").exists(), what="the command")
    return process


@shows("stop --signal", "stop --plan")
def _(place: Workplace) -> None:
    process = _sleeping(place, "touch ready; exec sleep 600")
    place.whence("stop", "@", "--plan").ok()
    assert place.show()["status"] == "running", "a plan sends nothing"
    place.whence("stop", "@", "--signal", "INT").ok()
    process.wait()
    assert place.show()["signal"] == "SIGINT"


@shows("stop --wait")
def _(place: Workplace) -> None:
    _sleeping(place, "trap '' TERM; touch ready; while :; do sleep 0.1; done")
    assert place.whence("stop", "@", "--wait", "0.2").code == 1
    assert place.show()["status"] == "running"
    place.whence("stop", "@", "--signal", "KILL").ok()


@shows("doctor --close")
def _(place: Workplace) -> None:
    place.record(
        "sh", "-c", "echo w > late.pt", options=("--output", "late.pt"), env={"WHENCE_POLICY_SEAL_WITHIN": "0"}
    )
    place.whence("doctor").ok()
    assert place.show()["artifacts"][0]["digest"] is None, "looking writes nothing"
    place.whence("doctor", "--close").ok()
    assert place.show()["artifacts"][0]["digest"]


@shows("bump --plan")
def _(place: Workplace) -> None:
    place.whence("bump", "patch", "--plan").ok()
    assert place.git("tag") == ""


@shows("completion --references")
def _(place: Workplace) -> None:
    assert "first" in place.whence("completion", "--references").ok().out


@shows("completion --parts")
def _(place: Workplace) -> None:
    assert "first:config" in place.whence("completion", "--parts", "cat", "first:").ok().out


@shows("completion --json")
def _(place: Workplace) -> None:
    said = place.whence("completion", "bash", "--json").ok().json()
    assert (said["shell"], said["script"]) == ("bash", place.whence("completion", "bash").ok().out)


def test_every_option_is_on_the_page_of_commands() -> None:
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")
    sections = {part.partition("\n")[0]: part for part in page.split("## whence ")}
    for option in options():
        command, _, word = option.rpartition(" ")
        assert f"`{word}" in sections[command] or command == "completion", option


@shows("data describe --because")
def _(place: Workplace) -> None:
    _letters(place)
    place.whence("data", "describe", "letters", "a few", "--because", "they were counted").ok()
    (act,) = place.store.glob("datasets/*/acts/*.json")
    assert json.loads(act.read_bytes())["why"] == "they were counted"


@shows("data add --delete")
def _(place: Workplace) -> None:
    _letters(place)
    (place.path / "letters/a.txt").unlink()
    assert _version(place, "add", "letters", "letters")["removed"] == 0
    assert _version(place, "add", "letters", "letters", "--delete")["removed"] == 1


@shows("data nest --as")
def _(place: Workplace) -> None:
    _letters(place)
    _version(place, "nest", "letters", "letters-one", "--as", "deep/one")
    assert "deep/one/sub/b.txt" in _paths(place, "letters@0.1.0.post1.dev2")


@shows("data import --name", "data import --because", "data import --description")
def _(place: Workplace) -> None:
    place.write("bag/data/a.txt", "a")
    place.write("bag/bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    digest = hashlib.sha256(b"a").hexdigest()
    place.write("bag/manifest-sha256.txt", f"{digest}  data/a.txt\n")
    assert place.whence("data", "import", "bag").code != 0
    place.whence(
        "data", "import", "bag", "--name", "theirs", "--because", "it is there", "--description", "letters"
    ).ok()
    shown = _version(place, "show", "theirs")
    assert (shown["why"], shown["description"]) == ("it is there", "letters")


@shows("data export --fetch", "data import --reference")
def _(place: Workplace) -> None:
    with webserver.serving() as site:
        webserver.Site.files["/a.bin"] = b"elsewhere"
        place.whence("data", "create", "far", f"{site}/a.bin", "--reference").ok()
        place.whence("data", "export", "far", "bag", "--fetch", "1").ok()
        (place.path / ".whence").rename(place.path / "first")
        webserver.Site.read.clear()
        place.whence("data", "import", "bag", "--reference").ok()
        assert webserver.Site.read == [] and not (place.path / "bag/data/a.bin").exists()


@shows("data expire --because", "data expire --plan")
def _(place: Workplace) -> None:
    _letters(place)
    place.write("alone/x", "nobody else has this")
    place.whence("data", "create", "alone", "alone").ok()
    place.whence("data", "expire", "alone@0.1.0", "--plan").ok()
    place.whence("data", "get", "alone", "../alone").ok()
    place.whence("data", "expire", "alone@0.1.0", "--because", "not needed").ok()
    refused = place.whence("data", "get", "alone", "../again")
    assert refused.code == 3 and "not needed" in refused.err


@shows("data expire --old")
def _(place: Workplace) -> None:
    _letters(place)
    place.whence("data", "remove", "letters", "c.txt").ok()  # The newest version stays.
    place.write("whence.toml", 'retention = "0 s"\n')
    assert [one["version"] for one in _version(place, "expire", "--old", "--plan")["versions"]] == ["0.1.0.post1.dev1"]


@shows("run --data")
def _(place: Workplace) -> None:
    _letters(place)
    record = place.record("true", options=("--data", "x=letters@0.1.0"))
    assert [item["version"] for item in record["inputs"] if item["name"] == "x"] == ["0.1.0"]


@shows("run --output-data")
def _(place: Workplace) -> None:
    place.record("sh", "-c", "echo 1 > made", options=("--output-data", "made=made"))
    assert _version(place, "show", "made")["files"] == 1


@shows("data release --tables")
def _(place: Workplace) -> None:
    _letters(place)
    for number in range(65):
        place.write(f"many/{number}.csv", f"a\n{number}\n")
    place.whence("data", "add", "letters", "many").ok()
    place.whence("data", "release", "minor", "letters", "--tables").ok()
    assert {one["rows"] for one in _version(place, "show", "letters@0.2.0")["tables"]} == {1}
    assert not any("rows" in one for one in _version(place, "show", "letters@0.1.0.post1.dev2")["tables"])


@shows("data pick --because")
def _(place: Workplace) -> None:
    _letters(place)
    _apart_and_merged(place)
    assert place.whence("data", "show", "letters").code == 3
    place.whence("data", "pick", "letters", "0.1.1", "--because", "the other one was a mistake").ok()
    (said,) = _version(place, "show", "letters@0.1.1")["picks"]
    assert (said["meant"], said["why"]) == (True, "the other one was a mistake")
