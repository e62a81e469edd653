"""The configuration that resolved, and where each value came from."""

from typing import Any, Literal

from .base import Struct, When

Origin = Literal["default", "file", "command_line", "environment", "generated", "declared"]


UNREAD_FORMAT = "is in a format that is not read (json, yaml, toml and ini are, by their suffix)"
"""What is to be said of a file of format `text`."""


class ConfigFile(Struct, frozen=True, kw_only=True):
    """A configuration file: its bytes are kept as an object, its parsed values stand in `values` by their path."""

    path: str
    digest: str
    size: int
    format: Literal["json", "yaml", "toml", "ini", "text"]
    kept: bool = True
    masked: bool = False
    """Secrets were replaced in the bytes that are kept; `digest` and `size` are of those."""
    rendered: bool = False
    """Its bytes could not be masked for certain: the object is the masked `values` as JSON instead."""
    values: Any = None
    error: str | None = None
    """Why it could not be parsed: the message with line and column."""


class Seed(Struct, frozen=True, kw_only=True):
    """A seed, wherever it was found."""

    name: str
    """The dotted name of a value, or the function that code called with it: `numpy.random.seed`."""
    value: Any
    origin: Origin
    place: str | None = None
    """`file:line` of the code that called, where code did."""


class Contested(Struct, frozen=True, kw_only=True):
    """A value that does not count: of what was declared and what the program resolved, the one that gave way."""

    name: str
    value: Any
    origin: Origin
    by: Literal["declared", "program"]
    """Who states it: a file, a parameter or an object that was handed in; or a program of the run."""
    when: When


class Resolved(Struct, frozen=True, kw_only=True):
    """What one more program of the run, or one more job of a sweep, resolved beside the run's own configuration."""

    program: str
    argv: list[str] = []
    pid: int | None = None
    job: int | None = None
    """The number of a job of a framework that runs several in one process."""
    times: int = 1
    """Processes that resolved the same."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    choices: dict[str, str] = {}
    overrides: list[str] = []
    seeds: list[Seed] = []


class Configuration(Struct, frozen=True, kw_only=True):
    """The effective configuration, secrets masked. `origins` has the same dotted keys as the flattened `values`."""

    when: When = "launch"
    learnt: dict[str, When] = {}
    """Where it is not `when`: by the dotted name of a value, the name of a seed or a choice, the text of an override,
    the path of a file."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    choices: dict[str, str] = {}
    """Named choices of a configuration framework: Hydra's group -> option."""
    overrides: list[str] = []
    files: list[ConfigFile] = []
    argv: list[str] = []
    seeds: list[Seed] = []
    contested: list[Contested] = []
    others: list[Resolved] = []
    """What programs told while they ran, in the order in which they were resolved; what equals the run's own is not
    listed."""
