"""`whence verify` names what is gone, damaged or exchanged, and the runs that need it; readers never believe it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace

Place = tuple[Workplace, str, str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two sealed runs of two states of a program; the first has a note. Copied for each test."""
    folder = tmp_path_factory.mktemp("verify")
    place = Workplace(folder / "work", folder / "home")
    place.write("pkg/train.py", "print('a')\n")
    first = place.record("python", "pkg/train.py")["id"]
    place.whence("note", first, "the good one").ok()
    place.write("pkg/train.py", "print('b')\n")
    return place, first, place.record("python", "pkg/train.py")["id"]


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Iterator[Place]:
    original, first, second = made
    shutil.copytree(original.path, tmp_path / "work", symlinks=True)
    place = Workplace(tmp_path / "work", tmp_path / "home")
    yield place, first, second
    place.close()


def damage(place: Workplace, *runs: str) -> list[dict[str, Any]]:
    done = place.whence("verify", *runs, "--json")
    found = done.json()["damage"]
    assert done.code == (1 if found else 0), done.err
    return found


def folder_of(place: Workplace, run: str) -> Path:
    return next(folder for folder in place.run_folders() if folder.name == run)


def blob_of(place: Workplace, run: str, path: str) -> Path:
    tree = place.show(run)["code"]["tree"]
    name = place.git("--git-dir", place.store / "code.git", "rev-parse", f"{tree}:{path}")
    return place.store / "code.git/objects" / name[:2] / name[2:]


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_store_with_runs_and_notes_is_sound(place: Place) -> None:
    assert damage(place[0]) == []


def test_code_that_is_gone_is_named_for_each_run(place: Place) -> None:
    work, first, second = place
    shutil.rmtree(work.store / "code.git")
    [found] = damage(work)
    assert found["runs"] == sorted([first, second])
    third = work.record("true")["id"]
    assert [(item["where"], item["runs"]) for item in damage(work)] == [("code.git", [first]), ("code.git", [second])]
    assert "not there" in damage(work, first)[0]["what"]
    assert damage(work, third) == []


def test_a_reference_that_is_gone_or_moved_is_named(place: Place) -> None:
    work, first, second = place
    git = ("--git-dir", work.store / "code.git")
    work.git(*git, "update-ref", f"refs/whence/{first}", f"refs/whence/{second}")
    [found] = damage(work)
    assert found["runs"] == [first] and f"refs/whence/{first}: found" in found["what"]
    work.git(*git, "update-ref", "-d", f"refs/whence/{first}")
    [found] = damage(work)
    assert found["runs"] == [first] and f"refs/whence/{first}: not there" in found["what"]


def test_the_reference_of_the_commits_own_tree_is_held_against_the_record(workplace: Workplace) -> None:
    workplace.repository(**{"train.py": "a = 1\n"})
    workplace.write("train.py", "a = 2\n")
    record = workplace.record("true")
    run, base = record["id"], record["code"]["base"]
    assert base == workplace.git("rev-parse", "HEAD^{tree}") != record["code"]["tree"]
    assert damage(workplace) == []
    git = ("--git-dir", workplace.store / "code.git")
    workplace.git(*git, "update-ref", f"refs/whence-base/{run}", f"refs/whence/{run}")
    [found] = damage(workplace)
    expected = f"refs/whence-base/{run}: found {record['code']['tree']}, expected the tree {base}"
    assert (found["runs"], found["what"]) == ([run], expected)
    workplace.git(*git, "update-ref", "-d", f"refs/whence-base/{run}")
    [found] = damage(workplace)
    assert found["what"] == f"refs/whence-base/{run}: not there, expected a commit of the tree {base}"


def test_a_missing_or_changed_file_of_the_code_is_named_with_its_path_and_run(place: Place) -> None:
    work, first, second = place
    blob_of(work, first, "pkg/train.py").unlink()
    path = blob_of(work, second, "pkg/train.py")
    overwrite(path, path.read_bytes()[:-4] + b"????")
    found = {tuple(item["runs"]): item["what"] for item in damage(work)}
    assert sorted(found) == sorted([(first,), (second,)])
    assert "(pkg/train.py): not there" in found[(first,)]
    assert "(pkg/train.py): corrupt" in found[(second,)]


