"""What lies at a path, also where one of the mounts must not be touched."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from whence.answerer import places
from whence.answerer.native import Native
from whence.answerer.places import NOTHING, World, identity, mounts
from whence.answerer.syscalls import MACHINES

pytestmark = pytest.mark.skipif(
    not Path("/dev/shm").is_mount() or os.uname().machine not in MACHINES,
    reason="no second mount that all may write to",
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Ours, as it is looked at where somewhere a mount is not local."""
    monkeypatch.setattr(World, "_all_local", lambda self, now: False)
    world = World(Native(MACHINES[os.uname().machine]), os.getpid(), b"/", ours=True)
    yield world
    world.close()


@pytest.fixture
def other() -> Iterator[Path]:
    """A folder on another mount."""
    with TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


def look(world: World, path: Path | str, *, follow: bool = True) -> places.Look:
    return world.look(os.fsencode(path), time.monotonic(), follow=follow)[0]


def real(world: World, path: Path, *, follow: bool = True) -> str:
    return os.fsdecode(world.look(os.fsencode(path), time.monotonic(), follow=follow)[1])


@pytest.fixture(params=[True, False], ids=["all local", "not all local"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Ours, as it is looked at where all mounts are local and where not."""
    monkeypatch.setattr(places, "_is_harmless", lambda mount: request.param)
    world = World(Native(MACHINES[os.uname().machine]), os.getpid(), b"/", ours=True)
    yield world
    world.close()


def test_a_way_that_a_link_was_changed_on_is_looked_up_anew(ways: World, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    way = tmp_path / "link" / "file"
    way.parent.symlink_to("one")
    assert real(ways, way) == real(ways, way) == str(tmp_path / "one" / "file")
    ways.forget_ways(time.monotonic() + 60)
    assert real(ways, way) == str(tmp_path / "one" / "file"), "it has not been done yet"
    way.parent.unlink()
    way.parent.symlink_to("two")
    assert real(ways, way) == str(tmp_path / "two" / "file")


def test_a_file_that_is_about_to_be_made_is_where_the_links_lead(ways: World, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("link/../folder/new")
    for way in ("folder/new", "link/new", "dangling"):
        found = ways.look(os.fsencode(tmp_path / way), time.monotonic())
        assert found == (NOTHING, os.fsencode(tmp_path / "folder" / "new")), way


def test_a_way_by_what_the_kernel_tells_of_a_process_leads_to_the_file(ways: World, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fd = os.open(tmp_path, os.O_PATH)
    way = f"/proc/{os.getpid()}/fd/{fd}/file"
    assert ways.look(os.fsencode(way), time.monotonic()) == (
        (identity(os.stat(tmp_path / "file")), False, ""),
        os.fsencode(tmp_path / "file"),
    )
    os.close(fd)


def test_a_path_that_is_too_long_is_not_one_where_nothing_is(world: World, tmp_path: Path) -> None:
    deep = bytes(tmp_path) + b"/n" * 2048
    assert look(world, os.fsdecode(deep + b"/file")) == (None, False, "File name too long")
    assert look(world, tmp_path / ("n" * 256)) == NOTHING


def test_every_way_to_a_file_leads_to_it(world: World, tmp_path: Path, other: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("here")
    (other / "file").write_text("there")
    (tmp_path / "link").symlink_to("folder/file")
    (tmp_path / "absolute").symlink_to(tmp_path / "folder")
    (tmp_path / "across").symlink_to(other)
    (other / "back").symlink_to(tmp_path / "folder")
    (other / "inside").symlink_to("file")
    ways = [
        tmp_path / "folder" / "file", tmp_path / "link", tmp_path / "absolute" / "file", tmp_path / "across" / "file",
        tmp_path / "across" / "back" / "file", other / "inside", tmp_path / "across" / "inside", other / "back",
        *map(Path, ("/", "/dev/shm", "/proc", "/dev/null")), tmp_path,
    ]  # fmt: skip
    for way in ways:
        assert look(world, way) == (identity(os.stat(way)), False, ""), way
        assert look(world, way, follow=False) == (identity(os.lstat(way)), False, ""), way
        assert real(world, way) == os.path.realpath(way)
        assert real(world, way, follow=False) == os.path.join(os.path.realpath(os.path.dirname(way)), way.name), way


def test_what_is_not_there_is_nothing(world: World, tmp_path: Path, other: Path) -> None:
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "dangling").symlink_to(other / "absent")
    (tmp_path / "file").touch()
    for way in (tmp_path / "absent", tmp_path / "round", tmp_path / "dangling", tmp_path / "file" / "below"):
        assert look(world, way) == NOTHING, way


def test_dots_are_resolved_where_the_links_lead(world: World, tmp_path: Path, other: Path) -> None:
    (other / "folder").mkdir()
    (tmp_path / "link").symlink_to(other / "folder")
    assert world.plain(os.fsencode(tmp_path / "link" / ".." / "file")) == os.fsencode(other / "file")


def test_a_file_system_that_is_not_known_to_be_local_is_left_alone(
    world: World, tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = next(mount.kind for mount in mounts(Path("/proc/self/mountinfo").read_bytes()) if mount.point == b"/dev/shm")
    monkeypatch.setattr(places, "LOCAL", places.LOCAL - {kind})
    world.load()
    (tmp_path / "across").symlink_to(other)
    expected = (None, True, f"on {kind.decode()}")
    assert look(world, other / "file") == expected
    assert look(world, tmp_path / "across" / "file") == expected
    assert look(world, tmp_path / "across", follow=False)[1] is False


def test_what_lies_below_a_mount_that_is_left_alone_is_left_alone(world: World) -> None:
    world.know(
        b"""21 1 8:1 / / rw - ext4 /dev/a rw
22 21 0:5 / /far rw - nfs4 server:/ rw
23 22 8:2 / /far/with\\040space rw shared:1 - ext4 /dev/b rw
24 21 8:2 / /near rw shared:1 - ext4 /dev/b rw
"""
    )
    safe = {mount.point: mount.safe for mount in world.mounts.values()}
    assert safe == {b"/": True, b"/far": False, b"/far/with space": False, b"/near": True}
    assert look(world, "/far/with space/file") == (None, True, "on nfs4")
    assert look(world, "/far/file") == (None, True, "on nfs4")


def test_where_all_is_local_a_mount_that_appears_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Native(MACHINES[os.uname().machine]), os.getpid(), b"/", ours=True)
    changed: list[int] = []
    monkeypatch.setattr(places, "_is_harmless", lambda mount: True)
    monkeypatch.setattr(places, "_has_changed", lambda table: not changed)
    monkeypatch.setattr(World, "load", lambda self: changed.append(1))
    assert world.look(b"/", 100.0) == ((identity(os.stat("/")), False, ""), b"/")
    assert world.look(b"/", 100.0 + places.ASK_EVERY / 2)[0][0]
    assert changed == [1]
    monkeypatch.setattr(places, "_is_harmless", lambda mount: False)
    assert world.look(b"/", 101.0)[0][0]
    world.close()
