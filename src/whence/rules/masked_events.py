"""Events as a journal may hold them: names, paths and reasons without the secret that somebody put into one.

What a program calls its inputs and outputs, and where they lie, is anybody's text, by whatever way it came: so every
event passes here on its way into a journal.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from ..records.data import Artifact, ExpectedOutput, Input
from ..records.events import (
    ArtifactProduced,
    CaptureFailed,
    Event,
    InputChecked,
    InputDeclared,
    InputDigested,
    InputObserved,
    InputPinned,
    ObservationSoFar,
    OutputDeclared,
    RecordLost,
)

Mask = Callable[[str], str]


def masked(event: Event, mask: Mask) -> Event:
    """The event with its secrets replaced; what is masked already stays as it is."""
    match event:
        case InputDeclared() | InputPinned() | InputObserved():
            return replace(event, input=_input(event.input, mask))
        case InputDigested() | InputChecked():
            return replace(event, **_named(event, mask))
        case OutputDeclared():
            return replace(event, output=replace(event.output, **_named(event.output, mask)))
        case ArtifactProduced():
            return replace(event, artifact=_artifact(event.artifact, mask))
        case ObservationSoFar():
            inputs = [_input(one, mask) for one in event.inputs]
            return replace(event, inputs=inputs, artifacts=[_artifact(one, mask) for one in event.artifacts])
        case CaptureFailed():
            missing = event.missing
            return replace(event, missing=replace(missing, what=mask(missing.what), because=mask(missing.because)))
        case RecordLost():
            return replace(event, what=mask(event.what), because=mask(event.because))
        case _:
            return event


def _named(said: Input | Artifact | ExpectedOutput | InputDigested | InputChecked, mask: Mask) -> dict[str, str | None]:
    texts = {"name": mask(said.name), "path": mask(said.path)}
    if isinstance(said, ExpectedOutput):
        return {**texts}
    return {**texts, "because": None if said.because is None else mask(said.because)}


def _input(said: Input, mask: Mask) -> Input:
    place, identifier = said.location, said.identifier
    if place is not None and place.target is not None:
        place = replace(place, target=mask(place.target))
    if identifier is not None:
        identifier = replace(identifier, value=mask(identifier.value))
    return replace(said, **_named(said, mask), location=place, identifier=identifier)


def _artifact(said: Artifact, mask: Mask) -> Artifact:
    return replace(said, **_named(said, mask))
