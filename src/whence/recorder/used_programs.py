"""The programs that a watched command executed and the shared libraries that it loaded, as the record has them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence

from ..capture.hashing import Measured, Work, measure_file
from ..capture.observed import look
from ..capture.owners import Names, find_packages
from ..records.observation import Program
from ..rules.programs import Executed, version_of
from ..store.digest_cache import DigestCache
from .launch import Launch

OWNERS = 1.0
"""Seconds at most for finding out by which packages they were installed."""


class UsedPrograms:
    """States them at the end; `enough` says when there is no more time for digests."""

    def __init__(self, launch: Launch, cache: DigestCache, enough: Callable[[], bool]) -> None:
        self._launch = launch
        self._cache = cache
        self._enough = enough
        self._packages: Names = {}

    def of(self, executed: Iterable[tuple[bytes, Executed]], libraries: Sequence[str]) -> list[Program]:
        """Programs in the order in which they were first executed, then libraries."""
        programs = [(os.fsdecode(path), one) for path, one in executed]
        self._packages = self._owners([*(path for path, _ in programs), *libraries])
        return [*(self._program(path, one) for path, one in programs), *(self._library(path) for path in libraries)]

    def _owners(self, paths: list[str]) -> Names:
        until = time.monotonic() + OWNERS
        return find_packages(
            paths, self._launch.around.store.cache, lambda: self._enough() or time.monotonic() >= until
        )

    def _program(self, path: str, executed: Executed) -> Program:
        now = look(os.fsencode(path))
        same = now is not None and now.same_content(executed.identity)
        measured, because = self._digest(path) if same else (None, "it is another file now, or gone")
        return Program(
            path=self._said(path),
            digest=measured.digest if measured else None,
            size=executed.identity.size,
            target=self._target(path),
            package=self._packages.get(path),
            times=executed.times,
            changed="no" if same else "yes" if now is None or now.size != executed.identity.size else "unknown",
            because=because,
        )

    def _library(self, path: str) -> Program:
        measured, because = self._digest(path)
        target = self._target(path)
        return Program(
            path=self._said(path),
            kind="library",
            digest=measured.digest if measured else None,
            size=measured.size if measured else None,
            target=target,
            version=version_of((target or path).rpartition("/")[2]),
            package=self._packages.get(path),
            because=because,
        )

    def _digest(self, path: str) -> tuple[Measured | None, str | None]:
        work = Work(measure_file(path, self._cache))
        try:
            return (work.result, None) if work.advance(self._enough) else (None, "there was no time to digest it")
        except OSError as error:
            return None, f"it could not be read: {error.strerror or error}"

    def _target(self, path: str) -> str | None:
        real = os.path.realpath(path)
        return self._said(real) if real != path else None

    def _said(self, path: str) -> str:
        return self._launch.around.secrets.mask_text(path)
