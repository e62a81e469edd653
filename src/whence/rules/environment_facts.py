"""The facts of a run's environment: what executed it, software before hardware."""

from __future__ import annotations

from typing import Any

import msgspec

from ..records.environment import Container, Environment
from ..records.observation import Program
from ..records.record import Record
from ..records.run import TERMINAL
from .facts import Fact, Facts, Known, Unknown, because_of, chosen, facts, fields, items, quoted, some, unseen
from .plain import flatten


def environment_facts(record: Record) -> Facts:
    return facts(record, _known(record), _unknown(record), _gaps(record), ("environment", "host", "programs"))


def _known(record: Record) -> Known:
    environment = record.environment
    if environment is not None:
        yield from _software(environment)
        yield from _machine(environment)
    if record.host is not None:
        yield from fields("host.", record.host, "name", "machine_id")
    yield from _programs(record.programs)


def _software(environment: Environment) -> Known:
    yield from fields("environment.", environment, "fingerprint", "hardware_class")
    if environment.python is not None:
        names = ("version", "implementation", "build", "executable")
        yield from fields("environment.python.", environment.python, *names)
    yield from _packages(environment)
    yield from items("environment.local_packages", environment.local_packages)
    for lock in filter(None, (environment.lock, *environment.locks)):
        said = chosen(lock, "format", "digest", "agrees", "mismatches", "unlocked")
        yield f"environment.lock.{quoted(lock.path)}", Fact(value=said)
    for name in ("container", "container_declared"):
        if (one := getattr(environment, name)) is not None:
            yield f"environment.{name}", Fact(value=_container(one))
    if environment.modules:
        yield "environment.modules", Fact(value=environment.modules)
    yield from items("environment.libraries", environment.libraries)


def _packages(environment: Environment) -> Known:
    imported = None if environment.imported is None else {one.name for one in environment.imported}
    versions = {package.name: package.version for package in environment.packages}
    for package in environment.packages:
        said = chosen(package, "version", "url", "commit", "digest")
        said |= {} if package.source == "index" else {"source": package.source}
        used = None if imported is None else package.name in imported
        yield f"environment.packages.{quoted(package.name)}", Fact(value=said, imported=used)
    for one in environment.imported or ():
        if versions.get(one.name) != one.version:
            # Another interpreter of the run has it.
            fact = Fact(value={"version": one.version}, seen=True, imported=True)
            yield f"environment.imported.{quoted(one.name)}", fact


def _container(one: Container) -> dict[str, Any]:
    return chosen(one, "runtime", "image", "digest", "how")


def _machine(environment: Environment) -> Known:
    if environment.os is not None:
        yield from fields("environment.os.", environment.os, "distribution", "kernel", "release", "libc")
    if environment.hardware is not None:
        names = ("architecture", "cpu", "cores", "memory", "cpu_flags")
        yield from fields("environment.hardware.", environment.hardware, *names)
    for number, device in enumerate(environment.accelerators):
        said = chosen(device, "vendor", "model", "memory", "uuid", "driver", "runtime")
        yield f"environment.accelerators.{number}", Fact(value=said)
    yield from items("environment.drivers", environment.drivers)
    for name, value in flatten(environment.settings).items():
        yield f"environment.settings.{name}", Fact(value=value)
    if environment.scheduler is not None:
        yield from fields("environment.scheduler.", environment.scheduler, "name")
    yield from items("environment.variables", environment.variables)


def _programs(programs: list[Program]) -> Known:
    """By the name of the file, wherever it lies: of two environments each has its own folder."""
    found: dict[str, list[Any]] = {}
    for program in programs:
        if said := _program(program):
            found.setdefault(program.path.rpartition("/")[2], []).append(said)
    for name, said in found.items():
        alike = sorted(said, key=msgspec.json.encode)
        yield f"programs.{quoted(name)}", Fact(value=alike[0] if len(alike) == 1 else alike, seen=True)


def _program(program: Program) -> dict[str, Any]:
    package = None if program.package is None else msgspec.to_builtins(program.package)
    return some(digest=program.digest, version=program.version, package=package)


def _unknown(record: Record) -> Unknown:
    environment = record.environment
    if environment is None:
        yield "environment", because_of(record, "environment", "it was not captured")
        return
    if environment.fingerprint is None:
        yield "environment.fingerprint", because_of(record, "environment.fingerprint", "it was not captured")
    if environment.python is not None and not environment.packages:
        yield "environment.packages", "none is listed: the list is not in the store, or none was installed"
    for program in record.programs:
        if not _program(program):
            name = program.path.rpartition("/")[2]
            yield f"programs.{quoted(name)}", program.because or "it has no digest"


def _gaps(record: Record) -> Unknown:
    because = unseen(record) if record.status in TERMINAL else "the run is not over"
    if because is not None:
        yield "programs", because
    environment = record.environment
    if environment is not None and environment.python is not None and environment.imported is None:
        yield "environment.imported", "no program told what it imported"
