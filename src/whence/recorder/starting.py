"""Starting the command anew: what front and keeper hold until it is known to run.

Whoever is to start it may be killed before that. Each of those processes holds the way by which it reports, and gives
it up by its end, or by becoming the command; what it has executed by then stands in a word that all of them share. So
when that way is closed, with nothing reported and no word set, it is certain that nothing was executed and that nobody
is left to do it: the keeper starts the command then, and without a keeper the front does.
"""

from __future__ import annotations

import mmap
import os
import struct
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from .parent import Job

_WORD = struct.Struct("=q")


class Begun:
    """The number of the process that executes the command, set right before it does; shared by what is forked."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    @property
    def pid(self) -> int:
        return _WORD.unpack_from(self._page)[0]

    @pid.setter
    def pid(self, pid: int) -> None:
        _WORD.pack_into(self._page, 0, pid)


class Starting:
    """The command's descriptors, and the ways to report, in a process that may have to start it."""

    def __init__(
        self,
        job: Job,
        become: Callable[[Job, Sequence[int], int], NoReturn],
        *,
        let_go: Callable[[], None],
        reports: Sequence[int] = (),
    ) -> None:
        """`reports` are the ways to those above us; `let_go` gives up what only the command may hold."""
        self._job = job
        self._become = become
        self._let_go = let_go
        self._reports = [*reports]
        self._held = True
        self._again = False

    def again(self) -> int | None:
        """Have it started by a new process, once; where that reports to us. Nothing when there was no way to."""
        if self._again or not self._held:
            return None
        self._again = True
        try:
            return self._fork()
        except OSError:
            return None

    def _fork(self) -> int:
        reports, life = os.pipe(), os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The front has a thread, which waits for signals and holds no lock.
            pid = os.fork()
        if pid == 0:
            try:
                os.close(life[1])
                if not self._job.descriptors.interactive:
                    os.setpgid(0, 0)
                self._become(self._job, [reports[1], *self._reports], life[0])
            finally:
                os._exit(70)
        os.close(reports[1])
        os.close(life[0])
        return reports[0]

    def tell(self, line: str) -> None:
        """To those above us, who would otherwise take it that we are gone."""
        for fd in self._reports:
            try:
                os.write(fd, f"{line}\n".encode())
            except OSError:
                continue

    def over(self) -> None:
        """It is started, or never will be."""
        if not self._held:
            return
        self._held = False
        for fd in self._reports:
            os.close(fd)
        self._let_go()
