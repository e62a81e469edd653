"""Processes that were started together agree on one run, without speaking to each other.

Whoever comes first claims an identifier under the name of the job, by exclusive creation of `cache/jobs/<hash>-<n>`.
Rank 0 writes main; the others wait for its first line and write beside it. A claim whose run was over before this
process began belongs to an earlier start of the same name: the next number is taken, and names it as parent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path

import msgspec

from ..digests import sha256
from ..errors import FormatError
from ..ids import new_id
from ..records.encoding import decode, encode
from ..records.events import RunCreated
from ..records.run import Rank
from ..rules.fold import MAIN
from ..rules.ranks import Place, find_batch_job, find_place
from ..store.journal import SUFFIX
from ..store.layout import Store
from ..store.spools import Spools
from ..system.files import make_folders, open_regular, read_regular, write_new
from ..system.held_signals import held
from ..system.processes import start_time
from .attach import goes_on, last_seen
from .request import Surroundings

WAIT = 60.0
"""Seconds that a rank waits for rank 0 to create the run; then it records a run of its own."""

_LOOK_BACK = 5000
"""Runs that are searched for the predecessor of a requeued job."""

_joined: set[str] = set()
"""Claims that this process has taken part in: a later block is another run."""


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """How a process takes part in the run of its job. Without any rank all is empty and it simply begins a run."""

    rank: Rank | None = None
    run: str | None = None
    """The identifier that was agreed on."""
    joins: bool = False
    """Whether another process writes main and this one beside it."""
    parent: str | None = None
    rerun_of: str | None = None


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What a seat is found with."""

    store: Store
    spools: Spools | None = None
    environ: Mapping[str, str]
    host: str
    argv: Sequence[str]
    """As it would be recorded: a requeued job is known by it."""
    began: int
    """When this process started, in Unix nanoseconds."""
    clock: Callable[[], int]
    random: Callable[[int], bytes]
    wait: float = WAIT


def world_of(around: Surroundings, environ: Mapping[str, str], argv: Sequence[str]) -> World:
    """The world of a launch."""
    return World(
        store=around.store,
        spools=around.spools,
        environ=environ,
        host=os.uname().nodename,
        argv=around.secrets.mask_argv(argv),
        began=_began(around.clock),
        clock=around.clock,
        random=around.random,
    )


def _began(clock: Callable[[], int]) -> int:
    """When this process started, in Unix nanoseconds; now, where /proc does not say."""
    ticks = start_time(os.getpid())
    if ticks is None:
        return clock()
    age = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    return clock() - age


class _Claim(msgspec.Struct, frozen=True, kw_only=True):
    run: str
    job: str
    at: int


def take_seat(world: World) -> Seat:
    """Find the place of this process, and the run of its job. Rank 0 of a new run is told to write main."""
    place = find_place(world.environ, host=world.host)
    predecessor = _predecessor(world, place)
    if place is None:
        job = find_batch_job(world.environ)
        rank = Rank(rank=0, world_size=1, job=_attempt(*job)) if job else None
        return Seat(rank=rank, rerun_of=predecessor)
    rank = Rank(rank=place.rank, world_size=place.world_size, job=place.group)
    try:
        return _agree(world, place, rank, predecessor)
    except OSError:
        # No claim can be made in this store: every rank is a run of its own, and says which rank.
        return Seat(rank=rank, rerun_of=predecessor)


def _agree(world: World, place: Place, rank: Rank, predecessor: str | None) -> Seat:
    folder = world.store.cache / "jobs"
    make_folders(folder, within=world.store.path)
    stem = sha256(f"{place.group}/{place.world_size}".encode()).hexdigest()[:32]
    before: str | None = None
    for number in count(1):
        name = f"{stem}-{number}"
        claim = _claim(folder / name, place.group, world)
        state = "used" if name in _joined else _state(world, claim)
        if state in ("used", "before"):
            before = claim.run if state == "before" and _begun(world, claim) else before
            continue
        _joined.add(name)
        if state == "over":
            return Seat(rank=rank, parent=claim.run, rerun_of=predecessor)
        if place.rank == 0 and state == "new":
            return Seat(rank=rank, run=claim.run, parent=before, rerun_of=predecessor)
        return _joining(world, claim, rank, predecessor)
    raise AssertionError("count ends never")


def _joining(world: World, claim: _Claim, rank: Rank, predecessor: str | None) -> Seat:
    """Wait for main's first line."""
    main = world.store.run_folder(claim.run) / (MAIN + SUFFIX)
    until = time.monotonic() + world.wait
    while not _has_line(main):
        held.check()
        if time.monotonic() > until:
            return Seat(rank=rank, rerun_of=predecessor)
        time.sleep(0.01)
    return Seat(rank=rank, run=claim.run, joins=True)


def _begun(world: World, claim: _Claim) -> bool:
    return _has_line(world.store.run_folder(claim.run) / (MAIN + SUFFIX))


def _has_line(journal: Path) -> bool:
    try:
        return journal.stat().st_size > 0
    except OSError:
        return False


def _claim(path: Path, job: str, world: World) -> _Claim:
    """The claim that stands: ours, if there was none."""
    now = world.clock()
    mine = _Claim(run=new_id(now // 1_000_000, world.random(10)), job=job, at=now)
    if write_new(path, encode(mine)):
        return mine
    while True:
        try:
            return decode(read_regular(path), _Claim, where=str(path))
        except FormatError:
            # Where links are refused the name exists a moment before its bytes.
            if world.clock() - path.stat().st_mtime_ns > 1_000_000_000:
                return mine
            time.sleep(0.01)


def _state(world: World, claim: _Claim) -> str:
    """`new`: nobody has begun the run; `goes on`; `before`: over when this process began; `over`: since then."""
    if not _begun(world, claim):
        # The earlier of the two: a clock that was set back must not make our own claim an old one.
        late = min(world.began, world.clock()) > claim.at + int(world.wait * 1e9)
        return "before" if late else "new"
    if goes_on(world.store, claim.run, world.spools):
        return "goes on"
    last = last_seen(world.store, claim.run, world.spools)
    return "before" if last is not None and last < world.began else "over"


def _attempt(job: str, attempt: int) -> str:
    return f"{job}, attempt {attempt}" if attempt else job


def _predecessor(world: World, place: Place | None) -> str | None:
    """The run of the attempt before this one: told by `WHENCE_REQUEUE_OF`, else the last of the same job and words."""
    if told := world.environ.get("WHENCE_REQUEUE_OF"):
        return told
    batch = find_batch_job(world.environ)
    job, attempt = (place.job, place.attempt) if place else batch or ("", 0)
    if not attempt:
        return None
    earlier = {_attempt(job, number) for number in range(attempt)}
    for created in _created(world.store):
        if created.job in earlier and created.command == list(world.argv):
            return created.id
    return None


def _created(store: Store) -> Iterator[RunCreated]:
    """The first lines of the newest runs."""
    from ..store.run_list import run_ids  # a requeued job alone looks back

    for run in islice(run_ids(store, newest_first=True), _LOOK_BACK):
        try:
            with os.fdopen(open_regular(store.run_folder(run) / (MAIN + SUFFIX)), "rb") as journal:
                yield decode(journal.readline(), RunCreated)
        except (OSError, FormatError):
            continue
