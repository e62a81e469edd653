"""The files of a folder on their way into a snapshot: stored where nothing else holds them, known by what was learnt.

A file is read only if its stat or its blob says nothing; a secret, and what is too large, is entered as left out.
"""

from __future__ import annotations

import os
import stat as modes
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ..digests import digest_of, sha256
from ..records.code import LeftOut
from ..rules.git_objects import FILE, LINK, PROGRAM, Blob, blob_id, path_bytes
from ..rules.policy import Policy
from ..rules.secrets import Secrets
from ..rules.snapshot import Plan, Planned, manifest
from ..system.files import hash_file
from ..system.held_signals import held
from .code_objects import Content, ObjectWriter
from .layout import Store
from .snapshot_state import RACY, Finished, Identity, Known, Row, State, identity_of, load_state, save_state, state_path

SMALL_FILES = 2_000
SMALL_BYTES = 32 << 20
"""A folder whose unknown content is below both is stored whole before the start."""
UNTRACKED_BYTES = 1 << 30
UNTRACKED_FILES = 20_000
"""What untracked files may come to together; the rest is listed, not copied."""
_WHOLE = 4 << 20
"""A file up to this size is read at once."""
_HEAD = 1 << 20
"""Bytes of an untracked file that are searched for secrets."""
_ATTEMPTS = 3


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy and the store's history say about a snapshot."""

    untracked_limit: int = 10 << 20
    file_is_secret: Callable[[str, bytes], str | None] = lambda name, head: None
    judgement: bytes = b""
    """What `file_is_secret` judges by: what another judgement found to be none may be one."""
    keyed: Callable[[bytes], str] = digest_of
    mask: Callable[[str], str] = lambda path: path
    """A path without the secret that stands in it."""
    is_result: Callable[[str, bool], bool] = lambda path, tracked: False
    """Of a path, and whether it is under version control."""
    code_exclude: Sequence[str] = ()
    digest_seconds: float = 2.0
    """For digests of files that are left out; those not reached have none."""


def terms_of(policy: Policy, secrets: Secrets, root: str, is_result: Callable[[str, bool], bool]) -> Terms:
    """The terms for the folder `root`; `is_result` judges absolute paths."""
    return Terms(
        untracked_limit=policy.untracked_limit,
        file_is_secret=secrets.file_is_secret,
        judgement=secrets.judgement(),
        keyed=secrets.keyed,
        mask=secrets.mask_text,
        is_result=lambda path, tracked: is_result(f"{root}/{path}", tracked),
        code_exclude=policy.code_exclude,
    )


class Collection(msgspec.Struct):
    """A snapshot on its way."""

    plan: Plan
    terms: Terms
    state: State
    writer: ObjectWriter
    rows: dict[bytes, Row]
    known: dict[str, tuple[str, int]]
    now: int
    hash_until: float
    blobs: list[Blob] = []
    left_out: list[LeftOut] = []
    deferred: bool = False
    new_rows: list[Row] = []
    untracked_files: int = 0
    untracked_bytes: int = 0

    def collect(self) -> None:
        """Enter every file of the plan. Costs one read of what is not known yet. Raises OSError."""
        unknown = [e for e in self.plan.entries if e.blob is not None and e.blob not in self.known]
        read_all = _is_small(self.plan.root, unknown)
        for entry in self.plan.entries:
            held.check()
            if entry.blob is not None and (entry.blob in self.known or not read_all):
                self.blobs.append(Blob(entry.path, entry.mode, entry.blob))
                self.deferred = self.deferred or entry.blob not in self.known
            else:
                _collect_one(self, entry)

    def digest(self, tree: str) -> str:
        """The digest of the manifest; the same tree is not listed twice."""
        key = sha256(tree.encode() + b"".join(map(msgspec.json.encode, map(_left_key, self.left_out)))).hexdigest()
        for item in self.state.finished:
            if item.key == key:
                return item.digest
        digest = digest_of(manifest(self.blobs, self.known.__getitem__, self.left_out))
        self.state.finished = [*self.state.finished[-15:], Finished(key, digest)]
        return digest

    def remember(self, cache: Path) -> None:
        """What the next snapshot need not read; only once a reference keeps what this says is there."""
        before = len(self.state.known)
        if not self.new_rows and len(self.known) == before and not self.writer.written:
            return
        seen = {row.path for row in self.new_rows}
        present = {path_bytes(entry.path) for entry in self.plan.entries if entry.blob is None}
        kept = [row for row in self.state.rows if row.path in present and row.path not in seen]
        self.state.rows = kept + self.new_rows
        self.state.known = [
            Known(bytes.fromhex(blob), bytes.fromhex(digest[7:]), size) for blob, (digest, size) in self.known.items()
        ]
        save_state(state_path(cache, self.plan.root), self.state)


