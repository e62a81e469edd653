"""Acts: later statements about a run or an artifact. One file an act, never changed."""

from typing import Any, Literal

from .base import Struct


class Actor(Struct, frozen=True, kw_only=True):
    """Who says it."""

    name: str | None = None
    email: str | None = None
    user: str | None = None
    host: str | None = None


class Subject(Struct, frozen=True, kw_only=True):
    """What it is about, by identifier; `seal` is the digest of the run's seal at that time, if it had one."""

    run: str | None = None
    artifact: str | None = None
    dataset: str | None = None
    seal: str | None = None


class Act(Struct, frozen=True, kw_only=True):
    """`acts/<day>/<id>.json`. `kind` decides what `body` holds; unknown kinds are kept and shown, not interpreted."""

    schema: Literal["whence-act/1"] = "whence-act/1"
    id: str
    kind: str
    """`note` {text}, `tag` {set: {key: value}, unset: [key]}, `digest` {artifacts: [{name, digest, size}]},
    `dataset` (`records.dataset.Step`), `import` (`records.dataset.Imported`), `expire` (`records.dataset.Expired`),
    `restore` (`records.dataset.Restored`), `pick` (`records.dataset.Picked`), `describe`
    (`records.dataset.Described`)."""
    at: str
    subject: Subject
    by: Actor
    why: str | None = None
    prior: list[str] = []
    """Digests of the acts on the same subject that were known when this one was made."""
    body: dict[str, Any] = {}
    check: str | None = None
    """Digest of the file's bytes before `,"check":`, always the last field."""
