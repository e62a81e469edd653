"""A fault of ours ends here: it is noted once, and the user's program goes on as if we were not there."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_told: set[str] = set()
_tell: list[Callable[[str, str], None]] = []


def tell_by(tell: Callable[[str, str], None]) -> None:
    """Faults are told by this from now on: what failed, and why."""
    _tell[:] = [tell]


class Guard:
    """`with Guard("argparse"): …` lets no exception out but what ends a program (Ctrl-C, exit)."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        # The message of a foreign exception may hold a value that is a secret.
        tell_once(self.what, f"{kind.__name__} in {_line(trace)}")
        return True


def tell_once(what: str, because: str) -> None:
    """Tell a fault, the first time."""
    if what not in _told:
        _told.add(what)
        with Guard(what):
            for tell in _tell:
                tell(what, because)


def _line(trace: TracebackType | None) -> str:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return "{}:{}".format(trace.tb_frame.f_code.co_filename.rpartition("/")[2], trace.tb_lineno)
