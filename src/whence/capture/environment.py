"""The environment that executes a command: its interpreter and packages, not ours; container, machine, settings, job.

No probe raises, and none waits longer than the time for all of them: what fails or is late stands in `missing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..digests import digest_of
from ..records.base import Missing
from ..records.encoding import encode
from ..records.environment import (
    Container,
    Environment,
    Interpreter,
    Package,
    Scheduler,
    Software,
    System,
)
from ..rules.container import declared_container, disagreement, identity, malformed, masked
from ..rules.hardware import hardware_class
from ..rules.packages import portable
from ..rules.schedulers import scheduler
from ..rules.secrets import Mask
from ..rules.variables import ALLOWED, chosen, modules
from .accelerators import Devices, read_accelerators
from .attempts import Attempts
from .container import observe_container
from .hardware import read_hardware, read_system
from .hostfiles import HostFiles
from .lockfiles import Locks, read_locks
from .packages import Edited, Installed, read_installed
from .running import PythonEnvironment, Running, running_environment
from .settings import read_settings

SECONDS = 5.0
"""For every program that the capture starts, together; on a healthy machine it starts none or one."""


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the environment before the start."""

    environment: Environment
    """With `packages` empty, as the journal has it."""
    software: bytes
    """The canonical JSON of `Software`; its digest is the fingerprint, and it is to be kept as an object."""
    lock_bytes: dict[str, bytes] = {}
    """Lock files to keep as objects, by digest."""
    edited: list[Edited] = []
    missing: list[Missing] = []


def capture_environment(
    *,
    program: str | None,
    argv: Sequence[str],
    cwd: Path,
    root: Path,
    environ: Mapping[str, str],
    mask: Mask,
    allow: Sequence[str] = ALLOWED,
    deadline: float = SECONDS,
    running: Running | None = None,
    files: HostFiles | None = None,
) -> Captured:
    """Capture the environment of `argv`, whose program is the file `program`; or, with `running`, our own process's.

    `root` bounds the search for lock files upwards from `cwd`. `mask(name, value)` hides secrets in what is recorded.
    """
    files = files or HostFiles()
    attempts = Attempts(deadline)
    python = attempts.attempt(
        "environment.python", lambda: _python(program, argv, cwd, environ, attempts, running), None
    )
    installed = _installed(python, mask, attempts)
    packages, local_packages = portable(installed.packages)
    locks = attempts.attempt("environment.lock", lambda: read_locks(cwd, root, packages if python else None), Locks())
    container, declared = _container(masked(environ, mask), files, attempts)
    devices = attempts.attempt(
        "environment.accelerators", lambda: read_accelerators(environ, files, attempts), Devices()
    )
    hardware = attempts.attempt("environment.hardware", lambda: read_hardware(files, environ, attempts), None)
    system = attempts.attempt("environment.os", lambda: read_system(files), None)
    settings = attempts.attempt("environment.settings", lambda: read_settings(cwd, environ, files, mask), {})
    if installed.libraries:
        settings["blas"] = installed.libraries
    software = encode(_software(python, packages, container, declared, system, environ))
    environment = Environment(
        fingerprint=digest_of(software),
        hardware_class=hardware_class(hardware.architecture, devices.accelerators) if hardware else None,
        python=python.python if python else None,
        local_packages=local_packages,
        lock=locks.locks[0] if locks.locks else None,
        locks=locks.locks[1:],
        container=container,
        container_declared=declared,
        os=system,
        hardware=hardware,
        accelerators=devices.accelerators,
        drivers=devices.drivers,
        settings=settings,
        modules=modules(environ),
        scheduler=_scheduler(environ, mask),
        variables={name: mask(name, value) for name, value in chosen(environ, allow).items()},
    )
    return Captured(
        environment=environment,
        software=software,
        lock_bytes=locks.kept,
        edited=installed.edited,
        missing=attempts.missing,
    )


def _python(
    program: str | None,
    argv: Sequence[str],
    cwd: Path,
    environ: Mapping[str, str],
    attempts: Attempts,
    running: Running | None,
) -> PythonEnvironment | None:
    if running is not None:
        return running_environment(running)
    if not program:
        return None
    from .python_environment import command_environment  # with the ways of every launcher, for commands only

    return command_environment(program, argv, cwd, environ, attempts)


def _installed(python: PythonEnvironment | None, mask: Mask, attempts: Attempts) -> Installed:
    if python is None:
        return Installed()
    read = attempts.attempt(
        "environment.packages", lambda: read_installed(python.folders, python.conda_prefix, mask), Installed()
    )
    for fault in read.faults:
        attempts.failed("environment.packages", fault)
    return read


def _container(
    environ: Mapping[str, str], files: HostFiles, attempts: Attempts
) -> tuple[Container | None, Container | None]:
    """Observed and declared; a declared digest that the runtime contradicts is stated."""
    observed = attempts.attempt("environment.container", lambda: observe_container(environ, files), None)
    declared = declared_container(observed, environ)
    for fault in malformed(observed, environ):
        attempts.failed("environment.container_declared", fault)
    if contradiction := disagreement(observed, declared):
        attempts.failed("environment.container_declared", contradiction)
    if observed and not identity(observed, None):
        attempts.failed("environment.container.digest", "no runtime shows the image's digest inside the container")
    return observed, declared


def _software(
    python: PythonEnvironment | None,
    packages: list[Package],
    container: Container | None,
    declared: Container | None,
    system: System | None,
    environ: Mapping[str, str],
) -> Software:
    """What two hosts of the same set-up have in common: no paths, no host, no kernel."""
    known = python.python if python else None
    return Software(
        python=Interpreter(version=known.version, implementation=known.implementation) if known else None,
        packages=packages,
        image=identity(container, declared),
        distribution=system.distribution if system else None,
        libc=system.libc if system else None,
        modules=modules(environ),
    )


def _scheduler(environ: Mapping[str, str], mask: Mask) -> Scheduler | None:
    found = scheduler(environ)
    if found is None:
        return None
    return Scheduler(name=found.name, job=found.job, facts={name: mask(name, v) for name, v in found.facts.items()})
