"""The fold of what a command did with files: calls that are done for real, and calls of a made-up file system."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IFREG

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stage import Stage, identity

from whence.capture.observed import look
from whence.rules.observation import Files
from whence.rules.seen import CREATE, EXCHANGE, NO_REPLACE, READ_WRITE, TRUNCATE, WRITE_ONLY, Identity, Op, Seen, seen
from whence.rules.track import FileUse


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def uses(stage: Stage) -> dict[str, FileUse]:
    files = Files(os.path.realpath)
    for record in stage.records:
        files.take(seen(record))
    return {os.path.relpath(os.fsdecode(use.path), stage.folder): use for use in files.uses(look)}


def fates(stage: Stage) -> dict[str, str]:
    return {path: use.fate for path, use in uses(stage).items()}


def test_a_file_that_is_only_read_is_read(stage: Stage) -> None:
    (stage.folder / "a.csv").write_bytes(b"1")
    stage.read("a.csv")
    stage.read("a.csv")
    use = uses(stage)["a.csv"]
    assert (use.fate, use.read, use.opened) == ("read", True, use.now)


def test_no_flags_of_a_programs_own_open_make_it_ours(stage: Stage) -> None:
    (stage.folder / "a.csv").write_bytes(b"1")
    stage.open("a.csv", os.O_RDONLY | os.O_NOCTTY | os.O_SYNC)
    assert fates(stage) == {"a.csv": "read"}


def test_a_new_file_is_written_and_so_is_one_that_is_emptied(stage: Stage) -> None:
    (stage.folder / "old").write_bytes(b"before")
    stage.write("new", b"1")
    stage.write("old", b"1")
    assert fates(stage) == {"new": "written", "old": "written"}


def test_an_open_that_fails_says_nothing(stage: Stage) -> None:
    stage.read("nowhere.csv")
    stage.open("nowhere.csv", os.O_WRONLY)
    (stage.folder / "there").write_bytes(b"")
    stage.open("there", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    stage.open("no/folder", os.O_WRONLY | os.O_CREAT)
    assert {path: fate for path, fate in fates(stage).items() if fate != "temporary"} == {}


@pytest.mark.parametrize("op", ["read", "write", "update", "create"])
def test_an_open_that_must_create_what_is_there_says_nothing(stage: Stage, op: Op) -> None:
    """The answerer's word is that of the file which it sees: `open(path, "x+")` is an update."""
    (stage.folder / "lock").write_bytes(b"1")
    stage.note(op, "lock", flags=os.O_RDWR | os.O_CREAT | os.O_EXCL)
    assert fates(stage) == {}


@pytest.mark.parametrize("op", ["read", "write", "update", "create", "truncate", "rename", "link", "unlink"])
def test_a_call_that_names_nothing_is_of_no_file(op: Op) -> None:
    files = Files()
    assert files.take(Seen(0, 0.0, 1, op, b"", because="gpg: Permission denied")) is None
    assert list(files.uses(lambda path: None)) == []


def test_folders_and_devices_are_not_files(stage: Stage) -> None:
    os.close(stage.open(stage.folder, os.O_RDONLY))
    os.close(stage.open("/dev/null", os.O_RDWR))
    os.close(stage.open(stage.folder, os.O_RDWR | os.O_TMPFILE))
    assert fates(stage) == {}


def test_what_is_written_to_a_temporary_name_is_the_file_that_it_becomes(stage: Stage) -> None:
    stage.write(".model.pt.tmp", b"1")
    stage.rename(".model.pt.tmp", "model.pt")
    assert fates(stage) == {"model.pt": "written"}


def test_a_rename_over_a_file_that_was_read_changes_it(stage: Stage) -> None:
    (stage.folder / "a.csv").write_bytes(b"before")
    before = look(os.fsencode(stage.folder / "a.csv"))
    stage.read("a.csv")
    stage.write("a.tmp", b"after")
    stage.rename("a.tmp", "a.csv")
    use = uses(stage)["a.csv"]
    assert (use.fate, use.read, use.opened) == ("changed", True, before)


def test_a_renamed_folder_takes_its_files_along(stage: Stage) -> None:
    (stage.folder / "out.partial").mkdir()
    stage.write("out.partial/1.npy", b"1")
    stage.rename("out.partial", "out")
    assert fates(stage) == {"out/1.npy": "written"}


