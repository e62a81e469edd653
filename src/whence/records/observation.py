"""What was seen of a command without its help: how, how completely, which programs ran and which hosts were asked."""

from typing import Literal

from .base import Struct


class Observation(Struct, frozen=True, kw_only=True):
    """How the files that the command opened were seen."""

    mechanism: str = "declared"
    """`seccomp`, `strace`, `python`; `declared`: nothing was watched, what is listed was said."""
    because: str | None = None
    """Why by no better mechanism: what stood in the way of each."""
    complete: bool = False
    """Everything that the command and its descendants opened was seen. Never true where `gaps` has an entry."""
    events: int = 0
    """Calls that were seen."""
    interrupted: int = 0
    """Calls that a signal interrupted before they were seen. The kernel makes such a call again, but for a program that
    handles the signal without SA_RESTART: there it fails (EINTR), as it would not without the filter."""
    files: dict[str, int] = {}
    """How many different files, by what they are to the run, those that the record does not name included."""
    gaps: list[str] = []
    """What was not seen, or not as it should be, for a person."""


class Package(Struct, frozen=True, kw_only=True):
    """Software that was installed as one."""

    name: str
    version: str | None = None
    manager: str
    """Whose list names the file: `dpkg`, `rpm`, `conda`."""


class Program(Struct, frozen=True, kw_only=True):
    """A file that was executed, or a shared library that was loaded and belongs to no installed Python package."""

    path: str
    """As the command named it; `target` is where links led."""
    kind: Literal["program", "library"] = "program"
    digest: str | None = None
    size: int | None = None
    target: str | None = None
    version: str | None = None
    """Of a library, where the name of its file says it."""
    package: Package | None = None
    """What it was installed by; null for what no list that whence reads names."""
    times: int = 1
    """How often it was executed; of a library 1."""
    changed: Literal["no", "yes", "unknown"] = "unknown"
    """Whether the file is another one now than the one that was executed."""
    because: str | None = None
    """Why a digest is missing."""


class Connection(Struct, frozen=True, kw_only=True):
    """A host that the command asked for a connection; whether it answered is not known, nor what was said."""

    host: str
    """Its address."""
    port: int | None = None
    times: int = 1
