"""The seal: what closes a run's record. Its own digest is quoted by acts."""

from typing import Literal

from .base import Struct
from .data import Stat
from .result import Output
from .run import Ending


class SealedFile(Struct, frozen=True, kw_only=True):
    """A file of the run folder, as long as it was then."""

    name: str
    length: int
    digest: str


class JournalEnd(Struct, frozen=True, kw_only=True):
    """The last line of a journal."""

    name: str
    seq: int
    digest: str


class Pending(Struct, frozen=True, kw_only=True):
    """A big output whose digest was not done in time; an act completes it."""

    name: str
    path: str
    stat: Stat | None


class ClosedBy(Struct, frozen=True, kw_only=True):
    """Who closed the run of a writer that is gone."""

    host: str
    pid: int
    user: str | None
    evidence: str


class Seal(Struct, frozen=True, kw_only=True):
    """`seal.json`."""

    schema: Literal["whence-seal/1"] = "whence-seal/1"
    run: str
    at: str
    status: str
    ended: str | None = None
    """The last sign of life, when another process closed the run."""
    code_digest: str | None
    files: list[SealedFile] = []
    journals: list[JournalEnd] = []
    pending: list[Pending] = []
    closed_by: ClosedBy | None = None
    ending: Ending | None = None
    """How the command ended, where its closer knows that and the writer did not live to say it."""
    output: Output | None = None
    """What was found in `output.log` by whoever closed the run, where its writer did not live to say it."""
    check: str | None = None
    """Digest of the file's bytes before `,"check":`, always the last field: tells a damaged seal from damaged files."""
