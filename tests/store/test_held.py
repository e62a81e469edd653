"""What a snapshot holds of single files, in the process that took it and in others."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from codeworld import CodeWorld
from stored import created, open_writer
from workplace import Workplace

from whence.records.events import CodeCaptured
from whence.store.held import Held, held_by, held_in


@pytest.fixture
def world(workplace: Workplace, tmp_path: Path) -> CodeWorld:
    return CodeWorld(workplace.repository(**{"train.py": "import a\n", "pkg/a.py": "x = 1\n"}), tmp_path / "store")


def both(world: CodeWorld) -> list[Held]:
    """The snapshot as its own process knows it, and as another finds it."""
    code, snapshot = world.launch()
    writer = open_writer(world.store, snapshot.run)
    writer.append(created(snapshot.run))
    writer.append(CodeCaptured(code=code))
    writer.close()
    other = held_in(world.store, snapshot.run, world.place.environ)
    assert other is not None
    return [held_by(snapshot), other]


def test_both_know_what_is_the_same_changed_absent_or_elsewhere(world: CodeWorld) -> None:
    world.place.write(".gitignore", "left.py\n")
    world.place.write("left.py", "x = 1\n")
    root = os.path.realpath(world.place.path)
    for held in both(world):
        world.place.write("train.py", "import b\n")
        paths = [f"{root}/pkg/a.py", f"{root}/train.py", f"{root}/left.py", f"{root}/pkg", f"{root}-2/a.py", "/x.py"]
        assert list(held.states(paths).values()) == ["same", "changed", "absent", "absent", "elsewhere", "elsewhere"]
        world.place.write("train.py", "import a\n")
        assert held.states(paths[1:2]) == {paths[1]: "same"}, "by its bytes, not its times"


def test_a_file_that_is_gone_is_not_the_same(world: CodeWorld) -> None:
    path = os.path.realpath(world.place.path / "pkg" / "a.py")
    for held in both(world):
        Path(path).unlink(missing_ok=True)
        assert held.states([path]) == {path: "changed"}


def test_the_process_that_took_it_reads_nothing_that_was_not_touched(
    world: CodeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(2.1)
    held = both(world)[0]
    monkeypatch.setattr("whence.store.held.read_again", None)
    path = os.path.realpath(world.place.path / "pkg" / "a.py")
    assert held.states([path]) == {path: "same"}


def test_a_run_without_a_snapshot_has_none(world: CodeWorld) -> None:
    _, snapshot = world.launch()
    writer = open_writer(world.store, snapshot.run)
    writer.append(created(snapshot.run))
    writer.close()
    assert held_in(world.store, snapshot.run, world.place.environ) is None


def test_odd_names_are_found_as_they_are(world: CodeWorld) -> None:
    names = [":(top)x.py", ":!y.py", "*.py", "new\nline.py", "größe.py", os.fsdecode(b"\xff.py"), "-r", 'a"b.py']
    for name in names:
        world.place.write(name, f"x = {name!r}\n".encode("utf-8", "surrogateescape"))
    root = os.path.realpath(world.place.path)
    for held in both(world):
        assert held.states([f"{root}/{name}" for name in names]) == {f"{root}/{name}": "same" for name in names}
