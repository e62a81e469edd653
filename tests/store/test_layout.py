"""A store is made once, found from below, moved freely, and refused politely."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import stored
from accounts import open_folder

from whence.errors import FormatError, StoreError
from whence.store.layout import Store, create_store, find_store, open_store
from whence.store.run_list import run_ids
from whence.store.runs import load_run

MAKE = """
import os, sys, time
from pathlib import Path
from whence.store.layout import create_store
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
print(create_store(Path(sys.argv[1]), now_ns=time.time_ns(), random=os.urandom(10)).id)
"""


@pytest.mark.scenario("X9")
@pytest.mark.slow
def test_sixty_four_processes_that_meet_no_store_make_one(tmp_path: Path) -> None:
    path, go = tmp_path / ".whence", tmp_path / "go"
    argv = [sys.executable, "-c", MAKE, str(path), str(go)]
    makers = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(64)]
    go.touch()
    printed = {maker.communicate()[0].strip() for maker in makers}
    assert [maker.returncode for maker in makers] == [0] * 64
    assert printed == {open_store(path).id}
    assert not list(path.rglob(".tmp-*"))


@pytest.mark.scenario("X9")
def test_a_store_that_another_completes_and_uses_right_after_it_was_looked_at_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, listed = tmp_path / ".whence", os.listdir
    path.mkdir()
    made: list[Store] = []

    def overtaken(folder: Path) -> list[str]:
        monkeypatch.setattr(os, "listdir", listed)
        names = listed(folder)
        made.append(stored.a_store(path))
        (path / "runs" / "2026-11-30").mkdir()
        return names

    monkeypatch.setattr(os, "listdir", overtaken)
    assert create_store(path, now_ns=1, random=bytes(10)).id == made[0].id


def test_a_store_that_was_left_half_made_is_completed(tmp_path: Path) -> None:
    stored.a_store(tmp_path / "whole")
    for removed in ("store.json", "objects", ".git", "code.git/HEAD"):
        path = tmp_path / removed.replace("/", "-")
        shutil.copytree(tmp_path / "whole", path, symlinks=True)
        (path / "store.json").unlink()
        target = path / removed
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        assert find_store(path) is None
        stored.a_store(path)
        assert sorted(p.name for p in path.iterdir()) == sorted(p.name for p in (tmp_path / "whole").iterdir())


def test_a_store_is_found_from_any_folder_below(store: Store) -> None:
    below = store.path.parent / "a" / "b"
    below.mkdir(parents=True)
    assert find_store(below) == store.path
    assert find_store(store.path.parent) == store.path
    assert find_store(store.runs) == store.path
    assert find_store(store.path.parent.parent) is None


@pytest.mark.scenario("V6")
def test_a_store_that_was_moved_reads_the_same(store: Store, tmp_path: Path) -> None:
    run = stored.a_sealed_run(store)
    before = load_run(store, run)
    store.path.rename(tmp_path / "elsewhere")
    after = load_run(open_store(tmp_path / "elsewhere"), run)
    assert (after.record, after.seal_digest) == (before.record, before.seal_digest)


@pytest.mark.scenario("V5")
def test_a_store_that_may_only_be_read_is_read(store: Store, tmp_path: Path) -> None:
    run = stored.a_sealed_run(store)
    with _only_to_be_read(store.path, tmp_path / "mounted") as path:
        _reads(open_store(path), run)


@contextmanager
def _only_to_be_read(folder: Path, mounted: Path) -> Iterator[Path]:
    """The folder without the right to write; root needs a mount for that."""
    if os.geteuid() != 0:
        folders = [Path(inner) for inner, _, _ in os.walk(folder)]
        for inner in folders:
            inner.chmod(0o555)
        yield folder
        for inner in folders:
            inner.chmod(0o755)
        return
    mounted.mkdir()
    if subprocess.run(["mount", "--bind", folder, mounted], check=False, capture_output=True).returncode:
        pytest.skip("no right to mount, and to root every folder is writable")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", mounted], check=True)
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True)


def _reads(store: Store, run: str) -> None:
    assert not store.writable
    assert list(run_ids(store)) == [run]
    assert load_run(store, run).record.status == "succeeded"


@pytest.mark.scenario("V7", "I11")
def test_a_newer_format_is_refused_with_what_to_do(store: Store) -> None:
    (store.path / "store.json").write_bytes(b'{"format":"whence-store/2","id":"x","created":"y","more":[]}')
    with pytest.raises(StoreError) as raised:
        open_store(store.path)
    assert raised.value.message == (
        f"{store.path}/store.json: found format 'whence-store/2', expected 'whence-store/1'"
    )
    assert raised.value.hint and "upgrade" in raised.value.hint


@pytest.mark.scenario("I11")
def test_a_store_json_that_is_damaged_is_named(store: Store) -> None:
    (store.path / "store.json").write_bytes(b'{"format":3}')
    with pytest.raises(FormatError, match=r"store\.json: .*format"):
        open_store(store.path)


def test_a_store_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ".whence"
    path.write_text("hello")
    for act in (stored.a_store, open_store):
        with pytest.raises(StoreError) as raised:
            act(path)
        assert raised.value.message == f"{path}: found a file, expected a folder"
        assert raised.value.hint
    assert path.read_text() == "hello"


def test_a_folder_with_something_else_in_it_does_not_become_a_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match=r"found 'thesis\.tex' in it and no store\.json"):
        stored.a_store(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"found no store\.json, expected a store"):
        open_store(tmp_path)


def test_a_store_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError):
        create_store(tmp_path / "file" / ".whence", now_ns=0, random=bytes(10))


def test_git_clean_leaves_the_store_alone(store: Store) -> None:
    work = store.path.parent
    subprocess.run(["git", "init", "-q", work], check=True)
    (work / "junk").write_text("x")
    subprocess.run(["git", "-C", work, "clean", "-fdxq"], check=True)
    assert not (work / "junk").exists()
    assert open_store(store.path).id == store.id
    assert subprocess.run(["git", "-C", work, "add", "-A"], capture_output=True, check=False).returncode in (0, 128)
    listed = subprocess.run(["git", "-C", work, "ls-files"], capture_output=True, text=True, check=True).stdout
    assert "objects" not in listed


def test_a_second_f_makes_git_clean_take_the_store_too_as_the_format_says(store: Store) -> None:
    work = store.path.parent
    subprocess.run(["git", "init", "-q", work], check=True)
    subprocess.run(["git", "-C", work, "clean", "-ffdxq"], check=True)
    assert not store.path.exists()
    assert "git clean -ffdx" in (Path(__file__).parents[2] / "docs/format.md").read_text("utf-8")


def test_git_takes_code_git_for_a_sound_repository(store: Store) -> None:
    def git(*argv: str) -> str:
        done = subprocess.run(["git", "--git-dir", store.code_git, *argv], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert git("rev-parse", "--is-bare-repository") == "true"
    assert git("config", "extensions.preciousObjects") == "true"
    assert git("check-attr", "text", "filter", "--", "a.txt").splitlines() == [
        "a.txt: text: unset",
        "a.txt: filter: unset",
    ]
    git("fsck", "--full")


def test_accounts_of_one_group_share_a_store_in_a_set_gid_folder() -> None:
    with open_folder() as folder:
        team = folder / "team"
        team.mkdir()
        if os.geteuid() != 0:
            team.chmod(0o2770)
            store = stored.a_store(team / ".whence")
            assert all(_is_shared(Path(inner)) for inner, _, _ in os.walk(store.path))
            return
        group, users = pwd.getpwnam("daemon").pw_gid, ("daemon", "nobody")
        os.chown(team, 0, group)
        team.chmod(0o2770)
        runs = [_as(user, group, team / ".whence") for user in users]
        store = open_store(team / ".whence")
        assert sorted(run_ids(store)) == sorted(runs)
        assert all(_is_shared(Path(inner)) for inner, _, _ in os.walk(store.path))
        for run in runs:
            assert load_run(store, run).record.status == "succeeded"


def _is_shared(folder: Path) -> bool:
    mode = folder.stat().st_mode
    return bool(mode & stat.S_ISGID and mode & stat.S_IWGRP)


def _as(user: str, group: int, path: Path) -> str:
    """A run that this account records on the same day as the others."""
    # Root records one first, elsewhere: the interpreter may lie where other accounts cannot read.
    code = (
        "import os, sys; sys.path[:0] = sys.argv[2].split(os.pathsep)\n"
        "import stored; from pathlib import Path\n"
        "stored.a_sealed_run(stored.a_store(Path(sys.argv[1]).parent.parent / str(os.getpid())))\n"
        "os.umask(0o022); os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[4]))\n"
        "print(stored.a_sealed_run(stored.a_store(Path(sys.argv[1]))))"
    )
    uid = pwd.getpwnam(user).pw_uid
    argv = [sys.executable, "-c", code, str(path), os.pathsep.join(filter(None, sys.path)), str(group), str(uid)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_store_that_a_full_disk_left_half_made_is_told_from_none_and_completed(tmp_path: Path) -> None:
    path = tmp_path / ".whence"
    (path / "code.git").mkdir(parents=True)
    with pytest.raises(StoreError, match="did not get as far") as half:
        open_store(path)
    assert half.value.hint and "the next `whence run` completes it" in half.value.hint
    assert create_store(path, now_ns=1, random=b"0" * 10).id == open_store(path).id


@pytest.mark.parametrize("what", ["folder", "archive"])
def test_a_store_without_its_mark_is_not_made_another_one(store: Store, what: str) -> None:
    (store.runs / ("2026-10-01" if what == "folder" else "2026-10.zip")).mkdir()
    (store.path / "store.json").unlink()
    below = store.path.parent / "below"
    below.mkdir()
    assert find_store(below) == store.path
    for step in (lambda: open_store(store.path), lambda: create_store(store.path, now_ns=1, random=b"0" * 10)):
        with pytest.raises(StoreError, match=r"found runs and no store\.json") as refused:
            step()
        assert refused.value.hint and "take store.json from a copy" in refused.value.hint
    assert not (store.path / "store.json").exists()
