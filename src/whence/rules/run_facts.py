"""The facts of a record, part by part, in the order in which a reviewer asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from ..records.comparison import PartName
from ..records.configuration import Resolved, Seed
from ..records.data import Artifact, Input
from ..records.record import Record
from ..records.run import TERMINAL
from .environment_facts import environment_facts
from .expected import unseen_outputs
from .facts import Fact, Facts, Known, Unknown, because_of, chosen, facts, fields, items, quoted, some, unseen
from .folded import Fold
from .plain import flatten

_NOT_OVER = "the run is not over"


def code_facts(record: Record) -> Facts:
    return facts(record, _code(record), _code_unknown(record), iter(()), ("code",))


def _code(record: Record) -> Known:
    code = record.code
    if code is None:
        return
    yield from fields("code.", code, "vcs", "id", "commit", "branch", "version", "dirty")
    if code.entry is not None:
        yield "code.entry", Fact(value=chosen(code.entry, "kind", "path", "digest", "name"))
    for path in code.dirty_paths:
        if path.role == "code":
            said = path.words + (f", was {path.before}" if path.before is not None else "")
            yield f"code.dirty_paths.{quoted(path.path)}", Fact(value=said)
    for left in code.files_left_out:
        if left.digest is not None:
            yield f"code.files_left_out.{quoted(left.path)}", Fact(value=left.digest)
    for source in code.outside_snapshot:
        if source.digest is not None:
            yield f"code.outside_snapshot.{quoted(source.path)}", Fact(value=source.digest)
    for nested in code.submodules:
        said = some(commit=nested.commit, url=nested.url) | {"dirty": nested.dirty}
        yield f"code.submodules.{quoted(nested.path)}", Fact(value=said)
    for other in code.repositories:
        said = chosen(other, "commit", "branch", "url", "tree", "package") | {"dirty": other.dirty}
        yield f"code.repositories.{quoted(other.path)}", Fact(value=said)
    yield from items("code.remotes", code.remotes)
    for declared in code.declared:
        yield f"code.declared.{quoted(declared.name)}", Fact(value=declared.value)


def _code_unknown(record: Record) -> Unknown:
    code = record.code
    if code is None:
        yield "code", because_of(record, "code", "it was not captured")
        return
    if code.id is None:
        yield "code.id", because_of(record, "code.id", because_of(record, "code.tree", "it was not captured"))
    if code.dirty is None and code.commit is not None:
        yield "code.dirty", because_of(record, "code.dirty", "git could not tell")
    if code.stored != "complete":
        yield "code.stored", "not all files of the snapshot are in the store" + _yet(record)
    if not code.observed_by:
        because = "nobody looked at what code was loaded" if record.status in TERMINAL else _NOT_OVER
        yield "code.outside_snapshot", because
    for one in (*code.files_left_out, *code.outside_snapshot):
        if one.digest is None:
            where = "files_left_out" if one in code.files_left_out else "outside_snapshot"
            yield f"code.{where}.{quoted(one.path)}", one.because or "it was not read"


def _yet(record: Record) -> str:
    return "" if record.status in TERMINAL else " yet"


def config_facts(record: Record) -> Facts:
    unknown = (*_config_unknown(record), *_inputs_unknown(record, "config.files"))
    return facts(record, _config(record), iter(unknown), _config_gaps(record), ("config",))


def _config(record: Record) -> Known:
    """Values without the places where pinned data were laid out; files that were only seen stand beside the named."""
    fold = Fold(record.inputs)
    yield from ((name, replace(fact, value=fold(fact.value))) for name, fact in _stated_config(record))
    for one in _inputs_at(record, "config.files"):
        if one.digest is not None:
            yield _name_of(record, one), Fact(value=one.digest, seen=True)
        yield from _changed(record, one)


def _config_gaps(record: Record) -> Unknown:
    return (("config.files", because) for what, because in _data_gaps(record) if what == "inputs")


def _stated_config(record: Record) -> Known:
    config = record.config
    if config is None:
        return
    seeds = {seed.name for seed in config.seeds}
    for name, value in flatten(config.values).items():
        if name not in seeds:
            yield f"config.values.{name}", Fact(value=value, origin=config.origins.get(name))
    yield from items("config.choices", config.choices)
    if config.overrides:
        yield "config.overrides", Fact(value=config.overrides)
    yield from items("config.files", {file.path: file.digest for file in config.files})
    for one in config.contested:
        yield f"config.contested.{quoted(one.name)}", Fact(value={"value": one.value, "by": one.by})
    for other in config.others:
        yield from _other(other)


def _other(other: Resolved) -> Known:
    at = _other_at(other)
    for name, value in flatten(other.values).items():
        yield f"{at}.values.{name}", Fact(value=value)
    yield from items(f"{at}.choices", other.choices)
    if other.overrides:
        yield f"{at}.overrides", Fact(value=other.overrides)


def _other_at(other: Resolved) -> str:
    job = "" if other.job is None else f" job {other.job}"
    return f"config.others.{quoted(other.program + job)}"


def _config_unknown(record: Record) -> Unknown:
    if record.config is None:
        yield "config", because_of(record, "config", "it was not captured")


def seed_facts(record: Record) -> Facts:
    return facts(record, _seeds(record), _config_unknown(record), iter(()), ())


def _seeds(record: Record) -> Known:
    config = record.config
    if config is None:
        return
    yield from _seed_values("config.seeds", config.seeds)
    for other in config.others:
        yield from _seed_values(f"{_other_at(other)}.seeds", other.seeds)


def _seed_values(at: str, seeds: list[Seed]) -> Known:
    """One that was set several times has all its values, in order."""
    given: dict[str, list[Seed]] = {}
    for seed in seeds:
        given.setdefault(seed.name, []).append(seed)
    for name, same in given.items():
        values = [seed.value for seed in same]
        value = values[0] if len(values) == 1 else values
        yield f"{at}.{quoted(name)}", Fact(value=value, origin=same[0].origin)


def data_facts(record: Record) -> Facts:
    return facts(
        record, _data(record), _inputs_unknown(record, "inputs"), _data_gaps(record), ("inputs", "input", "transforms")
    )


def _data(record: Record) -> Known:
    for one in _inputs_at(record, "inputs"):
        if one.digest is not None:
            yield _name_of(record, one), Fact(value=_input(one), seen=one.how == "observed")
        yield from _changed(record, one)
    for number, step in enumerate(record.transforms, 1):
        said = {name: value for name, value in msgspec.to_builtins(step).items() if name != "at"}
        yield f"transforms.{number}", Fact(value=some(**said))
    for asked in record.network:
        port = "" if asked.port is None else f":{asked.port}"
        yield f"network.{quoted(asked.host + port)}", Fact(value=True, seen=True)


def _inputs_at(record: Record, at: str) -> Iterator[Input]:
    """The inputs that are compared there; what a file of the configuration says already is not told again."""
    files = {file.path for file in record.config.files} if record.config else set[str]()
    for one in record.inputs:
        again = one.role == "config" and one.path in files and one.digest is not None
        if not again and _name_of(record, one).startswith(f"{at}."):
            yield one


def _name_of(record: Record, one: Input) -> str:
    """A file that was seen and is called as configuration is compared there, by its path."""
    if one.how == "observed" and one.role == "config" and one.kind == "file":
        return f"config.files.{quoted(one.path)}"
    return f"inputs.{quoted(one.name)}"


def _changed(record: Record, one: Input) -> Known:
    if one.changed == "yes":
        after = "" if one.digest_after is None else f", to {one.digest_after}"
        value = f"was changed while the run went on{after}"
        yield f"{_name_of(record, one)}.changed", Fact(value=value, seen=one.how == "observed")


def _input(one: Input) -> dict[str, Any]:
    said = chosen(one, "digest", "dataset", "dataset_id", "version", "kind", "role")
    if one.dataset is None:
        said["path"] = one.path
    if one.identifier is not None:
        said["identifier"] = f"{one.identifier.scheme}:{one.identifier.value}"
    return said


def _inputs_unknown(record: Record, at: str) -> Unknown:
    for one in _inputs_at(record, at):
        if one.digest is None:
            otherwise = "its digest is pending" if one.pending else "it has no digest"
            yield _name_of(record, one), one.because or otherwise
        elif one.changed == "unknown" and one.because is not None:
            yield f"{_name_of(record, one)}.changed", one.because


def _data_gaps(record: Record) -> Unknown:
    because = unseen(record) if record.status in TERMINAL else _NOT_OVER
    if because is not None:
        yield "inputs", because
        yield "network", because


def command_facts(record: Record) -> Facts:
    return facts(record, _command(record), iter(()), iter(()), ())


def _command(record: Record) -> Known:
    yield from fields("", record, "command", "cwd", "purpose", "hypothesis")
    yield from items("tags", record.tags)
    yield from items("ext", record.ext)
    if record.user is not None:
        yield from fields("user.", record.user, "name")
    sizes = [writer.rank.world_size for writer in record.writers if writer.rank is not None]
    if sizes:
        yield "writers.rank.world_size", Fact(value=max(size or len(sizes) for size in sizes))


def result_facts(record: Record) -> Facts:
    return facts(record, _results(record), _results_unknown(record), _results_gaps(record), ("artifacts", "artifact"))


def _results(record: Record) -> Known:
    yield from fields("", record, "status", "exit_code", "signal", "outcome", "standing")
    if record.error is not None:
        yield "error", Fact(value=chosen(record.error, "type", "message"))
    for name, metric in record.metrics.items():
        yield f"metrics.{quoted(name)}", Fact(value=msgspec.to_builtins(metric))
    for one in record.artifacts:
        if _is_told(one):
            yield f"artifacts.{quoted(one.name)}", Fact(value=_artifact(one), seen=one.how == "observed")
    if record.claims:
        yield "claims", Fact(value=record.claims)
    for one in record.anomalies:
        yield f"anomalies.{quoted(one.what)}", Fact(value=some(detail=one.detail))


def _is_told(one: Artifact) -> bool:
    return one.missing or (one.digest is not None and one.final)


def _artifact(one: Artifact) -> dict[str, Any]:
    said = chosen(one, "digest", "path", "kind", "role", "dataset", "dataset_id", "version")
    return said | {name: True for name in ("missing", "unfinished") if getattr(one, name)}


def _results_unknown(record: Record) -> Unknown:
    if record.status not in TERMINAL:
        yield "metrics", _NOT_OVER
        yield "artifacts", _NOT_OVER
        return
    for one in record.artifacts:
        if not _is_told(one):
            otherwise = "it has no digest" if one.digest is None else "it could still be written when it was digested"
            yield f"artifacts.{quoted(one.name)}", one.because or otherwise
    for output, why in unseen_outputs(record):
        yield f"artifacts.{quoted(output.name)}", why or "it was not looked at"


def _results_gaps(record: Record) -> Unknown:
    because = unseen(record)
    if because is not None and record.status in TERMINAL:
        yield "artifacts", because


FACTS: dict[PartName, Callable[[Record], Facts]] = {
    "code": code_facts,
    "config": config_facts,
    "data": data_facts,
    "environment": environment_facts,
    "command": command_facts,
    "seeds": seed_facts,
    "results": result_facts,
}
"""Each part of a comparison in the order in which a reviewer asks, with what gives its facts."""