def begin(store: Store, plan: Plan, terms: Terms) -> Collection:
    """Nothing collected yet; what earlier snapshots of the folder taught is loaded."""
    state = load_state(state_path(store.cache, plan.root), store.code_git)
    return Collection(
        plan=plan,
        terms=terms,
        state=state,
        writer=ObjectWriter(store.code_git),
        rows={row.path: row for row in state.rows},
        known={k.blob.hex(): ("sha256:" + k.digest.hex(), k.size) for k in state.known},
        now=time.time_ns(),
        hash_until=time.monotonic() + terms.digest_seconds,
        left_out=list(plan.left_out),
    )


def _left_key(item: LeftOut) -> tuple[str, int, str | None]:
    return path_bytes(item.path).hex(), item.size, item.digest


def _is_small(root: str, entries: Sequence[Planned]) -> bool:
    if len(entries) > SMALL_FILES:
        return False
    total = 0
    for entry in entries:
        try:
            total += os.lstat(f"{root}/{entry.path}").st_size
        except OSError:
            continue
    return total <= SMALL_BYTES


def _collect_one(work: Collection, entry: Planned) -> None:
    """One path whose bytes must be read, or are known by its stat."""
    path = f"{work.plan.root}/{entry.path}"
    try:
        stat = os.lstat(path)
    except OSError as error:
        # What a commit holds is still part of the launch; what is gone since it was listed never was.
        if entry.blob is not None:
            work.blobs.append(Blob(entry.path, entry.mode, entry.blob))
            work.deferred = True
        elif not isinstance(error, FileNotFoundError | NotADirectoryError):
            _leave_out(work, entry, 0, None, f"it could not be looked at: {error.strerror}")
        return
    if modes.S_ISLNK(stat.st_mode):
        _enter_link(work, entry, path)
    elif not modes.S_ISREG(stat.st_mode):
        _leave_out(work, entry, stat.st_size, None, f"it is a {_special(stat.st_mode)}")
    elif not _enter_known(work, entry, stat):
        _enter_file(work, entry, path, stat)


def _special(mode: int) -> str:
    for test, name in (
        (modes.S_ISFIFO, "named pipe"), (modes.S_ISSOCK, "socket"), (modes.S_ISBLK, "device"),
        (modes.S_ISCHR, "device"), (modes.S_ISDIR, "folder"),
    ):  # fmt: skip
        if test(mode):
            return name
    return "special file"


def _leave_out(work: Collection, entry: Planned, size: int, digest: str | None, because: str) -> None:
    work.left_out.append(LeftOut(path=entry.path, size=size, digest=digest, because=because))


def _enter_link(work: Collection, entry: Planned, path: str) -> None:
    to = os.readlink(path)
    target = os.fsencode(to)
    if not entry.tracked and work.terms.mask(to) != to:
        named = msgspec.structs.replace(entry, path=work.terms.mask(entry.path))
        _leave_out(work, named, len(target), work.terms.keyed(target), "it is a link to a path that holds a secret")
        return
    blob = blob_id(target)
    if blob not in work.known:
        work.writer.add("blob", blob, target)
        work.known[blob] = (digest_of(target), len(target))
    work.blobs.append(Blob(entry.path, LINK, blob))


def _enter_known(work: Collection, entry: Planned, stat: os.stat_result) -> bool:
    """Whether the file is as an earlier snapshot left it."""
    row = work.rows.get(path_bytes(entry.path))
    if row is None or row.stat != identity_of(stat):
        return False
    if row.blob is None:
        if not entry.tracked and stat.st_size > work.terms.untracked_limit:
            _leave_out(work, entry, stat.st_size, row.digest, _too_large(work))
            return True
        return False
    blob = row.blob.hex()
    if blob not in work.known:
        return False
    if not entry.tracked and (stat.st_size > work.terms.untracked_limit or row.judged != work.terms.judgement):
        return False
    work.blobs.append(Blob(entry.path, _mode(stat), blob))
    return True


