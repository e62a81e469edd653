"""The completion of a snapshot: what only the user's repository holds is brought into `code.git`, beside the run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import msgspec

from ..digests import digest_of
from ..rules.git_objects import Blob, commit_content, object_id
from ..rules.snapshot import Plan
from ..system.files import make_folders, write_whole
from ..system.git import GitError, StoreGit
from .code_objects import ObjectWriter
from .code_repository import BASES, REFS
from .collection import Terms, begin
from .layout import Store
from .snapshots import Snapshot, read_again


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """What `complete` came to."""

    stored: str
    """`complete` or `partial`."""
    digest: str | None
    base: str | None = None
    """The commit's own tree, if it is another one and kept."""
    because: str | None = None


class Completion:
    """Of the snapshots of a store."""

    def __init__(self, store: Store, environ: Mapping[str, str]) -> None:
        self.code_git = store.code_git
        self._store = store
        self._git = StoreGit(store.code_git, environ)

    def complete(self, plan: Plan, snapshot: Snapshot) -> Completed:
        """Bring what is still only in the user's repository. Beside the run: costs about a copy of it."""
        try:
            absent = self._absent(snapshot)
            if absent:
                self._borrow(plan, absent)
                absent = self._from_files(snapshot, self._absent(snapshot))
            if absent:
                because = f"{len(absent)} unchanged files were gone before they could be copied: {absent[0].path}"
                return Completed(stored="partial", digest=snapshot.digest, because=because)
            base = plan.head_tree if plan.head_tree != snapshot.tree else None
            if base is not None:
                self._keep_base(plan, snapshot.run, base)
            self._pack_refs()
            digest = snapshot.digest or self._late_digest(plan, snapshot)
        except (GitError, OSError) as error:
            return Completed(stored="partial", digest=snapshot.digest, because=str(error))
        if plan.unlisted:
            return Completed(stored="partial", digest=digest, base=base, because="some of the folder was not listed")
        return Completed(stored="complete", digest=digest, base=base)

    def _absent(self, snapshot: Snapshot) -> list[Blob]:
        """The files whose blob is not in `code.git` itself."""
        names = list(dict.fromkeys(blob.blob for blob in snapshot.blobs))
        if not names:
            return []
        listing = self._git.answer("cat-file", "--batch-check", stdin="\n".join(names).encode() + b"\n")
        absent = {line.split(b" ")[0].decode() for line in listing.splitlines() if line.endswith(b" missing")}
        return [blob for blob in snapshot.blobs if blob.blob in absent]

    def _borrow(self, plan: Plan, absent: Sequence[Blob]) -> None:
        """Pack the blobs that the user's repositories hold; deltas are taken over as they are, none is computed."""
        git = self._git.borrowing([source.objects for source in plan.sources])
        names = list(dict.fromkeys(blob.blob for blob in absent))
        listing = git.answer("cat-file", "--batch-check", stdin="\n".join(names).encode() + b"\n")
        there = [line.split(b" ")[0] for line in listing.splitlines() if b" blob " in line]
        self._pack(git, there)

    def _pack(self, git: StoreGit, names: Sequence[bytes]) -> None:
        if names:
            base = os.fspath(self.code_git / "objects" / "pack" / "pack")
            words = ("pack-objects", "--quiet", "--window=0", "--threads=1", "--compression=1", base)
            git.answer(*words, stdin=b"\n".join(names) + b"\n", seconds=3600)

    def _from_files(self, snapshot: Snapshot, absent: Sequence[Blob]) -> list[Blob]:
        """What the repository could not give (a partial clone) from the folder, where the bytes still are the same."""
        writer = ObjectWriter(self.code_git)
        left: list[Blob] = []
        for blob in absent:
            content = read_again(os.path.join(snapshot.root, blob.path), blob)
            if content is None:
                left.append(blob)
            else:
                writer.add("blob", blob.blob, content)
        writer.close()
        return left

    def _keep_base(self, plan: Plan, run: str, tree: str) -> None:
        """The commit's own tree too, so that the difference to it can be printed when the repository is gone."""
        ref = self.code_git / BASES / run
        commit = commit_content(tree)
        identifier = object_id("commit", commit)
        # The commit is written after all that it reaches: where it is, nothing is missing.
        if not self._git.ask("cat-file", "-e", identifier).ok:
            git = self._git.borrowing([source.objects for source in plan.sources])
            names = [line.split(b" ")[0] for line in git.answer("rev-list", "--objects", tree).splitlines()]
            listing = self._git.answer("cat-file", "--batch-check", stdin=b"\n".join(names) + b"\n")
            self._pack(git, [line.split(b" ")[0] for line in listing.splitlines() if line.endswith(b" missing")])
            writer = ObjectWriter(self.code_git)
            writer.add("commit", identifier, commit)
            writer.close()
        make_folders(ref.parent, within=self.code_git)
        write_whole(ref, identifier.encode() + b"\n")

    def _pack_refs(self) -> None:
        """Many runs must not mean many files."""
        with os.scandir(self.code_git / REFS) as refs:
            many = sum(1 for _ in refs) > 500
        if many:
            self._git.ask("pack-refs", "--all")

    def _late_digest(self, plan: Plan, snapshot: Snapshot) -> str:
        work = begin(self._store, plan, Terms())
        unknown = {blob.blob for blob in snapshot.blobs if blob.blob not in work.known}
        for identifier, content in self._git.blobs(sorted(unknown)):
            work.known[identifier] = (digest_of(content), len(content))
        work.blobs, work.left_out = list(snapshot.blobs), list(snapshot.left_out)
        digest = work.digest(snapshot.tree)
        work.writer.written = 1
        work.remember(self._store.cache)
        return digest