def test_names_that_are_exchanged_are_both_written(stage: Stage) -> None:
    for name in ("a", "b"):
        (stage.folder / name).write_bytes(name.encode())
    stage.note("rename", "a", "b", EXCHANGE)
    (stage.folder / "a").write_bytes(b"b")
    (stage.folder / "b").write_bytes(b"a")
    assert set(fates(stage).values()) <= {"written", "changed"}
    assert set(fates(stage)) == {"a", "b"}


def test_what_a_rename_or_link_was_to_replace_and_did_not_is_not_written(stage: Stage) -> None:
    """`mv -n`, a lock that is taken, another file system, a folder: the kernel refuses, and nothing has changed."""
    for name in ("taken", "lock", "elsewhere", "new"):
        (stage.folder / name).write_bytes(name.encode())
    (stage.folder / "folder").mkdir()
    stage.write("own", b"1")
    stage.note_pair("rename", "new", "taken", NO_REPLACE)
    stage.note_pair("link", "own", "lock")
    stage.note_pair("rename", "own", "elsewhere")
    stage.note_pair("rename", "own", "nowhere/own")
    stage.note_pair("rename", "own", "folder")
    stage.read("lock")
    stage.read("elsewhere")
    found = {path: (use.fate, use.read) for path, use in uses(stage).items()}
    assert found.pop("own")[0] == "written"
    assert {path: one for path, one in found.items() if one[0] != "untouched"} == {
        "lock": ("read", True),
        "elsewhere": ("read", True),
    }


@pytest.mark.parametrize("met", [True, False], ids=["met again", "never met again"])
def test_a_folder_that_could_not_be_renamed_keeps_its_files(stage: Stage, met: bool) -> None:
    """Onto one that is not empty, or onto another file system, where programs copy what they meant to move."""
    for name in ("a", "b"):
        (stage.folder / name).mkdir()
    (stage.folder / "b" / "old.csv").write_bytes(b"1")
    (stage.folder / "a" / "in.csv").write_bytes(b"1")
    stage.read("a/in.csv")
    stage.read("b/old.csv")
    stage.write("a/new.csv", b"2")
    stage.note_pair("rename", "a", "b")
    if met:
        stage.read("a/new.csv")
        stage.write("b/new.csv", b"2")
        stage.unlink("a/new.csv")
    expected = {"a/in.csv": "read", "b/old.csv": "read"}
    expected |= {"a/new.csv": "temporary", "b/new.csv": "written"} if met else {"a/new.csv": "written"}
    assert fates(stage) == expected


def test_a_folder_that_is_renamed_again_and_again_has_the_files_of_each_time(stage: Stage) -> None:
    for number in range(3):
        (stage.folder / "partial").mkdir()
        stage.write("partial/x", b"1")
        stage.rename("partial", f"part-{number}")
        stage.read(f"part-{number}/x")
    assert fates(stage) == {f"part-{number}/x": "again" for number in range(3)}


def test_a_temporary_name_that_is_used_again_and_again_leaves_nothing(stage: Stage) -> None:
    for number in range(3):
        stage.write("tmp", b"1")
        stage.rename("tmp", f"{number}.csv")
    stage.write("tmp", b"1")
    stage.read("tmp")
    assert fates(stage) == {"tmp": "again", **{f"{number}.csv": "written" for number in range(3)}}


def test_of_very_many_moves_the_first_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whence.rules.observation.MOST_MOVED", 2)
    files = Files()
    for number in range(5):
        name = b"/d/%d" % number
        files.take(Seen(0, 0.0, 1, "create", name + b".tmp", flags=WRITE_ONLY | CREATE))
        files.take(Seen(0, 0.0, 1, "rename", name + b".tmp", name, identity=Identity(1, number, S_IFREG, 1, 1, 1)))
    assert files.count == 5 + 2
    there = {b"/d/%d" % number: Identity(1, number, S_IFREG, 1, 1, 1) for number in range(5)}
    assert {use.path for use in files.uses(there.get)} == there.keys()


def stage_link(stage: Stage, name: str, target: str) -> None:
    (stage.folder / name).symlink_to(target)


def remove_link(stage: Stage, name: str) -> None:
    path = stage.folder / name
    stage.note("unlink", name, identity=identity(path, follow=False))
    path.unlink()


