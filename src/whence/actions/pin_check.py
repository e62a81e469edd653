"""Whether the data that a run would pin can be had: each pin by itself and beside the others, with reasons.

Reads names, steps and manifests, and asks where objects lie; no content is read, and nothing is laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from ..errors import FormatError, UnresolvedError, UsageError, WhenceError
from ..records.data import ManifestEntry
from ..rules.history import Made
from ..rules.pins import Pin, read_pin, variable
from ..rules.retention import ends_soon
from ..store.dataset_references import Found, find_datasets, find_version, split_reference
from ..store.laid_out import lies_laid_out
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.origins import origins_of
from ..store.tombstones import tombstone_of
from ..store.version_bytes import NAMED, missing_entries, named
from .references import ContentReference, PartReference, PathReference, RunReference, resolve

Code = Literal[
    "malformed",
    "dataset_not_found",
    "not_a_dataset",
    "version_not_found",
    "ambiguous",
    "expired",
    "missing",
    "damaged",
    "name_conflict",
    "duplicate",
    "version_conflict",
    "retention_ends",
    "referenced",
]

WARNINGS: frozenset[Code] = frozenset({"duplicate", "version_conflict", "retention_ends", "referenced"})
"""What a run goes on with, and says."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a pin, or worth saying of it."""

    code: Code
    warning: bool
    """A run would start all the same."""
    message: str
    hint: str | None = None
    kind: str | None = None
    """Of `not_a_dataset`: what it is instead: `run`, `artifact`, `file` or `folder`."""
    available: list[str] = []
    """What there is: of `version_not_found` the versions, of `ambiguous` and `dataset_not_found` what may be meant."""
    files: int | None = None
    """Of what is missing or lies elsewhere: how many files."""
    size: int | None = None
    """Their bytes."""


class CheckedPin(msgspec.Struct, frozen=True, kw_only=True):
    """One word of `--data`."""

    word: str
    name: str | None
    resolves: bool
    floating: bool = False
    """No version was named: this is the current release, or the newest version where that was asked for or nothing is
    released."""
    dataset: str | None = None
    dataset_id: str | None = None
    version: str | None = None
    manifest: str | None = None
    files: int | None = None
    size: int | None = None
    reasons: list[Reason] = []


class PinReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `whence data check` answers."""

    resolves: bool
    """Whether every pin does."""
    pins: list[CheckedPin]


def check_pins(store: Store, words: Sequence[str], *, cwd: Path, retention: float, now: float) -> PinReport:
    """Each word as `run --data` takes it, in their order; `retention` in seconds, `now` in Unix seconds."""
    before: list[tuple[Pin, Found]] = []
    pins = [_check(store, word, cwd, before, partial(ends_soon, retention=retention, now=now)) for word in words]
    return PinReport(resolves=all(pin.resolves for pin in pins), pins=pins)


def _check(
    store: Store, word: str, cwd: Path, before: list[tuple[Pin, Found]], ending: Callable[[Made], str | None]
) -> CheckedPin:
    pin: Pin | None = None
    try:
        pin = read_pin(word)
        found = find_version(store, pin.reference)
    except (UsageError, UnresolvedError) as error:
        reason = _unresolved(store, word.partition("=")[2] or word, error, cwd)
        return CheckedPin(word=word, name=pin.name if pin else None, resolves=False, reasons=[reason])
    reasons = [*_beside(pin, found, before), *_bytes(store, found)]
    if (said := ending(found.made)) is not None:
        hint = "`whence data release` makes it one that is kept; or retention in the policy"
        reasons.append(_reason("retention_ends", f"{found}: {said}", hint=hint))
    before.append((pin, found))
    step = found.made.stated.step
    return CheckedPin(
        word=word,
        name=pin.name,
        resolves=all(reason.warning for reason in reasons),
        floating=found.floating,
        dataset=found.history.name,
        dataset_id=found.history.id,
        version=step.version,
        manifest=step.manifest,
        files=step.files,
        size=step.size,
        reasons=reasons,
    )


def _reason(
    code: Code,
    message: str,
    *,
    hint: str | None = None,
    kind: str | None = None,
    available: Sequence[str] = (),
    files: int | None = None,
    size: int | None = None,
) -> Reason:
    return Reason(
        code=code, warning=code in WARNINGS, message=message, hint=hint, kind=kind, available=list(available),
        files=files, size=size,
    )  # fmt: skip


def _unresolved(store: Store, reference: str, error: UsageError | UnresolvedError, cwd: Path) -> Reason:
    candidates = error.candidates if isinstance(error, UnresolvedError) else ()

    def reason(code: Code, available: Sequence[str] = candidates, kind: str | None = None) -> Reason:
        message = f"{reference}: is {_article(kind)}, expected a dataset" if kind else error.message
        return _reason(code, message, hint=None if kind else error.hint, kind=kind, available=available)

    try:
        name, version = split_reference(reference)
        histories = find_datasets(store, name)
    except (UsageError, UnresolvedError):
        kind = _kind(lambda: resolve(store, reference, cwd=cwd))
        if kind is not None:
            return reason("not_a_dataset", (), kind)
        return reason("malformed" if isinstance(error, UsageError) else "dataset_not_found")
    if isinstance(error, UsageError):
        return reason("malformed")
    versions = {str(made.version): None for history in histories for made in history.versions}
    if version is not None and str(version) not in versions and not (isinstance(version, str) and candidates):
        return reason("version_not_found", list(versions))
    return reason("ambiguous")


def _kind(resolved: Callable[[], object]) -> str | None:
    """What a word is that names no dataset."""
    try:
        match resolved():
            case RunReference():
                return "run"
            case PartReference() | ContentReference():
                return "artifact"
            case PathReference(path=path):
                return "folder" if path.is_dir() else "file"
            case _:
                return None
    except WhenceError:
        return None


def _article(kind: str | None) -> str:
    return f"an {kind}" if kind == "artifact" else f"a {kind}"


def _beside(pin: Pin, found: Found, before: Sequence[tuple[Pin, Found]]) -> Iterator[Reason]:
    """What the pins before it make of it."""
    for other, theirs in before:
        if variable(other.name) == variable(pin.name):
            message = f"{pin}: {other} has the same name, or the same variable {variable(pin.name)}"
            yield _reason("name_conflict", message, hint="give each a name of its own: NAME=DATASET@VERSION")
        if theirs.history.id == found.history.id:
            same = theirs.made.manifest == found.made.manifest and theirs.made.version == found.made.version
            what = "the same version" if same else f"another version, {theirs.made.version},"
            yield _reason("duplicate" if same else "version_conflict", f"{pin}: {other.name} is {what} of this dataset")


def _bytes(store: Store, found: Found) -> Iterator[Reason]:
    """What of the version is not here."""
    step = found.made.stated.step
    try:
        entries = read_manifest(store, step.manifest)
    except UnresolvedError:
        message = f"{found}: its files are not known here: the manifest {step.manifest} is not in the store"
        yield _reason("missing", message, hint=RESTORE, files=step.files, size=step.size)
        return
    except FormatError as error:
        yield _reason("damaged", f"{found}: {error.message}", hint="`whence verify` names all that is damaged")
        return
    absent = missing_entries(store, entries)
    if absent:
        yield _absent(store, found, absent)


def _absent(store: Store, found: Found, absent: Sequence[ManifestEntry]) -> Reason:
    """Of what the store does not hold: whether a run would get it all the same."""
    step, size = found.made.stated.step, sum(entry.size for entry in absent)
    origins = origins_of(store, found)
    gone = {entry.path: because for entry in absent if (because := origins.absence(entry)) is not None}
    if not gone:
        what = "lie where they were added from; a run copies and verifies them"
        message = f"{found}: the bytes of {named(absent)} {what}"
        return _reason("referenced", message, files=len(absent), size=size)
    if lies_laid_out(store, step.manifest, absent):
        what = "are in the copy that was laid out and verified for a run before"
        message = f"{found}: the bytes of {named(absent)} {what}"
        return _reason("referenced", message, files=len(absent), size=size)
    if any(map(origins.know, absent)):
        because = "; ".join(list(gone.values())[:NAMED])
        lost = [entry for entry in absent if entry.path in gone]
        message = f"{found}: the store holds no bytes of {named(lost)}, which were added by reference: {because}"
        size = sum(entry.size for entry in lost)
        return _reason("missing", message, hint=PUT_BACK, files=len(lost), size=size)
    tombstone = tombstone_of(store, found.history.id, step.version, step.manifest)
    why = f"{tombstone}; " if tombstone else ""
    message = f"{found}: {why}the store holds no bytes of {named(absent)}"
    return _reason("expired" if tombstone else "missing", message, hint=RESTORE, files=len(absent), size=size)


RESTORE = "`whence data import FILE` of an archive of it brings them back"

PUT_BACK = "put back what lay there, or take a version that has what lies there now"
