"""Outputs: watched from the start, found and digested at the end.

What was there before the run and was not touched by it is not its output; what was declared and never written is
missing, and says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Literal

import msgspec

from ..handlers import let_pass
from ..records.base import When
from ..records.data import NOT_DIGESTED, Artifact, ArtifactKind, ExpectedOutput, Stat
from ..rules.kinds import guess
from ..system.files import stat_identity
from .digesting import Digesting
from .folder_stats import folder_stats
from .hashing import Cache, Measured, NoCache, Steps, measure, measure_some
from .places import Found, Mounts, find, one_each, recorded_path

How = Literal["declared", "observed"]
Role = Literal["output", "intermediate", "changed"]
BeforeBy = Literal["cache", "pre-image", "snapshot"]


PATIENCE = 2.0
"""Seconds: the command waits for what is asked about the folders that it is to write."""

UNTOUCHED = "it was there before the run and was not written"


class Expected:
    """An output that was declared before it is written."""

    def __init__(
        self,
        spec: str,
        *,
        cwd: str,
        name: str | None = None,
        kind: ArtifactKind | None = None,
        written: bool = False,
    ) -> None:
        """`written`: what is there by now was written by the run, too."""
        self._spec = spec
        self._cwd = cwd
        self._name = name
        self._kind: ArtifactKind | None = kind
        before = [] if written else self._find()
        until = time.monotonic() + PATIENCE
        self._before = {item.path: _as_it_lies(item, until) for item in before}

    def declared(self, when: When) -> ExpectedOutput:
        """What is to be known of it before it is looked at."""
        nothing = self._nothing()
        return ExpectedOutput(when=when, name=nothing.name, path=nothing.path, kind=self._kind)

    def _find(self) -> list[Found]:
        found = find(self._spec, cwd=self._cwd, name=self._name, mounts=Mounts(None), mask_url=str)
        return one_each(found)

    def produced(self, *, cache: Cache | None = None, when: When = "end") -> list[OutputDigest]:
        """What there is of it now, each still to be digested; one that says `missing` when there is nothing."""
        found = self._find()
        digests = [
            OutputDigest(item, kind=self._kind, cache=cache, when=when, untouched=self._untouched(item))
            for item in found
        ]
        return digests or [OutputDigest(self._nothing(), kind=self._kind, cache=cache, when=when)]

    @property
    def untouched(self) -> bool:
        """Whether something is there, and all of it was there before and was not written since."""
        found = self._find()
        return bool(found) and all(self._untouched(item) for item in found)

    def _untouched(self, item: Found) -> bool:
        before = self._before.get(item.path)
        return before is not None and before == _as_it_lies(item, float("inf"))

    def _nothing(self) -> Found:
        name, path = self._name, self._spec
        if name is None and "=" in path:
            left, _, right = path.partition("=")
            name, path = (left, right) if "/" not in left else (None, path)
        path = recorded_path(path, self._cwd)
        return Found(name=name or path, path=path, absolute=None, kind="file", because="it was never written")


def _as_it_lies(item: Found, until: float) -> Stat | str | None:
    """What is another once something was written there; nothing where that cannot be told, or not by then."""
    if item.kind == "folder" and item.absolute is not None:
        return folder_stats(item.absolute, until)
    return _identity(item)


def _identity(item: Found) -> Stat | None:
    return stat_identity(item.stat) if item.stat is not None else None


def found_output(path: str, *, cwd: str, name: str | None = None) -> Found | None:
    """One output as it is now, for `run.output()`; nothing when it is not there."""
    found = find(path, cwd=cwd, name=name, mounts=Mounts(None), mask_url=str)
    return found[0] if found else None


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What was there before an output was written; all of it is nothing where nothing was."""

    digest: str | None = None
    by: BeforeBy | None = None
    because: str | None = None
    """Why it is not known."""


NOTHING_BEFORE = Before()


class OutputDigest(Digesting):
    """One output, digested within what time there is."""

    def __init__(
        self,
        found: Found,
        *,
        kind: ArtifactKind | None = None,
        cache: Cache | None = None,
        when: When = "end",
        untouched: bool = False,
        how: How = "declared",
        role: Role = "output",
        before: Before = NOTHING_BEFORE,
        some: Sequence[str] | None = None,
        whole: bool | None = None,
        secret: str | None = None,
    ) -> None:
        """`some`: of a folder, those of its files that count, by their names in it. `secret`: why it is a secret, of
        which neither the bytes nor a digest may be recorded."""
        readable = found.absolute is not None and found.stat is not None and found.kind != "special" and not secret
        steps = _begin(found.absolute, cache or NoCache(), some) if found.absolute and readable else None
        because = UNTOUCHED if untouched else found.because
        super().__init__(steps, NOT_DIGESTED + secret if secret else because)
        self.found = found
        self.kind: ArtifactKind | None = kind
        """As declared; else it is guessed."""
        self._when: When = when
        self._untouched = untouched
        self._how: How = how
        self._role: Role = role
        self._before = Before(because=NOT_DIGESTED + secret) if secret and before.digest else before
        self._whole = whole
        self.still_written = False
        """A process has it open, or mapped, for writing."""

    @property
    def absolute(self) -> str | None:
        """Where its bytes can be read, if it can be kept."""
        return self.found.absolute if self.measured is not None and not self.missing else None

    @property
    def missing(self) -> bool:
        """Declared, and not written by this run."""
        return self._untouched or (self.found.stat is None and self.found.kind in ("file", "link"))

    def artifact(self, *, kept: bool = False, succeeded: bool = True, because: str | None = None) -> Artifact:
        """The artifact as it is known now; `because` says why it was not kept."""
        found, measured = self.found, self.measured
        kind, media = guess(
            found.path, folder=found.kind == "folder" or (measured is not None and measured.files is not None)
        )
        changed = measured is not None and measured.changed
        moving = "it changed while it was read" if changed else _STILL_WRITTEN if self.still_written else None
        return Artifact(
            when=self._when,
            name=found.name,
            path=found.path,
            kind=self.kind or kind,
            form=found.kind,
            digest=measured.digest if measured else None,
            size=measured.size if measured else found.stat.st_size if found.stat else None,
            files=measured.files if measured else None,
            media_type=media,
            how=self._how,
            role=self._role,
            digest_before=self._before.digest,
            before_by=self._before.by,
            before_because=self._before.because,
            whole=self._whole,
            kept=kept,
            final=moving is None,
            unfinished=not succeeded,
            missing=self.missing,
            stat=measured.stat if measured else _identity(found),
            because=moving or self._because or because,
        )

    def still_same(self) -> bool | None:
        """Whether the stat is that of what was digested; nothing when that cannot be told."""
        if self.measured is None or self.found.absolute is None:
            return None
        try:
            return stat_identity(os.stat(self.found.absolute)) == self.measured.stat
        except OSError as error:
            let_pass(error)
            return False


def _begin(path: str, cache: Cache, some: Sequence[str] | None) -> Steps[Measured]:
    return measure(path, cache) if some is None else measure_some(path, some, cache)


_STILL_WRITTEN = "a process that is still there has it open for writing"
