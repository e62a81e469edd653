"""What version control and the folder say, in every state a repository can be in."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from codeworld import CodeWorld, contents, fingerprint, run_id
from workplace import Workplace

from whence.capture.checkout import capture_repository
from whence.capture.code import capture_code
from whence.capture.git_listings import parse_unlisted
from whence.records.code import Repository
from whence.rules.secrets import Secrets
from whence.store.collection import Terms


@pytest.fixture
def world(workplace: Workplace, tmp_path: Path) -> CodeWorld:
    return CodeWorld(workplace, tmp_path / "store")


@pytest.fixture
def repo(world: CodeWorld) -> CodeWorld:
    world.place.repository(**{"train.py": "import helper\n", "helper.py": "x = 1\n", "README.md": "hello\n"})
    world.place.write("bin/go", "#!/bin/sh\n").chmod(0o755)
    world.place.commit("program")
    return world


@pytest.mark.scenario("A1", "S13", "B1")
def test_a_clean_commit_is_recorded_as_git_says(repo: CodeWorld) -> None:
    git = repo.place.git
    git("tag", "-a", "v1.2.0", "-m", "first")
    code = repo.record()
    assert code.vcs == "git"
    assert (code.commit, code.branch) == (git("rev-parse", "HEAD"), "main")
    assert code.tree == code.git_tree == git("rev-parse", "HEAD^{tree}")
    assert code.id == f"git-tree:{code.tree}"
    assert code.describe == code.version == git("describe", "--tags")
    assert code.version_from == "git describe"
    assert (code.dirty, code.dirty_paths, code.pushed, code.stored) == (False, [], None, "complete")
    assert contents(repo.restored(code.tree)) == contents(repo.place.path)


@pytest.mark.scenario("A2", "A3", "S16")
def test_a_changed_helper_is_other_code_and_the_old_content_the_old_code(repo: CodeWorld) -> None:
    first = repo.record()
    repo.place.write("helper.py", "x = 2\n")
    repo.place.commit()
    second = repo.record()
    repo.place.write("helper.py", "x = 1\n")
    repo.place.commit()
    third = repo.record()
    assert first.id != second.id
    assert third.id == first.id
    assert third.commit != first.commit


def _staged(place: Workplace) -> None:
    place.write("helper.py", "x = 2\n")
    place.git("add", "helper.py")


def _staged_and_modified(place: Workplace) -> None:
    _staged(place)
    place.write("helper.py", "x = 3\n")


def _conflict(place: Workplace) -> None:
    place.git("checkout", "-q", "-b", "other")
    place.write("helper.py", "x = 'other'\n")
    place.commit()
    place.git("checkout", "-q", "main")
    place.write("helper.py", "x = 'main'\n")
    place.commit()
    place.run(["git", "merge", "-q", "other"])


def _hidden(flag: str) -> Callable[[Workplace], None]:
    def change(place: Workplace) -> None:
        place.git("update-index", flag, "helper.py")
        place.write("helper.py", "x = 'hidden'\n")

    return change


def _mode_and(place: Workplace, name: str, *, staged: bool = False) -> None:
    place.write(name, "x = 'and more'\n")
    (place.path / name).chmod(0o755)
    if staged:
        place.git("add", name)


def _type(place: Workplace) -> None:
    (place.path / "helper.py").unlink()
    (place.path / "helper.py").symlink_to("/etc/hostname")


def _folder_for_file(place: Workplace) -> None:
    (place.path / "helper.py").unlink()
    place.write("helper.py/inner.py", "y = 1\n")


DIRTY: dict[str, tuple[Callable[[Workplace], object], dict[str, str]]] = {
    "modified": (lambda p: p.write("helper.py", "x = 2\n"), {"helper.py": "modified"}),
    "staged": (_staged, {"helper.py": "staged"}),
    "staged and modified": (_staged_and_modified, {"helper.py": "staged+modified"}),
    "new and staged": (lambda p: (p.write("n.py", "n\n"), p.git("add", "n.py")), {"n.py": "staged"}),
    "untracked": (lambda p: p.write("new.py", "n = 1\n"), {"new.py": "untracked"}),
    "untracked in a new folder": (lambda p: p.write("a/b/new.py", "n\n"), {"a/b/new.py": "untracked"}),
    "deleted": (lambda p: (p.path / "helper.py").unlink(), {"helper.py": "deleted"}),
    "deleted from the index": (lambda p: p.git("rm", "-q", "helper.py"), {"helper.py": "deleted"}),
    "renamed": (lambda p: p.git("mv", "helper.py", "renamed.py"), {"renamed.py": "renamed"}),
    "unrelated": (lambda p: p.write("README.md", "bye\n"), {"README.md": "modified"}),
    "mode": (lambda p: (p.path / "helper.py").chmod(0o755), {"helper.py": "mode"}),
    "mode and content": (lambda p: _mode_and(p, "helper.py"), {"helper.py": "modified"}),
    "mode and content, staged": (lambda p: _mode_and(p, "helper.py", staged=True), {"helper.py": "staged"}),
    "type": (_type, {"helper.py": "type"}),
    "a folder where a file was": (_folder_for_file, {"helper.py": "deleted", "helper.py/inner.py": "untracked"}),
    "conflict": (_conflict, {"helper.py": "conflict"}),
    "assume-unchanged": (_hidden("--assume-unchanged"), {"helper.py": "hidden"}),
    "skip-worktree": (_hidden("--skip-worktree"), {"helper.py": "hidden"}),
    "intent to add": (lambda p: (p.write("n.py", "n\n"), p.git("add", "-N", "n.py")), {"n.py": "modified"}),
    "binary": (lambda p: p.write("blob.bin", bytes(range(256)) * 9), {"blob.bin": "untracked"}),
    "empty": (lambda p: p.write("empty", b""), {"empty": "untracked"}),
    "a link to outside": (lambda p: (p.path / "l").symlink_to("/etc"), {"l": "untracked"}),
    "a broken link": (lambda p: (p.path / "l").symlink_to("nowhere"), {"l": "untracked"}),
    "a name that is not UTF-8": (
        lambda p: Path(os.fsdecode(os.fsencode(p.path) + b"/\xff\xfe.py")).write_text("z\n"),
        {os.fsdecode(b"\xff\xfe.py"): "untracked"},
    ),
    "a name with a newline": (lambda p: p.write("two\nlines.py", "z\n"), {"two\nlines.py": "untracked"}),
    "a name with quotes": (lambda p: p.write('"q" é.py', "z\n"), {'"q" é.py': "untracked"}),
}


@pytest.mark.scenario("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B17", "S24", "S25", "X6")
@pytest.mark.parametrize("state", DIRTY)
def test_a_dirty_folder_is_kept_byte_for_byte_and_left_alone(repo: CodeWorld, state: str) -> None:
    change, expected = DIRTY[state]
    change(repo.place)
    before, files = fingerprint(repo.place.path), contents(repo.place.path)
    code = repo.record()
    assert fingerprint(repo.place.path) == before
    assert code.dirty
    assert {d.path: d.state for d in code.dirty_paths} == expected
    tracked = repo.place.git("ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")
    assert {d.path: d.change for d in code.dirty_paths} == {
        d.path: "deleted"
        if d.path not in files
        else "renamed"
        if d.before
        else "modified"
        if d.path in tracked
        else "added"
        for d in code.dirty_paths
    }
    assert code.git_tree == repo.git_tree()
    shutil.rmtree(repo.place.path)
    assert contents(repo.restored(code.tree)) == files


@pytest.mark.parametrize("name", ["helper.py", '"q".py', "two\nlines.py"])
def test_that_content_and_mode_both_changed_is_said(repo: CodeWorld, name: str) -> None:
    repo.place.write(name, "x = 1\n")
    repo.place.write("only.sh", "true\n")
    repo.place.commit()
    _mode_and(repo.place, name)
    (repo.place.path / "only.sh").chmod(0o755)
    found = {one.path: (one.state, one.mode_changed, one.words) for one in repo.record().dirty_paths}
    assert found == {name: ("modified", True, "modified, mode"), "only.sh": ("mode", True, "mode")}
    repo.place.git("add", "-A")
    found = {one.path: (one.state, one.mode_changed, one.words) for one in repo.record().dirty_paths}
    assert found == {name: ("staged", True, "modified, staged, mode"), "only.sh": ("mode", True, "mode")}


def test_the_old_name_of_a_rename_is_kept(repo: CodeWorld) -> None:
    repo.place.git("mv", "helper.py", "renamed.py")
    assert [d.before for d in repo.record().dirty_paths] == ["helper.py"]


@pytest.mark.scenario("B9")
@pytest.mark.parametrize("setting", ["true", "input"])
def test_line_endings_are_raw_in_the_tree_and_gits_in_git_tree(repo: CodeWorld, setting: str) -> None:
    repo.place.git("config", "core.autocrlf", setting)
    repo.place.write("helper.py", "x = 1\r\n")
    repo.place.write("other.py", "y = 1\r\n")
    files = contents(repo.place.path)
    code = repo.record()
    assert code.git_tree == repo.git_tree()
    assert contents(repo.restored(code.tree)) == files


@pytest.mark.scenario("A12")
def test_filters_and_hooks_never_run(repo: CodeWorld) -> None:
    """A clean filter that leaves a trace, hooks for everything, a monitor: none is started."""
    place = repo.place
    trace = place.path.parent / "trace"
    place.write(".gitattributes", "*.bin filter=mark\n")
    place.commit()
    program = place.path.parent / "program"
    program.write_text(f"#!/bin/sh\necho ran >> {trace}\ncat\n")
    program.chmod(0o755)
    for key in ("filter.mark.clean", "filter.mark.smudge", "core.fsmonitor", "core.pager", "diff.external"):
        place.git("config", key, str(program))
    place.git("config", "filter.mark.required", "true")
    for hook in ("post-index-change", "post-checkout", "reference-transaction", "pre-commit", "fsmonitor-watchman"):
        shutil.copy(program, place.path / ".git/hooks" / hook)
    place.write("data.bin", "raw\n")
    before = fingerprint(place.path)
    captured = repo.capture()
    assert captured.plan is not None
    snapshot = repo.snapshots.take(captured.plan, "01900000-0000-7000-8000-000000000000")
    assert not trace.exists()
    assert fingerprint(place.path) == before
    assert repo.trees.read(snapshot.tree, "data.bin") == b"raw\n"


@pytest.mark.scenario("A12")
def test_a_large_file_of_git_lfs_is_named_by_its_pointer_and_a_small_one_kept(repo: CodeWorld) -> None:
    """The blob that git holds is the pointer; the folder holds the content."""
    place = repo.place
    place.write(".gitattributes", "*.bin filter=lfs -text\n")
    content = b"weights" * 1000
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(content).hexdigest()}\nsize {len(content)}\n"
    )
    clean = place.path.parent / "clean"
    clean.write_text(f"#!/bin/sh\ncat > /dev/null\nprintf '{pointer}'\n")
    clean.chmod(0o755)
    place.git("config", "filter.lfs.clean", str(clean))
    place.write("model.bin", content)
    place.commit()
    place.git("config", "filter.lfs.clean", "false")
    large = repo.capture(untracked_limit=1000)
    assert [(item.path, item.digest) for item in large.plan.left_out] == [
        ("model.bin", "sha256:" + sha256(content).hexdigest())
    ]
    code = repo.record()
    assert (code.dirty, code.git_tree) == (False, place.git("rev-parse", "HEAD^{tree}"))
    assert repo.trees.read(code.tree or "", "model.bin") == content


@pytest.mark.scenario("A6")
def test_a_repository_without_a_commit(world: CodeWorld) -> None:
    world.place.git("init", "-q", "-b", "main")
    world.place.write("train.py", "1\n")
    code = world.record()
    assert (code.vcs, code.commit, code.branch, code.describe, code.dirty) == ("git", None, "main", None, True)
    assert code.git_tree == world.git_tree() == code.tree


@pytest.mark.scenario("A6")
@pytest.mark.parametrize("broken", ["index", "objects"])
def test_a_repository_that_git_cannot_compare_is_still_one(repo: CodeWorld, broken: str) -> None:
    commit = repo.place.git("rev-parse", "HEAD")
    if broken == "index":
        repo.place.write(".git/index", "garbage")
    else:
        shutil.rmtree(repo.place.path / ".git" / "objects")
        (repo.place.path / ".git" / "objects").mkdir()
    captured = repo.capture()
    assert [m.what for m in captured.missing] == ["code.dirty"]
    assert captured.missing[0].because.startswith("git: ")
    code = repo.record()
    assert (code.vcs, code.commit, code.branch, code.dirty) == ("git", commit, "main", None)
    assert code.root == str(repo.place.path)
    assert contents(repo.restored(code.tree)) == contents(repo.place.path)


@pytest.mark.scenario("A6")
@pytest.mark.parametrize("broken", ["index", "HEAD"])
def test_what_git_ignores_stays_out_of_the_snapshot_of_a_broken_repository(repo: CodeWorld, broken: str) -> None:
    for name in ("data/big/1.bin", "data/2.bin", "src/noise.log", "mine.txt", "src/kept.py", "src/table.log.py"):
        repo.place.write(name, "x\n")
    repo.place.write(".gitignore", "data/\n*.log\n")
    repo.place.write(".git/info/exclude", "mine.txt\n")
    there = contents(repo.place.path)
    repo.place.write(f".git/{broken}", "garbage")
    captured = repo.capture()
    gaps = {gap.what: gap.because for gap in captured.missing}
    assert gaps["code.tree"] == (
        "paths that match ignore rules of git are not in the snapshot, tracked or not: data/, mine.txt, src/noise.log"
    )
    restored = contents(repo.restored(repo.record().tree))
    ignored = {"data", "data/big", "data/big/1.bin", "data/2.bin", "mine.txt", "src/noise.log"}
    assert restored == {path: facts for path, facts in there.items() if path not in ignored}
    inner = capture_code(repo.place.path / "src", ["true"], environ=repo.place.environ)
    if broken == "HEAD":
        assert {gap.what: gap.because for gap in inner.missing}["code.tree"].endswith("tracked or not: noise.log")


@pytest.mark.parametrize(
    "name", [".GIT/x", "sub/.Git/x", "git~1", ".git. /x", ".g\u200cit/x", ".git::$INDEX_ALLOCATION"]
)
def test_a_name_that_git_refuses_is_left_out_and_the_rest_is_restored(repo: CodeWorld, name: str) -> None:
    repo.place.write(name, "odd\n")
    repo.place.write("new.py", "1\n")
    code = repo.record()
    assert [(item.path, item.size) for item in code.files_left_out] == [(name, 4)]
    repo.place.run(["git", "-C", repo.store.code_git, "fsck", "--strict"]).ok()
    there = {path: facts for path, facts in contents(repo.place.path).items() if path != name}
    assert contents(repo.restored(code.tree)) == there


@pytest.mark.scenario("A6")
def test_a_detached_head_has_no_branch(repo: CodeWorld) -> None:
    repo.place.git("checkout", "-q", "--detach")
    code = repo.record()
    assert (code.branch, code.commit) == (None, repo.place.git("rev-parse", "HEAD"))


@pytest.mark.scenario("A6")
def test_a_shallow_clone_says_so(repo: CodeWorld, tmp_path: Path) -> None:
    repo.place.write("x", "1")
    repo.place.commit()
    repo.place.git("clone", "-q", "--depth", "1", repo.place.path.as_uri(), str(tmp_path / "shallow"))
    code = repo.record(cwd=tmp_path / "shallow")
    assert (code.shallow, code.pushed) == (True, True)
    assert code.tree == repo.place.git("rev-parse", "HEAD^{tree}")


@pytest.mark.scenario("A6")
def test_a_linked_worktree_of_a_bare_repository(repo: CodeWorld, tmp_path: Path) -> None:
    bare, linked = tmp_path / "bare.git", tmp_path / "linked"
    repo.place.git("clone", "-q", "--bare", str(repo.place.path), str(bare))
    repo.place.git("-C", str(bare), "worktree", "add", "-q", str(linked), "-b", "topic")
    (linked / "helper.py").write_text("x = 9\n")
    before = fingerprint(bare)
    code = repo.record(cwd=linked)
    assert fingerprint(bare) == before
    assert (code.branch, code.root) == ("topic", str(linked))
    assert [d.path for d in code.dirty_paths] == ["helper.py"]
    assert repo.trees.read(code.tree or "", "helper.py") == b"x = 9\n"
    captured = repo.capture(cwd=bare)
    assert captured.plan is None
    assert (captured.code.vcs, captured.code.commit) == ("git", code.commit)
    assert [m.what for m in captured.missing] == ["code.tree"]


def _elsewhere(place: Workplace) -> None:
    place.git("config", "core.worktree", "/nowhere")


def _bare(place: Workplace) -> None:
    place.git("config", "core.bare", "true")


def _without_head(place: Workplace) -> None:
    (place.path / ".git" / "HEAD").unlink()


def _odd_head(place: Workplace) -> None:
    place.write(".git/HEAD", "garbage")


def _without_objects(place: Workplace) -> None:
    shutil.rmtree(place.path / ".git" / "objects")


def _of_the_future(place: Workplace) -> None:
    place.git("config", "core.repositoryformatversion", "9")


def _points_nowhere(place: Workplace) -> None:
    shutil.rmtree(place.path / ".git")
    place.write(".git", "gitdir: /nowhere\n")


def _git_is_a_pipe(place: Workplace) -> None:
    shutil.rmtree(place.path / ".git")
    os.mkfifo(place.path / ".git")


@pytest.mark.parametrize(
    "breaks",
    [_elsewhere, _bare, _without_head, _odd_head, _without_objects, _of_the_future, _points_nowhere, _git_is_a_pipe],
)
@pytest.mark.parametrize("below", [False, True])
def test_a_repository_that_git_refuses_is_not_known_to_be_clean(
    repo: CodeWorld, breaks: Callable[[Workplace], None], below: bool
) -> None:
    breaks(repo.place)
    cwd = repo.place.path / "bin" if below else repo.place.path
    captured = repo.capture(cwd=cwd)
    assert (captured.code.vcs, captured.code.dirty) == ("git", None)
    assert [m.because for m in captured.missing if m.what in ("code.dirty", "code.commit")]
    assert contents(repo.restored(repo.record(cwd=cwd).tree)) == contents(cwd)


def _too_deep(top: Path) -> None:
    """Folders down to a path that no call takes whole, with a file at each of the last."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(4096 // 200 + 2):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        os.close(os.open("f" * 150 + ".py", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize("with_git", [True, False])
