"""What a run consumed and produced: inputs and artifacts, by content digest."""

from typing import Literal

from .base import Struct, When

Kind = Literal["file", "folder", "link", "url", "special"]

NOT_DIGESTED = "not digested: "
"""How the reason begins where a digest would tell of a secret."""


class Stat(Struct, frozen=True, kw_only=True):
    """A file's stat identity, times in nanoseconds: an edit that restores `mtime` still moves `ctime`."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int


class Identifier(Struct, frozen=True, kw_only=True):
    """A name from outside: a DOI, an ETag, a version of a hub; `checked` says whether it was held against the bytes."""

    scheme: str
    value: str
    checked: bool = False


class Location(Struct, frozen=True, kw_only=True):
    """Where the bytes lay: the way back when a path means something else later."""

    host: str | None = None
    mount: str | None = None
    file_system: str | None = None
    target: str | None = None
    """What a symbolic link resolved to."""


class Input(Struct, frozen=True, kw_only=True):
    """Something that the run consumed."""

    when: When = "launch"
    name: str
    path: str
    """As named, relative to the run's `cwd`, or absolute, or a URL."""
    kind: Kind
    digest: str | None = None
    """Of the bytes; of the manifest for a folder; nothing while `pending`."""
    size: int | None = None
    """Bytes; for a folder the sum over its files."""
    files: int | None = None
    """Number of files in a folder."""
    how: Literal["pinned", "declared", "observed"] = "declared"
    role: Literal["data", "config", "code"] = "data"
    pending: bool = False
    kept: bool = False
    stat: Stat | None = None
    dataset: str | None = None
    """Of what is pinned: the name of the dataset."""
    dataset_id: str | None = None
    """Its identifier: after stores were merged two may have one name."""
    version: str | None = None
    floating: bool = False
    """No version was named: it is the release that was the current one then."""
    materialized: bool | None = None
    """Of what is pinned: whether its files were laid out for the run."""
    identifier: Identifier | None = None
    location: Location | None = None
    changed: Literal["no", "yes", "unknown"] = "unknown"
    """Whether the bytes at the path changed between first use and the end; decided at the end."""
    digest_after: str | None = None
    stat_after: Stat | None = None
    """Of what was observed: the identity at the end, where it is another than `stat`, the one right before the open."""
    opened: bool | None = None
    """Whether the command was seen to open it; nothing where that was not watched completely."""
    late: bool = False
    """`stat` was taken after the open had gone on: on a network file system, where nobody may be kept waiting."""
    whole: bool | None = None
    """Of a folder that was observed: whether every file that lies there was read. If not, the manifest has those."""
    because: str | None = None
    """Why a digest is missing or a change unknown."""


ArtifactKind = Literal[
    "model",
    "report",
    "plot",
    "dataset",
    "index",
    "log",
    "table",
    "notebook",
    "archive",
    "config",
    "code",
    "other",
]


class ExpectedOutput(Struct, frozen=True, kw_only=True):
    """An output that was declared before it was looked at, which happens at the end of the run."""

    when: When = "launch"
    name: str
    path: str
    """May be a pattern: then each file that matches becomes an artifact."""
    kind: ArtifactKind | None = None


class Artifact(Struct, frozen=True, kw_only=True):
    """Something that the run produced. The same bytes from two runs are two artifacts with one digest."""

    when: When = "end"
    name: str
    path: str
    kind: ArtifactKind = "other"
    form: Kind = "file"
    digest: str | None = None
    size: int | None = None
    files: int | None = None
    media_type: str | None = None
    how: Literal["declared", "observed"] = "declared"
    role: Literal["output", "intermediate", "changed"] = "output"
    """`intermediate`: the run read it again after it wrote it; `changed`: it was there before and was not made anew."""
    digest_before: str | None = None
    """Of what was there before, where that is known."""
    before_by: Literal["cache", "pre-image", "snapshot"] | None = None
    """How that is known: it had been digested before it was written over; its bytes were copied right before that; the
    snapshot of the code has them."""
    before_because: str | None = None
    """Why it is not known, where something was there, or may have been."""
    whole: bool | None = None
    """Of a folder that was observed: whether everything that lies there was written by the run."""
    dataset: str | None = None
    """The dataset whose version it was made, by name."""
    dataset_id: str | None = None
    version: str | None = None
    kept: bool = False
    """Whether the bytes are in the store."""
    final: bool = True
    """False: a process could still write to it when it was digested."""
    unfinished: bool = False
    """The run that wrote it did not succeed."""
    missing: bool = False
    """It was declared and never written."""
    stat: Stat | None = None
    because: str | None = None
    """Why it was not kept, not digested or not final."""


class ManifestEntry(Struct, frozen=True, kw_only=True, array_like=True):
    """One line of a folder's manifest, `[path, kind, mode, size, digest]`; a link's digest is of its target's text."""

    path: str
    kind: Literal["file", "link", "folder", "unread"]
    mode: int
    size: int
    digest: str | None
