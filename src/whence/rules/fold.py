"""All events of a run, folded into one record (docs/format.md, section 5).

Main is taken first, by `seq`, then the other writers by name; clocks are never compared. What the lifecycle's table
refuses is left out and named as a fault. Bytes, metrics and the seal come in as values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from ..records import events
from ..records.base import Missing
from ..records.code import Code, OutsideSource, SourceObserver
from ..records.data import Artifact, ExpectedOutput, Input
from ..records.environment import Environment, Imported
from ..records.events import Event
from ..records.observation import Connection, Observation, Program
from ..records.record import Loss, Record, Writer
from ..records.result import Anomaly, Metric, Note, Output, Progress
from ..records.run import Ending
from ..records.seal import Seal
from ..records.transform import Transform
from . import configured, lifecycle, sights
from .expected import is_expected

MAIN = "main"


class Stated(msgspec.Struct, frozen=True):
    """An event and the time of its line."""

    at: str
    event: Event


class Folded(msgspec.Struct, frozen=True):
    """The record, and what was left out of it because the format does not allow it."""

    record: Record
    faults: tuple[str, ...]


class _Used(msgspec.Struct):
    """What of the environment was used."""

    imported: dict[tuple[str, str], Imported] = {}
    libraries: dict[str, str] = {}


class _Draft(msgspec.Struct):
    """What is known so far."""

    state: lifecycle.State = "absent"
    status: str = "created"
    facts: dict[str, Any] = {}
    tags: dict[str, str] = {}
    ext: dict[str, Any] = {}
    code: Code | None = None
    config: tuple[configured.Statement, ...] = ()
    environment: Environment | None = None
    used: _Used | None = None
    inputs: dict[tuple[str, str], Input] = {}
    expected: dict[tuple[str, str], ExpectedOutput] = {}
    artifacts: dict[str, Artifact] = {}
    missing: list[Missing] = []
    notes: list[Note] = []
    transforms: list[Transform] = []
    anomalies: list[Anomaly] = []
    losses: list[Loss] = []
    writers: dict[str, Writer] = {}
    progress: Progress | None = None
    output: Output | None = None
    observations: dict[str, Observation] = {}
    so_far: dict[str, list[events.ObservationSoFar]] = {}
    """By writer, while its observation has not ended."""
    programs: list[Program] = []
    network: list[Connection] = []
    faults: list[str] = []


def fold(
    journals: Mapping[str, Sequence[Stated]],
    *,
    metrics: Mapping[str, Metric],
    seal: Seal | None = None,
    seal_digest: str | None = None,
) -> Folded | None:
    """The record of a run; nothing when main does not begin with `run.created`.

    `journals` maps each writer's name to its events, continuations joined. The packages of the environment are not in
    the journal, and not in what this gives.
    """
    draft = _Draft()
    for stated in journals.get(MAIN, ()):
        _take(draft, MAIN, stated)
    if draft.state == "absent":
        return None
    for writer in sorted(set(journals) - {MAIN}):
        for stated in journals[writer]:
            _take(draft, writer, stated)
    if seal is not None and seal.closed_by is not None:
        _close(draft, seal)
    return Folded(_record(draft, metrics, seal_digest), tuple(draft.faults))


def _take(draft: _Draft, writer: str, stated: Stated) -> None:
    event = stated.event
    kind = str(event.__struct_config__.tag)
    if kind in events.LIFECYCLE:
        if writer != MAIN:
            draft.faults.append(f"{writer}: {kind}: only main may state it")
            return
        status = event.status if isinstance(event, events.RunEnded) else None
        then = lifecycle.after(draft.state, kind, status)
        if then is None:
            draft.faults.append(f"{writer}: {kind} is not allowed when the run is {draft.state}")
            return
        draft.state = then
    handler = _HANDLERS.get(type(event))
    if handler is not None:
        handler(draft, writer, stated)


def _created(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.RunCreated", stated.event)
    draft.facts |= {
        "id": event.id,
        "name": event.name,
        "command": event.command,
        "cwd": event.cwd,
        "created": stated.at,
        "host": event.host,
        "user": event.user,
        "process": event.process,
        "utc_offset": event.utc_offset,
        "purpose": event.purpose,
        "hypothesis": event.hypothesis,
        "parent": event.parent,
        "rerun_of": event.rerun_of,
        "relation": event.relation,
        "differences": event.differences,
    }
    draft.tags |= event.tags
    draft.ext |= event.ext
    draft.writers[MAIN] = Writer(
        name=MAIN, process=event.process, rank=event.rank, argv=event.command, started=stated.at
    )


def _started(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.RunStarted", stated.event)
    draft.status = "running"
    draft.facts |= {"started": event.occurred or stated.at, "process": event.process}


def _ended(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.RunEnded", stated.event)
    draft.status = event.status
    draft.facts |= {"ended": event.occurred or stated.at, **_how(event)}
    if event.status != "succeeded":
        for name, artifact in draft.artifacts.items():
            draft.artifacts[name] = msgspec.structs.replace(artifact, unfinished=True)


def _how(ended: events.RunEnded | Ending) -> dict[str, Any]:
    return {
        "duration": ended.duration,
        "exit_code": ended.exit_code,
        "signal": ended.signal,
        "error": ended.error,
        "resources": ended.resources,
    }


def _close(draft: _Draft, seal: Seal) -> None:
    """What another process found out about a writer that is gone."""
    draft.status = seal.status
    if seal.ending is not None:
        draft.facts |= _how(seal.ending)
    draft.facts["closed_by"] = seal.closed_by
    draft.facts.setdefault("ended", seal.ended)
    draft.output = draft.output or seal.output


def _code(draft: _Draft, _: str, stated: Stated) -> None:
    draft.code = cast("events.CodeCaptured", stated.event).code


def _code_stored(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.CodeStored", stated.event)
    if draft.code is not None and draft.code.tree == event.tree:
        digest = draft.code.digest or event.digest
        draft.code = msgspec.structs.replace(draft.code, stored=event.stored, digest=digest, base=event.base)
    if event.because is not None:
        draft.missing.append(Missing(what="code.tree", because=event.because, when=event.when))


SOURCES_CHANGED = "source files changed after the launch; the recorded ones are those of the launch"
"""The anomaly that a `code.changed` becomes; its detail is the paths, and how many others there are."""


def _code_changed(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.CodeChanged", stated.event)
    detail = [*event.paths, *([f"{event.more} more"] if event.more else [])]
    draft.anomalies.append(Anomaly(what=SOURCES_CHANGED, at=stated.at, detail=detail))


def _code_observed(draft: _Draft, writer: str, stated: Stated) -> None:
    """Who looked, and what it saw; the same bytes at the same path are one source, whoever ran them."""
    event = cast("events.CodeObserved", stated.event)
    code = draft.code or Code(when=event.when)
    observers = {(one.writer, one.by): one for one in code.observed_by}
    observers[writer, event.by] = SourceObserver(writer=writer, by=event.by, when=event.when)
    sources = {(source.path, source.digest): source for source in code.outside_snapshot}
    for source in event.sources:
        known = sources.get((source.path, source.digest))
        sources[source.path, source.digest] = source if known is None else _seen_twice(known, source)
    repositories = {one.path: one for one in (*code.repositories, *event.repositories)}
    draft.code = msgspec.structs.replace(
        code,
        outside_snapshot=list(sources.values()),
        observed_by=list(observers.values()),
        repositories=list(repositories.values()),
    )


def _seen_twice(first: OutsideSource, then: OutsideSource) -> OutsideSource:
    """Kept, or certain, if either writer could say so."""
    kept = first.kept or then.kept
    return msgspec.structs.replace(
        first,
        kept=kept,
        certain=first.certain or then.certain,
        because=None if kept else first.because,
        module=first.module or then.module,
    )


def _environment(draft: _Draft, writer: str, stated: Stated) -> None:
    if writer == MAIN or draft.environment is None:
        draft.environment = cast("events.EnvironmentCaptured", stated.event).environment


def _environment_observed(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.EnvironmentObserved", stated.event)
    draft.used = draft.used or _Used()
    draft.used.imported |= {(one.name, one.version): one for one in event.imported}
    draft.used.libraries |= event.libraries


def _environment_with(draft: _Draft) -> Environment | None:
    if draft.environment is None or draft.used is None:
        return draft.environment
    imported = [draft.used.imported[key] for key in sorted(draft.used.imported)]
    return msgspec.structs.replace(draft.environment, imported=imported, libraries=draft.used.libraries)


def _config(draft: _Draft, writer: str, stated: Stated) -> None:
    draft.config = configured.resolved(draft.config, writer, cast("events.ConfigResolved", stated.event).config)


def _config_changed(draft: _Draft, writer: str, stated: Stated) -> None:
    draft.config = configured.changed(draft.config, writer, cast("events.ConfigChanged", stated.event))


def _input(draft: _Draft, _: str, stated: Stated) -> None:
    entry = cast("events.InputDeclared", stated.event).input
    known = draft.inputs.get((entry.name, entry.path))
    if known is not None and known.how == entry.how == "pinned":
        draft.inputs[entry.name, entry.path] = msgspec.structs.replace(
            known, materialized=known.materialized or entry.materialized
        )
        return
    if known is None or known.digest is None or (known.how == "observed" != entry.how):
        # The first use counts: a script that names what was declared at launch adds nothing. What was said counts more
        # than what was merely seen.
        draft.inputs[entry.name, entry.path] = entry


def _input_digested(draft: _Draft, writer: str, stated: Stated) -> None:
    event = cast("events.InputDigested", stated.event)
    known = draft.inputs.get((event.name, event.path))
    _amend(
        draft.inputs,
        (event.name, event.path),
        draft.faults,
        f"{writer}: input.digested",
        identifier=event.identifier or (known.identifier if known else None),
        digest=event.digest,
        size=event.size,
        files=event.files,
        kept=event.kept,
        because=event.because,
        pending=False,
    )


def _input_checked(draft: _Draft, writer: str, stated: Stated) -> None:
    event = cast("events.InputChecked", stated.event)
    known = draft.inputs.get((event.name, event.path))
    because = event.because or (known.because if known else None)
    _amend(
        draft.inputs,
        (event.name, event.path),
        draft.faults,
        f"{writer}: input.checked",
        changed=event.changed,
        digest_after=event.digest_after,
        opened=event.opened,
        because=because,
    )


def _amend(
    known: dict[tuple[str, str], Input], key: tuple[str, str], faults: list[str], where: str, **changes: Any
) -> None:
    if key in known:
        known[key] = msgspec.structs.replace(known[key], **changes)
    else:
        faults.append(f"{where}: {key}: no such input was named before")


def _expected(draft: _Draft, _: str, stated: Stated) -> None:
    output = cast("events.OutputDeclared", stated.event).output
    draft.expected.setdefault((output.name, output.path), output)


Named = TypeVar("Named", Input, Artifact)


def once(items: list[Named]) -> list[Named]:
    """Without what was observed at a path that somebody named, or below a folder that somebody named."""
    said = {item.path.rstrip("/") for item in items if item.how != "observed"}
    return [item for item in items if item.how != "observed" or not _is_covered(item.path, said)] if said else items


def _is_covered(path: str, said: set[str]) -> bool:
    while path and path not in said:
        path = path.rpartition("/")[0]
    return bool(path)


def _artifact(draft: _Draft, _: str, stated: Stated) -> None:
    artifact = cast("events.ArtifactProduced", stated.event).artifact
    if draft.state in ("ended", "sealed") and draft.status != "succeeded":
        artifact = msgspec.structs.replace(artifact, unfinished=True)
    known = draft.artifacts.get(artifact.name)
    if known is not None and known.version is not None and artifact.version not in (None, known.version):
        # Each version that a run made stays: it is a result of its own.
        draft.artifacts[f"{known.name}@{known.version}"] = draft.artifacts.pop(known.name)
    if known is None or artifact.how == "declared" or known.how == "observed":
        draft.artifacts[artifact.name] = artifact


def _capture_failed(draft: _Draft, _: str, stated: Stated) -> None:
    draft.missing.append(cast("events.CaptureFailed", stated.event).missing)


def _note(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.NoteAdded", stated.event)
    draft.notes.append(Note(text=event.text, at=stated.at, by=event.by))


def _tag(draft: _Draft, _: str, stated: Stated) -> None:
    draft.tags |= cast("events.TagSet", stated.event).tags


def _field(draft: _Draft, _: str, stated: Stated) -> None:
    draft.ext |= cast("events.FieldSet", stated.event).values


def _transform(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.TransformApplied", stated.event)
    draft.transforms.append(msgspec.structs.replace(event.transform, at=stated.at))


def _progress(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.ProgressReported", stated.event)
    draft.progress = Progress(text=event.text, fraction=event.fraction, at=stated.at)


def _anomaly(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.AnomalyRaised", stated.event)
    draft.anomalies.append(Anomaly(what=event.what, at=stated.at, detail=event.detail))


def _attached(draft: _Draft, writer: str, stated: Stated) -> None:
    event = cast("events.ProcessAttached", stated.event)
    draft.writers[writer] = Writer(
        name=writer, process=event.process, rank=event.rank, argv=event.argv, started=stated.at
    )


def _process_ended(draft: _Draft, writer: str, stated: Stated) -> None:
    event = cast("events.ProcessEnded", stated.event)
    known = draft.writers.get(writer, Writer(name=writer))
    draft.writers[writer] = msgspec.structs.replace(
        known, ended=stated.at, exit_code=event.exit_code, error=event.error
    )


def _output(draft: _Draft, _: str, stated: Stated) -> None:
    draft.output = cast("events.OutputCaptured", stated.event).output


def _observation_started(draft: _Draft, writer: str, stated: Stated) -> None:
    event = cast("events.ObservationStarted", stated.event)
    unsaid = "what was seen has not been said: the run goes on, or its recorder was cut off"
    draft.observations[writer] = Observation(mechanism=event.mechanism, because=event.because, gaps=[unsaid])


def _observation_so_far(draft: _Draft, writer: str, stated: Stated) -> None:
    draft.so_far.setdefault(writer, []).append(cast("events.ObservationSoFar", stated.event))


def _observation_ended(draft: _Draft, writer: str, stated: Stated) -> None:
    event = cast("events.ObservationEnded", stated.event)
    draft.so_far.pop(writer, None)
    draft.observations[writer] = event.observation
    draft.programs += event.programs
    draft.network += event.network


def _lost(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.RecordLost", stated.event)
    draft.losses.append(Loss(what=event.what, because=event.because, lost=event.lost, at=stated.at))


def _continued(draft: _Draft, _: str, stated: Stated) -> None:
    event = cast("events.JournalContinued", stated.event)
    draft.losses.append(Loss(what=f"the end of {event.previous}", because=event.because, at=stated.at))


_HANDLERS: dict[type[Event], Callable[[_Draft, str, Stated], None]] = {
    events.RunCreated: _created,
    events.RunStarted: _started,
    events.RunEnded: _ended,
    events.CodeCaptured: _code,
    events.CodeStored: _code_stored,
    events.CodeChanged: _code_changed,
    events.CodeObserved: _code_observed,
    events.EnvironmentCaptured: _environment,
    events.EnvironmentObserved: _environment_observed,
    events.ConfigResolved: _config,
    events.ConfigChanged: _config_changed,
    events.InputDeclared: _input,
    events.InputPinned: _input,
    events.InputObserved: _input,
    events.InputDigested: _input_digested,
    events.InputChecked: _input_checked,
    events.OutputDeclared: _expected,
    events.ArtifactProduced: _artifact,
    events.TransformApplied: _transform,
    events.CaptureFailed: _capture_failed,
    events.NoteAdded: _note,
    events.TagSet: _tag,
    events.FieldSet: _field,
    events.ProgressReported: _progress,
    events.AnomalyRaised: _anomaly,
    events.ProcessAttached: _attached,
    events.ProcessEnded: _process_ended,
    events.OutputCaptured: _output,
    events.ObservationStarted: _observation_started,
    events.ObservationSoFar: _observation_so_far,
    events.ObservationEnded: _observation_ended,
    events.RecordLost: _lost,
    events.JournalContinued: _continued,
}
"""What each event adds; `run.sealed` only moves the state."""


def _record(draft: _Draft, metrics: Mapping[str, Metric], seal_digest: str | None) -> Record:
    seen = [told for tellings in draft.so_far.values() for told in tellings]
    inputs = {(one.name, one.path): one for told in seen for one in told.inputs} | draft.inputs
    made = [one for told in seen for one in told.artifacts if not is_expected(one.path, draft.expected.values())]
    artifacts = {one.name: one for one in made} | draft.artifacts
    return Record(
        **draft.facts,
        status=cast("Any", draft.status),
        tags=draft.tags,
        ext=draft.ext,
        code=draft.code,
        config=configured.joined(draft.config),
        environment=_environment_with(draft),
        inputs=once(list(inputs.values())),
        expected_outputs=list(draft.expected.values()),
        artifacts=once(list(artifacts.values())),
        metrics=dict(metrics),
        notes=draft.notes,
        transforms=draft.transforms,
        anomalies=draft.anomalies,
        losses=draft.losses,
        missing=draft.missing,
        writers=list(draft.writers.values()),
        progress=draft.progress,
        output=draft.output,
        observation=sights.together(draft.observations),
        programs=sights.programs(draft.programs),
        network=sights.connections(draft.network),
        seal=seal_digest,
    )