def test_what_lies_too_deep_to_be_listed_is_named_and_the_rest_is_kept(repo: CodeWorld, with_git: bool) -> None:
    if not with_git:
        shutil.rmtree(repo.place.path / ".git")
    else:
        repo.place.write(".gitignore", "f*.py\n.gitignore\n")
    _too_deep(repo.place.path)
    captured = repo.capture()
    assert captured.plan is not None
    snapshot = repo.snapshots.take(captured.plan, run_id())
    code = snapshot.onto(captured.code)
    assert code.stored == "partial"
    assert repo.completion.complete(captured.plan, snapshot).stored == "partial"
    assert code.dirty is None
    assert any("File name too long" in item.because for item in code.files_left_out)
    what = [missing.what for missing in captured.missing]
    assert what == (["code.tree", "code.dirty"] if with_git else ["code.tree"])
    assert "train.py" in contents(repo.restored(code.tree))


WARNINGS = {
    b"warning: could not open directory 'priv/': Permission denied\n": [("priv", "Permission denied")],
    b"warning: could not open directory 'it's x/': Permission denied\n": [("it's x", "Permission denied")],
    b"warning: could not open directory 'd/ddd\n": [("d/ddd", "File name too long")],
    b"priv/m.py: Permission denied\n": [("priv/m.py", "Permission denied")],
    b"warning: unable to access 'priv/.gitignore': Permission denied\n": [],
    b"warning: LF will be replaced by CRLF\nhint: Wait: No\n": [],
}


