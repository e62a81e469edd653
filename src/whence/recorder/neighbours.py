"""The repositories that sources from outside of the code's folder lie in: each is identified once in a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from ..records.base import Missing
from ..records.code import Repository
from ..rules.secrets import Secrets
from ..system.repository import find_worktree

WHAT = "code.repositories"

MOST = 20
"""Repositories that one statement names."""

QUESTION = 5.0
"""Seconds that git has for one question to one of them."""

SECONDS = 10.0
"""Seconds after which no further one is asked."""


class Neighbours:
    """Those of one process, in one run."""

    def __init__(self, secrets: Secrets, environ: Mapping[str, str]) -> None:
        self._secrets = secrets
        self._environ = environ
        self._asked: set[Path] = set()

    def identify(self, paths: Iterable[str], enough: Callable[[], bool]) -> tuple[list[Repository], list[Missing]]:
        """The repositories of these files that were not asked before, and what could not be said of them."""
        folders = dict.fromkeys(Path(path).parent for path in paths)
        roots = dict.fromkeys(root for folder in folders if (root := find_worktree(folder)) is not None)
        new = [root for root in roots if root not in self._asked]
        self._asked.update(new)
        return self._look(new, enough) if new else ([], [])

    def _look(self, roots: list[Path], enough: Callable[[], bool]) -> tuple[list[Repository], list[Missing]]:
        from ..capture.checkout import capture_repository  # Most runs have no neighbours.

        until = time.monotonic() + SECONDS
        found: list[Repository] = []
        missing: list[Missing] = []
        for count, root in enumerate(roots):
            if count == MOST or enough() or time.monotonic() > until:
                because = f"{len(roots) - count} more repositories hold source files that ran"
                missing.append(Missing(what=WHAT, because=because, when="end"))
                break
            seen = capture_repository(root, self._environ, at_most=QUESTION)
            if isinstance(seen, Repository):
                found.append(self._masked(seen))
            elif seen is not None:
                what = f"{WHAT}.{self._secrets.mask_text(str(root))}"
                missing.append(Missing(what=what, because=self._secrets.mask_text(seen.because), when="end"))
        return found, missing

    def _masked(self, one: Repository) -> Repository:
        mask = self._secrets.mask_text
        return msgspec.structs.replace(one, path=mask(one.path), url=one.url and mask(one.url))
