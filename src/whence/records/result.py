"""What a run said about itself: metric series, printed output, notes."""

from typing import Any, Literal

from .base import Struct, When


class Metric(Struct, frozen=True, kw_only=True):
    """A summary of one series. NaN and infinities are the strings `NaN`, `Infinity`, `-Infinity` in JSON."""

    last: float | str
    min: float | str | None
    max: float | str | None
    mean: float | str | None
    """Of the finite values."""
    first: float | str
    count: int
    step: int | float | None
    """The step of the last point written."""


Stream = Literal["stdout", "stderr", "both", "terminal"]
"""Where something was printed; `both` is one file or pipe for two."""


class PrintedTo(Struct, frozen=True, kw_only=True):
    """A regular file that the command prints into, past us."""

    stream: Stream
    path: str
    inode: int
    """Which file of that name."""
    start: int
    """The byte where the command begins."""


class OutputPart(Struct, frozen=True, kw_only=True):
    """A stretch of `output.log`."""

    stream: Stream
    offset: int
    length: int
    source: str | None = None
    """The regular file that the stream was redirected to."""


class Output(Struct, frozen=True, kw_only=True):
    """What the command printed."""

    when: When = "end"
    bytes: int = 0
    """Printed in all."""
    kept: int = 0
    """Of them in `output.log`, the notice of the cut left aside."""
    cut: int = 0
    """Left out between head and tail."""
    parts: list[OutputPart] = []
    because: str | None = None


class Note(Struct, frozen=True, kw_only=True):
    text: str
    at: str
    by: str | None = None
    act: str | None = None
    """The act that said it, when it was said after the seal."""


class Anomaly(Struct, frozen=True, kw_only=True):
    what: str
    at: str
    detail: Any = None


class Progress(Struct, frozen=True, kw_only=True):
    text: str | None = None
    fraction: float | None = None
    at: str | None = None
