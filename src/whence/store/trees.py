"""Trees of `code.git`, read back: single files, whole folders, and the difference to the commit a run began from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import StoreError
from ..rules.git_objects import FILE, LINK, PROGRAM, Blob
from ..rules.tree_difference import TreeChange, read_changes
from ..system.git import GitError, StoreGit
from .code_repository import BASES
from .layout import Store

_SMALL = 4 << 20
"""A file up to this size is read at once with others."""

GONE = -1
"""The size of a file whose bytes are missing or damaged."""


class Trees:
    """The trees of a store. Nothing is written into the store."""

    def __init__(self, store: Store, environ: Mapping[str, str]) -> None:
        self._git = StoreGit(store.code_git, environ)

    def files(self, tree: str) -> list[tuple[Blob, int]]:
        """Every file of a tree with its size, by path; `GONE` for one without bytes. Raises StoreError for the tree."""
        try:
            listing = self._git.answer("ls-tree", "-r", "-z", "-l", "--full-tree", tree)
        except GitError as error:
            raise StoreError(f"code.git: {error}", hint="whence verify says what else is damaged") from error
        return [_listed(os.fsdecode(line)) for line in listing.split(b"\0")[:-1]]

    def find(self, tree: str, paths: Sequence[str]) -> list[Blob]:
        """Which of these paths are files of the tree. Costs a call of git for 500. Raises StoreError for the tree."""
        found: list[Blob] = []
        for start in range(0, len(paths), 500):
            words = ("--literal-pathspecs", "ls-tree", "-z", "-l", "--full-tree", tree, "--")
            found += self._listed(*words, *paths[start : start + 500])
        return [blob for blob in found if blob.mode in (FILE, PROGRAM, LINK)]

    def _listed(self, *words: str) -> list[Blob]:
        try:
            listing = self._git.answer(*words)
        except GitError as error:
            raise StoreError(f"code.git: {error}", hint="whence verify says what else is damaged") from error
        return [_listed(os.fsdecode(line))[0] for line in listing.split(b"\0")[:-1]]

    def read(self, tree: str, path: str) -> bytes:
        """The bytes of one file. Raises StoreError when the tree or the file is not here."""
        found = next((blob for blob, _ in self.files(tree) if blob.path == path), None)
        if found is None:
            raise StoreError(f"code.git: found no {path!r} in tree {tree}")
        return self._contents([found])[found.blob]

    def _contents(self, blobs: Sequence[Blob]) -> dict[str, bytes]:
        """Blob -> its bytes. Raises StoreError that names the first file whose bytes are missing or damaged."""
        try:
            return dict(self._git.blobs(list(dict.fromkeys(blob.blob for blob in blobs))))
        except GitError:
            # Git names no file: each is asked for alone.
            for blob in blobs:
                done = self._git.ask("cat-file", "blob", blob.blob)
                if not done.ok:
                    raise _damaged(blob, done.err.decode("utf-8", "replace")) from None
            raise

    def base_of(self, run: str) -> str | None:
        """The tree of the commit that a dirty run started from, if it is kept here."""
        done = self._git.ask("rev-parse", "-q", "--verify", f"{BASES}/{run}^{{tree}}")
        return done.out.decode().strip() if done.ok else None

    def restore(self, tree: str, dest: Path) -> int:
        """Write the tree into an empty folder, modes and links included; how many files. Raises StoreError.

        Nothing is written outside `dest`: names that could lead there, or into a `.git`, are refused before the first.
        """
        files = self.files(tree)
        for blob, size in files:
            _refuse_unsafe(blob.path)
            if size == GONE:
                raise _damaged(blob, "missing or damaged")
        # Links last: no file is then written through one.
        files.sort(key=lambda item: item[0].mode == LINK)
        small = [item for item in files if item[1] <= _SMALL]
        for start in range(0, len(small), 200):
            group = [blob for blob, _ in small[start : start + 200] if blob.mode != LINK]
            contents = self._contents(group)
            for blob in group:
                _write_file(dest, blob, contents[blob.blob])
        for blob, size in files:
            if size > _SMALL and blob.mode != LINK:
                self._write_big(dest, blob)
        for blob, _ in files:
            if blob.mode == LINK:
                self._write_link(dest, blob)
        return len(files)

    def _write_big(self, dest: Path, blob: Blob) -> None:
        path = _open_parent(dest, blob)
        fd = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o777 if blob.mode == PROGRAM else 0o666
        )
        try:
            self._git.pour(("cat-file", "blob", blob.blob), fd)
        except GitError as error:
            raise _damaged(blob, str(error)) from error
        finally:
            os.close(fd)

    def _write_link(self, dest: Path, blob: Blob) -> None:
        target = self._contents([blob])[blob.blob]
        os.symlink(os.fsdecode(target), _open_parent(dest, blob))

    def patch(self, base: str, tree: str, paths: Sequence[str]) -> bytes:
        """What `git apply` needs to make the commit's tree into the snapshot, for these paths. Raises StoreError."""
        if not paths:
            return b""
        words = ("diff", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", base, tree, "--")
        try:
            return self._git.answer("--literal-pathspecs", *words, *paths)
        except GitError as error:
            raise StoreError(
                f"code.git: {error}", hint="the commit's own tree was not kept; restore the whole tree instead"
            ) from error

    def changes(self, first: str, second: str) -> list[TreeChange]:
        """What the second tree has otherwise than the first, by path; renames are found. Raises StoreError."""
        words = ("diff", "--raw", "--numstat", "-z", "--no-abbrev", *_PLAIN, first, second)
        return read_changes(os.fsdecode(self._compared(*words)))

    def difference(self, first: str, second: str, changes: Sequence[TreeChange]) -> bytes:
        """The unified difference of these changes, for reading: binary files are only named. Raises StoreError."""
        parts: list[bytes] = []
        for start in range(0, len(changes), 500):
            paths = [path for change in changes[start : start + 500] for path in change.paths]
            parts.append(self._compared("--literal-pathspecs", "diff", *_PLAIN, first, second, "--", *paths))
        return b"".join(parts)

    def _compared(self, *words: str) -> bytes:
        try:
            return self._git.answer(*words)
        except GitError as error:
            raise StoreError(f"code.git: {error}", hint="whence verify says what else is damaged") from error

    def blobs(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """Blob -> its bytes; nothing for one that is missing or damaged."""
        return dict(self._git.readable("blob", list(dict.fromkeys(names))))


_PLAIN = ("--find-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")


def _listed(line: str) -> tuple[Blob, int]:
    facts, _, path = line.partition("\t")
    mode, _, name, size = facts.split()
    return Blob(path, int(mode, 8), name), int(size) if size.isdigit() else GONE


def _damaged(blob: Blob, said: str) -> StoreError:
    because = said.strip().splitlines()[-1] if said.strip() else "it cannot be read"
    return StoreError(
        f"code.git: found no sound bytes of {blob.path!r}, expected the blob {blob.blob}: {because}",
        hint="`whence verify` names all that is damaged; take `code.git/objects` from a copy of the store",
    )


def _refuse_unsafe(path: str) -> None:
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise StoreError(f"code.git: found the path {path!r}, which could lead out of the folder; nothing was written")


def _open_parent(dest: Path, blob: Blob) -> str:
    """The path to write, its folders made. No link can stand on the way: links are written last."""
    path = os.path.join(os.fspath(dest), blob.path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def _write_file(dest: Path, blob: Blob, content: bytes) -> None:
    mode = 0o777 if blob.mode == PROGRAM else 0o666
    fd = os.open(_open_parent(dest, blob), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
