"""The snapshot of a folder: exact, at once what could be lost, everything in the end, and cheap again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest
from codeworld import CodeWorld, contents, run_id
from workplace import Workplace

from whence.errors import StoreError
from whence.rules.git_objects import Blob, blob_id, build_trees
from whence.store import collection as module
from whence.store.code_objects import ObjectWriter
from whence.store.collection import Terms
from whence.store.snapshots import changed_since


@pytest.fixture
def world(workplace: Workplace, tmp_path: Path) -> CodeWorld:
    files = {"train.py": "import helper\n", "helper.py": "x = 1\n"}
    return CodeWorld(workplace.repository(**files), tmp_path / "store")


@pytest.fixture
def big(world: CodeWorld, monkeypatch: pytest.MonkeyPatch) -> CodeWorld:
    """Every folder counts as too big to be stored before the start."""
    monkeypatch.setattr(module, "SMALL_FILES", 0)
    return world


def git(world: CodeWorld, *words: str) -> str:
    argv = ["git", f"--git-dir={world.store.code_git}", *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=world.place.environ).stdout.strip()


def settle(place: Workplace) -> None:
    """Move all times of the folder out of the two seconds in which nothing is trusted."""
    time.sleep(2.1)


@pytest.mark.scenario("A5")
def test_a_big_folder_is_pending_then_complete_without_the_users_repository(big: CodeWorld) -> None:
    big.place.write("helper.py", "x = 'edited'\n")
    big.place.write("new.py", "n\n")
    captured = big.capture()
    assert captured.plan is not None
    snapshot = big.snapshots.take(captured.plan, run_id())
    assert (snapshot.stored, snapshot.digest) == ("pending", None)
    assert snapshot.onto(captured.code).stored == "pending"
    dirty = {b.path: b.blob for b in snapshot.blobs if b.path in ("helper.py", "new.py")}
    assert all(git(big, "cat-file", "-t", blob) == "blob" for blob in dirty.values())
    assert subprocess.run(
        ["git", f"--git-dir={big.store.code_git}", "cat-file", "-e", f"{snapshot.tree}:train.py"], check=False
    ).returncode
    files = contents(big.place.path)
    completed = big.completion.complete(captured.plan, snapshot)
    assert (completed.stored, completed.because) == ("complete", None)
    shutil.rmtree(big.place.path)
    assert git(big, "fsck", "--full", "--strict") == ""
    git(big, "gc", "--prune=now", "--quiet")
    assert contents(big.restored(snapshot.tree)) == files


def test_the_digest_of_a_big_folder_is_that_of_a_small_one(world: CodeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, "SMALL_FILES", 0)
        captured = world.capture()
        assert captured.plan is not None
        late = world.completion.complete(captured.plan, world.snapshots.take(captured.plan, run_id()))
    shutil.rmtree(world.store.cache / "code")
    assert late.digest is not None
    assert world.record().digest == late.digest


def test_what_is_gone_before_it_could_be_copied_is_said(big: CodeWorld) -> None:
    captured = big.capture()
    assert captured.plan is not None
    snapshot = big.snapshots.take(captured.plan, run_id())
    shutil.rmtree(big.place.path)
    completed = big.completion.complete(captured.plan, snapshot)
    assert completed.stored == "partial"
    assert completed.because == "2 unchanged files were gone before they could be copied: helper.py"


def test_what_git_lost_comes_from_the_folder(big: CodeWorld) -> None:
    captured = big.capture()
    assert captured.plan is not None
    snapshot = big.snapshots.take(captured.plan, run_id())
    shutil.rmtree(big.place.path / ".git")
    assert big.completion.complete(captured.plan, snapshot).stored == "complete"


@pytest.mark.scenario("Y4", "A17")
def test_an_edit_after_the_launch_changes_nothing_and_is_found(world: CodeWorld) -> None:
    _, snapshot = world.launch()
    world.place.write("helper.py", "x = 2\n")
    (world.place.path / "train.py").touch()
    assert changed_since(snapshot) == ["helper.py"]
    assert world.trees.read(snapshot.tree, "helper.py") == b"x = 1\n"


@pytest.mark.scenario("X1")
@pytest.mark.parametrize("tracked", [True, False])
def test_an_edit_that_restores_size_and_time_is_seen(world: CodeWorld, tracked: bool) -> None:
    path = world.place.write("helper.py" if tracked else "new.py", "x = 1\n")
    settle(world.place)
    first = world.record()
    stat = path.stat()
    with path.open("r+") as file:
        file.write("x = 7\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    second = world.record()
    assert world.trees.read(second.tree or "", path.name) == b"x = 7\n"
    assert first.tree != second.tree


@pytest.mark.scenario("X8")
@pytest.mark.parametrize("name", ["helper.py", "new.py"])
def test_edits_in_quick_succession_are_all_seen(world: CodeWorld, name: str) -> None:
    trees = []
    for number in range(8):
        world.place.write(name, f"x = {number}\n")
        trees.append(world.record().tree)
        assert world.trees.read(trees[-1] or "", name) == f"x = {number}\n".encode()
    assert len(set(trees)) == 8


def test_the_same_folder_again_reads_nothing_and_writes_only_a_reference(world: CodeWorld) -> None:
    world.place.write("new.py", "n\n")
    settle(world.place)
    first = world.record()
    before = {path for path in world.store.code_git.rglob("*") if path.is_file()}
    accessed = [os.stat(world.place.path / name).st_atime_ns for name in ("new.py", "helper.py")]
    second = world.record()
    assert (second.tree, second.digest, second.id) == (first.tree, first.digest, first.id)
    added = {path for path in world.store.code_git.rglob("*") if path.is_file()} - before
    assert all("refs" in path.parts for path in added)
    assert [os.stat(world.place.path / name).st_atime_ns for name in ("new.py", "helper.py")] == accessed


@pytest.mark.parametrize("damage", [b"", b"not msgpack", None])
def test_the_cache_may_be_damaged_or_deleted(world: CodeWorld, damage: bytes | None) -> None:
    first = world.record()
    for path in (world.store.cache / "code").iterdir():
        path.unlink() if damage is None else path.write_bytes(damage)
    assert world.record() == first


def test_a_code_git_that_was_deleted_is_made_anew(world: CodeWorld) -> None:
    world.record()
    shutil.rmtree(world.store.code_git)
    files = contents(world.place.path)
    assert contents(world.restored(world.record().tree)) == files


def test_a_code_git_without_its_objects_is_made_anew(world: CodeWorld) -> None:
    world.record()
    shutil.rmtree(world.store.code_git / "objects")
    files = contents(world.place.path)
    assert contents(world.restored(world.record().tree)) == files


def test_git_collects_nothing_that_a_run_needs(world: CodeWorld) -> None:
    trees = []
    for number in range(3):
        world.place.write("new.py", f"n = {number}\n")
        trees.append(world.record().tree)
    git(world, "gc", "--prune=now", "--quiet")
    for number, tree in enumerate(trees):
        assert world.trees.read(tree or "", "new.py") == f"n = {number}\n".encode()
    assert world.record().tree == trees[-1]
    assert git(world, "fsck", "--full", "--strict") == ""


@pytest.mark.scenario("A18")
def test_many_launches_at_once_of_one_folder_agree(world: CodeWorld) -> None:
    for number in range(40):
        world.place.write(f"new{number}.py", f"n = {number}\n")
    codes: list[tuple[str | None, str | None, str | None]] = []

    def launch() -> None:
        code = world.record()
        codes.append((code.tree, code.digest, code.id))

    threads = [threading.Thread(target=launch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == 8
    assert len(set(codes)) == 1
    assert git(world, "fsck", "--full", "--strict") == ""
    assert len(git(world, "for-each-ref", "refs/whence").splitlines()) == 8


@pytest.mark.scenario("S23")
def test_untracked_secrets_are_listed_and_their_bytes_nowhere(world: CodeWorld) -> None:
    world.place.write(".env", "TOKEN=planted-secret-1\n")
    world.place.write("deep/key.txt", "planted-secret-2\n")
    terms = Terms(
        file_is_secret=lambda name, head: "it may hold a secret" if b"planted-secret" in head else None,
        keyed=lambda content: "keyed:0123",
    )
    code = world.record(terms=terms)
    assert {(i.path, i.digest, i.because) for i in code.files_left_out} == {
        (".env", "keyed:0123", "it may hold a secret"),
        ("deep/key.txt", "keyed:0123", "it may hold a secret"),
    }
    assert code.git_tree == world.git_tree()
    for path in world.store.path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"planted-secret" not in data
            if "objects" in path.parts and len(path.name) == 38:
                assert b"planted-secret" not in zlib.decompress(data)


@pytest.mark.scenario("A19", "B17")
def test_a_large_untracked_file_is_listed_with_its_digest(world: CodeWorld) -> None:
    world.place.write("big.bin", b"\1" * 3000)
    terms = Terms(untracked_limit=1000)
    code = world.record(terms=terms)
    assert [(i.path, i.size, (i.digest or "")[:7]) for i in code.files_left_out] == [("big.bin", 3000, "sha256:")]
    hurried = world.record(terms=Terms(untracked_limit=1000, digest_seconds=0.0))
    assert [i.digest for i in hurried.files_left_out] in ([None], [code.files_left_out[0].digest])


def test_large_and_many_files_are_stored_in_a_pack_that_git_reads(world: CodeWorld) -> None:
    world.place.write("large.py", os.urandom(5 << 20))
    world.place.git("add", "-A")
    for number in range(60):
        world.place.write(f"many/{number}.py", f"n = {number}\n")
    files = contents(world.place.path)
    code = world.record()
    assert git(world, "fsck", "--full", "--strict") == ""
    for index in (world.store.code_git / "objects/pack").glob("*.idx"):
        git(world, "verify-pack", str(index))
    assert contents(world.restored(code.tree)) == files


def notebook(**changes: object) -> str:
    cell = {"cell_type": "code", "id": "a1", "source": ["x = 1\n", "x"], "outputs": [], "execution_count": None}
    metadata = {"kernelspec": {"language": "python", "name": "python3"}, "widgets": {}}
    cells = [cell | {"metadata": {}} | changes, {"cell_type": "markdown", "source": "text", "metadata": {}}]
    return json.dumps({"nbformat": 4, "metadata": metadata, "cells": cells})


@pytest.mark.scenario("S17")
def test_running_a_notebook_is_the_same_code_and_editing_it_is_not(world: CodeWorld) -> None:
    ids = []
    for changes in ({}, {"outputs": [{"text": "1"}], "execution_count": 3, "id": "zz"}, {"source": ["x = 2\n", "x"]}):
        world.place.write("n.ipynb", notebook(**changes))
        ids.append(world.record().id)
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.scenario("S15")
def test_results_and_exclusions_do_not_make_another_code_id(world: CodeWorld) -> None:
    clean = world.record()
    world.place.write("out/model.pt", "weights\n")
    world.place.write("run.log", "line\n")
    terms = Terms(is_result=lambda path, tracked: path.startswith("out/"), code_exclude=("*.log",))
    dirty = world.record(terms=terms)
    assert dirty.id == clean.id
    assert dirty.tree != clean.tree
    assert world.trees.read(dirty.tree or "", "run.log") == b"line\n"


@pytest.mark.parametrize("path", ["../out", "a/../../out", ".git/hooks/post-checkout", "sub/.GIT/config"])
def test_a_tree_that_leads_out_of_the_folder_is_refused_before_anything_is_written(world: CodeWorld, path: str) -> None:
    blob = _blob(world, b"evil\n")
    tree, trees = build_trees([Blob("good.py", 0o100644, blob), Blob(path, 0o100644, blob)])
    writer = ObjectWriter(world.store.code_git)
    for identifier, content in trees.items():
        writer.add("tree", identifier, content)
    writer.close()
    dest = world.place.path.parent / "dest"
    dest.mkdir()
    with pytest.raises(StoreError, match="could lead out of the folder; nothing was written"):
        world.trees.restore(tree, dest)
    assert list(dest.iterdir()) == []


def _blob(world: CodeWorld, content: bytes) -> str:

    writer = ObjectWriter(world.store.code_git)
    writer.add("blob", blob_id(content), content)
    writer.close()
    return blob_id(content)


def test_the_users_environment_does_not_reach_code_git(world: CodeWorld, tmp_path: Path) -> None:
    elsewhere = Workplace(tmp_path / "elsewhere", world.place.home).repository(a="1")
    world.place.environ["GIT_OBJECT_DIRECTORY"] = str(world.place.path / ".git/objects")
    before = contents(elsewhere.path / ".git", without=())
    code = world.record()
    assert code.stored == "complete"
    assert git(world, "cat-file", "-t", code.tree or "") == "tree"
    assert contents(elsewhere.path / ".git", without=()) == before
