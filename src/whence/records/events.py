"""The events of a run's journal, and the envelope that carries them. `KINDS` maps each kind to its struct.

A line is one flat JSON object: the envelope's fields, then the event's. Unknown kinds and unknown fields are kept in
the file and ignored; another major `v` is refused.
"""

from typing import Any, Literal

from .base import Missing, Struct, When
from .code import Code, OutsideSource, Repository
from .configuration import Configuration
from .data import Artifact, ExpectedOutput, Identifier, Input
from .environment import Environment, Imported
from .observation import Connection, Observation, Program
from .result import Output, PrintedTo
from .run import Difference, Error, Host, Process, Rank, Resources, User
from .transform import Transform

VERSION = 1


class Envelope(Struct, frozen=True, kw_only=True):
    """What every line carries."""

    v: int
    seq: int
    """0, 1, 2 … in this file."""
    at: str
    """UTC, microseconds, `Z`."""
    kind: str
    prev: str | None
    """Digest of the line before, without its newline; nothing in the first line of a journal."""


class Event(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """A fact that a writer states."""


class RunCreated(Event, frozen=True, kw_only=True, tag="run.created"):
    """The first line of `main.jsonl`: the run exists."""

    id: str
    command: list[str]
    """The arguments as launched, secrets masked."""
    cwd: str
    mode: Literal["command", "block"]
    """`block`: a `with whence.start()` block inside a Python process."""
    host: Host
    user: User
    process: Process
    """The writer of this journal."""
    recorder: str
    """`whence 0.1.0, CPython 3.11.7`."""
    utc_offset: int = 0
    name: str | None = None
    purpose: str | None = None
    hypothesis: str | None = None
    tags: dict[str, str] = {}
    ext: dict[str, Any] = {}
    parent: str | None = None
    rerun_of: str | None = None
    """Also a requeued job's predecessor, with relation `rerun`."""
    relation: Literal["rerun", "variant"] | None = None
    differences: list[Difference] = []
    rank: Rank | None = None
    job: str | None = None
    """What ranks that belong together have in common."""


class CodeCaptured(Event, frozen=True, kw_only=True, tag="code.captured"):
    code: Code


class CodeStored(Event, frozen=True, kw_only=True, tag="code.stored"):
    """The snapshot's remaining blobs are in `code.git`."""

    when: When
    tree: str
    stored: Literal["complete", "partial"]
    digest: str | None = None
    """Of the manifest, when it was not known at the launch of a big folder."""
    base: str | None = None
    """The commit's own tree, which is kept too where the snapshot is another one."""
    because: str | None = None


class CodeChanged(Event, frozen=True, kw_only=True, tag="code.changed"):
    """Files of the snapshot that were edited while the run was going; the launched bytes are the recorded ones."""

    when: When
    paths: list[str]
    more: int = 0
    """So many others, which are not named."""


class CodeObserved(Event, frozen=True, kw_only=True, tag="code.observed"):
    """What a writer saw of the source files that ran; stated also when all of them are in the snapshot."""

    when: When
    by: str
    """`modules`: what the interpreter had loaded; `programs`: what those of the command said they had, each at its
    end."""
    sources: list[OutsideSource] = []
    """Those that the snapshot does not hold as they ran."""
    repositories: list[Repository] = []
    """Those that sources from outside of the code's folder lie in."""


class EnvironmentCaptured(Event, frozen=True, kw_only=True, tag="environment.captured"):
    environment: Environment


class EnvironmentObserved(Event, frozen=True, kw_only=True, tag="environment.observed"):
    """What of the environment was used, as far as this writer was told."""

    when: When
    by: str
    """`programs`: the Python programs of the command, each at its end."""
    imported: list[Imported] = []
    libraries: dict[str, str] = {}


class ConfigResolved(Event, frozen=True, kw_only=True, tag="config.resolved"):
    config: Configuration


class ConfigChanged(Event, frozen=True, kw_only=True, tag="config.changed"):
    """Values set after the start; they win over earlier ones of the same key."""

    when: When
    values: dict[str, Any]
    origins: dict[str, str] = {}


class InputDeclared(Event, frozen=True, kw_only=True, tag="input.declared"):
    input: Input


class InputPinned(Event, frozen=True, kw_only=True, tag="input.pinned"):
    input: Input


class InputObserved(Event, frozen=True, kw_only=True, tag="input.observed"):
    input: Input


class InputDigested(Event, frozen=True, kw_only=True, tag="input.digested"):
    """The digest of an input that was pending when the command started."""

    when: When
    name: str
    path: str
    digest: str | None
    size: int | None
    files: int | None = None
    kept: bool = False
    identifier: Identifier | None = None
    """As it was found, and now checked."""
    because: str | None = None


class InputChecked(Event, frozen=True, kw_only=True, tag="input.checked"):
    """Whether an input's bytes were still the same at the end."""

    when: When
    name: str
    path: str
    changed: Literal["no", "yes", "unknown"]
    opened: bool | None = None
    """Whether the command was seen to open it, or something in it; nothing where that was not watched completely."""
    digest_after: str | None = None
    because: str | None = None


class OutputDeclared(Event, frozen=True, kw_only=True, tag="output.declared"):
    """What the run is to write: so that it is known even if nobody lives to look at it."""

    output: ExpectedOutput


class ArtifactProduced(Event, frozen=True, kw_only=True, tag="artifact.produced"):
    """A later event of the same name replaces what the fold shows; both stay in the journal."""

    artifact: Artifact


class TransformApplied(Event, frozen=True, kw_only=True, tag="transform.applied"):
    """A step that changed which rows, or columns, there are."""

    transform: Transform


class CaptureFailed(Event, frozen=True, kw_only=True, tag="capture.failed"):
    missing: Missing


class RunStarted(Event, frozen=True, kw_only=True, tag="run.started"):
    process: Process
    """The command, or the process that runs the block."""
    writer: Process | None = None
    """Who writes this journal from now on: not who created the run, when that process has split since."""
    terminal: bool = False
    printed_to: list[PrintedTo] = []
    """Where what is printed goes that is in no `output.log` before the end."""
    occurred: str | None = None
    """When, where it could not be stated at once (a full disk)."""


class NoteAdded(Event, frozen=True, kw_only=True, tag="note.added"):
    text: str
    by: str | None = None


class TagSet(Event, frozen=True, kw_only=True, tag="tag.set"):
    tags: dict[str, str]


class FieldSet(Event, frozen=True, kw_only=True, tag="field.set"):
    """Project fields, checked against the policy's `[fields]`."""

    when: When
    values: dict[str, Any]


class ProgressReported(Event, frozen=True, kw_only=True, tag="progress.reported"):
    text: str | None = None
    fraction: float | None = None


class AnomalyRaised(Event, frozen=True, kw_only=True, tag="anomaly.raised"):
    what: str
    detail: Any = None


class ProcessAttached(Event, frozen=True, kw_only=True, tag="process.attached"):
    """The first line of a journal that is not main: a rank, a worker, a script under `whence run`."""

    process: Process
    argv: list[str] = []
    rank: Rank | None = None


class ProcessEnded(Event, frozen=True, kw_only=True, tag="process.ended"):
    """How a process other than the run's own ended: what it says of itself, never a status of the run."""

    exit_code: int | None = None
    error: Error | None = None


class OutputCaptured(Event, frozen=True, kw_only=True, tag="output.captured"):
    output: Output


class ObservationStarted(Event, frozen=True, kw_only=True, tag="observation.started"):
    """The command is watched from its first instruction on; without the end of it, how much was seen is not known."""

    mechanism: str
    because: str | None = None
    """Why it is not the best one."""


class ObservationSoFar(Event, frozen=True, kw_only=True, tag="observation.so_far"):
    """What the command was seen to read and write until now; what `observation.ended` closes takes its place."""

    inputs: list[Input] = []
    artifacts: list[Artifact] = []


class ObservationEnded(Event, frozen=True, kw_only=True, tag="observation.ended"):
    observation: Observation
    programs: list[Program] = []
    network: list[Connection] = []


class RecordLost(Event, frozen=True, kw_only=True, tag="record.lost"):
    """Detail that whence could not write when it should have, stated as soon as it could write again."""

    what: str
    because: str
    lost: int | None = None


class JournalContinued(Event, frozen=True, kw_only=True, tag="journal.continued"):
    """The first line of `<writer>-2.jsonl`: goes on where a journal could not be written any more."""

    previous: str
    """The file's name."""
    last: int | None
    """`seq` of its last good line; a line has only one `seq`, its own."""
    digest: str | None
    """Of its last good line."""
    because: str


class RunEnded(Event, frozen=True, kw_only=True, tag="run.ended"):
    status: Literal["succeeded", "failed", "interrupted", "killed", "lost"]
    exit_code: int | None = None
    signal: str | None = None
    error: Error | None = None
    duration: float | None = None
    """Seconds by a monotonic clock since `run.started`."""
    resources: Resources | None = None
    occurred: str | None = None
    """When, where it could not be stated at once."""


class RunSealed(Event, frozen=True, kw_only=True, tag="run.sealed"):
    """The last line of the main journal: `record.json` and `seal.json` follow."""


KINDS: dict[str, type[Event]] = {
    str(struct.__struct_config__.tag): struct
    for struct in (
        RunCreated, CodeCaptured, CodeStored, CodeChanged, CodeObserved, EnvironmentCaptured, EnvironmentObserved,
        ConfigResolved, ConfigChanged, InputDeclared, InputPinned, InputObserved, InputDigested, InputChecked,
        OutputDeclared, ArtifactProduced, TransformApplied, CaptureFailed, RunStarted, NoteAdded, TagSet, FieldSet,
        ProgressReported, AnomalyRaised, ProcessAttached, ProcessEnded, OutputCaptured, ObservationStarted,
        ObservationSoFar, ObservationEnded, RecordLost, JournalContinued, RunEnded, RunSealed,
    )
}  # fmt: skip
"""Every kind that format 1 knows, in the order of docs/format.md."""

LIFECYCLE: frozenset[str] = frozenset({"run.created", "run.started", "run.ended", "run.sealed"})
"""Only `main` states these."""
