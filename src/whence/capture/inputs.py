"""Inputs: found and refused before the start, digested within a budget, held against their bytes at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Literal

from ..errors import RefusedError
from ..handlers import let_pass
from ..records.base import When
from ..records.data import NOT_DIGESTED, Input, Stat
from ..records.events import InputChecked, InputDigested
from ..rules.secret_files import HEAD, file_is_secret
from ..system.files import read_regular, stat_identity
from .digesting import DigestingInput
from .hashing import Cache, Measured, NoCache, Steps, Work, measure, never
from .identifying import checked
from .places import Found, Mounts, find, one_each

How = Literal["pinned", "declared", "observed"]

TOUCHED = "it was written to or touched while the run was going; at the end it had the bytes of the start again"
"""Why an input may have been another one meanwhile, though its digest is the same."""

RACY = 2 * 10**9
"""Nanoseconds: a file that was this young when it was read may have changed since within one tick of its clock."""


def declare(
    spec: str,
    *,
    cwd: str,
    name: str | None = None,
    mounts: Mounts | None = None,
    mask_url: Callable[[str], str] = str,
) -> list[Found]:
    """What `PATH`, `NAME=PATH`, a glob or a URL names. Raises RefusedError when there is nothing."""
    found = find(spec, cwd=cwd, name=name, mounts=mounts or Mounts(None), mask_url=mask_url)
    if not found:
        raise RefusedError(f"input {spec}: {_nothing(spec)} in {cwd}", hint=_hint(spec, cwd))
    for item in found:
        if item.stat is None and item.absolute is not None:
            raise RefusedError(f"input {spec}: {item.because}", hint="mend the link, or name another file")
    return one_each(found)


def _nothing(spec: str) -> str:
    return "matches nothing" if any(c in spec for c in "*?[") else "no such file or folder"


def _hint(spec: str, cwd: str) -> str:
    path = spec.partition("=")[2] or spec
    folder, base = os.path.split(path)
    try:
        beside = os.listdir(os.path.join(cwd, folder))
    except OSError:
        return f"there is no folder {folder}"
    from difflib import get_close_matches  # Only a mistake needs it.

    near = get_close_matches(base, beside, n=1, cutoff=0.6)
    return f"did you mean {os.path.join(folder, near[0])}?" if near else "paths are relative to the working directory"


class InputDigest(DigestingInput):
    """One input, from its declaration to the check at the end."""

    def __init__(
        self,
        found: Found,
        *,
        how: How = "declared",
        cache: Cache | None = None,
        when: When = "launch",
    ) -> None:
        self._cache = cache or NoCache()
        secret = _why_secret(found) if how == "declared" else None
        if secret is None:
            super().__init__(_begin(found, self._cache), found.because)
        else:
            super().__init__(None, NOT_DIGESTED + secret)
        self.found = found
        self._identifier = found.identifier
        self.how: How = how
        self._when: When = when

    def _take(self, measured: Measured) -> None:
        super()._take(measured)
        self._because = _doubt(self.found, measured)
        if self.found.absolute is not None:
            self._identifier = checked(self.found.identifier, self.found.absolute, measured.digest, measured.size)

    def start_over(self) -> None:
        """Forget what was read of it so far, and have nothing open."""
        if self._work is not None:
            self._work.stop()
            steps = _begin(self.found, self._cache)
            self._work = Work(steps) if steps is not None else None

    def keep(self, keep: Callable[[str, Measured], str | None]) -> None:
        """Have its bytes kept, once it is digested; `keep` says why it did not."""
        if self.measured is not None and self.found.absolute is not None:
            self._keep(self.found.absolute, self.measured, keep)

    @property
    def input(self) -> Input:
        """The input as far as it is known now."""
        found, measured = self.found, self.measured
        size = found.stat.st_size if found.stat is not None and found.kind in ("file", "link") else None
        return Input(
            when=self._when,
            name=found.name,
            path=found.path,
            kind=found.kind,
            digest=measured.digest if measured else None,
            size=measured.size if measured else size,
            files=measured.files if measured else None,
            how=self.how,
            pending=self.pending,
            kept=self.kept,
            stat=stat_identity(found.stat) if found.stat is not None else None,
            identifier=self._identifier,
            location=found.location,
            because=self._because,
        )

    def digested(self, when: When) -> InputDigested:
        """What is said when a pending input is done."""
        known = self.input
        return InputDigested(
            when=when,
            name=known.name,
            path=known.path,
            digest=known.digest,
            size=known.size,
            files=known.files,
            kept=known.kept,
            identifier=known.identifier,
            because=known.because,
        )

    def check(self, when: When, enough: Callable[[], bool] = never) -> InputChecked:
        """Whether the bytes are still those of the first use. Reads them again only where the stat cannot tell."""
        changed, after, because = self._compare(enough)
        return InputChecked(
            when=when,
            name=self.found.name,
            path=self.found.path,
            changed=changed,
            digest_after=after,
            because=because,
        )

    def _compare(self, enough: Callable[[], bool]) -> tuple[Literal["no", "yes", "unknown"], str | None, str | None]:
        if self.found.absolute is None or self.measured is None:
            return "unknown", None, self._because or "it was not digested"
        if self._moved_before():
            return "yes", None, "it changed after the start, before it was digested"
        try:
            stat = os.stat(self.found.absolute)
            if self._same_stat(stat):
                return "no", self.measured.digest, None
            again = Work(measure(self.found.absolute, self._cache))
            if not again.advance(enough):
                return "unknown", None, "there was no time to read it again"
        except FileNotFoundError:
            return "yes", None, "it is gone"
        except OSError as error:
            let_pass(error)
            return "unknown", None, f"it could not be read again: {error.strerror or error}"
        after = again.result.digest
        if after != self.measured.digest:
            return "yes", after, None
        touched = self.measured.files is None and stat_identity(stat) != self.measured.stat
        return ("unknown", after, TOUCHED) if touched else ("no", after, None)

    def _moved_before(self) -> bool:
        """A pending file that was edited between the start and its digest."""
        launched, measured = self.found.stat, self.measured
        if launched is None or measured is None or measured.files is not None:
            return False
        return stat_identity(launched) != measured.stat

    def _same_stat(self, stat: os.stat_result) -> bool:
        measured = self.measured
        if measured is None or measured.files is not None:
            return False
        return stat_identity(stat) == measured.stat and not racy(measured.stat, measured.began)


def racy(stat: Stat, began: int) -> bool:
    """Whether a file was so young when it was read that an equal stat does not prove equal bytes."""
    return began - max(stat.mtime, stat.ctime) < RACY


def _begin(found: Found, cache: Cache) -> Steps[Measured] | None:
    if found.absolute is None or found.stat is None or found.kind == "special":
        return None
    return measure(found.absolute, cache)


def _why_secret(found: Found) -> str | None:
    """Why a file is a secret as a whole, of which no digest may be recorded: by it others could try what it holds."""
    if found.absolute is None or found.stat is None or found.kind not in ("file", "link"):
        return None
    try:
        head = read_regular(found.absolute, HEAD)
    except OSError:
        head = b""
    return file_is_secret(found.absolute, head)


def _doubt(found: Found, measured: Measured) -> str | None:
    if measured.changed:
        return "it changed while it was read: the digest is of no one moment"
    if measured.unread:
        listed = ", ".join(measured.unread[:3]) + (" …" if len(measured.unread) > 3 else "")
        return f"{len(measured.unread)} in it could not be read: {listed}"
    return found.because


def digest_all(inputs: Sequence[InputDigest], enough: Callable[[], bool] = never) -> list[InputDigest]:
    """Digest as many as there is time for, pinned ones first, then the smaller ones; those still pending."""
    for one in sorted(inputs, key=_urgency):
        if not one.advance(enough):
            break
    return [one for one in inputs if one.pending]


def _urgency(one: InputDigest) -> tuple[bool, bool, int]:
    stat = one.found.stat
    return one.how != "pinned", one.found.kind == "folder", stat.st_size if stat else 0
