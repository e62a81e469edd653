"""A folder becomes exactly what a manifest says, or stays as it was; nothing is lost and nothing written outside."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whence.capture.hashing import NoCache, Work, measure_folder
from whence.digests import digest_of
from whence.errors import FormatError, StoreError, UnresolvedError
from whence.rules.manifests import manifest_line
from whence.store import digest_cache
from whence.store import materialize as module
from whence.store.adding import add
from whence.store.bulk import SMALL
from whence.store.layout import Store
from whence.store.materialize import BusyError, OccupiedError, Wish, materialize
from whence.store.objects import object_path, put_bytes
from whence.store.origins import OriginError, Origins, Source
from whence.system.files import TEMPORARY
from whence.system.locks import held

LARGE = bytes(range(256)) * (SMALL // 256 + 1)


def make(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with small, large, linked, empty and oddly named things."""
    files = {f"many__{number % 3}__{number}": b"%d" % number * 100 for number in range(30)}
    folder = make(tmp_path / "source", **files, large=LARGE, empty=b"", program=b"#!/bin/sh\n")
    (folder / "program").chmod(0o755)
    (folder / "empty folder/inside").mkdir(parents=True)
    (folder / "link").symlink_to("many/0")
    (folder / "out").symlink_to("/etc/passwd")
    Path(os.fsdecode(os.fsencode(folder) + b"/two\nlines \xff")).write_text("odd")
    return folder


@pytest.fixture
def manifest(store: Store, source: Path) -> str:
    return add(store, source).manifest


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "target"


def manifest_of(folder: Path) -> str:
    work = Work(measure_folder(os.fspath(folder), NoCache()))
    work.advance()
    return work.result.digest


def everything(folder: Path) -> dict[str, tuple[int, int, bytes | str | None]]:
    """What lies in a folder, to see whether it was touched."""
    found: dict[str, tuple[int, int, bytes | str | None]] = {}
    for path in sorted(folder.rglob("*")):
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        stat = path.lstat()
        found[os.fspath(path.relative_to(folder))] = (stat.st_ino, stat.st_mode, content)
    return found


def written(store: Store, *lines: tuple[str, str, int, bytes | None]) -> str:
    """A manifest that somebody wrote by hand."""
    made = [
        manifest_line(path, kind, mode, len(content or b""), None if content is None else put_bytes(store, content))
        for path, kind, mode, content in lines
    ]
    return put_bytes(store, b"[\n" + b",\n".join(made) + b"\n]\n")