def test_what_git_dislikes_about_the_contents_of_a_tree_is_no_damage(place: Place) -> None:
    work, first, _ = place
    git = ("--git-dir", work.store / "code.git", "-c", "core.protectNTFS=false")
    blob = blob_of(work, first, "pkg/train.py")
    entry = f"100644 blob {blob.parent.name}{blob.name}\t.GIT\n"
    tree = work.run(["git", *git, "mktree"], input=entry).ok().out.strip()
    work.git(*git, "update-ref", "refs/other", work.git(*git, "commit-tree", tree, "-m", "x"))
    assert "hasDotgit" in work.run(["git", *git, "fsck", "--strict"]).err
    assert damage(work) == []


@pytest.mark.parametrize("how", ["missing", "corrupt"])
def test_restore_of_damaged_code_names_the_file(place: Place, how: str) -> None:
    work, first, _ = place
    path = blob_of(work, first, "pkg/train.py")
    if how == "missing":
        path.unlink()
    else:
        overwrite(path, b"no object")
    done = work.whence("restore", first, "again")
    assert done.code == 4 and "pkg/train.py" in done.err and "hint: `whence verify`" in done.err


@dataclass(frozen=True)
class Needs:
    """Two runs of different code, and who needs each object of `code.git`."""

    place: Workplace
    runs: dict[str, str]
    """Name -> id."""
    objects: dict[str, set[str]]
    """Object -> names of runs."""

    @property
    def code(self) -> Path:
        return self.place.store / "code.git"

    def damage(self, *names: str) -> list[tuple[str, set[str]]]:
        """What is said of `code.git`, and the names of the runs that are said to need it."""
        named = {run: name for name, run in self.runs.items()}
        found = damage(self.place, *(self.runs[name] for name in names))
        assert {item["where"] for item in found} <= {"code.git"}
        return [(item["what"], {named[run] for run in item["runs"]}) for item in found]

    def loose(self, name: str) -> Path:
        return self.code / "objects" / name[:2] / name[2:]

    def tree(self, name: str, path: str = "") -> str:
        return self.place.git("--git-dir", self.code, "rev-parse", f"refs/whence/{self.runs[name]}:{path}")


@pytest.fixture(scope="module")
def made_needs(tmp_path_factory: pytest.TempPathFactory) -> Needs:
    folder = tmp_path_factory.mktemp("needs")
    place = Workplace(folder / "work", folder / "home").repository(**{"same.py": "print(0)\n"})
    runs: dict[str, str] = {}
    for name in ("one", "two"):
        place.write("pkg/train.py", f"print('{name}')\n" * 20)
        runs[name] = place.record("true", options=("--name", name))["id"]
    needs = Needs(place, runs, {})
    for pack in (needs.code / "objects/pack").glob("*.pack"):
        moved = pack.rename(folder / pack.name)
        pack.with_suffix(".idx").unlink()
        place.run(["sh", "-c", f"git --git-dir='{needs.code}' unpack-objects -q < '{moved}'"]).ok()
    for name, run in runs.items():
        references = (f"refs/whence/{run}", f"refs/whence-base/{run}")
        for line in place.git("--git-dir", needs.code, "rev-list", "--objects", *references).splitlines():
            needs.objects.setdefault(line[:40], set()).add(name)
    return needs


@pytest.fixture
def needs(made_needs: Needs, tmp_path: Path) -> Iterator[Needs]:
    shutil.copytree(made_needs.place.path, tmp_path / "work", symlinks=True)
    place = Workplace(tmp_path / "work", made_needs.place.home)
    yield Needs(place, made_needs.runs, made_needs.objects)
    place.close()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("how", ["flipped", "garbage", "empty", "gone"])
