"""A file or folder that is digested within what time there is, and what came of it."""

from __future__ import annotations

from collections.abc import Callable

from ..handlers import let_pass
from .hashing import Measured, Steps, Work, never


class Digesting:
    """A digest that is to come, of an input or output, declared or observed."""

    def __init__(self, steps: Steps[Measured] | None, because: str | None = None) -> None:
        """`steps`: nothing where there is nothing to read. `because`: what is wrong with it already."""
        self._work = Work(steps) if steps is not None else None
        self._because = because
        self.measured: Measured | None = None

    @property
    def pending(self) -> bool:
        """Whether its digest is still to come."""
        return self._work is not None

    def advance(self, enough: Callable[[], bool] = never) -> bool:
        """Digest until it is done (True) or `enough` says so; a later call goes on from there. Never raises OSError:
        the record says what could not be read."""
        if self._work is None:
            return True
        try:
            if not self._work.advance(enough):
                return False
            self._take(self._work.result)
        except OSError as error:
            let_pass(error)
            self._because = f"it could not be read: {error.strerror or error}"
        self._work = None
        return True

    def _take(self, measured: Measured) -> None:
        """What was read is known now."""
        self.measured = measured


class DigestingInput(Digesting):
    """An input, whose bytes may be kept once it is digested."""

    kept = False

    def _keep(self, path: str, measured: Measured, keep: Callable[[str, Measured], str | None]) -> None:
        """Have its bytes kept; `keep` says why it did not."""
        because = keep(path, measured)
        self.kept = because is None
        self._because = self._because or because