def test_what_was_read_through_a_link_that_is_gone_lies_where_it_led(stage: Stage) -> None:
    (stage.folder / "real").mkdir()
    for name in ("a", "b", "c", "d"):
        (stage.folder / "real" / name).write_bytes(name.encode())
    stage_link(stage, "file", "real/a")
    stage_link(stage, "folder", "real")
    stage.read("file")
    stage.read("real/a")
    stage.read("folder/b")
    stage.write("folder/c", b"3")
    stage.append("folder/d", b"4")
    remove_link(stage, "file")
    remove_link(stage, "folder")
    expected = {"real/a": "read", "real/b": "read", "real/c": "written", "real/d": "changed"}
    assert fates(stage) == expected


def test_what_the_run_wrote_and_read_through_a_link_that_is_gone_is_its_own(stage: Stage) -> None:
    stage.write("own", b"1")
    stage_link(stage, "link", "own")
    stage.read("link")
    remove_link(stage, "link")
    assert fates(stage) == {"own": "again"}


def test_what_is_no_file_is_neither_a_result_nor_missed_when_it_is_removed(stage: Stage) -> None:
    os.mkfifo(stage.folder / "pipe")
    stage_link(stage, "link.tmp", "nowhere")
    stage.rename("link.tmp", "link")
    stage.unlink("pipe")
    assert fates(stage) == {}


def test_what_is_made_and_gone_at_the_end_is_temporary(stage: Stage) -> None:
    stage.write("sort-1", b"1")
    stage.read("sort-1")
    stage.unlink("sort-1")
    assert fates(stage) == {"sort-1": "temporary"}


def test_what_is_written_and_read_again_is_told_apart_from_what_came_from_outside(stage: Stage) -> None:
    stage.write("clean.csv", b"1")
    stage.read("clean.csv")
    use = uses(stage)["clean.csv"]
    assert (use.fate, use.read) == ("again", False)


def test_a_second_name_has_what_the_first_one_has(stage: Stage) -> None:
    stage.write("part", b"1")
    stage.link("part", "whole")
    stage.unlink("part")
    assert fates(stage) == {"part": "temporary", "whole": "written"}


def test_what_is_read_through_a_link_to_an_own_file_did_not_come_from_outside(stage: Stage) -> None:
    stage.write("epoch-3.pt", b"1")
    (stage.folder / "last.pt").symlink_to("epoch-3.pt")
    stage.read("last.pt")
    assert fates(stage) == {"epoch-3.pt": "again"}


def test_two_ways_to_a_folder_are_one(stage: Stage) -> None:
    (stage.folder / "real").mkdir()
    (stage.folder / "short").symlink_to("real")
    stage.write("real/x", b"1")
    stage.read("short/x")
    assert fates(stage) == {"real/x": "again"}


def test_a_file_that_is_moved_and_then_read_came_from_outside(stage: Stage) -> None:
    (stage.folder / "drop.csv").write_bytes(b"1")
    stage.rename("drop.csv", "in.csv")
    stage.read("in.csv")
    use = uses(stage)["in.csv"]
    assert (use.fate, use.read) == ("written", True)


def test_a_second_name_for_a_file_from_outside_does_not_make_it_an_own_one(stage: Stage) -> None:
    (stage.folder / "in.csv").write_bytes(b"1")
    stage.link("in.csv", "same.csv")
    stage.read("in.csv")
    found = uses(stage)
    assert (found["in.csv"].fate, found["same.csv"].fate) == ("read", "written")


def test_a_file_that_was_deleted_was_there_before(stage: Stage) -> None:
    (stage.folder / "old.csv").write_bytes(b"1")
    stage.unlink("old.csv")
    assert fates(stage) == {"old.csv": "removed"}


def test_a_file_that_is_deleted_and_made_anew_is_written(stage: Stage) -> None:
    (stage.folder / "out.csv").write_bytes(b"1")
    stage.unlink("out.csv")
    stage.write("out.csv", b"2")
    assert fates(stage) == {"out.csv": "written"}


def test_an_append_changes_what_was_there(stage: Stage) -> None:
    (stage.folder / "log.txt").write_bytes(b"1")
    stage.append("log.txt", b"2")
    assert fates(stage) == {"log.txt": "changed"}


def test_what_was_empty_before_is_written_and_not_changed(stage: Stage) -> None:
    (stage.folder / "out.txt").write_bytes(b"")
    stage.append("out.txt", b"2")
    assert fates(stage) == {"out.txt": "written"}


