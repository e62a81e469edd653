"""Files that the command was seen to read: the bytes that it opened, or an honest "unknown".

What is known of a file is its stat right before it was opened. A digest that is taken later is of the same bytes only
while the stat is still that one; else the file at the end is another, and the record says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Literal

from ..digests import digest_of
from ..records.base import When
from ..records.data import Input, Kind, Stat
from ..rules.folders import Entry, Listing
from ..rules.seen import Identity
from ..rules.track import FileUse
from ..system.files import stat_identity
from .digesting import DigestingInput
from .hashing import Cache, Measured, Steps, Work, manifest_of, measure_file, measure_folder, measure_some
from .identifying import identified
from .places import Mounts, recorded_path

Changed = Literal["no", "yes", "unknown"]
Role = Literal["data", "config", "code"]

WRITTEN_TO = "another process has it open, or mapped, for writing: what is written through a mapping may not show"


def look(path: bytes, *, follow: bool = True) -> Identity | None:
    """What lies at a path now, links followed; nothing where nothing does, or it may not be looked at."""
    try:
        stat = os.stat(path, follow_symlinks=follow)
    except (OSError, ValueError):
        return None
    return Identity(stat.st_dev, stat.st_ino, stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def stat_of(identity: Identity) -> Stat:
    """As the format has it."""
    return Stat(
        device=identity.device,
        inode=identity.inode,
        size=identity.size,
        mtime=identity.mtime,
        ctime=identity.ctime,
    )


def list_folder(folder: str) -> Listing | None:
    """What lies in a folder; nothing where it cannot be listed."""
    try:
        with os.scandir(folder or "/") as scan:
            entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan if entry.name != ".whence"]
    except OSError:
        return None
    return Listing([name for name, is_folder in entries if not is_folder], [name for name, is_f in entries if is_f])


def digest_opened(path: str, opened: Identity, cache: Cache, enough: Callable[[], bool]) -> Measured | None:
    """The digest of the bytes that were opened; nothing when they are not there any more, or time is up."""
    work = Work(measure_file(path, cache))
    try:
        done = work.advance(enough)
    except OSError:
        return None
    return work.result if done and is_of(work.result, opened) else None


def is_of(measured: Measured, opened: Identity) -> bool:
    """Whether a digest is of the bytes that were opened."""
    return not measured.changed and measured.stat == stat_of(opened)


class ObservedFile(DigestingInput):
    """One file that was read, from the end of the stream to its statement."""

    def __init__(
        self,
        use: FileUse,
        role: Role,
        *,
        cache: Cache,
        measured: Measured | None = None,
        after: Measured | None = None,
        lost: str | None = None,
    ) -> None:
        """`measured`: the digest of what was opened, if it was taken while the command ran; `after`: of what is there
        now, if it was taken already. `lost`: why the bytes that the run wrote over were not kept."""
        self.path = os.fsdecode(use.path)
        self._use = use
        self._role: Role = role
        self.opened = measured
        """Of the bytes that were opened."""
        self._after = None if self._stands else after
        self._lost = lost
        self.still_written = False
        """Whether somebody may write to it unseen, as of the time at which its digest was there."""
        super().__init__(measure_file(self.path, cache) if self._owes else None)

    @property
    def _owes(self) -> bool:
        """Whether the file at the end is still to be read."""
        if self._use.now is None or not self._use.now.is_file:
            return False
        if self._use.opened is None and self._use.fate != "read":
            return False  # The run wrote to it: what is there now is not what it read.
        return self.opened is None if self._stands else self._after is None

    @property
    def _stands(self) -> bool:
        """Whether the file at the end is the one that was opened."""
        use = self._use
        return use.opened is not None and use.now is not None and use.opened.same_content(use.now)

    def _take(self, measured: Measured) -> None:
        opened = self._use.opened
        if opened is None or is_of(measured, opened):
            self.opened = self.opened or measured
        else:
            self._after = measured

    def keep(self, keep: Callable[[str, Measured], str | None]) -> None:
        """Have its bytes kept, where they are still those that were opened."""
        if self.opened is not None and self._stands and not self.still_written:
            self._keep(self.path, self.opened, keep)

    def was_refused(self) -> bool:
        """Whether its permissions, which nobody has touched since, keep out us, and so the command of our account."""
        return self.opened is None and self._stands and not os.access(self.path, os.R_OK)

    def input(self, *, cwd: str, mounts: Mounts, when: When = "end") -> Input:
        """The input, as far as it is known."""
        use, opened = self._use, self.opened
        changed, because = self._judged()
        shown = recorded_path(self.path, cwd)
        other = use.now is not None and use.opened is not None and not self._stands
        return Input(
            when=when,
            name=shown,
            path=shown,
            kind=_kind(self.path),
            digest=opened.digest if opened else None,
            size=opened.size if opened else use.opened.size if use.opened else None,
            how="observed",
            role=self._role,
            pending=self.pending,
            kept=self.kept,
            stat=stat_of(use.opened) if use.opened else None,
            identifier=identified(self.path, opened.digest, opened.size) if opened else None,
            location=mounts.locate(self.path, _stat(self.path)),
            changed=changed,
            digest_after=self._after.digest if self._after else None,
            stat_after=stat_of(use.now) if other and use.now else None,
            opened=True,
            late=use.late,
            because=because or self._because,
        )

    def _judged(self) -> tuple[Changed, str | None]:
        """Whether the file at the end is the one that was opened; with the reason, where it is not plain."""
        use, opened, after = self._use, self.opened, self._after
        if use.opened is None:
            return "unknown", use.because or "it could not be looked at when it was opened"
        if use.now is None:
            return "yes", "it is gone" if opened else "it was gone before it could be digested"
        if self._stands:
            if use.differed:
                return "unknown", "it was another file, or edited, between two of its opens"
            if self.still_written:
                return "unknown", WRITTEN_TO
            return ("no", None) if opened or self.pending else ("unknown", self._because)
        if opened is not None and after is not None:
            return ("yes", None) if opened.digest != after.digest else ("no", None)
        words = "the run itself wrote to it" if use.fate == "changed" else "it was changed after it was opened"
        if opened is None:
            words += ": what its bytes were then is not known" + (f" ({self._lost})" if self._lost else "")
        return ("yes" if use.opened.size != use.now.size else "unknown"), words


class ObservedFolder(DigestingInput):
    """Many files of one folder that were read."""

    def __init__(self, entry: Entry, uses: Sequence[FileUse], *, cache: Cache) -> None:
        self.path = entry.folder
        self._entry = entry
        self._uses = uses
        self.still_written: Sequence[str] = ()
        """Those of its files to which somebody may write unseen."""
        super().__init__(_steps(entry, cache))

    def keep(self, keep: Callable[[str, Measured], str | None]) -> None:
        if self.measured is not None and self._judged()[0] == "no":
            self._keep(self.path, self.measured, keep)

    def input(self, *, cwd: str, mounts: Mounts, when: When = "end") -> Input:
        measured = self.measured
        changed, because = self._judged()
        shown = recorded_path(self.path, cwd)
        stat = _stat(self.path)
        return Input(
            when=when,
            name=shown,
            path=shown,
            kind="folder",
            digest=measured.digest if measured else None,
            size=measured.size if measured else None,
            files=measured.files if measured else len(self._uses),
            how="observed",
            pending=self.pending,
            kept=self.kept,
            stat=stat_identity(stat) if stat else None,
            location=mounts.locate(self.path, stat),
            changed=changed,
            opened=True,
            late=any(use.late for use in self._uses),
            whole=self._entry.whole,
            because=because or self._because,
        )

    def _judged(self) -> tuple[Changed, str | None]:
        moved = [use for use in self._uses if use.opened is None or use.now is None or use.differed]
        moved += [use for use in self._uses if use.opened and use.now and not use.opened.same_content(use.now)]
        if moved:
            named = ", ".join(os.fsdecode(use.path) for use in moved[:3]) + (" …" if len(moved) > 3 else "")
            return "unknown", f"{len(moved)} of its files are not as they were when they were opened: {named}"
        if self.still_written:
            return "unknown", f"{', '.join(self.still_written[:3])}: {WRITTEN_TO}"
        return ("no", None) if self.measured or self.pending else ("unknown", self._because)


def gone_folder(
    entry: Entry, uses: Sequence[FileUse], known: Callable[[FileUse], str | None], *, cwd: str
) -> tuple[Input, bytes]:
    """Many files of one folder that were read and are gone: the input, and the manifest of what is known of them.

    `known` is the digest of what was opened, where it was taken in time.
    """
    digests = [known(use) for use in uses]
    sizes = [use.opened.size if use.opened else 0 for use in uses]
    names = [path[len(entry.folder) + 1 :] for path in entry.files]
    manifest = manifest_of(zip(names, sizes, digests, strict=True))
    unknown = digests.count(None)
    because = f"{len(uses)} of its files are gone" + (
        f", and {unknown} before they could be digested" if unknown else ""
    )
    shown = recorded_path(entry.folder, cwd)
    stated = Input(
        when="end",
        name=shown,
        path=shown,
        kind="folder",
        digest=digest_of(manifest),
        size=sum(sizes),
        files=len(uses),
        how="observed",
        changed="yes",
        opened=True,
        late=any(use.late for use in uses),
        whole=False,
        because=because,
    )
    return stated, manifest


def _steps(entry: Entry, cache: Cache) -> Steps[Measured]:
    if entry.whole:
        return measure_folder(entry.folder, cache, follow=True)
    return measure_some(entry.folder, [path[len(entry.folder) + 1 :] for path in entry.files], cache)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _kind(path: str) -> Kind:
    return "link" if os.path.islink(path) else "file"
