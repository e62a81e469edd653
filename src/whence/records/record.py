"""The record: all events of a run folded into one document (`record.json`, `whence show --json`)."""

from typing import Any, Literal

from .base import Missing, Struct
from .code import Code
from .configuration import Configuration
from .data import Artifact, ExpectedOutput, Input
from .environment import Environment
from .observation import Connection, Observation, Program
from .result import Anomaly, Metric, Note, Output, Progress
from .run import Difference, Error, Host, Process, Rank, Resources, Status, User
from .seal import ClosedBy
from .transform import Transform

SCHEMA = "whence-record/1"


class Writer(Struct, frozen=True, kw_only=True):
    """A process that wrote into the run."""

    name: str
    process: Process | None = None
    rank: Rank | None = None
    argv: list[str] = []
    started: str | None = None
    ended: str | None = None
    exit_code: int | None = None
    error: Error | None = None


class Loss(Struct, frozen=True, kw_only=True):
    """Record detail that whence itself lost, and why."""

    what: str
    because: str
    lost: int | None = None
    at: str | None = None


class Record(Struct, frozen=True, kw_only=True):
    """One run. Names are never renamed; fields may be added. Times are UTC with `Z`, durations seconds, sizes bytes."""

    schema: Literal["whence-record/1"] = "whence-record/1"
    id: str
    name: str | None = None
    status: Status
    phase: str | None = None
    """`finishing` between the end and the seal, `unsupervised`, `silent`; nothing when `status` says all."""
    outcome: str | None = None
    standing: str | None = None
    as_of: str | None = None
    """When the values that acts decide were read; not in `record.json`."""
    purpose: str | None = None
    hypothesis: str | None = None
    tags: dict[str, str] = {}
    ext: dict[str, Any] = {}
    command: list[str] = []
    cwd: str | None = None
    created: str | None = None
    started: str | None = None
    ended: str | None = None
    duration: float | None = None
    utc_offset: int | None = None
    """Seconds east of UTC where the run was launched."""
    exit_code: int | None = None
    signal: str | None = None
    error: Error | None = None
    host: Host | None = None
    user: User | None = None
    process: Process | None = None
    parent: str | None = None
    children: list[str] = []
    rerun_of: str | None = None
    relation: Literal["rerun", "variant"] | None = None
    differences: list[Difference] = []
    verdict: Any = None
    siblings: list[Any] = []
    code: Code | None = None
    config: Configuration | None = None
    environment: Environment | None = None
    inputs: list[Input] = []
    expected_outputs: list[ExpectedOutput] = []
    """What was declared as output before it was looked at; `artifacts` says what became of it."""
    artifacts: list[Artifact] = []
    metrics: dict[str, Metric] = {}
    transforms: list[Transform] = []
    claims: list[Any] = []
    anomalies: list[Anomaly] = []
    notes: list[Note] = []
    checkpoints: list[Any] = []
    programs: list[Program] = []
    network: list[Connection] = []
    resources: Resources | None = None
    output: Output | None = None
    progress: Progress | None = None
    observation: Observation = Observation()
    writers: list[Writer] = []
    losses: list[Loss] = []
    missing: list[Missing] = []
    evidence: str | None = None
    """What the status of an unsealed run rests on."""
    closed_by: ClosedBy | None = None
    seal: str | None = None
