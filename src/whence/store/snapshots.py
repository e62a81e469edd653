"""Snapshots: the exact bytes of a folder as a tree in `code.git`, kept by a reference of its run.

`take` stores what no commit holds before the command starts, and everything when the folder is small; `completion`
brings what the user's repository holds too, beside the run. Then `code.git` needs nothing but itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from ..records.base import Missing
from ..records.code import Code, LeftOut
from ..rules.git_objects import FILE, LINK, Blob, blob_id, build_trees, commit_content, object_id
from ..rules.snapshot import Plan, is_excluded
from ..system.files import make_folders, read_regular, write_whole
from ..system.git import GitError
from .code_objects import ObjectWriter
from .code_repository import REFS, is_code_repository, remake_code_repository
from .collection import Collection, Terms, begin
from .layout import Store
from .snapshot_state import RACY, Stripped


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that was taken; its reference keeps it."""

    run: str
    root: str
    tree: str
    git_tree: str | None
    digest: str | None
    """Nothing while `stored` is pending: `completion` gives it."""
    id: str | None
    left_out: tuple[LeftOut, ...]
    stored: str
    blobs: tuple[Blob, ...]
    taken: int
    """When, by the clock of the store's file system, in nanoseconds."""
    whole: bool = True
    """Not so where some of the folder could not be listed."""
    missing: tuple[Missing, ...] = ()

    def onto(self, code: Code) -> Code:
        """The code with the identities of this snapshot; an image keeps its own id, a package adds to it."""
        known = code.id if code.vcs in ("image", "package") else None
        both = f"{known}+{self.id}" if code.vcs == "package" and self.id else known
        stored = ("complete" if self.whole else "partial") if self.stored == "complete" else "pending"
        return msgspec.structs.replace(
            code,
            tree=self.tree,
            git_tree=self.git_tree,
            digest=self.digest,
            id=both or self.id,
            files_left_out=list(self.left_out),
            stored=stored,
        )


