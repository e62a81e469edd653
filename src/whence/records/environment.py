"""The environment that executed a run. `Software` is stored once per content, and its digest is the fingerprint."""

from typing import Any, Literal

from .base import How, Struct, When


class Package(Struct, frozen=True, kw_only=True):
    """An installed distribution."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    source: Literal["index", "vcs", "local", "editable", "archive", "conda", "unknown"] = "unknown"
    url: str | None = None
    commit: str | None = None
    digest: str | None = None
    """Of the archive, or of the RECORD file where there is no better one."""


class Python(Struct, frozen=True, kw_only=True):
    """The interpreter of the command."""

    version: str
    implementation: str
    executable: str
    prefix: str
    """The environment's folder: a virtual environment's, or the installation's."""
    base: str | None = None
    build: str | None = None
    evidence: str | None = None
    """How the interpreter was found: `the program`, `#! of the script`, `uv run`, `VIRTUAL_ENV`."""


class Interpreter(Struct, frozen=True, kw_only=True):
    """What the fingerprint says about the interpreter: no paths, so that two hosts agree."""

    version: str
    implementation: str


class Lock(Struct, frozen=True, kw_only=True):
    """A lock file beside the code, and whether what is installed agrees with it."""

    path: str
    format: Literal["uv", "poetry", "pdm", "pixi", "conda", "requirements", "pylock", "pipfile"]
    digest: str
    size: int
    agrees: bool | None
    """Nothing when it could not be decided; `because` says why."""
    mismatches: list[str] = []
    """One line each: `numpy: locked 2.1.0, installed 2.0.2`, `numpy: locked 2.1.0, not installed`."""
    unlocked: list[str] = []
    """Installed and not in the lock, `name==version`; no disagreement, but a rebuild from the lock leaves it out."""
    kept: str | None = None
    """The object that holds the bytes; not `digest` when credentials in URLs were taken out, or nothing if not kept."""
    because: str | None = None


class Container(Struct, frozen=True, kw_only=True):
    """The container that the run was in."""

    runtime: str | None = None
    id: str | None = None
    image: str | None = None
    digest: str | None = None
    how: How = "observed"
    evidence: str | None = None
    """What was read: `/.dockerenv`, `/proc/self/mountinfo`, `APPTAINER_CONTAINER`."""


class Accelerator(Struct, frozen=True, kw_only=True):
    """A GPU or another accelerator."""

    vendor: str
    model: str
    memory: int | None = None
    """Bytes."""
    uuid: str | None = None
    driver: str | None = None
    runtime: str | None = None
    """CUDA or ROCm version that the driver offers."""


class Hardware(Struct, frozen=True, kw_only=True):
    """The machine."""

    architecture: str
    cpu: str | None = None
    cores: int | None = None
    """Logical processors that the process may use."""
    memory: int | None = None
    cpu_flags: list[str] = []


class System(Struct, frozen=True, kw_only=True):
    """The operating system."""

    kernel: str
    release: str
    distribution: str | None = None
    libc: str | None = None


class Scheduler(Struct, frozen=True, kw_only=True):
    """The batch system's job."""

    name: Literal["slurm", "pbs", "lsf", "kubernetes", "sge", "htcondor"]
    job: str | None = None
    facts: dict[str, str] = {}


class Software(Struct, frozen=True, kw_only=True):
    """What the fingerprint is taken of: everything that stays the same on another machine of the same set-up."""

    schema: Literal["whence-environment/1"] = "whence-environment/1"
    python: Interpreter | None = None
    packages: list[Package] = []
    """Sorted by name; without the paths of local and editable packages, which differ between hosts."""
    image: str | None = None
    distribution: str | None = None
    libc: str | None = None
    modules: list[str] = []
    """Loaded environment modules, in order."""


class Imported(Struct, frozen=True, kw_only=True):
    """A distribution that a program of the run imported something of."""

    name: str
    """Normalised (PEP 503)."""
    version: str


class Environment(Struct, frozen=True, kw_only=True):
    """The environment of one run."""

    when: When = "launch"
    fingerprint: str | None = None
    """Digest of the canonical JSON of `Software`, which is kept as an object."""
    hardware_class: str | None = None
    """Architecture, accelerator model and count, driver major: `x86_64/NVIDIA H200 x1/driver 570`."""
    python: Python | None = None
    packages: list[Package] = []
    """In the journal this is left empty: the object has it."""
    imported: list[Imported] | None = None
    """Those of the packages that were imported, also where another interpreter of the run did; nothing where no
    program told. What a killed process had imported is not in it."""
    libraries: dict[str, str] = {}
    """What loaded libraries said of those below them (`torch.cudnn`, `numpy.blas`), and the names of mapped files."""
    local_packages: dict[str, str] = {}
    """Where the local and editable packages lie: name -> URL. They are in `packages` without it."""
    lock: Lock | None = None
    locks: list[Lock] = []
    """Further lock files beside the first."""
    container: Container | None = None
    container_declared: Container | None = None
    os: System | None = None
    hardware: Hardware | None = None
    accelerators: list[Accelerator] = []
    drivers: dict[str, str] = {}
    settings: dict[str, Any] = {}
    """BLAS, threads, determinism, locale, time zone, limits, by group."""
    modules: list[str] = []
    scheduler: Scheduler | None = None
    variables: dict[str, str] = {}
    """The allow-list, secrets masked."""
