"""A repository and a store beside it, with capture and snapshot as a launch does them."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

from workplace import Workplace

from whence.capture.captured_code import CapturedCode
from whence.capture.code import capture_code
from whence.ids import new_id
from whence.records.code import Code
from whence.store.collection import Terms
from whence.store.completion import Completion
from whence.store.layout import Store, create_store
from whence.store.snapshots import Snapshot, Snapshots
from whence.store.trees import Trees


class CodeWorld:
    """`place` is the user's folder, `store` lies in a folder of its own unless it is said where."""

    def __init__(self, place: Workplace, store: Path) -> None:
        self.place = place
        self.store: Store = create_store(store, now_ns=time.time_ns(), random=os.urandom(10))
        self.snapshots = Snapshots(self.store, place.environ)
        self.completion = Completion(self.store, place.environ)
        self.trees = Trees(self.store, place.environ)

    def capture(
        self, *argv: str, cwd: Path | None = None, env: dict[str, str] | None = None, **how: Any
    ) -> CapturedCode:
        words = argv or ("python", "train.py")
        environ = {**self.place.environ, **(env or {})}
        return capture_code(cwd or self.place.path, words, environ=environ, store=self.store.path, **how)

    def launch(self, *argv: str, terms: Terms | None = None, **how: Any) -> tuple[Code, Snapshot]:
        """Capture and take, as before the start."""
        captured = self.capture(*argv, **how)
        assert captured.plan is not None
        snapshot = self.snapshots.take(captured.plan, run_id(), terms)
        return snapshot.onto(captured.code), snapshot

    def record(self, *argv: str, terms: Terms | None = None, **how: Any) -> Code:
        """The whole of it, with what follows beside the run."""
        captured = self.capture(*argv, **how)
        assert captured.plan is not None
        snapshot = self.snapshots.take(captured.plan, run_id(), terms)
        completed = self.completion.complete(captured.plan, snapshot)
        assert completed.stored == "complete", completed.because
        return snapshot.onto(captured.code)

    def restored(self, tree: str | None, name: str = "restored") -> Path:
        assert tree is not None
        dest = self.place.path.parent / name
        dest.mkdir()
        self.trees.restore(tree, dest)
        return dest

    def git_tree(self) -> str:
        """What git itself says: `git add -A; git write-tree` in a copy of the index."""
        git_dir = Path(self.place.git("rev-parse", "--absolute-git-dir"))
        scratch = self.place.path.parent / f"scratch-{time.monotonic_ns()}"
        if (git_dir / "index").exists():
            shutil.copy2(git_dir / "index", scratch)
        env = {"GIT_INDEX_FILE": str(scratch)}
        self.place.git("add", "-A", env=env)
        return self.place.git("write-tree", env=env)


def run_id() -> str:
    return new_id(time.time_ns() // 1_000_000, os.urandom(10))


def contents(folder: Path, *, without: tuple[str, ...] = (".git", ".whence")) -> dict[str, tuple[str, int, bytes]]:
    """Path -> kind, executable bit, bytes (a link's target), of everything that git could hold."""
    found: dict[str, tuple[str, int, bytes]] = {}
    for root, folders, files in os.walk(os.fsencode(folder)):
        folders[:] = [f for f in folders if os.fsdecode(f) not in without]
        for name in [*files, *[f for f in folders if os.path.islink(os.path.join(root, f))]]:
            path = os.path.join(root, name)
            key = os.fsdecode(os.path.relpath(path, os.fsencode(folder)))
            if os.path.islink(path):
                found[key] = ("link", 0, os.readlink(path))
            elif os.path.isfile(path) and os.fsdecode(name) not in without:
                found[key] = ("file", os.stat(path).st_mode & 0o100, Path(os.fsdecode(path)).read_bytes())
    return found


def fingerprint(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Every file and folder with times, mode, size and digest: what must not change by a launch."""
    found: dict[str, tuple[Any, ...]] = {}
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(root, name)
            stat = path.lstat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            found[str(path)] = (stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, digest)
    return found