class Snapshots:
    """The snapshots of a store."""

    def __init__(self, store: Store, environ: Mapping[str, str]) -> None:
        self.code_git = store.code_git
        self._store = store
        self._environ = environ

    def take(self, plan: Plan, run_id: str, terms: Terms | None = None) -> Snapshot:
        """Store what the plan asks for, and name it for the run. Raises OSError when the store cannot be written.

        Costs one read of what is not known yet; nothing is read when the folder is as it was.
        """
        if not is_code_repository(self.code_git):
            remake_code_repository(self.code_git)
        work = begin(self._store, plan, terms or Terms())
        try:
            work.collect()
            tree = self._store_trees(work)
            code_id = self._code_id(work, tree)
            taken = self._keep(work.writer, tree, run_id)
        except BaseException:
            work.writer.discard()
            raise
        digest = None if work.deferred else work.digest(tree)
        work.remember(self._store.cache)
        computed, because = self._git_tree(plan)
        return Snapshot(
            run=run_id,
            root=plan.root,
            tree=tree,
            git_tree=computed,
            digest=digest,
            id=f"git-tree:{code_id}",
            left_out=tuple(work.left_out),
            stored="pending" if work.deferred else "complete",
            blobs=tuple(work.blobs),
            taken=taken,
            whole=not plan.unlisted,
            missing=() if because is None else (Missing(what="code.git_tree", because=because),),
        )

    def _store_trees(self, work: Collection) -> str:
        known = {identifier.hex() for identifier in work.state.trees}
        head = work.plan.raw_head
        if head in known and not work.left_out and not work.writer.written:
            return head or ""
        tree, trees = build_trees(work.blobs)
        for identifier, content in trees.items():
            if identifier not in known:
                work.writer.add("tree", identifier, content)
        work.state.trees = [bytes.fromhex(identifier) for identifier in trees]
        return tree

    def _keep(self, writer: ObjectWriter, tree: str, run_id: str) -> int:
        """Put the objects in place, then the reference: in this order nothing it reaches can be missing."""
        commit = commit_content(tree)
        identifier = object_id("commit", commit)
        writer.add("commit", identifier, commit)
        writer.close()
        ref = self.code_git / REFS / run_id
        make_folders(ref.parent)
        write_whole(ref, identifier.encode() + b"\n")
        return ref.stat().st_mtime_ns

    def _git_tree(self, plan: Plan) -> tuple[str | None, str | None]:
        if plan.git_tree is not None or plan.git_changes is None:
            return plan.git_tree, None
        from .git_tree import git_tree  # a clean folder has git's own answer

        scratch = self._store.cache / f"scratch-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            return git_tree(plan, scratch, self._environ), None
        except (GitError, OSError) as error:
            return None, str(error)

    def _code_id(self, work: Collection, tree: str) -> str:
        """The tree without results and `code_exclude`, notebooks stripped; mostly the tree itself."""
        terms = work.terms
        tracked = {entry.path for entry in work.plan.entries if entry.tracked}
        results = {b.path for b in work.blobs if terms.is_result(b.path, b.path in tracked)}
        kept = [b for b in work.blobs if b.path not in results and not is_excluded(b.path, terms.code_exclude)]
        stripped = [self._without_outputs(work, b) if b.path.endswith(".ipynb") else b for b in kept]
        stripped += [stand_in(item) for item in work.left_out if _is_keyed(item)]
        return tree if stripped == work.blobs else build_trees(stripped)[0]

    def _without_outputs(self, work: Collection, notebook: Blob) -> Blob:
        for item in work.state.stripped:
            if item.blob.hex() == notebook.blob:
                return msgspec.structs.replace(notebook, blob=item.code.hex())
        try:
            content = read_regular(Path(work.plan.root, notebook.path), follow=False)
        except OSError:
            return notebook
        from ..rules.notebooks import strip_notebook  # few folders hold one

        source = strip_notebook(content) if notebook.mode != LINK else None
        if blob_id(content) != notebook.blob or source is None:
            return notebook
        code = blob_id(source)
        entry = Stripped(bytes.fromhex(notebook.blob), bytes.fromhex(code))
        work.state.stripped = [*work.state.stripped[-199:], entry]
        return msgspec.structs.replace(notebook, blob=code)


def changed_since(
    snapshot: Snapshot, is_result: Callable[[str, bool], bool] = lambda path, tracked: False
) -> list[str]:
    """Files of the snapshot whose bytes are others now, but for results. Costs a stat a file, and a read of those
    touched since."""
    touched = (blob for blob in snapshot.blobs if was_touched(snapshot.root, blob, snapshot.taken))
    return [blob.path for blob in touched if not is_result(blob.path, False) and not _is_same(snapshot, blob)]


def _is_keyed(item: LeftOut) -> bool:
    return item.digest is not None and item.digest.startswith("keyed:")


def stand_in(item: LeftOut) -> Blob:
    """What stands in the code id for a file that holds a secret: a program that differs only there is another one."""
    return Blob(item.path, FILE, blob_id(f"left out, {item.digest}\n".encode()))


def read_again(path: str, blob: Blob) -> bytes | None:
    """The bytes of a file or link that are still those of the blob."""
    try:
        content = os.fsencode(os.readlink(path)) if blob.mode == LINK else read_regular(path, follow=False)
    except OSError:
        return None
    return content if blob_id(content) == blob.blob else None


def was_touched(root: str, blob: Blob, taken: int) -> bool:
    """Whether a file may have other bytes than when the snapshot was taken: by its times, without reading it."""
    try:
        stat = os.lstat(f"{root}/{blob.path}")
    except OSError:
        return True
    return max(stat.st_mtime_ns, stat.st_ctime_ns) > taken - RACY


def _is_same(snapshot: Snapshot, blob: Blob) -> bool:
    return read_again(f"{snapshot.root}/{blob.path}", blob) is not None
