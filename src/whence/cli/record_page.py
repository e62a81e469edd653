"""The page of one record, section by section, as a reviewer reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..actions.view import View
from ..ids import short
from ..records.base import When
from ..records.code import Code, Entry, Repository
from ..records.configuration import Configuration, Contested
from ..records.data import Artifact, Identifier, Input
from ..records.encoding import encode
from ..records.environment import Environment
from ..records.record import Record
from ..records.result import Metric
from ..records.run import TERMINAL
from ..rules.code_findings import changed_sources
from ..rules.data_findings import absent_inputs
from ..rules.expected import unseen_outputs
from ..rules.finding import Finding
from ..rules.liveness import is_last_sign, may_have_started
from ..rules.plain import flatten
from ..rules.transforms import transform_text
from ..rules.versions import read_version, role_of
from .code_text import outside_text
from .log import status_text
from .output import (
    STATUS_STYLES,
    command_text,
    counted,
    printable,
    seconds_text,
    size_text,
    styled,
    time_text,
)
from .rows import Row, Rows, aligned, some


def page(record: Record, view: View, found: Sequence[Finding], *, limit: int | None) -> Iterator[str]:
    """The lines of the page; `found` is what the audit says of the record itself."""
    status = styled(status_text(record), STATUS_STYLES.get(record.status))
    yield f"{styled('run', 'bold')} {record.id}  {status}"
    for title, rows in _sections(record, found):
        yield ""
        yield styled(title, "bold")
        yield from aligned(rows, limit)
    yield from _beyond(view)


def _sections(record: Record, found: Sequence[Finding]) -> Iterator[tuple[str, list[Row]]]:
    """Each section that has anything, with its title."""
    for title, section in SECTIONS.items():
        if rows := list(section(record)):
            yield title, rows
    gaps = _findings(one for one in found if one.counts)
    yield "what is missing", [*gaps, Row("cures", f"whence audit {short(record.id)}")] if gaps else [Row("", "nothing")]
    if remarks := _findings(one for one in found if not one.counts):
        yield "remarks", remarks


def _what(record: Record) -> Rows:
    yield from some("name", record.name)
    yield from some("purpose", record.purpose)
    yield from some("hypothesis", record.hypothesis)
    yield Row("command", command_text(record.command))
    yield from some("in", record.cwd)
    yield from some("created", time_text(record.created))
    yield from some("started", time_text(record.started) or ("not known" if may_have_started(record) else "never"))
    yield from some("last sign of life" if is_last_sign(record) else "ended", time_text(record.ended))
    yield from some("took", seconds_text(record.duration))
    yield from _ending(record)
    yield from some("by", " on ".join(filter(None, (_user(record), record.host.name if record.host else None))))
    yield Row("sealed", record.seal or "not yet")
    yield from some("standing", record.standing)
    yield from some("outcome", record.outcome)
    for key, value in record.tags.items():
        yield Row("tags", printable(f"{key}={value}" if value else key))
    for key, value in record.ext.items():
        yield Row(f"ext.{printable(key)}", _json(value))
    yield from _relations(record)


def _user(record: Record) -> str | None:
    return record.user.name if record.user else None


def _ending(record: Record) -> Rows:
    if record.exit_code is not None:
        yield Row("exit code", str(record.exit_code))
    yield from some("signal", record.signal)
    if record.error and not (record.signal and record.error.type == "signal"):
        yield Row("error", printable(f"{record.error.type}: {record.error.message}"))
    yield from some("evidence", record.evidence)
    if record.closed_by:
        closer = record.closed_by
        yield Row("closed by", printable(f"{closer.user or '?'} on {closer.host}: {closer.evidence}"))


def _relations(record: Record) -> Rows:
    yield from some("parent", record.parent)
    yield from some((record.relation == "variant" and "variant of") or "rerun of", record.rerun_of)
    for child in record.children:
        yield Row("children", child)
    for sibling in record.siblings:
        yield Row("run again", f"{sibling['id']}  {sibling['status']}")
    for difference in record.differences:
        yield Row("differs in", printable(f"{difference.what}: {difference.before} -> {difference.after}"))


def _code(record: Record) -> Rows:
    code = record.code
    if code is None:
        yield Row("", "not captured")
        return
    yield from some("commit", _commit(code), code.when)
    yield from some("branch", code.branch)
    yield from some("version", code.version or code.describe)
    yield from some("url", code.url)
    yield from some("root", code.root)
    yield from some("code id", code.id, code.when)
    yield from some("tree", _tree(code), code.when)
    yield from some("git tree", code.git_tree)
    if code.entry:
        yield Row("entry", printable(_entry(code.entry)))
    for path in code.dirty_paths:
        yield Row("differs", printable(f"{path.words} {path.path}" + (" (a result)" if path.role == "result" else "")))
    for left in code.files_left_out:
        yield Row("left out", printable(f"{left.path} ({size_text(left.size)}): {left.because}"))
    for source in code.outside_snapshot:
        yield Row("ran too", printable(f"{source.path}  {outside_text(source)}"), source.when)
    yield from _looked(record, code)
    for nested in code.submodules:
        yield Row("submodule", printable(f"{nested.path} {nested.commit or ''}{' dirty' if nested.dirty else ''}"))
    for other in code.repositories:
        yield Row("repository", printable(_repository(other)))
    for name, url in code.remotes.items():
        yield Row("remote", printable(f"{name} {url}"))
    for declared in code.declared:
        yield Row("declared", printable(f"{declared.name} = {declared.value} ({declared.checked})"))


def _repository(other: Repository) -> str:
    words = (other.path, other.commit or "no commit", other.branch, "dirty" if other.dirty else "clean", other.url)
    return " ".join(filter(None, words))


def _entry(entry: Entry) -> str:
    words = [entry.kind, entry.path or entry.name]
    words += [f"{entry.name}()"] if entry.kind == "function" and entry.path else []
    return " ".join(filter(None, words))


def _looked(record: Record, code: Code) -> Rows:
    """Who looked which code ran, and what was edited meanwhile."""
    for path in changed_sources(record):
        yield Row(
            "edited",
            printable(f"{path}  or removed while the run was going; the snapshot has it as it was at the launch"),
        )
    for one in code.observed_by:
        yield Row("looked", printable(f"{one.writer}, by the {_LOOKED.get(one.by, one.by)}"), one.when)
    if not code.observed_by and record.status in TERMINAL:
        yield Row("looked", "nobody looked at what code was loaded")


_LOOKED = {
    "modules": "modules that were loaded",
    "opens": "files that were seen to be opened",
    "cells": "cells that IPython executed",
}


def _commit(code: Code) -> str:
    if code.commit is None:
        return {"git": "none", "none": "no version control"}.get(code.vcs, f"no version control ({code.vcs})")
    pushed = {True: ", pushed", False: ", not pushed", None: ""}[code.pushed]
    state = {True: "dirty", False: "clean", None: "dirty or clean, which is not known"}[code.dirty]
    return f"{code.commit} ({state}{pushed})"


def _tree(code: Code) -> str | None:
    left = f", without {counted(len(code.files_left_out), 'file', 'files')}" if code.files_left_out else ""
    return f"{code.tree} ({code.stored}{left})" if code.tree else None


def _config(record: Record) -> Rows:
    config = record.config
    if config is None:
        yield Row("", "not captured")
        return
    yield from _values(config)
    for group, option in config.choices.items():
        yield Row("choice", printable(f"{group}={option}"), _learnt(config, group))
    for override in config.overrides:
        yield Row("override", printable(override), _learnt(config, override))
    for file in config.files:
        fault = f", not parsed: {file.error}" if file.error else ""
        yield Row("file", printable(f"{file.path} {file.digest}{fault}"), _learnt(config, file.path))
    shown = flatten(config.values)
    for seed in config.seeds:
        if seed.name in shown and not seed.place:
            continue  # It stands among the values.
        # What code set is seen, and `declared` only says that nothing else is known to have given the value.
        said = () if seed.place and seed.origin == "declared" else (seed.origin,)
        words = ", ".join((*said, *([f"set at {seed.place}"] if seed.place else [])))
        yield Row("seeded", printable(f"{seed.name} = {seed.value} ({words})"), _learnt(config, seed.name))
    for other in config.others:
        job = "" if other.job is None else f" job {other.job}"
        times = f", {other.times} times" if other.times > 1 else ""
        yield Row("beside it", printable(f"{other.program}{job} {_json(other.values)}{times}"), "during")


def _values(config: Configuration) -> Rows:
    """Each value, and below it the one that gave way to it."""
    contested = {one.name: one for one in config.contested}
    for name, value in flatten(config.values).items():
        origin = config.origins.get(name)
        yield Row(printable(name), _json(value) + (f"  ({origin})" if origin else ""), _learnt(config, name))
        if name in contested:
            yield Row("", *_contested(contested[name]))


def _contested(one: Contested) -> tuple[str, When]:
    whose = "the program resolved" if one.by == "program" else "was declared as"
    return f"but {whose} {_json(one.value)}  ({one.origin})", one.when


def _learnt(config: Configuration, name: str) -> When:
    return config.learnt.get(name, config.when)


def _json(value: Any) -> str:
    return printable(value if isinstance(value, str) else encode(value).decode())


def _data(record: Record) -> Rows:
    absent = absent_inputs(record)
    if not record.inputs and not absent:
        yield Row("", "no inputs are known")
    for gap in absent:
        yield Row(printable(gap.what.partition(".")[2]), printable(f"NOT THERE: {gap.because}"), gap.when)
    for item in record.inputs:
        yield Row(printable(item.name), printable(_input(item)), item.when)


def _role(item: Input) -> str:
    return role_of(read_version(item.version))


def _input(item: Input) -> str:
    words = [item.path] if item.path != item.name else []
    words += [item.digest or ("digest pending" if item.pending else f"no digest: {item.because or 'unknown why'}")]
    words += [] if item.size is None else [size_text(item.size)]
    words += [item.how + ("" if item.role == "data" else f" {item.role}")]
    words += [counted(item.files, "file", "files")] if item.files is not None else []
    words += [f"{item.dataset}@{item.version}"] if item.dataset else []
    words += [_identifier(item.identifier)] if item.identifier else []
    words += [f"{_role(item)} then: no fixed version was named"] if item.floating else []
    words += ["not laid out"] if item.materialized is False else []
    words += ["not all that lies there"] if item.whole is False else []
    words += ["never opened"] if item.opened is False else []
    words += {
        "no": [],
        "yes": [f"CHANGED during the run, then {item.digest_after or item.because or 'gone'}"],
        "unknown": [f"unknown whether it changed: {item.because}"] if item.how == "observed" and item.because else [],
    }[item.changed]
    return "  ".join(words)


def _identifier(identifier: Identifier) -> str:
    return f"{identifier.scheme}:{identifier.value}{'' if identifier.checked else ' (not checked)'}"


def _transforms(record: Record) -> Rows:
    for number, step in enumerate(record.transforms, 1):
        yield Row(str(number), printable(transform_text(step)))


def _environment(record: Record) -> Rows:
    environment = record.environment
    if environment is None:
        yield Row("", "not captured")
        return
    yield from some("fingerprint", environment.fingerprint, environment.when)
    yield from some("hardware class", environment.hardware_class, environment.when)
    yield from _software(environment)
    yield from _machine(environment)
    for name, value in flatten(environment.settings).items():
        yield Row(printable(name), _json(value))
    if environment.variables:
        yield Row("variables", f"{len(environment.variables)} recorded (whence cat RUN:environment)")


def _software(environment: Environment) -> Rows:
    if environment.python:
        python = environment.python
        yield Row("python", printable(f"{python.implementation} {python.version}  {python.executable}"))
    if environment.packages:
        used = "" if environment.imported is None else f", {len(environment.imported)} imported"
        yield Row("packages", f"{len(environment.packages)}{used} (whence cat RUN:environment)")
    for lock in filter(None, (environment.lock, *environment.locks)):
        agrees = {True: "agrees with what is installed", False: "DIFFERS from what is installed", None: lock.because}
        yield Row("lock", printable(f"{lock.path}  {agrees[lock.agrees] or 'not compared'}"))
        for mismatch in lock.mismatches:
            yield Row("", printable(mismatch))
    for how in filter(None, (environment.container, environment.container_declared)):
        words = (how.runtime, how.image, how.digest, f"({how.how})")
        yield Row("container", printable("  ".join(filter(None, words))))
    for module in environment.modules:
        yield Row("module", printable(module))


def _machine(environment: Environment) -> Rows:
    if environment.os:
        system = environment.os
        words = (system.distribution, f"{system.kernel} {system.release}", system.libc)
        yield Row("system", printable(", ".join(filter(None, words))))
    if environment.hardware:
        machine = environment.hardware
        words = (machine.cpu or machine.architecture, f"{machine.cores} cores", size_text(machine.memory))
        yield Row("machine", printable(", ".join(words)))
    for device in environment.accelerators:
        words = (device.vendor, device.model, size_text(device.memory), device.driver and f"driver {device.driver}")
        yield Row("accelerator", printable("  ".join(filter(None, words))))
    if environment.scheduler:
        yield Row("job", printable(f"{environment.scheduler.name} {environment.scheduler.job or ''}"))


def _results(record: Record) -> Rows:
    for name, metric in record.metrics.items():
        yield Row(printable(name), _metric(metric), "during")
    for artifact in record.artifacts:
        yield Row(printable(artifact.name), printable(_artifact(artifact)), artifact.when)
    for output, because in unseen_outputs(record):
        why = f"NOT CAPTURED: declared as output, and {because}" if because else "expected: looked at when the run ends"
        path = "" if output.path == output.name else f"{output.path}  "
        yield Row(printable(output.name), printable(path + why), output.when)
    if record.output:
        output = record.output
        lost = f", {size_text(output.cut)} left out in the middle" if output.cut else ""
        said = output.because or f"{size_text(output.bytes)}{lost} (whence cat RUN:output)"
        yield Row("printed", printable(said), output.when)
    for note in record.notes:
        yield Row("note", printable(f"{time_text(note.at)}  {note.text}" + (f"  ({note.by})" if note.by else "")))
    for anomaly in record.anomalies:
        detail = "" if anomaly.detail is None else f": {_json(anomaly.detail)}"
        yield Row("anomaly", printable(f"{time_text(anomaly.at)}  {anomaly.what}{detail}"))
    if record.progress:
        done = "" if record.progress.fraction is None else f"{record.progress.fraction:.0%} "
        yield Row("progress", printable(done + (record.progress.text or "")))
    yield from _resources(record)


def _metric(metric: Metric) -> str:
    step = "" if metric.step is None else f" at step {metric.step:g}"
    if metric.count == 1:
        return f"{_number(metric.last)}{step}  (1 point)"
    points = counted(metric.count, "point", "points")
    return f"{_number(metric.last)}{step}  (min {_number(metric.min)}, max {_number(metric.max)}, {points})"


def _number(value: float | str | None) -> str:
    return "-" if value is None else value if isinstance(value, str) else f"{value:.6g}"


def _artifact(artifact: Artifact) -> str:
    if artifact.missing:
        path = "" if artifact.path == artifact.name else f"{artifact.path}  "
        return f"{path}MISSING: declared and never written"
    words = [artifact.path] if artifact.path != artifact.name else []
    words += [artifact.kind, size_text(artifact.size)]
    words += [artifact.digest or f"no digest: {artifact.because or 'pending'}"]
    words += [counted(artifact.files, "file", "files")] if artifact.files is not None else []
    words += [f"{artifact.dataset}@{artifact.version}"] if artifact.dataset else []
    words += ["kept" if artifact.kept else f"not kept{': ' + artifact.because if artifact.because else ''}"]
    words += {"output": [], "intermediate": ["read again by the run"], "changed": ["changed in place"]}[artifact.role]
    words += _before(artifact)
    words += ["unfinished"] if artifact.unfinished else []
    words += [] if artifact.final else ["not final"]
    return "  ".join(words)


def _before(artifact: Artifact) -> list[str]:
    """What was there, where the run wrote over something, or into it."""
    if artifact.digest_before is not None:
        return [f"before: {artifact.digest_before}"]
    if artifact.role == "changed" and artifact.before_because is not None:
        return [f"before: not known: {artifact.before_because}"]
    return []


def _resources(record: Record) -> Rows:
    used = record.resources
    if used is None:
        return
    if used.cpu_user is not None:
        yield Row("cpu", f"{used.cpu_user:.1f}s user, {used.cpu_system or 0:.1f}s system", "end")
    if used.peak_memory or used.peak_memory_process:
        yield Row("memory", f"{size_text(used.peak_memory or used.peak_memory_process)} at most", "end")
    else:
        yield Row("memory", "not measured: the run ended before it was looked at often enough")
    if used.read_bytes is not None:
        yield Row("i/o", f"{size_text(used.read_bytes)} read, {size_text(used.written_bytes)} written", "end")


def _seen(record: Record) -> Rows:
    for program in record.programs:
        words = [program.target or program.path, program.version or "", program.digest or program.because or ""]
        words += [f"{program.package.name} {program.package.version or ''}".rstrip()] if program.package else []
        words += [f"{program.times} times"] if program.times > 1 else []
        words += ["CHANGED since"] if program.changed == "yes" else []
        yield Row(program.kind, printable("  ".join(filter(None, words))))
    for asked in record.network:
        port = "" if asked.port is None else f":{asked.port}"
        yield Row("host", printable(f"{asked.host}{port}" + (f"  {asked.times} times" if asked.times > 1 else "")))
    if record.observation.files:
        counts = ", ".join(f"{count} {name}" for name, count in record.observation.files.items())
        yield Row("files", f"{counts} ({record.observation.mechanism})")
    if record.observation.because:
        yield Row("watched", printable(f"by {record.observation.mechanism}: {record.observation.because}"))


def _findings(found: Iterable[Finding]) -> list[Row]:
    return [Row(printable(finding.what), printable(finding.because)) for finding in found]


def _beyond(view: View) -> Iterator[str]:
    rows = [Row("ignored", printable(fault)) for fault in (*view.faults, *view.unread)]
    rows += [Row("late", printable(late)) for late in view.late]
    if rows:
        yield ""
        yield styled("beyond the record", "bold")
        yield from aligned(rows, None)


SECTIONS: dict[str, Callable[[Record], Rows]] = {
    "what": _what,
    "code": _code,
    "configuration": _config,
    "data": _data,
    "rows": _transforms,
    "environment": _environment,
    "results": _results,
    "programs and hosts": _seen,
}
"""The order in which a reviewer reads; what is missing, and remarks, come behind."""
