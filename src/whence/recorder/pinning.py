"""Data that the code itself pins while it runs: `run.data("train", "cifar", version="2.1.0")`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..errors import RefusedError, UnresolvedError, UsageError, WhenceError
from ..records import events
from ..records.base import Missing
from ..records.data import Input
from ..rules.permission import unpinned_case
from ..rules.pins import Pin, read_pin, variable
from ..store.laid_out import lay_out
from ..store.layout import Store
from ..store.origins import origins_named
from ..store.runs import load_run
from .pins import Pinned, double, find_pin, retention_ends
from .recording import Recording


def pin_now(
    recording: Recording,
    pins: list[Pinned],
    name: str,
    reference: str | None,
    *,
    materialize: bool,
    seconds: float | None,
) -> Path:
    """State the pin, or find the one of this name; its folder. Raises WhenceError, after that is stated, too."""
    if reference is None:
        return _pinned_before(recording, pins, name, materialize, seconds)
    try:
        return _pin(recording, pins, read_pin(f"{name}={reference}"), materialize, seconds)
    except WhenceError as error:
        missing = Missing(what=f"inputs.{name}", because=f"data {reference}: {error.message}", when="during")
        recording.state(events.CaptureFailed(missing=missing))
        raise


def found_before(name: str, environ: Mapping[str, str], known: Iterable[str]) -> Path:
    """The folder of data that a dry run was started with. Raises UnresolvedError; `known` are other names that it
    has."""
    folder = environ.get(variable(name))
    if not folder:
        raise _nothing_pinned(name, list(known))
    return Path(folder)


def found_now(store: Store, name: str, reference: str, materialize: bool, seconds: float | None) -> Path:
    """The folder of data that nothing is recorded about. Raises WhenceError."""
    pinned = find_pin(store, read_pin(f"{name}={reference}"))
    if materialize:
        pinned.lay_out(store, lambda message: None, seconds=seconds)
    return pinned.folder


def _pin(recording: Recording, pins: list[Pinned], pin: Pin, materialize: bool, seconds: float | None) -> Path:
    found = find_pin(recording.store, pin)
    known = next((one for one in pins if one.pin.name == pin.name), None)
    if known is None:
        _warn(recording, pins, found)
    elif known.found.made.manifest != found.found.made.manifest or known.found.history.id != found.found.history.id:
        raise UsageError(
            f"data {found}: {pin.name} is {known.found} in this run already", hint="give the other one another name"
        )
    else:
        found = known
    return _laid_out(recording, pins, found, materialize, seconds)


def _laid_out(
    recording: Recording, pins: list[Pinned], pinned: Pinned, materialize: bool, seconds: float | None
) -> Path:
    new, owed = pinned not in pins, materialize and not pinned.materialized
    if owed:
        pinned.lay_out(recording.store, _warner(recording, pinned.pin.name), seconds=seconds)
    if new:
        pins.append(pinned)
    if new or owed:
        recording.state(events.InputPinned(input=pinned.input("during")))
    return pinned.folder


def _pinned_before(
    recording: Recording, pins: list[Pinned], name: str, materialize: bool, seconds: float | None
) -> Path:
    """By this process, or by the one that began the run."""
    known = next((one for one in pins if one.pin.name == name), None)
    if known is not None:
        return _laid_out(recording, pins, known, materialize, seconds)
    pinned = [one for one in load_run(recording.store, recording.id).record.inputs if one.how == "pinned"]
    for one in pinned:
        if one.name == name and one.digest is not None:
            return _lay_out(recording, one, one.digest, seconds) if materialize else Path(one.path)
    raise _nothing_pinned(name, [one.name for one in pinned])


def _lay_out(recording: Recording, one: Input, manifest: str, seconds: float | None) -> Path:
    origins = origins_named(recording.store, one.dataset_id, one.version, manifest)
    say = _warner(recording, one.name)
    return lay_out(recording.store, manifest, say=say, origins=origins, seconds=seconds)


def _warner(recording: Recording, name: str) -> Callable[[str], None]:
    return lambda message: recording.warn(f"data {name}", message)


def _nothing_pinned(name: str, names: list[str]) -> UnresolvedError:
    return UnresolvedError(
        f"data {name!r}: nothing was pinned under this name",
        candidates=tuple(names),
        hint=f"name the dataset: data({name!r}, 'cifar', '2.1.0'), or whence run --data {name}=cifar@2.1.0",
    )


def _warn(recording: Recording, pins: list[Pinned], pinned: Pinned) -> None:
    """What a launch says of its pins, in one line. Raises RefusedError by policy."""
    soon = retention_ends(pinned, recording.policy, recording.now() / 1e9)
    said = [_unpinned(recording, pinned), double(pinned, pins), soon]
    if any(said):
        recording.warn(f"warning: data {pinned}", "; ".join(filter(None, said)))


def _unpinned(recording: Recording, pinned: Pinned) -> str | None:
    """What policy has to say of a pin that names no version. Raises RefusedError."""
    if not pinned.found.floating:
        return None
    case = unpinned_case(pinned)
    answer = recording.policy.values[case.key]
    if answer == "refuse":
        raise RefusedError(f"policy {case.key} = refuse: {case.message}", hint="name the version")
    return case.message.removeprefix(f"data {pinned}: ") if answer == "warn" else None
