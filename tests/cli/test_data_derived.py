"""Derived datasets from the command line: parts with nothing in common, the same members from the record for ever."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import stored
from workplace import Workplace

LABELS = ["cat"] * 12 + ["dog"] * 6 + ["owl"] * 2


def paths(place: Workplace, version: str) -> list[str]:
    shown = place.whence("data", "show", version, "--files", "--json").ok().json()
    return [entry["path"] for entry in shown["entries"]]


def text(place: Workplace, version: str, path: str) -> str:
    folder = place.path / "got" / version
    place.whence("data", "get", version, folder).ok()
    return (folder / path).read_text()


def everything(place: Workplace) -> dict[str, bytes]:
    """Every file of the store, but for what is derived."""
    return {
        str(path): path.read_bytes()
        for path in sorted(place.store.rglob("*"))
        if path.is_file() and "cache" not in path.parts
    }


def split(place: Workplace, *words: str) -> Any:
    return place.whence("data", "split", *words, "--json").ok().json()["derived"]


@pytest.fixture
def pets(workplace: Workplace) -> Workplace:
    """A dataset `pets`: 20 pictures of three kinds and ten owners, and a table that says so."""
    rows = [f"{label}/{at}.png,{label},{f'owner{at % 10}'},{at}" for at, label in enumerate(LABELS)]
    for at, label in enumerate(LABELS):
        workplace.write(f"pets/{label}/{at}.png", f"picture {at}")
    workplace.write("pets/labels.csv", "\n".join(["path,label,owner,age", *rows, ""]))
    workplace.whence("data", "create", "pets", "pets").ok()
    return workplace


@pytest.mark.scenario("E1", "E4", "E7", "E8")
def test_every_part_is_a_released_dataset_and_nothing_is_in_two(pets: Workplace) -> None:
    before = pets.whence("data", "log", "pets", "--json").ok().out
    made = split(pets, "pets@0.1.0", "--into", "train=0.6", "--into", "val=4", "--into", "test")
    assert [(one["name"], one["version"], one["elements"]) for one in made] == [
        ("pets-train", "0.1.0", 12),
        ("pets-val", "0.1.0", 4),
        ("pets-test", "0.1.0", 4),
    ]
    parts = [paths(pets, one["name"]) for one in made]
    dealt = sorted(path for part in parts for path in part if path != "labels.csv")
    assert dealt == sorted(set(paths(pets, "pets")) - {"labels.csv"})
    for one, part in zip(made, parts, strict=True):
        rows = csv.DictReader(io.StringIO(text(pets, one["name"], "labels.csv")))
        assert {row["path"] for row in rows} == set(part) - {"labels.csv"}, "a part has the labels of its files"
    (log,) = pets.whence("data", "log", "pets-train", "--json").ok().json_lines()
    assert (log["released"], log["operation"]) == (True, "derive")
    assert pets.whence("data", "log", "pets", "--json").ok().out == before


def test_the_table_of_a_part_and_rows_that_are_about_no_file_are_said(pets: Workplace) -> None:
    pets.whence("data", "remove", "pets", "owl/18.png").ok()
    words = ("pets@newest", "--into", "train=0.5", "--into", "test", "--stratify", "label", "--plan")
    said = pets.whence("data", "split", *words).ok().err
    assert "pets-test@0.1.0: 9 files and labels.csv, " in said
    assert "labels.csv: 1 row is about no file of pets@0.1.0.post1.dev1, and left out" in said
    assert pets.whence("data", "split", *words, "--json").ok().json()["rows_without_file"] == 1


@pytest.mark.scenario("E6")
def test_all_that_decides_the_members_is_recorded(pets: Workplace) -> None:
    source = pets.whence("data", "show", "pets", "--json").ok().json()
    split(
        pets, "pets@0.1.0", "--into", "train=0.8", "--into", "test", "--seed", "7",
        "--stratify", "label", "--group", "owner", "--missing", "drop",
    )  # fmt: skip
    assert pets.whence("data", "show", "pets-test", "--json").ok().json()["parameters"] == {
        "operation": "split",
        "algorithm": "whence-split/1",
        "source": {
            "dataset": source["id"],
            "name": "pets",
            "version": "0.1.0",
            "manifest": source["manifest"],
        },
        "part": "test",
        "parts": [{"name": "train", "take": "0.8"}, {"name": "test", "take": "rest"}],
        "seed": 7,
        "by": "files",
        "table": "labels.csv",
        "key": "path",
        "stratify": "label",
        "group": "owner",
        "missing": "drop",
    }


@pytest.mark.scenario("E3")
def test_a_stratified_split_gives_each_part_its_share_and_the_rows_that_are_about_it(pets: Workplace) -> None:
    split(
        pets, "pets", "--into", "train=0.5", "--into", "val=0.25", "--into", "test=0.25",
        "--table", "labels.csv", "--stratify", "label",
    )  # fmt: skip
    for part, sizes in {"train": [6, 3, 1], "val": [3, 2, 0], "test": [3, 1, 1]}.items():
        found = paths(pets, f"pets-{part}")
        assert [sum(path.startswith(kind) for path in found) for kind in ("cat/", "dog/", "owl/")] == sizes
        rows = list(csv.DictReader(io.StringIO(text(pets, f"pets-{part}", "labels.csv"))))
        assert sorted(row["path"] for row in rows) == sorted(set(found) - {"labels.csv"})


@pytest.mark.scenario("E3")
def test_the_folder_of_a_file_is_a_column_that_is_always_there(pets: Workplace) -> None:
    split(pets, "pets", "--into", "train=0.5", "--into", "test", "--stratify", "folder")
    assert len([path for path in paths(pets, "pets-train") if path.startswith("cat/")]) == 6


@pytest.mark.scenario("E4")
def test_no_group_is_on_both_sides(pets: Workplace) -> None:
    split(pets, "pets", "--into", "train=0.7", "--into", "test", "--group", "owner")
    owners = [
        {row["owner"] for row in csv.DictReader(io.StringIO(text(pets, f"pets-{part}", "labels.csv")))}
        for part in ("train", "test")
    ]
    assert (len(owners[0]), len(owners[1]), owners[0] & owners[1]) == (7, 3, set())


@pytest.mark.scenario("E4")
def test_files_with_several_rows_stay_whole_and_rows_are_divided_only_where_that_is_said(workplace: Workplace) -> None:
    """Two boxes a picture: by files no picture is on both sides, by rows it may be."""
    boxes = [f"{at}.png,{kind}" for at in range(6) for kind in ("cat", "dog" if at % 2 else "cat")]
    for at in range(6):
        workplace.write(f"d/{at}.png", str(at))
    workplace.write("d/boxes.csv", "\n".join(["file,kind", *boxes, ""]))
    workplace.whence("data", "create", "boxes", "d").ok()
    split(workplace, "boxes", "--into", "a=0.5", "--into", "b", "--key", "file", "--stratify", "kind")
    for part in "ab":
        pictures = [path for path in paths(workplace, f"boxes-{part}") if path.endswith(".png")]
        rows = list(csv.DictReader(io.StringIO(text(workplace, f"boxes-{part}", "boxes.csv"))))
        assert (len(pictures), len(rows)) == (3, 6)
        assert {row["file"] for row in rows} == set(pictures)
    made = split(workplace, "boxes", "--by", "rows", "--into", "c=3", "--into", "d")
    assert [one["elements"] for one in made] == [3, 9]
    lines = [text(workplace, f"boxes-{part}", "boxes.csv").splitlines() for part in "cd"]
    assert [one[0] for one in lines] == ["file,kind"] * 2
    assert sorted(line for one in lines for line in one[1:]) == sorted(boxes)
    refused = workplace.whence("data", "split", "boxes", "--into", "e=0.5", "--key", "file", "--group", "kind")
    assert (refused.code, refused.err.splitlines()[-1]) == (
        2,
        "whence: 1.png: is in several groups of kind (cat and dog), expected one",
    )


@pytest.mark.scenario("E2")
def test_the_same_words_give_the_same_members_and_no_new_version(pets: Workplace) -> None:
    words = ("pets@0.1.0", "--into", "train=0.5", "--into", "test")
    first = split(pets, *words, "--seed", "3")
    again = split(pets, *words, "--seed", "3")
    assert [one["changes"] for one in first + again] == [True, True, False, False]
    before = paths(pets, "pets-train@0.1.0")
    other = split(pets, *words, "--seed", "4")
    assert [one["version"] for one in other] == ["0.1.1", "0.1.1"]
    assert paths(pets, "pets-train") != before
    assert paths(pets, "pets-train@0.1.0") == before


MISSING = {
    "error": (2, "2 of 20 files (10.0%) have no value of label, for instance cat/0.png"),
    "drop": (18, "cat/0.png"),
    "include": (20, "cat/0.png"),
}


@pytest.mark.scenario("E3")
@pytest.mark.parametrize("missing", MISSING)
def test_elements_without_a_value_are_refused_dropped_or_taken(missing: str, pets: Workplace) -> None:
    table = (pets.path / "pets/labels.csv").read_text()
    table = table.replace("cat/0.png,cat", "cat/0.png,").replace("dog/12.png,dog,owner2,12\n", "")
    pets.write("pets/labels.csv", table)
    pets.whence("data", "add", "pets", "pets").ok()
    words = (
        "pets@0.1.0.post1.dev1", "--into", "a=0.5", "--into", "b", "--stratify", "label", "--missing", missing
    )  # fmt: skip
    if missing == "error":
        refused = pets.whence("data", "split", *words)
        assert (refused.code, MISSING["error"][1] in refused.err) == (2, True)
        assert len(pets.whence("data", "list", "--json").ok().json_lines()) == 1
        return
    count, path = MISSING[missing]
    assert sum(one["elements"] for one in split(pets, *words)) == count
    assert (path in [*paths(pets, "pets-a"), *paths(pets, "pets-b")]) == (missing == "include")


@pytest.mark.scenario("E9")
def test_a_plan_says_the_same_and_writes_nothing(pets: Workplace) -> None:
    words = ("pets", "--into", "train=0.5", "--into", "test", "--stratify", "label")
    before = everything(pets)
    planned = pets.whence("data", "split", *words, "--plan", "--json").ok().json()
    assert everything(pets) == before
    assert planned["plan"] is True
    assert planned["derived"] == split(pets, *words)
    told = pets.whence("data", "split", *words, "--seed", "1", "--plan").ok().err
    assert "would be made: pets-train@0.1.1: 10 files and labels.csv, " in told


BAD = {
    "no part": (["pets"], 2, "found no part, expected at least one"),
    "too much": (["pets", "--into", "a=30"], 2, "the parts take 30 of 20 elements"),
    "a name that is taken": (
        ["pets", "--into", "a=0.5", "--name", "a=other"],
        2,
        "dataset other: there is one already, which was not derived from pets",
    ),
    "its own name": (
        ["pets", "--into", "a=0.5", "--name", "a=pets"],
        2,
        "dataset pets: there is one already, which was not derived from pets",
    ),
    "a name that is none": (["pets", "--into", "a/b=0.5"], 2, "dataset 'pets-a/b': found '/' in it"),
    "one name for two": (
        ["pets", "--into", "a=0.5", "--into", "b=0.5", "--name", "a=pets-b"],
        2,
        "part a: pets-b is the dataset of another part, too, expected different names",
    ),
    "a name of no part": (["pets", "--into", "a=0.5", "--name", "b=x"], 2, "--name b: there is no such part"),
    "no such column": (
        ["pets", "--into", "a=0.5", "--stratify", "lable"],
        2,
        "labels.csv of pets@0.1.0: has no column 'lable'\nhint: did you mean label?",
    ),
    "no such table": (["pets", "--into", "a=0.5", "--table", "label.csv"], 3, "pets@0.1.0: has no file label.csv"),
    "a key that names no file": (
        ["pets", "--into", "a=0.5", "--stratify", "label", "--key", "owner"],
        2,
        "labels.csv of pets@0.1.0: column 'owner' names none of the files, for instance 'owner0'",
    ),
    "a key without a table": (["pets", "--into", "a=0.5", "--key", "path"], 2, "--key path: found no table"),
    "rows of no table": (["other", "--into", "a=0.5", "--by", "rows"], 2, "other@0.1.0: found 0 tables"),
    "a seed that is none": (["pets", "--into", "a=0.5", "--seed", "x"], 2, "x: expected a whole number"),
    "no such version": (["pets@9.0.0", "--into", "a=0.5"], 3, "dataset pets: has no version 9.0.0"),
}


@pytest.mark.scenario("E1")
@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_named_and_nothing_is_made(case: str, pets: Workplace) -> None:
    words, code, message = BAD[case]
    pets.whence("data", "create", "other", "pets/cat").ok()
    done = pets.whence("data", "split", *words)
    assert (done.code, message in done.err, "Traceback" in done.err) == (code, True, False), done.err
    assert len(pets.whence("data", "list", "--json").ok().json_lines()) == 2


def test_changes_of_a_part_that_no_release_has_are_not_passed_over(pets: Workplace) -> None:
    split(pets, "pets", "--into", "train=0.5")
    pets.whence("data", "remove", "pets-train", "cat").ok()
    refused = pets.whence("data", "split", "pets", "--into", "train=0.5", "--seed", "1")
    assert (refused.code, refused.err.splitlines()[1]) == (
        2,
        "whence: dataset pets-train: 0.1.0.post1.dev1 holds changes that no release has",
    )


def test_a_part_with_rows_of_its_own_is_verified_and_a_damaged_table_is_named(pets: Workplace) -> None:
    split(pets, "pets", "--into", "train=0.5", "--stratify", "label")
    assert pets.whence("verify").ok().code == 0
    shown = pets.whence("data", "show", "pets", "--files", "--json").ok().json()["entries"]
    digest = next(entry["digest"] for entry in shown if entry["path"] == "labels.csv").removeprefix("sha256:")
    for pack in pets.store.glob("packs/*.tar"):
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes().replace(b"owner3", b"owner4"))
    done = pets.whence("data", "split", "pets", "--into", "again=0.5", "--stratify", "label")
    assert (done.code, digest in done.err) == (4, True)


# Subsets


def subset(place: Workplace, *words: str | Path, **how: Any) -> Any:
    (made,) = place.whence("data", "subset", *words, "--json", **how).ok().json()["derived"]
    return made


MEANT = {
    "a pseudo column": ("folder = owl", ["labels.csv", "owl/18.png", "owl/19.png"], "rows"),
    "a column of the table": ("label = 'owl' and age > 18", ["labels.csv", "owl/19.png"], "rows"),
    "both": ("size > 9B and (label = dog or path ~ '^owl') and not owner in (owner8, owner9)", None, "rows"),
}


@pytest.mark.parametrize("case", MEANT)
def test_a_subset_has_what_the_query_means(case: str, pets: Workplace) -> None:
    query, expected, table = MEANT[case]
    made = subset(pets, "pets@0.1.0", "some", "--where", query)
    found = paths(pets, "some")
    if expected is not None:
        assert found == expected
    else:
        assert [path for path in found if path != "labels.csv"] == [f"dog/{at}.png" for at in (12, 13, 14, 15, 16, 17)]
    if table == "rows":
        rows = list(csv.DictReader(io.StringIO(text(pets, "some", "labels.csv"))))
        assert {row["path"] for row in rows} == set(found) - {"labels.csv"}
        assert made["parameters"]["table"] == "labels.csv"
    assert (made["version"], made["parameters"]["where"]) == ("0.1.0", query)
    assert made["parameters"]["algorithm"] == "whence-subset/1"


def test_a_subset_of_rows_is_the_table_with_the_rows_that_are_meant(workplace: Workplace) -> None:
    rows = ['{"id": 1, "site": {"name": "north"}, "body mass": 3}', '{"id": 2}', '{"id": 3, "body mass": 4.5}']
    workplace.write("d/a.jsonl", "\n".join(rows))
    workplace.whence("data", "create", "rows", "d").ok()
    subset(workplace, "rows", "heavy", "--by", "rows", "--where", "'body mass' > 3 or site.name = north")
    assert text(workplace, "heavy", "a.jsonl").splitlines() == [rows[0], rows[2]]


@pytest.mark.scenario("E5")
def test_a_list_of_ones_own_is_kept_with_the_version_that_it_made(pets: Workplace) -> None:
    made = subset(pets, "pets", "mine", "--paths", "-", input="./owl/19.png\ncat/0.png\n")
    assert paths(pets, "mine") == ["cat/0.png", "owl/19.png"]
    digest = made["parameters"]["paths"]
    pets.whence("get", digest, "list.txt").ok()
    assert (pets.path / "list.txt").read_text() == "cat/0.png\nowl/19.png\n"


@pytest.mark.scenario("E9")
def test_a_planned_subset_writes_nothing_and_says_the_same(pets: Workplace) -> None:
    pets.write("mine.txt", "cat/1.png\n")
    before = everything(pets)
    planned = subset(pets, "pets", "mine", "--paths", "mine.txt", "--plan")
    assert everything(pets) == before
    assert planned == subset(pets, "pets", "mine", "--paths", "mine.txt")
    assert subset(pets, "pets", "mine", "--paths", "mine.txt")["changes"] is False


BAD_SUBSETS = {
    "neither": ([], 2, "one of the arguments --where --paths is required"),
    "both": (["--where", "size > 1", "--paths", "x"], 2, "not allowed with argument"),
    "no such column": (
        ["--where", "lable = cat"],
        2,
        "query, character 1: unknown column 'lable': »lable = cat\nhint: did you mean label?",
    ),
    "no query": (["--where", "label ="], 2, "query, character 8: expected a value: label =»"),
    "nothing that is meant": (["--where", "label = cow"], 2, "pets@0.1.0: none of its files is meant"),
    "a path that is not there": (["--paths", "mine.txt"], 3, "pets@0.1.0: has no file cat/99.png and 1 more"),
    "a list that is not there": (["--paths", "nope"], 2, "--paths nope: cannot be read: No such file or directory"),
    "a list of rows": (["--paths", "mine.txt", "--by", "rows"], 2, "--paths: is about files, found --by rows"),
}


@pytest.mark.scenario("E5")
@pytest.mark.parametrize("case", BAD_SUBSETS)
def test_a_wrong_choice_is_named_and_nothing_is_made(case: str, pets: Workplace) -> None:
    words, code, message = BAD_SUBSETS[case]
    pets.write("mine.txt", "cat/99.png\ncat/0.png\ncat/999.png\n")
    done = pets.whence("data", "subset", "pets@0.1.0", "new", *words)
    assert (done.code, message in done.err, "Traceback" in done.err) == (code, True, False), done.err
    assert len(pets.whence("data", "list", "--json").ok().json_lines()) == 1


# Again


@pytest.fixture
def parted(pets: Workplace) -> Workplace:
    """The same, of which three kinds of derived datasets were made."""
    split(pets, "pets@0.1.0", "--into", "train=0.7", "--into", "test", "--stratify", "label", "--group", "owner")
    split(pets, "pets@0.1.0", "--by", "rows", "--into", "few=5", "--seed", "3")
    subset(pets, "pets@0.1.0", "owls", "--where", "label = owl")
    pets.write("mine.txt", "cat/1.png\n")
    subset(pets, "pets@0.1.0", "mine", "--paths", "mine.txt")
    return pets


DERIVED = ("pets-train", "pets-test", "pets-few", "owls", "mine")


@pytest.mark.scenario("E6", "S7")
def test_the_record_alone_gives_the_same_members_whatever_happened_to_the_source_since(parted: Workplace) -> None:
    parted.write("pets/owl/20.png", "another")
    parted.whence("data", "add", "pets", "pets").ok()
    parted.whence("data", "remove", "pets", "cat").ok()
    parted.whence("data", "release", "major", "pets").ok()
    before = everything(parted)
    for name in DERIVED:
        done = parted.whence("data", "derive", name, "--check").ok()
        assert done.err == f"{name}@0.1.0, derived again from pets@0.1.0: equal\n"
    assert everything(parted) == before


@pytest.mark.scenario("E6", "E7")
def test_the_same_parameters_make_the_next_release_of_the_current_source(parted: Workplace) -> None:
    parted.write("pets/owl/20.png", "another")
    table = (parted.path / "pets/labels.csv").read_text()
    parted.write("pets/labels.csv", table + "owl/20.png,owl,owner3,20\n")
    parted.whence("data", "add", "pets", "pets").ok()
    parted.whence("data", "release", "minor", "pets").ok()
    planned = parted.whence("data", "derive", "owls", "--plan", "--json").ok().json()
    made = parted.whence("data", "derive", "owls", "--json").ok().json()
    assert (planned["plan"], planned["derived"], made["source"]["version"]) == (True, made["derived"], "0.2.0")
    assert made["derived"][0]["version"] == "0.1.1"
    assert paths(parted, "owls") == ["labels.csv", "owl/18.png", "owl/19.png", "owl/20.png"]
    assert "owl/20.png" not in paths(parted, "owls@0.1.0")
    again = parted.whence("data", "derive", "owls@0.1.0").ok().err
    assert "owls@0.1.1: nothing changes, so no version was made" in again
    assert "derive the others (test) again, too" in parted.whence("data", "derive", "pets-train").ok().err
    for name in ("owls@0.1.0", "owls@0.1.1", "pets-train@0.1.1"):
        parted.whence("data", "derive", name, "--check").ok()


def test_a_source_that_is_gone_is_named_with_what_is_missing(parted: Workplace) -> None:
    for pack in parted.store.glob("packs/*.tar"):
        pack.unlink()
    done = parted.whence("data", "derive", "owls", "--check")
    assert (done.code, done.out) == (3, "")
    assert "owls@0.1.0: cannot be derived again from pets@0.1.0: labels.csv of pets@0.1.0: " in done.err
    manifest = parted.whence("data", "show", "pets", "--json").ok().json()["manifest"].removeprefix("sha256:")
    (parted.store / "objects/sha256" / manifest[:2] / manifest[2:]).unlink()
    done = parted.whence("data", "derive", "mine", "--check")
    assert (done.code, f"holds no object sha256:{manifest}" in done.err) == (3, True)
    assert "mine@0.1.0: cannot be derived again from pets@0.1.0: " in done.err
    assert "`whence data import FILE` of an archive of pets@0.1.0 brings it" in done.err


@pytest.mark.scenario("T4")
def test_who_expires_a_source_is_told_and_the_check_says_why_it_cannot(parted: Workplace, tmp_path: Path) -> None:
    parted.whence("data", "export", "owls", "owls.tar").ok()
    plan = parted.whence("data", "expire", "pets@0.1.0", "--plan", "--json").ok().json()
    assert plan["underivable"] == [f"{name}@0.1.0" for name in DERIVED]
    done = parted.whence("data", "expire", "pets@0.1.0", "--because", "archived").ok()
    assert "derived   owls@0.1.0: can be neither checked nor derived again" in done.err
    for words in (("pets-few", "--check"), ("pets-few",)):
        done = parted.whence("data", "derive", *words)
        assert done.code == 3 and "pets-few@0.1.0: cannot be derived again from pets@0.1.0: expired 20" in done.err
        assert ": archived (act " in done.err and "archive of pets@0.1.0" in done.err
    elsewhere = Workplace(tmp_path / "elsewhere", tmp_path / "home there")
    elsewhere.whence("data", "import", parted.path / "owls.tar").ok()
    for words in (("owls",), ("owls", "--check")):
        done = elsewhere.whence("data", "derive", *words)
        assert done.code == 3 and "pets@0.1.0" in done.err and "`whence data import FILE` of an archive of" in done.err


FORGED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no such version": ({"source": {"version": "9.9.9"}}, 3, "pets has no such version here"),
    "another name": ({"source": {"name": "other"}}, 4, "was derived from other@0.1.0 of sha256:"),
    "no such part": ({"part": "no"}, 4, "found the part 'no', expected one of train, test"),
}


def test_a_derivation_that_was_forged_is_not_vouched_for(parted: Workplace) -> None:
    (step,) = [
        one for one in parted.store.glob("datasets/*/steps/0/*.json") if b'"name":"pets-train"' in one.read_bytes()
    ]
    parameters = json.loads(step.read_bytes())["body"]["parameters"]
    for fields, code, message in FORGED.values():
        source = {**parameters["source"], **fields.get("source", {})}
        stored.forge(step, parameters={**parameters, **fields, "source": source})
        done = parted.whence("data", "derive", "pets-train", "--check")
        assert (done.code, message in done.err) == (code, True), done.err
        assert parted.whence("data", "verify", "pets-train").code == 1


NOT_DERIVED = {
    "the source itself": (["pets"], 2, "pets@0.1.0: was not derived, but made by `create`"),
    "a change by hand": (["owls@0.1.0.post1.dev1"], 2, "owls@0.1.0.post1.dev1: was not derived, but made by `remove`"),
    "both at once": (["owls", "--check", "--plan"], 2, "not allowed with argument"),
    "no such dataset": (["owl"], 3, "no dataset owl"),
}


@pytest.mark.parametrize("case", NOT_DERIVED)
def test_what_was_not_derived_is_not_derived_again(case: str, parted: Workplace) -> None:
    words, code, message = NOT_DERIVED[case]
    parted.whence("data", "remove", "owls", "owl/18.png").ok()
    done = parted.whence("data", "derive", *words)
    assert (done.code, message in done.err) == (code, True), done.err
