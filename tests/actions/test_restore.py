"""The code of a run, written out again, or as a patch to its commit."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from codeworld import CodeWorld, contents, run_id
from workplace import Workplace

from whence.actions.restore import patch, restore
from whence.errors import UsageError
from whence.records.code import Code
from whence.records.events import CodeCaptured, RunCreated
from whence.records.run import Host, Process, User
from whence.store.journal import JournalWriter


@pytest.fixture
def world(workplace: Workplace, tmp_path: Path) -> CodeWorld:
    files = {"train.py": "import helper\n", "helper.py": "x = 1\n", "gone.py": "g\n", "old.py": "o\n" * 9}
    return CodeWorld(workplace.repository(**files), tmp_path / "store")


def recorded(world: CodeWorld) -> tuple[str, Code]:
    """A run with this code, as the journal of a real one has it."""
    captured = world.capture()
    assert captured.plan is not None
    run = run_id()
    snapshot = world.snapshots.take(captured.plan, run)
    assert world.completion.complete(captured.plan, snapshot).stored == "complete"
    code = snapshot.onto(captured.code)
    folder = world.store.run_folder(run)
    os.makedirs(folder)
    journal = JournalWriter.create(folder, "main", time.time_ns)
    journal.append(
        RunCreated(
            id=run,
            command=["python", "train.py"],
            cwd=str(world.place.path),
            mode="command",
            host=Host(name="lab"),
            user=User(),
            process=Process(pid=1),
            recorder="test",
        )
    )
    journal.append(CodeCaptured(code=code))
    journal.close()
    return run, code


def dirty(world: CodeWorld) -> None:
    place = world.place
    place.write("helper.py", "x = 2\n")
    place.write("staged.py", "s\n")
    place.git("add", "staged.py")
    (place.path / "gone.py").unlink()
    place.git("mv", "old.py", "renamed.py")
    place.write("blob.bin", bytes(range(256)) * 8)
    place.write("empty.py", "")
    (place.path / "train.py").chmod(0o755)
    (place.path / "link").symlink_to("helper.py")


@pytest.mark.scenario("S24", "X6", "A5")
def test_the_exact_tree_comes_back_after_everything_else_is_gone(world: CodeWorld, tmp_path: Path) -> None:
    dirty(world)
    files = contents(world.place.path)
    run, code = recorded(world)
    shutil.rmtree(world.place.path)
    done = restore(world.store, run, tmp_path / "out", world.place.environ)
    assert contents(tmp_path / "out") == files
    assert (done.tree, done.files, done.left_out) == (code.tree, len(files), ())


@pytest.mark.scenario("B16")
def test_the_patch_makes_a_fresh_clone_into_the_code_that_ran(world: CodeWorld, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    world.place.git("clone", "-q", str(world.place.path), str(clone))
    dirty(world)
    run, code = recorded(world)
    shutil.rmtree(world.place.path)
    world.place.path.mkdir()
    (tmp_path / "p").write_bytes(patch(world.store, run, world.place.environ).content)
    world.place.git("-C", str(clone), "apply", "--index", str(tmp_path / "p"))
    assert world.place.git("-C", str(clone), "write-tree") == code.git_tree == code.tree


def test_the_patch_of_a_clean_run_is_empty(world: CodeWorld) -> None:
    run, _ = recorded(world)
    assert patch(world.store, run, world.place.environ).content == b""


@pytest.mark.scenario("X6")
def test_a_folder_that_holds_something_is_refused_and_left_alone(world: CodeWorld) -> None:
    run, _ = recorded(world)
    before = contents(world.place.path)
    with pytest.raises(UsageError, match="expected a new or empty folder"):
        restore(world.store, run, world.place.path, world.place.environ)
    assert contents(world.place.path) == before


def test_a_plan_writes_nothing(world: CodeWorld, tmp_path: Path) -> None:
    run, _ = recorded(world)
    assert restore(world.store, run, tmp_path / "out", world.place.environ, plan=True).files == 4
    assert not (tmp_path / "out").exists()
