"""How a block begins: as a run of its own, as a part of the run around it, or beside another process's main.

In this order: a block inside a block of the same context belongs to it, unless it is `nested`; a process started under
a living run joins it, unless `nested`; ranks of one job agree on one run; anything else is a new run, with the outer
one as parent if there is one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, MutableMapping

import msgspec
from msgspec.structs import replace

from ..capture.configuration import resolve
from ..errors import RefusedError
from ..records import events
from ..records.run import Rank
from ..rules.ranks import find_place
from ..store.held import held_by
from ..store.spools import Spools
from ..system.held_signals import held
from ..system.processes import identity
from . import attach, closing
from .attach import Outer
from .beside import Beside
from .capturing import capture, refuse
from .guests import guests
from .handle import Run
from .launch import Launch, create
from .open_runs import enclosing, enter, is_own, thread_parent
from .ranks import Seat, take_seat, world_of
from .request import Request, Surroundings
from .session import Session
from .sources import Sources


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A block that is to begin, and how its world is had: it is only built when it is needed."""

    request: Request
    nested: bool
    environ: MutableMapping[str, str]
    spools: Spools | None
    """Those of this host."""
    surroundings: Callable[[], Surroundings]
    """Finds or makes the store."""


def begin(asked: Asked) -> Run:
    """Begin the block. Raises RefusedError after the refusal is recorded, UsageError, StoreError."""
    around_us = enclosing()
    if around_us is not None and not asked.nested:
        return _section_of(around_us, asked.request, asked.environ)
    outer = attach.find_outer(asked.environ)
    foreign = outer if outer is not None and not is_own(outer.id) else None
    if foreign is not None and not asked.nested:
        joined = _join(asked, foreign)
        if joined is not None:
            return joined
    if around_us is not None or foreign is not None:
        return _begin(asked, around_us, around_us.id if around_us else foreign.id if foreign else None)
    parent = thread_parent()
    return _begin(asked, None, parent.id if parent else None)


def _join(asked: Asked, outer: Outer) -> Run | None:
    """Beside the main of another process, if it lives."""
    store = attach.living_store(outer, asked.spools)
    if store is None:
        return None
    around = replace(asked.surroundings(), store=store)
    return _join_run(asked.request, around, asked.environ, outer.id, _rank(asked))


def _rank(asked: Asked) -> Rank | None:
    place = find_place(asked.environ, host=os.uname().nodename)
    return Rank(rank=place.rank, world_size=place.world_size, job=place.group) if place else None


def _begin(asked: Asked, outer: Run | None, parent: str | None) -> Run:
    around = asked.surroundings()
    seat = Seat() if outer is not None else take_seat(world_of(around, asked.environ, asked.request.argv))
    if seat.joins and seat.run is not None:
        return _join_run(asked.request, around, asked.environ, seat.run, seat.rank)
    request = replace(
        asked.request,
        run=seat.run,
        rank=seat.rank,
        parent=seat.parent or parent,
        rerun_of=seat.rerun_of,
        relation="rerun" if seat.rerun_of else None,
    )
    return _begin_main(request, around, asked.environ, outer)


def _begin_main(request: Request, around: Surroundings, environ: MutableMapping[str, str], outer: Run | None) -> Run:
    """Begin a run of this process's own. Raises RefusedError after the refusal is recorded, UsageError, StoreError."""
    launched = create(request, around)
    try:
        capture(launched)
        held.check()
    except RefusedError as refusal:
        refuse(launched, refusal)
        closing.finish(launched)
        raise
    except BaseException as fault:
        closing.abandon(launched, fault)
        raise
    recording = launched.recording
    session = Session(recording, around.secrets, around.cwd, around.say, _sources(launched), launched, around.describe)
    session.beside = Beside(launched, in_program=True)
    recording.when_started = session.beside.start
    recording.start(identity(host=os.uname().nodename))
    run = Run(session, "main", outer)
    enter(run, environ)
    return run


def _sources(launched: Launch) -> Sources:
    snapshot, around = launched.snapshot, launched.around
    held = None if snapshot is None else held_by(snapshot)
    return Sources(
        launched.recording, around.secrets, around.cwd, lambda: held, environ=around.environ,
        launched=frozenset(sys.modules), began=None if held is None else held.taken,
    )  # fmt: skip


def _join_run(
    request: Request, around: Surroundings, environ: MutableMapping[str, str], run_id: str, rank: Rank | None
) -> Run:
    """Attach to the run of another process. Raises StoreError, UsageError."""
    session = guests.session(around, run_id, rank)
    run = Run(session, "guest")
    if rank is None or rank.rank == 0:
        _tell_name(run, request)
    _tell(run, request)
    enter(run, environ)
    return run


def _section_of(outer: Run, request: Request, environ: MutableMapping[str, str]) -> Run:
    """A block inside a block: what is asked for is said in the outer run."""
    run = Run(outer.session, "section", outer)
    _tell_name(run, request)
    _tell(run, request)
    enter(run, environ)
    return run


def _tell_name(run: Run, request: Request) -> None:
    """The run has its name since its launch; what a block calls itself is kept as a note."""
    if request.name:
        run.note(f"name: {request.name}")


def _tell(run: Run, request: Request) -> None:
    """What a launch would capture, said by a process that joins: the environment and code are the run's."""
    session = run.session
    recording, secrets = session.recording, session.secrets
    if request.config is not None or request.params:
        config = resolve(
            argv=[],
            objects=[] if request.config is None else [request.config],
            params=request.params,
            secrets=secrets,
            params_from="declared",
        )
        recording.state(events.ConfigResolved(config=config))
    for what, text in (("purpose", request.purpose), ("hypothesis", request.hypothesis)):
        if text:
            run.note(f"{what}: {text}")
    if request.tags:
        run.tag(**request.tags)
    for name, value in request.fields.items():
        run.field(name, value)
    for path in request.inputs:
        run.input(path)
    for pin in request.data:
        run.data(pin.name, pin.reference)
    for path in request.outputs:
        session.expect(path)