def test_a_folder_becomes_what_the_manifest_says(store: Store, source: Path, manifest: str, target: Path) -> None:
    done = materialize(store, manifest, target)
    assert manifest_of(target) == manifest
    assert (done.files, done.written, done.removed) == (36, 36, 0)
    assert done.size == sum(
        path.stat().st_size for path in source.rglob("*") if path.is_file() and not path.is_symlink()
    )
    assert os.access(target / "program", os.X_OK) and os.readlink(target / "out") == "/etc/passwd"
    assert (target / "large").stat().st_nlink == 1 and os.access(target / "large", os.W_OK)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_whatever_was_added_comes_back(
    store: Store, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    names = st.sampled_from(["a", "a.txt", "a-b", "b", "\n", "\udcff", "A", ".hidden"])
    below: Any = st.recursive(
        st.binary(max_size=50), lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=12
    )
    folder = tmp_path_factory.mktemp("tree")

    def fill(path: Path, tree: Any) -> None:
        if isinstance(tree, bytes):
            path.write_bytes(tree)
        else:
            path.mkdir()
            for name, inside in tree.items():
                fill(path / name, inside)

    versions: list[str] = []
    for name in ("one", "two"):
        fill(folder / name, data.draw(st.dictionaries(names, below, max_size=5)))
        versions.append(add(store, folder / name).manifest)
    for version in (*versions, versions[0]):
        materialize(store, version, folder / "target", Wish(replace=True))
        assert manifest_of(folder / "target") == version


def test_what_is_there_and_sound_stays_untouched(store: Store, manifest: str, target: Path) -> None:
    materialize(store, manifest, target)
    before = everything(target)
    done = materialize(store, manifest, target)
    assert (done.written, done.removed) == (0, 0) and everything(target) == before


def test_only_what_is_missing_is_written(store: Store, manifest: str, target: Path) -> None:
    materialize(store, manifest, target)
    (target / "large").unlink()
    shutil.rmtree(target / "many/1")
    before = everything(target)
    assert materialize(store, manifest, target).written == 11
    assert manifest_of(target) == manifest
    assert {name: what for name, what in everything(target).items() if name in before} == before


def test_sound_files_need_no_object(store: Store, manifest: str, target: Path) -> None:
    materialize(store, manifest, target)
    for pack in store.packs.iterdir():
        pack.unlink()
    assert materialize(store, manifest, target).written == 0


def test_an_edit_that_the_cache_does_not_tell_is_found_when_every_byte_is_asked_for(
    store: Store, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = add(store, make(tmp_path / "one", large=LARGE)).manifest
    materialize(store, manifest, target)
    monkeypatch.setattr(digest_cache.DigestCache, "find", lambda *_: digest_of(LARGE))
    (target / "large").write_bytes(b"X" + LARGE[1:])
    assert materialize(store, manifest, target).written == 0
    with pytest.raises(OccupiedError, match="'large'"):
        materialize(store, manifest, target, Wish(verify=True))


def test_modes_are_set_right_on_what_is_sound(store: Store, manifest: str, target: Path) -> None:
    materialize(store, manifest, target)
    (target / "program").chmod(0o640)
    (target / "large").chmod(0o755)
    assert materialize(store, manifest, target).written == 0
    assert (target / "program").stat().st_mode & 0o777 == 0o750
    assert (target / "large").stat().st_mode & 0o777 == 0o644
    assert manifest_of(target) == manifest


def test_what_is_there_besides_is_refused_by_name(store: Store, manifest: str, target: Path) -> None:
    materialize(store, manifest, target)
    make(target, mine=b"my own", many__mine=b"", mine2__deep__file=b"")
    (target / "large").write_bytes(b"edited")
    (target / "link").unlink()
    (target / "link").mkdir()
    before = everything(target)
    with pytest.raises(OccupiedError) as raised:
        materialize(store, manifest, target)
    for said in (
        "'mine' (file, expected nothing)", "'many/mine' (file, expected nothing)",
        "'mine2' (folder, expected nothing)", "'large' (file, expected another)", "'link' (folder, expected another)",
    ):  # fmt: skip
        assert said in raised.value.message
    assert everything(target) == before


def test_another_version_is_replaced_and_nothing_that_the_store_does_not_hold(
    store: Store, tmp_path: Path, target: Path
) -> None:
    first = add(store, make(tmp_path / "1", same=b"same", other=b"one", gone=b"gone", d__x=b"x", f=b"file")).manifest
    second = add(store, make(tmp_path / "2", same=b"same", other=b"two", f__y=b"now a folder", new=b"new")).manifest
    materialize(store, first, target)
    inode = (target / "same").stat().st_ino
    done = materialize(store, second, target, Wish(replace=True))
    assert manifest_of(target) == second and (target / "same").stat().st_ino == inode
    assert (done.written, done.removed) == (3, 4)
    make(target, notes=b"only here")
    (target / "other").write_bytes(b"edited")
    before = everything(target)
    with pytest.raises(OccupiedError) as raised:
        materialize(store, first, target, Wish(replace=True))
    assert "'notes' (file, expected nothing)" in raised.value.message
    assert "'other' (file, expected another)" in raised.value.message
    assert everything(target) == before


def test_a_folder_with_something_that_is_only_there_is_not_removed(store: Store, manifest: str, target: Path) -> None:
    make(target, large__inside__mine=b"mine", large__inside__held=b"0" * 100)
    with pytest.raises(OccupiedError) as raised:
        materialize(store, manifest, target, Wish(replace=True))
    assert raised.value.message == (
        f"{target}: found what the store holds no copy of: 'large/inside/mine' (file, expected nothing)"
    )
    (target / "large/inside/mine").unlink()
    materialize(store, manifest, target, Wish(replace=True))
    assert manifest_of(target) == manifest


def test_a_store_in_the_folder_stays(store: Store, manifest: str, target: Path) -> None:
    other = stored.a_store(target / ".whence")
    materialize(store, manifest, target, Wish(replace=True))
    assert (other.path / "store.json").exists()


# Links


def test_large_files_can_be_links_to_the_objects_and_all_are_read_only(
    store: Store, manifest: str, target: Path
) -> None:
    materialize(store, manifest, target, Wish(link=True))
    assert (target / "large").samefile(object_path(store, digest_of(LARGE)))
    modes = {path.stat().st_mode & 0o222 for path in target.rglob("*") if path.is_file() and path.name != "out"}
    assert modes == {0} and os.access(target / "program", os.X_OK)
    assert manifest_of(target) == manifest
    assert materialize(store, manifest, target, Wish(link=True)).written == 0


def test_an_object_is_verified_before_it_is_linked(store: Store, manifest: str, target: Path) -> None:
    path = object_path(store, digest_of(LARGE))
    path.chmod(0o644)
    path.write_bytes(b"X" + LARGE[1:])
    with pytest.raises(FormatError, match="found sha256:"):
        materialize(store, manifest, target, Wish(link=True))
    assert not (target / "large").exists()


def test_what_was_written_through_a_link_is_found_at_the_next_use(store: Store, manifest: str, target: Path) -> None:
    materialize(store, manifest, target, Wish(link=True))
    (target / "large").chmod(0o644)
    (target / "large").write_bytes(b"X" + LARGE[1:])
    with pytest.raises(OccupiedError, match="'large'"):
        materialize(store, manifest, target, Wish(link=True))


# By reference


def test_bytes_that_were_not_kept_come_from_where_they_lie(store: Store, source: Path, target: Path) -> None:
    manifest = add(store, source, keep=False).manifest
    with pytest.raises(UnresolvedError, match="holds no object of"):
        materialize(store, manifest, target)
    materialize(store, manifest, target, Wish(origins=lying_in(source)))
    assert manifest_of(target) == manifest


def test_bytes_that_changed_where_they_lie_are_not_taken(store: Store, source: Path, target: Path) -> None:
    manifest = add(store, source, keep=False).manifest
    (source / "large").write_bytes(b"X" + LARGE[1:])
    with pytest.raises(OriginError) as raised:
        materialize(store, manifest, target, Wish(origins=lying_in(source)))
    found = digest_of(b"X" + LARGE[1:])
    assert raised.value.message == (
        f"scans@1.0.0: 'large' was added by reference: {source}/large (on lab): holds other bytes now,"
        f" found {found} ({len(LARGE)} bytes); expected {digest_of(LARGE)} ({len(LARGE)} bytes)"
    )
    assert not (target / "large").exists()


def test_the_newest_place_that_has_the_bytes_is_taken(store: Store, source: Path, target: Path, tmp_path: Path) -> None:
    manifest = add(store, source, keep=False).manifest
    newer = make(tmp_path / "newer", large=b"X" + LARGE[1:], many__0=b"other")
    sources = [Source("", os.fspath(newer), "lab"), Source("", os.fspath(source), "lab")]
    materialize(store, manifest, target, Wish(origins=Origins("scans@1.0.0", sources)))
    assert manifest_of(target) == manifest


def lying_in(folder: Path) -> Origins:
    return Origins("scans@1.0.0", [Source("", os.fspath(folder), "lab")])


# What cannot be followed


def test_everything_that_is_missing_is_named_and_nothing_written(store: Store, source: Path, target: Path) -> None:
    manifest = add(store, source, keep=False).manifest
    with pytest.raises(UnresolvedError) as raised:
        materialize(store, manifest, target)
    assert raised.value.message.startswith(f"{store.path}: holds no object of 'empty' ({digest_of(b'')}), 'large' (")
    assert raised.value.message.endswith(" and 16 more")
    assert not target.exists()
    make(target, empty=b"")
    before = everything(target)
    with pytest.raises(UnresolvedError, match=f"'large' .{digest_of(LARGE)}."):
        materialize(store, manifest, target)
    assert everything(target) == before


def test_a_damaged_object_is_named_and_not_placed(store: Store, manifest: str, target: Path) -> None:
    path = object_path(store, digest_of(LARGE))
    path.chmod(0o644)
    path.write_bytes(b"X" + LARGE[1:])
    with pytest.raises(FormatError) as raised:
        materialize(store, manifest, target)
    assert raised.value.message.startswith(f"{path}: found sha256:")
    assert not (target / "large").exists() and not list(target.rglob(TEMPORARY + "*"))


FILE = 0o644
BAD = {
    "'/etc/x' is an absolute path": [("/etc/x", "file", FILE, b"a")],
    "'../x' has the part '..' in it": [("../x", "file", FILE, b"a")],
    "'a/../../x' has the part '..' in it": [("a/../../x", "file", FILE, b"a")],
    "'a/..' has the part '..' in it": [("a/..", "file", FILE, b"a")],
    "'./x' has the part '.' in it": [("./x", "file", FILE, b"a")],
    "'a//x' has the part '' in it": [("a//x", "file", FILE, b"a")],
    "'' has the part '' in it": [("", "file", FILE, b"a")],
    "'a\\x00b' has a NUL character in it": [("a\0b", "file", FILE, b"a")],
    "'a\\x00b/c' has a NUL character in it": [("a\0b/c", "file", FILE, b"a")],
    "'.whence/x' lies in a store": [(".whence/x", "file", FILE, b"a")],
    "'l/x' lies below 'l', which is listed itself": [("l", "link", 0o777, b"/etc"), ("l/x", "file", FILE, b"a")],
    "'f/d/x' lies below 'f', which is listed itself": [("f", "file", FILE, b""), ("f/d/x", "file", FILE, b"a")],
    "'a' is listed twice, or not in the order of the bytes": [("a", "file", FILE, b"1"), ("a", "file", FILE, b"2")],
    "'x' has no digest": [("x", "file", FILE, None)],
    "'x' was not read when the folder was recorded": [("x", "unread", FILE, None)],
}


@pytest.mark.parametrize("fault, lines", BAD.items())
def test_a_manifest_that_leads_elsewhere_is_refused_before_anything_is_written(
    store: Store, target: Path, fault: str, lines: list[tuple[str, str, int, bytes | None]]
) -> None:
    manifest = written(store, *lines)
    with pytest.raises(FormatError) as raised:
        materialize(store, manifest, target)
    assert raised.value.message == f"{manifest}: {fault}"
    assert not target.exists()


def test_a_manifest_of_another_form_is_refused(store: Store, target: Path) -> None:
    with pytest.raises(FormatError):
        materialize(store, put_bytes(store, b"{}"), target)
    assert not target.exists()


def test_modes_of_a_manifest_give_no_special_rights(store: Store, target: Path) -> None:
    materialize(store, written(store, ("x", "file", 0o6777, b"#!")), target)
    assert (target / "x").stat().st_mode & 0o7777 == 0o755


def test_names_that_differ_in_case_need_a_folder_that_tells_them_apart(
    store: Store, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = written(store, ("A/x", "file", FILE, b"1"), ("a/y", "file", FILE, b"2"))
    materialize(store, manifest, target)
    monkeypatch.setattr(module, "ignores_case", lambda folder: True)
    with pytest.raises(StoreError) as raised:
        materialize(store, manifest, target.with_name("other"))
    assert raised.value.message == (
        f"{target.with_name('other')}: does not tell upper and lower case apart: 'A' and 'a' would be one"
    )
    assert list(target.with_name("other").iterdir()) == []
    materialize(store, written(store, ("A/x", "file", FILE, b"1")), target.with_name("other"))


def test_whether_a_folder_tells_case_apart_is_found_by_trying(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    assert module.ignores_case(fd) is False
    os.close(fd)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["many", "many/1"])
def test_nothing_is_written_through_a_link_in_the_folder(
    store: Store, manifest: str, target: Path, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (target / name).parent.mkdir(parents=True)
    (target / name).symlink_to(outside)
    with pytest.raises(OccupiedError, match=f"'{name}' .link, expected nothing."):
        materialize(store, manifest, target)
    assert list(outside.iterdir()) == []


def test_a_folder_that_becomes_a_link_meanwhile_is_not_followed(
    store: Store, manifest: str, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    real = os.mkdir

    def mkdir(path: Any, *rest: Any, **named: Any) -> None:
        if path == "many":
            os.symlink(outside, target / "many")
            raise FileExistsError
        real(path, *rest, **named)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(StoreError, match="many/0: cannot be written: Not a directory"):
        materialize(store, manifest, target)
    assert list(outside.iterdir()) == []


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    store: Store, manifest: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def link(source: Any, name: Any, **named: Any) -> None:
        if name == "large":
            (target / "large").write_bytes(b"mine")
        real(source, name, **named)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OccupiedError, match="'large' appeared while the folder was filled"):
        materialize(store, manifest, target)
    assert (target / "large").read_bytes() == b"mine" and not list(target.rglob(TEMPORARY + "*"))


def test_a_folder_that_cannot_be_made_is_said(store: Store, manifest: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as raised:
        materialize(store, manifest, tmp_path / "file" / "target")
    assert raised.value.message == f"{tmp_path}/file/target: cannot be written: Not a directory"
    with pytest.raises(OccupiedError) as occupied:
        materialize(store, manifest, tmp_path / "file")
    assert occupied.value.message == f"{tmp_path}/file: is a file, expected a folder or nothing"


# At once


FILL = """
import sys
from pathlib import Path
from whence.store.layout import open_store
from whence.store.materialize import materialize
print(materialize(open_store(Path(sys.argv[1])), sys.argv[2], Path(sys.argv[3])).written)
"""


def filling(store: Store, manifest: str, target: Path) -> subprocess.Popen[str]:
    environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath}
    argv = [sys.executable, "-c", FILL, store.path, manifest, target]
    return subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True)


def test_processes_that_fill_one_folder_at_once_write_each_file_once(store: Store, manifest: str, target: Path) -> None:
    started = [filling(store, manifest, target) for _ in range(3)]
    counts = [int(process.communicate()[0]) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0] and sorted(counts) == [0, 0, 36]
    assert manifest_of(target) == manifest


def test_where_locks_do_not_work_two_may_fill_one_folder_at_once(
    store: Store, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = add(store, source).manifest
    without_locks(monkeypatch)
    threads = [threading.Thread(target=materialize, args=(store, manifest, target)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manifest_of(target) == manifest and not list(target.rglob(TEMPORARY + "*"))


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def none(folder: Path, **_: object) -> Any:
        yield False

    monkeypatch.setattr(module, "held", none)


def test_another_process_is_waited_for_as_long_as_was_said(store: Store, manifest: str, target: Path) -> None:
    target.mkdir(parents=True)
    with held(target), pytest.raises(BusyError) as raised:
        materialize(store, manifest, target, Wish(seconds=0.1))
    assert raised.value.message == f"{target}: another process is filling it, waited 0.1 s"
    assert materialize(store, manifest, target, Wish(seconds=0.1)).written == 36


def test_what_a_killed_process_left_is_removed_and_what_is_named_so_is_not(
    store: Store, manifest: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(target, **{".tmp-12-0123456789ab": b"half", "many__.tmp-7-0123456789ab": b""})
    without_locks(monkeypatch)
    materialize(store, manifest, target)
    assert len(list(target.rglob(TEMPORARY + "*"))) == 2, "they may be a living process's"
    monkeypatch.undo()
    materialize(store, manifest, target)
    assert manifest_of(target) == manifest
    make(target, **{".tmp-notes": b"mine"})
    with pytest.raises(OccupiedError):
        materialize(store, manifest, target)


def test_after_a_kill_it_goes_on(store: Store, manifest: str, target: Path) -> None:
    killed = filling(store, manifest, target)
    while not target.exists() and killed.poll() is None:
        pass
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    materialize(store, manifest, target)
    assert manifest_of(target) == manifest