def test_a_file_opened_for_writing_and_left_alone_is_not_written(stage: Stage) -> None:
    for name in ("appended", "updated"):
        (stage.folder / name).write_bytes(b"1")
    os.close(stage.open("appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    stage.update("updated")
    assert fates(stage) == {"appended": "untouched", "updated": "read"}


def test_a_file_that_is_updated_is_read_and_changed(stage: Stage) -> None:
    (stage.folder / "x.db").write_bytes(b"123")
    stage.update("x.db", b"9")
    use = uses(stage)["x.db"]
    assert (use.fate, use.read) == ("changed", True)


def test_a_truncation_changes_a_file(stage: Stage) -> None:
    (stage.folder / "x").write_bytes(b"123")
    stage.truncate("x", 1)
    assert fates(stage) == {"x": "changed"}


def test_another_file_between_two_opens_shows(stage: Stage) -> None:
    (stage.folder / "x").write_bytes(b"1")
    stage.read("x")
    (stage.folder / "y").write_bytes(b"2")
    os.rename(stage.folder / "y", stage.folder / "x")
    stage.read("x")
    assert uses(stage)["x"].differed


def test_a_name_that_is_not_text_is_kept(stage: Stage) -> None:
    name = os.fsdecode(b"caf\xe9 \n.csv")
    stage.write(name, b"1")
    assert fates(stage) == {name: "written"}


def test_what_could_not_be_looked_at_is_read_and_says_why(stage: Stage) -> None:
    stage.note("read", "far", identity=None, because="it lies on fuse.sshfs")
    use = uses(stage)["far"]
    assert (use.fate, use.opened, use.because) == ("read", None, "it lies on fuse.sshfs")


def test_files_beyond_the_limit_are_counted() -> None:
    files = Files(most=2)
    for number in range(5):
        there = Identity(1, number, S_IFREG | 0o644, 1, 1, 1)
        files.take(Seen(number, 0.0, 1, "read", b"/d/%d" % number, identity=there))
    assert (files.count, files.beyond) == (2, 3)


# A made-up file system, whose every content knows where it came from.


@dataclass
class Inode:
    number: int
    origin: set[str]
    """The names of outside files whose bytes it may hold; empty for the run's own."""
    version: int = 0

    def identity(self) -> Identity:
        return Identity(1, self.number, S_IFREG | 0o644, self.version, self.version, self.version)


@dataclass
class World:
    """Files of one folder; `run` does a call and tells it to the fold right before."""

    files: Files
    names: dict[str, Inode] = field(default_factory=dict)
    consumed: set[str] = field(default_factory=set)
    """Outside files whose bytes the run read."""
    written: set[int] = field(default_factory=set)
    """Inodes that the run made or wrote to."""
    count: int = 0

    def tell(self, op: str, name: str, other: str = "", flags: int = 0) -> None:
        there, taken = self.names.get(name), self.names.get(other)
        said = there and there.identity(), False, "", taken and taken.identity()
        self.files.take(Seen(0, 0.0, 1, op, _path(name), _path(other) if other else b"", flags, *said))  # type: ignore[arg-type]

    def new(self, origin: set[str]) -> Inode:
        self.count += 1
        return Inode(self.count, origin)

    def read(self, name: str, _: str) -> None:
        self.tell("read", name)
        if name in self.names:
            self.consumed |= self.names[name].origin

    def write(self, name: str, _: str) -> None:
        self.tell("create", name, flags=WRITE_ONLY | CREATE | TRUNCATE)
        inode = self.names.setdefault(name, self.new(set()))
        inode.origin = set()
        self._wrote(inode)

    def update(self, name: str, _: str) -> None:
        self.tell("update", name, flags=READ_WRITE)
        if name in self.names:
            self.consumed |= self.names[name].origin
            self._wrote(self.names[name])

    def append(self, name: str, _: str) -> None:
        self.tell("create", name, flags=WRITE_ONLY | CREATE)
        self._wrote(self.names.setdefault(name, self.new(set())))

    def unlink(self, name: str, _: str) -> None:
        self.tell("unlink", name)
        self.names.pop(name, None)

    def rename(self, name: str, other: str) -> None:
        self.tell("rename", name, other)
        if name in self.names and name != other:
            self.names[other] = self.names.pop(name)

    def fail(self, name: str, other: str) -> None:
        """A rename that is not done: another file system, no permission."""
        self.tell("rename", name, other)

    def _wrote(self, inode: Inode) -> None:
        inode.version += 1
        self.written.add(inode.number)

    def now(self, path: bytes) -> Identity | None:
        inode = self.names.get(path.decode().rpartition("/")[2])
        return inode and inode.identity()


def _path(name: str) -> bytes:
    return f"/w/{name}".encode()


NAMES = ("a", "b", "c", "d")
CALLS = st.lists(
    st.tuples(
        st.sampled_from(("read", "write", "update", "append", "unlink", "rename", "fail")),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
    ),
    max_size=12,
)


def play(there: set[str], calls: list[tuple[str, str, str]]) -> tuple[World, dict[str, FileUse], dict[str, Inode]]:
    world = World(Files())
    for name in sorted(there):
        world.names[name] = world.new({name})
    before = {name: Inode(inode.number, set(inode.origin)) for name, inode in world.names.items()}
    for op, name, other in calls:
        getattr(world, op)(name, other)
    found = {use.path.decode().rpartition("/")[2]: use for use in world.files.uses(world.now)}
    return world, found, before


@settings(max_examples=500, deadline=None)
@example({"a"}, [("write", "b", "a"), ("fail", "b", "a"), ("rename", "a", "b"), ("read", "b", "a")])
@given(st.sets(st.sampled_from(NAMES)), CALLS)
def test_nothing_that_came_from_outside_and_was_read_is_missed(
    there: set[str], calls: list[tuple[str, str, str]]
) -> None:
    world, found, before = play(there, calls)
    moved = {other for op, name, other in calls if op == "rename"}
    for name in world.consumed:
        under = [use for use in found.values() if use.read and use.opened and use.opened.inode == before[name].number]
        second = any(use.differed for use in found.values())  # Two files under one name: the first one is named.
        assert under or second or name in moved, (name, calls)


@settings(max_examples=500, deadline=None)
@given(st.sets(st.sampled_from(NAMES)), CALLS)
def test_what_is_there_and_was_written_is_a_result_and_nothing_else_is(
    there: set[str], calls: list[tuple[str, str, str]]
) -> None:
    world, found, before = play(there, calls)
    results = {name for name, use in found.items() if use.fate in ("written", "again", "changed")}
    truly = {
        name
        for name, inode in world.names.items()
        if name not in before or (inode.number, inode.version) != (before[name].number, before[name].version)
    }
    assert results == truly, calls


@settings(max_examples=300, deadline=None)
@given(st.sets(st.sampled_from(NAMES)), CALLS)
def test_a_file_that_is_gone_is_temporary_or_removed(there: set[str], calls: list[tuple[str, str, str]]) -> None:
    world, found, before = play(there, calls)
    moved = {other for op, _, other in calls if op == "rename"}  # What they replace is not looked at.
    for name in set(NAMES) - set(world.names) - moved:
        if name in found:
            never = {other for op, _, other in calls if op == "fail"} - set(before)
            fates = {"removed"} if name in before else {"temporary", "untouched"} if name in never else {"temporary"}
            assert found[name].fate in fates, (name, found[name], calls)


def test_what_is_done_while_something_is_mounted_there_is_not_done_to_what_lies_there(stage: Stage) -> None:
    (stage.folder / "place").mkdir()
    for name in ("read", "other"):
        (stage.folder / "place" / name).write_bytes(b"1")
    stage.read("place/read")
    stage.note("unmount", "place")
    stage.note("mount", "place")
    for name in ("read", "other", "new"):
        stage.note("create", f"place/{name}", flags=WRITE_ONLY | CREATE | TRUNCATE, identity=None)
    stage.note("unmount", "place")
    stage.read("place/read")
    assert fates(stage) == {"place/read": "read"}


def test_what_is_done_where_something_is_mounted_till_the_end_is_done_there(stage: Stage) -> None:
    (stage.folder / "place").mkdir()
    stage.note("mount", "place")
    stage.write("place/new", b"1")
    assert fates(stage) == {"place/new": "written"}


def test_where_nobody_looked_where_links_led_they_are_followed_later(stage: Stage) -> None:
    (stage.folder / "real").mkdir()
    (stage.folder / "real" / "a").write_bytes(b"1")
    stage_link(stage, "folder", "real")
    stage.note("read", "folder/a", real=b"")
    stage.note("read", "real/a", real=b"")
    assert fates(stage) == {"folder/a": "read"}