@pytest.mark.parametrize("said", WARNINGS)
def test_what_git_could_not_look_at_is_read_from_its_warnings(said: bytes) -> None:
    found = [(item.path, item.because) for item in parse_unlisted(said)]
    assert found == [(path, f"it could not be listed: {reason}") for path, reason in WARNINGS[said]]


@pytest.mark.scenario("A6")
def test_git_dir_in_the_environment_means_what_git_means(repo: CodeWorld, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.git"
    shutil.move(repo.place.path / ".git", elsewhere)
    env = {"GIT_DIR": str(elsewhere), "GIT_WORK_TREE": str(repo.place.path)}
    code = repo.record(env=env)
    assert (code.vcs, code.dirty, code.root) == ("git", False, str(repo.place.path))
    broken = repo.capture(env={"GIT_DIR": str(tmp_path / "nothing")})
    assert (broken.code.vcs, broken.code.commit, broken.code.dirty) == ("git", None, None)
    assert [(m.what, m.because) for m in broken.missing] == [
        ("code.commit", f"git: not a git repository: '{tmp_path / 'nothing'}'")
    ]


def test_a_repository_of_another_account_is_read_and_that_is_said(repo: CodeWorld) -> None:
    commit = repo.place.git("rev-parse", "HEAD")
    repo.place.write("helper.py", "x = 5\n")
    # Only root can give a repository away; git itself can be told to take it for somebody else's.
    given_away = {} if os.geteuid() == 0 else {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    for path in () if given_away else (repo.place.path, *repo.place.path.rglob("*")):
        os.lchown(path, 12345, 12345)
    assert repo.place.run(["git", "status"], env=given_away).code == 128
    captured = repo.capture(env=given_away)
    assert (captured.code.commit, [d.path for d in captured.code.dirty_paths]) == (commit, ["helper.py"])
    assert [m.what for m in captured.missing] == ["code.safe_directory"]
    assert "dubious ownership" in captured.missing[0].because
    code = repo.record(env=given_away)
    assert code.git_tree is not None
    assert repo.trees.read(code.tree or "", "helper.py") == b"x = 5\n"


@pytest.mark.scenario("A12", "B9")
def test_submodules_are_entered_and_named(repo: CodeWorld, tmp_path: Path) -> None:
    place, git = repo.place, repo.place.git
    library = Workplace(tmp_path / "library", place.home).repository(**{"lib.py": "v = 1\n"})
    git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "lib")
    place.commit()
    files = contents(place.path)
    clean = repo.record()
    commit = library.git("rev-parse", "HEAD")
    assert [(s.path, s.commit, s.expected, s.dirty) for s in clean.submodules] == [("lib", commit, commit, False)]
    assert (clean.dirty, clean.git_tree) == (False, git("rev-parse", "HEAD^{tree}"))
    assert contents(repo.restored(clean.tree)) == files

    place.write("lib/lib.py", "v = 2\n")
    before = fingerprint(place.path)
    dirty = repo.record()
    assert fingerprint(place.path) == before
    assert [s.dirty for s in dirty.submodules] == [True]
    assert {d.path: d.state for d in dirty.dirty_paths} == {"lib": "submodule", "lib/lib.py": "modified"}
    assert dirty.git_tree == clean.git_tree
    assert repo.trees.read(dirty.tree or "", "lib/lib.py") == b"v = 2\n"

    git("-C", "lib", "commit", "-q", "-a", "-m", "ahead")
    moved = repo.record()
    assert [(s.commit, s.expected) for s in moved.submodules] == [(git("-C", "lib", "rev-parse", "HEAD"), commit)]
    assert {d.path: d.state for d in moved.dirty_paths} == {"lib": "submodule"}
    assert moved.git_tree == repo.git_tree() != clean.git_tree


def test_a_repository_inside_the_folder_is_entered(repo: CodeWorld) -> None:
    inner = Workplace(repo.place.path / "inner", repo.place.home).repository(**{"in.py": "i = 1\n"})
    inner.write("loose.py", "l = 1\n")
    code = repo.record()
    assert code.git_tree == repo.git_tree()
    assert [(s.path, s.commit, s.dirty) for s in code.submodules] == [("inner", inner.git("rev-parse", "HEAD"), True)]
    assert repo.trees.read(code.tree or "", "inner/in.py") == b"i = 1\n"
    assert repo.trees.read(code.tree or "", "inner/loose.py") == b"l = 1\n"


@pytest.mark.scenario("A7", "A8")
def test_remotes_carry_no_credentials_and_make_a_page(repo: CodeWorld) -> None:
    repo.place.git("remote", "add", "origin", "https://ada:TOKEN123@github.com/lab/model.git")
    repo.place.git("remote", "add", "mirror", "https://TOKEN456@git.example.org/model.git")
    code = repo.record()
    assert code.remotes == {
        "origin": "https://github.com/lab/model.git",
        "mirror": "https://git.example.org/model.git",
    }
    assert code.url == f"https://github.com/lab/model/blob/{code.commit}/train.py"
    assert code.pushed is False


@pytest.mark.scenario("S13")
def test_pushed_means_that_a_remote_reference_holds_the_commit(repo: CodeWorld, tmp_path: Path) -> None:
    repo.place.git("clone", "-q", "--bare", str(repo.place.path), str(tmp_path / "remote.git"))
    repo.place.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    repo.place.git("fetch", "-q", "origin")
    assert repo.record().pushed is True
    repo.place.write("x.py", "1\n")
    repo.place.commit()
    assert repo.record().pushed is False


VERSIONS = {
    "pyproject": ("pyproject.toml", '[project]\nname = "x"\nversion = "3.1.4"  # pi\n', ("3.1.4", "pyproject.toml")),
    "poetry": ("pyproject.toml", '[tool.poetry]\nversion = "2.0"\n', ("2.0", "pyproject.toml")),
    "setup.cfg": ("setup.cfg", "[metadata]\nversion = 1.5\n", ("1.5", "setup.cfg")),
    "dynamic": (
        "pyproject.toml",
        '[project]\n[tool.x]\nversion = "9"\n',
        ("v0.3.0", "git describe"),
    ),
}


@pytest.mark.scenario("S13")
@pytest.mark.parametrize("form", VERSIONS)
def test_the_version_is_the_one_that_the_project_states(repo: CodeWorld, form: str) -> None:
    name, content, expected = VERSIONS[form]
    repo.place.write(name, content)
    repo.place.commit()
    repo.place.git("tag", "v0.3.0")
    code = repo.record()
    assert (code.version, code.version_from) == expected


@pytest.mark.scenario("A15", "A19", "B17")
def test_a_folder_without_git_is_kept_without_what_is_installed(world: CodeWorld) -> None:
    place = world.place
    place.write("train.py", "1\n")
    place.write("pkg/mod.py", "2\n")
    for name in (".venv/lib/x.py", "node_modules/x.js", "__pycache__/x.pyc", "env/pyvenv.cfg", "env/lib/y.py"):
        place.write(name, "no\n")
    place.write("big.bin", b"\0" * 5000)
    os.mkfifo(place.path / "pipe")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(os.path.relpath(place.path / "sock"))
    sock.close()
    code = world.record(terms=Terms(untracked_limit=1000))
    assert (code.vcs, code.commit, code.dirty) == ("none", None, None)
    assert set(contents(world.restored(code.tree))) == {"train.py", "pkg/mod.py"}
    assert {item.path: item.because for item in code.files_left_out} == {
        "big.bin": "it is untracked and larger than untracked_limit (1000 bytes)",
        "pipe": "it is a named pipe",
        "sock": "it is a socket",
    }
    assert next(item.digest for item in code.files_left_out if item.path == "big.bin") is not None


def test_a_home_folder_is_not_swept(world: CodeWorld) -> None:
    world.place.write("train.py", "1\n")
    world.place.write(".netrc", "secret\n")
    world.place.write("photos/a.jpg", "p\n")
    captured = world.capture(home=world.place.path)
    assert captured.plan is not None
    assert [entry.path for entry in captured.plan.entries] == ["train.py"]
    assert [m.what for m in captured.missing] == ["code.tree"]


@pytest.mark.scenario("A9")
def test_a_script_elsewhere_brings_its_own_repository(repo: CodeWorld, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    code = repo.record("python", str(repo.place.path / "train.py"), cwd=data)
    assert (code.root, code.entry.path if code.entry else None) == (str(repo.place.path), "train.py")


@pytest.mark.scenario("S18")
def test_declared_values_are_held_against_what_is_seen(repo: CodeWorld) -> None:
    repo.place.git("remote", "add", "origin", "git@github.com:lab/model.git")
    commit = repo.place.git("rev-parse", "HEAD")
    right = repo.record(declared_commit=commit[:12], declared_url="https://github.com/lab/model")
    wrong = repo.record(declared_commit="0" * 40, declared_url="https://github.com/lab/other")
    assert [(d.name, d.checked) for d in right.declared] == [("code.commit", "agrees"), ("code.url", "agrees")]
    assert [(d.name, d.checked) for d in wrong.declared] == [("code.commit", "differs"), ("code.url", "differs")]
    assert wrong.commit == commit


def test_results_and_exclusions_are_listed_apart(repo: CodeWorld) -> None:
    repo.place.write("out/model.pt", "m\n")
    repo.place.write("notes.log", "n\n")
    code = repo.record(is_result=lambda path, tracked: "/out/" in path, code_exclude=("*.log",))
    assert {d.path: d.role for d in code.dirty_paths} == {"notes.log": "result", "out/model.pt": "result"}
    assert not code.dirty


@pytest.mark.scenario("A12")
def test_the_identity_of_an_editable_sibling(repo: CodeWorld) -> None:
    found = capture_repository(repo.place.path, repo.place.environ)
    assert isinstance(found, Repository)
    assert (found.commit, found.branch, found.dirty) == (repo.place.git("rev-parse", "HEAD"), "main", False)
    repo.place.write("new.py", "")
    changed = capture_repository(repo.place.path, repo.place.environ)
    assert isinstance(changed, Repository)
    assert (changed.commit, changed.dirty, changed.tree) == (found.commit, True, None)


def test_a_machine_without_git_still_has_the_folder(repo: CodeWorld, tmp_path: Path) -> None:
    code = repo.record(env={"PATH": str(tmp_path)})
    assert (code.vcs, code.commit, code.dirty) == ("git", None, None)
    assert set(contents(repo.restored(code.tree))) == set(contents(repo.place.path))


def test_a_repository_of_sha256_objects(world: CodeWorld) -> None:
    world.place.git("init", "-q", "-b", "main", "--object-format=sha256")
    world.place.write("train.py", "1\n")
    world.place.commit()
    world.place.write("new.py", "2\n")
    files = contents(world.place.path)
    code = world.record()
    assert code.git_tree == world.git_tree()
    assert len(code.tree or "") == 40
    assert contents(world.restored(code.tree)) == files


_COMMITTING_GIT = """#!/bin/sh
{git} "$@"; code=$?
case " $* " in *" {after} "*)
    if [ $(cat {count}) -gt 0 ]; then
        echo $(($(cat {count}) - 1)) > {count}
        cd {folder} && echo "x = $$" > helper.py
        {git} -c user.name=a -c user.email=a@b.c commit -qam meanwhile >/dev/null 2>&1
    fi;;
esac
exit $code
"""


def _with_commits_meanwhile(repo: CodeWorld, after: str, count: int) -> dict[str, str]:
    """A git that commits an edit right after it answered; only that often."""
    bin, left = repo.place.path.parent / "bin", repo.place.path.parent / "left"
    bin.mkdir()
    left.write_text(f"{count}\n")
    wrapper = bin / "git"
    git = shutil.which("git")
    wrapper.write_text(_COMMITTING_GIT.format(git=git, after=after, count=left, folder=repo.place.path))
    wrapper.chmod(0o755)
    return {"PATH": f"{bin}:{repo.place.environ['PATH']}"}


@pytest.mark.parametrize("after", ["rev-parse", "config", "status"])
def test_a_commit_during_the_launch_gives_the_commit_of_the_snapshot(repo: CodeWorld, after: str) -> None:
    captured = repo.capture(env=_with_commits_meanwhile(repo, after, 1))
    assert captured.plan is not None
    code = repo.snapshots.take(captured.plan, run_id()).onto(captured.code)
    assert (code.dirty, code.commit) == (False, repo.place.git("rev-parse", "HEAD"))
    assert code.tree == code.git_tree == repo.place.git("rev-parse", "HEAD^{tree}")
    assert not captured.missing


@pytest.mark.parametrize("after", ["rev-parse", "status"])
def test_a_repository_that_never_holds_still_is_not_said_to_be_clean(repo: CodeWorld, after: str) -> None:
    captured = repo.capture(env=_with_commits_meanwhile(repo, after, 99))
    assert captured.code.dirty is None
    assert [(item.what, item.because) for item in captured.missing] == [
        (
            "code.dirty",
            "the commit or the index moved while git was asked, 3 times: what it said is of several moments",
        )
    ]
    assert captured.plan is not None
    code = repo.snapshots.take(captured.plan, run_id()).onto(captured.code)
    assert code.git_tree == code.tree


def test_looking_again_costs_nothing_where_nobody_commits(repo: CodeWorld) -> None:
    trace = repo.place.path.parent / "asked"
    bin = repo.place.path.parent / "bin"
    bin.mkdir()
    (bin / "git").write_text(f'#!/bin/sh\necho "$@" >> {trace}\nexec {shutil.which("git")} "$@"\n')
    (bin / "git").chmod(0o755)
    repo.capture(env={"PATH": f"{bin}:{repo.place.environ['PATH']}"})
    assert trace.read_text().count(" status ") == 1


def test_a_link_to_an_address_with_a_login_is_left_out_of_the_snapshot(repo: CodeWorld) -> None:
    (repo.place.path / "remote").symlink_to("https://ada:Qz81-haus-boot@host/x")
    (repo.place.path / "near").symlink_to("helper.py")
    terms = Terms(mask=Secrets(b"k" * 32).mask_text)
    code, snapshot = repo.launch(terms=terms)
    assert [(item.path, item.because) for item in code.files_left_out] == [
        ("remote", "it is a link to a path that holds a secret")
    ]
    assert {blob.path for blob in snapshot.blobs} >= {"near", "helper.py"}