def test_each_damaged_object_of_the_code_is_named_alone_with_the_runs_that_need_it(needs: Needs, how: str) -> None:
    assert len(needs.objects) > 8
    for name, runs in needs.objects.items():
        path = needs.loose(name)
        whole = path.read_bytes()
        if how == "gone":
            path.unlink()
        else:
            other = {"flipped": flipped(whole, len(whole) // 2), "garbage": b"garbage", "empty": b""}[how]
            overwrite(path, other)
        [(what, named)] = needs.damage()
        assert what.startswith(f"object {name} (") and named == runs
        assert what.endswith(": not there" if how == "gone" else "that it is named for")
        if how == "flipped":
            assert bool(needs.damage("one")) == ("one" in runs)
        overwrite(path, whole) if path.exists() else path.write_bytes(whole)


def test_a_damaged_tree_or_commit_hides_no_other_damage(needs: Needs) -> None:
    hidden = needs.tree("two", "pkg/train.py")
    commit = needs.place.git("--git-dir", needs.code, "rev-parse", f"refs/whence/{needs.runs['two']}")
    tree = needs.tree("one")
    needs.loose(hidden).unlink()
    overwrite(needs.loose(tree), b"garbage")
    overwrite(needs.loose(commit), b"")
    found = {what.split()[1]: runs for what, runs in needs.damage()}
    assert found == {tree: {"one"}, hidden: {"two"}, commit: {"two"}}


def test_a_flipped_byte_in_each_part_of_a_pack_names_the_runs_that_need_it(needs: Needs) -> None:
    git = ("--git-dir", needs.code)
    needs.place.git(*git, "config", "extensions.preciousObjects", "false")
    needs.place.git(*git, "-c", "repack.writeBitmaps=false", "repack", "-adq")
    [pack] = (needs.code / "objects/pack").glob("*.pack")
    listed = [line.split() for line in needs.place.git(*git, "verify-pack", "-v", pack).splitlines()]
    objects = {words[0]: (int(words[4]), int(words[3])) for words in listed if len(words) in (5, 7)}
    assert objects.keys() == needs.objects.keys()
    assert needs.damage() == []
    whole = pack.read_bytes()
    for name, (offset, size) in objects.items():
        overwrite(pack, flipped(whole, offset + size - 5))
        found = {what.split()[1]: runs for what, runs in needs.damage()}
        assert found.pop(name) == needs.objects[name]
        # A delta stands on another object.
        assert all(runs <= needs.objects[other] for other, runs in found.items())
        assert len(found) < 3
    for at, runs in ((0, {"one", "two"}), (len(whole) - 1, {"one", "two"})):
        overwrite(pack, flipped(whole, at))
        assert [(what.split(":")[0], named) for what, named in needs.damage()] == [(pack.name, runs)]
    overwrite(pack, whole)
    index = pack.with_suffix(".idx")
    table = index.read_bytes()
    overwrite(index, flipped(table, 8 + 4 * 100))
    assert [(what.split(":")[0], runs) for what, runs in needs.damage()] == [(index.name, {"one", "two"})]
    overwrite(index, flipped(table, len(table) - 1))
    assert [(what.split(".")[0], runs) for what, runs in needs.damage()] == [(index.stem, set())]
    assert needs.damage("one") == []


def test_a_run_whose_code_is_sound_passes_beside_one_whose_tree_is_damaged(needs: Needs) -> None:
    overwrite(needs.loose(needs.tree("one")), b"")
    assert needs.damage("two") == []
    needs.place.whence("restore", "two", "again").ok()


def test_an_act_whose_run_or_seal_is_gone_is_named(place: Place) -> None:
    work, first, _ = place
    folder = folder_of(work, first)
    (folder / "seal.json").unlink()
    [found] = damage(work)
    assert found["runs"] == [first] and found["where"].endswith("seal.json") and "not there" in found["what"]
    shutil.rmtree(folder)
    [found] = damage(work)
    assert found["runs"] == [first] and found["where"].endswith(first) and "not there" in found["what"]


def test_the_folder_of_another_run_is_not_believed(place: Place) -> None:
    work, first, second = place
    shutil.rmtree(folder_of(work, first))
    shutil.copytree(folder_of(work, second), folder_of(work, second).with_name(first))
    for words in (("show", first), ("restore", first, "there")):
        done = work.whence(*words)
        assert done.code == 4 and f"found the run {second}, expected {first}" in done.err
    listed = work.whence("log", "--json").ok()
    assert [run["id"] for run in listed.json_lines()] == [second] and first in listed.err
    third = work.record("sh", "-c", "echo b > b.txt", options=("--output", "b.txt"))["id"]
    assert work.show("@~1")["id"] == second
    assert work.show("./b.txt")["id"] == third
    [found] = damage(work)
    assert found["runs"] == [first] and f"found the run {second}, expected {first}" in found["what"]


def test_an_edited_record_is_told_from_the_sealed_one(place: Place) -> None:
    work, first, _ = place
    path = folder_of(work, first) / "record.json"
    edited = path.read_bytes().replace(b'"exit_code":0', b'"exit_code":7')
    assert edited != path.read_bytes()
    overwrite(path, edited)
    assert work.show(first)["exit_code"] == 0
    said = "record.json is not what was sealed"
    assert said in work.whence("show", first).ok().out
    assert said in work.whence("log").ok().err
    assert said in work.whence("audit", first).out


def test_an_edited_copy_of_an_act_is_named(place: Place) -> None:
    work, first, _ = place
    [copy] = (folder_of(work, first) / "acts").iterdir()
    data = copy.read_bytes()
    copy.unlink()
    copy.write_bytes(data.replace(b"good", b"best"))
    assert [item["where"] for item in damage(work)] == [str(copy.relative_to(work.store))]


@pytest.mark.parametrize("edit", ["longer", "shorter", "dropped"])
def test_the_line_of_a_journal_is_named_though_its_length_changed(place: Place, edit: str) -> None:
    work, first, _ = place
    path = folder_of(work, first) / "main.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    if edit == "dropped":
        del lines[2]
    else:
        kind = json.loads(lines[2])["kind"].encode()
        lines[2] = lines[2].replace(kind, kind + b"x" if edit == "longer" else kind[:-1], 1)
    path.write_bytes(b"".join(lines))
    assert [item["where"] for item in damage(work)] == [f"{path.relative_to(work.store)}:3"]


def test_one_bad_file_does_not_hide_the_others(place: Place) -> None:
    work, first, second = place
    (work.store / "runs/2026-10.zip").write_bytes(b"no archive")
    day = next((work.store / "acts").iterdir())
    act = next(day.iterdir())
    others = [f"{act.stem[:-1]}{int(act.stem[-1], 16) ^ bit:x}.json" for bit in (1, 2)]
    stranger, bad = (day / name for name in others)
    stranger.mkdir()
    bad.write_bytes(b"{" + first.encode())
    assert {item["where"] for item in damage(work)} == {
        "runs/2026-10.zip", str(stranger.relative_to(work.store)), str(bad.relative_to(work.store)),
    }  # fmt: skip
    listed = work.whence("log", "--json").ok()
    assert [run["id"] for run in listed.json_lines()] == [second, first]
    assert "2026-10.zip" in listed.err and stranger.name in listed.err
    shown = work.whence("show", first).ok()
    assert "2026-10.zip" in shown.err and bad.name in shown.out and "the good one" in shown.out
    assert work.whence("cat", f"{first}:output").ok().out == "a\n"
    work.whence("audit")


def test_a_store_that_was_removed_during_a_run_is_not_made_again(workplace: Workplace) -> None:
    workplace.write("data.csv", "1\n")
    os.utime(workplace.path / "data.csv", (1, 1))
    workplace.script(
        "train.py",
        "import shutil, whence\n"
        "with whence.start():\n"
        "    open('data.csv').read()\n"
        "    open('out.txt', 'w').write('x')\n"
        "    whence.output('out.txt')\n"
        "    shutil.rmtree('.whence')\n",
    )
    workplace.python("train.py")
    assert not workplace.store.exists()
    workplace.record("true")
    assert workplace.whence("log").ok().out.count("\n") == 2


@pytest.mark.parametrize("older", [False, True], ids=["", "of an older version"])
@pytest.mark.parametrize("key", ["id", "created"])
def test_a_store_json_that_was_changed_is_named(place: Place, key: str, older: bool) -> None:
    work, _, _ = place
    path = work.store / "store.json"
    said = json.loads(path.read_bytes())
    if older:
        del said["check"]
        overwrite(path, json.dumps(said).encode())
        assert damage(work) == []
    said[key] = "f" + said[key][1:] if key == "id" else said[key].replace("20", "19", 1)
    overwrite(path, json.dumps(said, separators=(",", ":")).encode() + b"\n")
    [found] = damage(work)
    assert (found["where"], said[key] in found["what"]) == ("store.json", True)