def _mode(stat: os.stat_result) -> int:
    return PROGRAM if stat.st_mode & modes.S_IXUSR else FILE


def _too_large(work: Collection) -> str:
    return f"it is untracked and larger than untracked_limit ({work.terms.untracked_limit} bytes)"


def _enter_file(work: Collection, entry: Planned, path: str, stat: os.stat_result) -> None:
    if not entry.tracked:
        because = _why_not_copied(work, stat)
        if because is not None:
            _leave_out(work, entry, stat.st_size, _digest_in_time(work, entry, path, stat), because)
            return
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        _enter_unreadable(work, entry, stat, error)
        return
    try:
        _enter_open(work, entry, fd)
    finally:
        os.close(fd)


def _enter_unreadable(work: Collection, entry: Planned, stat: os.stat_result, error: OSError) -> None:
    if entry.blob is not None:
        work.blobs.append(Blob(entry.path, entry.mode, entry.blob))
        work.deferred = True
    else:
        _leave_out(work, entry, stat.st_size, None, f"it could not be read: {error.strerror}")


def _why_not_copied(work: Collection, stat: os.stat_result) -> str | None:
    if stat.st_size > work.terms.untracked_limit:
        return _too_large(work)
    if work.untracked_files >= UNTRACKED_FILES or work.untracked_bytes + stat.st_size > UNTRACKED_BYTES:
        return f"the untracked files come to more than {UNTRACKED_FILES} or {UNTRACKED_BYTES} bytes together"
    work.untracked_files += 1
    work.untracked_bytes += stat.st_size
    return None


def _digest_in_time(work: Collection, entry: Planned, path: str, stat: os.stat_result) -> str | None:
    """The digest of a file that is not copied, while there is time; a 2 GB file takes more than there is."""
    left = work.hash_until - time.monotonic()
    if stat.st_size > max(0.0, left) * 500_000_000:
        return None
    try:
        hashed = hash_file(path, follow=False)
    except OSError:
        return None
    _add_row(work, entry.path, identity_of(stat), None, hashed.digest)
    return hashed.digest


def _enter_open(work: Collection, entry: Planned, fd: int) -> None:
    for _ in range(_ATTEMPTS):
        before = os.fstat(fd)
        content = _read_content(work, entry, fd, before)
        if content is None:
            return
        after = os.fstat(fd)
        if content.size == before.st_size and identity_of(before) == identity_of(after):
            break
    else:
        _leave_out(work, entry, os.fstat(fd).st_size, None, "it was being written to")
        return
    work.known[content.blob] = (content.digest, content.size)
    work.blobs.append(Blob(entry.path, _mode(before), content.blob))
    judged = b"" if entry.tracked else work.terms.judgement
    _add_row(work, entry.path, identity_of(before), content.blob, content.digest, judged)


def _read_content(work: Collection, entry: Planned, fd: int, stat: os.stat_result) -> Content | None:
    """Read and store a file; nothing when it holds a secret, which is then entered as left out."""
    if stat.st_size > _WHOLE:
        if not entry.tracked and _is_secret(work, entry, fd, os.pread(fd, _HEAD, 0), stat):
            return None
        return work.writer.add_stream(fd, stat.st_size) or Content("", "", -1)
    data = os.pread(fd, stat.st_size + 1, 0)
    if not entry.tracked and _is_secret(work, entry, fd, data[:_HEAD], stat):
        return None
    blob = blob_id(data)
    if blob not in work.known and len(data) == stat.st_size:
        work.writer.add("blob", blob, data)
    return Content(blob, digest_of(data), len(data))


def _is_secret(work: Collection, entry: Planned, fd: int, head: bytes, stat: os.stat_result) -> bool:
    because = work.terms.file_is_secret(entry.path, head)
    if because is None:
        return False
    keyed = work.terms.keyed(head if stat.st_size <= len(head) else os.pread(fd, stat.st_size, 0))
    _leave_out(work, msgspec.structs.replace(entry, path=work.terms.mask(entry.path)), stat.st_size, keyed, because)
    return True


def _add_row(
    work: Collection, path: str, identity: Identity, blob: str | None, digest: str, judged: bytes = b""
) -> None:
    if max(identity[3], identity[4]) < work.now - RACY:
        name = None if blob is None else bytes.fromhex(blob)
        work.new_rows.append(Row(path_bytes(path), identity, name, digest, judged))
