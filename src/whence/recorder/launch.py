"""Launch a run: row first, then everything is captured, then policy is asked; only then may the command start.

A capture that fails is a fact of the record (`capture.failed`), never the end of the launch. What ends it is a
refusal (an input that is not there, policy) or a store that cannot be written; a refused run is kept with that story.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec.structs import replace

from ..capture.captured_code import CapturedCode
from ..capture.code import capture_code
from ..capture.configuration import ReadConfig, resolve
from ..capture.container import observe_container
from ..capture.environment import Captured as Environed
from ..capture.environment import capture_environment
from ..capture.hashing import Measured
from ..capture.host import capture_host, capture_user
from ..capture.hostfiles import HostFiles
from ..capture.inputs import InputDigest, declare, digest_all
from ..capture.outputs import Expected, OutputDigest
from ..capture.packages import Edited
from ..capture.places import Mounts
from ..errors import RefusedError, StoreError, UsageError, WhenceError
from ..ids import new_id
from ..records import events
from ..records.base import Missing
from ..records.code import Code, DirtyPath, Entry
from ..records.configuration import UNREAD_FORMAT
from ..records.data import ExpectedOutput
from ..records.result import Output
from ..records.run import Error, Host
from ..records.seal import Pending
from ..rules.boot_environment import without_boot
from ..rules.container import NOT_IDENTIFIED, masked, of_image
from ..rules.kinds import guess, mistaken_kind, split_kind
from ..rules.permission import policy_cases
from ..rules.pins import variable, with_places
from ..rules.plain import to_plain
from ..rules.snapshot import Plan, without
from ..store.collection import Terms, terms_of
from ..store.digest_cache import DigestCache
from ..store.objects import put_bytes
from ..store.results import results_judge
from ..store.snapshots import Snapshot, Snapshots
from ..system.held_signals import held
from ..system.printing import Printed, passed_on_to, printed_to
from ..system.processes import identity
from . import attach, recording
from .cells import state_cells
from .keeping import Keeping
from .recording import Recording
from .request import Request, Surroundings

if TYPE_CHECKING:
    from ..rules.observation import FileUse
    from ..rules.seen import Identity
    from .pins import Pinned

NO_OUTPUT = "not captured: recorded from inside Python; `whence run` captures output"
"""Why a block has no output log: what its process prints goes where it went before the block began."""


class Observed(Protocol):
    """The part of an observation that a launch needs at its end; `observed.Observed` is the real one."""

    def state_so_far(self) -> None: ...
    def settle(self, enough: Callable[[], bool], pending: list[Pending]) -> None: ...
    def was_opened(self, path: str) -> bool | None: ...
    @property
    def saw_all(self) -> bool: ...
    def opened_at(self, path: str) -> Mapping[str, FileUse]: ...
    def read_own(self, path: str) -> bool: ...
    def measured(self, opened: Identity | None) -> Measured | None: ...


class Kept(Protocol):
    """Something whose bytes may be kept."""

    def keep(self, keep: Callable[[str, Measured], str | None]) -> None: ...


class Launch(msgspec.Struct, kw_only=True):
    """A run that has been captured and not yet started, with what is owed at its end."""

    request: Request
    around: Surroundings
    recording: Recording
    snapshots: Snapshots
    digests: DigestCache
    mounts: Mounts
    kept_inputs: Keeping
    kept_outputs: Keeping
    captured: CapturedCode | None = None
    snapshot: Snapshot | None = None
    code: Code | None = None
    inputs: list[InputDigest] = []
    pins: list[Pinned] = []
    outputs: list[Expected] = []
    """What was declared to be written."""
    stated: list[OutputDigest] = []
    """What was stated as written while the run was going on; looked at once more at the end."""
    written: list[str] = []
    """Where the declared outputs lie that were found at the end."""
    libraries: tuple[str, ...] = ()
    """The folders of the command's environment."""
    prefix: str | None = None
    """That of the command's Python."""
    edited: list[Edited] = []
    observed: Observed | None = None
    """What the command was seen to do, where it is watched."""
    printed: tuple[Printed, ...] = ()
    """The files that standard output and standard error are."""
    passed_on: Callable[[], frozenset[str]] = frozenset
    """The files to which others write what is printed. Looked for when it is asked for, the first time: by then each of
    them that lies there is open."""
    ours: tuple[str, ...] = ()
    """Folders of ours, links followed, that the command's programs read and write: no business of the record."""
    before_seal: Callable[[Callable[[], bool]], None] | None = None
    """What else is stated between the end and the seal; it asks whether the time for digests is over."""
    passing: list[Exception] = []
    """What signal handlers of the user's raised while the record was completed: raised again when it is complete."""

    @property
    def cwd(self) -> Path:
        return self.around.cwd

    @property
    def variables(self) -> dict[str, str]:
        """What tells the command where the data lie that it pins."""
        return {variable(one.pin.name): os.fspath(one.folder) for one in self.pins}

    def keep_input(self, one: Kept) -> None:
        """Copy an input that is digested, where policy asks for it."""
        if self.kept_inputs.copy:
            one.keep(self.kept_inputs.keep)


def create(request: Request, around: Surroundings) -> Launch:
    """Row first: the run is on disk. Raises StoreError."""
    host = capture_host(around.secrets.keyed)
    return _launch(request, around, _create(request, around, host), host)


def join(request: Request, around: Surroundings) -> Launch:
    """A rank's own journal in the run that rank 0 has created. Raises StoreError."""
    host = capture_host(around.secrets.keyed)
    recording = attach.join(
        around.store,
        around.policy,
        request.run or "",
        identity(host=host.name),
        rank=request.rank,
        argv=around.secrets.mask_argv(request.argv),
        spools=around.spools,
        clock=around.clock,
        say=around.say,
        mask=around.secrets.mask_text,
    )
    return _launch(request, around, recording, host)


def _launch(request: Request, around: Surroundings, recording: Recording, host: Host) -> Launch:
    return Launch(
        request=request,
        around=around,
        recording=recording,
        snapshots=Snapshots(around.store, around.environ),
        digests=DigestCache(around.store.cache),
        mounts=Mounts(host.name),
        kept_inputs=Keeping.of(around.store, around.policy, "keep_inputs"),
        kept_outputs=Keeping.of(around.store, around.policy, "keep_outputs"),
        printed=printed_to(),
        passed_on=functools.cache(passed_on_to),
    )


def capture(launch: Launch) -> None:
    """Capture everything before the start. Raises RefusedError, which the caller states, and StoreError."""
    _expect_outputs(launch)
    _attempt(launch, "code", lambda: _code(launch))
    if launch.request.mode == "block":
        _attempt(launch, "code.cells", lambda: state_cells(launch.recording, launch.around.secrets, "launch"))
    _attempt(launch, "environment", lambda: _environment(launch))
    refusals = _pins(launch)
    _attempt(launch, "config", lambda: _config(launch))
    _inputs(launch, refusals)
    _ask_policy(launch)
    if launch.request.mode == "block":
        launch.recording.state(events.OutputCaptured(output=Output(when="launch", because=NO_OUTPUT)))


def capture_beside(launch: Launch) -> None:
    """What a rank adds to what rank 0 captured: its own inputs and outputs. Raises RefusedError."""
    _expect_outputs(launch)
    _inputs(launch, _pins(launch))


def _expect_outputs(launch: Launch) -> None:
    for spec in launch.request.outputs:
        kind, path = split_kind(spec)
        if (mistake := mistaken_kind(spec)) and not (launch.cwd / spec).exists():
            launch.around.say(f"warning: output {spec}: {mistake}")
        expected = Expected(path, cwd=str(launch.cwd), kind=kind)
        launch.outputs.append(expected)
        launch.recording.state(events.OutputDeclared(output=expected.declared("launch")))
    for name, path in launch.request.output_data:
        output = ExpectedOutput(name=name, path=path, kind="dataset")
        launch.recording.state(events.OutputDeclared(output=output))


def _attempt(launch: Launch, what: str, capture: Callable[[], None]) -> None:
    """Capture; whatever goes wrong is a fact, and the launch goes on."""
    held.check()
    try:
        capture()
    except (RefusedError, StoreError, UsageError):
        raise
    except Exception as fault:  # noqa: BLE001  any fault of a capture costs detail, never the run; it is recorded
        _missing(launch, Missing(what=what, because=f"{type(fault).__name__}: {fault}"))


def _missing(launch: Launch, *missing: Missing) -> None:
    for one in missing:
        launch.recording.state(events.CaptureFailed(missing=one))


def _create(request: Request, around: Surroundings, host: Host) -> Recording:
    now = around.clock()
    secrets = around.secrets
    created = events.RunCreated(
        id=request.run or new_id(now // 1_000_000, around.random(10)),
        command=secrets.mask_argv(request.argv),
        cwd=secrets.mask_text(str(around.cwd)),
        mode=request.mode,
        host=host,
        user=capture_user(),
        process=identity(host=host.name),
        recorder=around.recorder,
        utc_offset=time.localtime(now // 1_000_000_000).tm_gmtoff,
        name=_masked(around, request.name),
        purpose=_masked(around, request.purpose),
        hypothesis=_masked(around, request.hypothesis),
        tags={secrets.mask_text(key): secrets.mask_pair(key, value) for key, value in request.tags.items()},
        ext=secrets.mask_values({str(name): to_plain(value) for name, value in request.fields.items()}),
        parent=request.parent,
        rerun_of=request.rerun_of,
        relation=request.relation,
        differences=request.differences,
        rank=request.rank,
        job=request.rank.job if request.rank else None,
    )
    return recording.create(
        around.store,
        around.policy,
        created,
        spools=around.spools,
        clock=around.clock,
        say=around.say,
        mask=around.secrets.mask_text,
    )


def _masked(around: Surroundings, text: str | None) -> str | None:
    return None if text is None else around.secrets.mask_text(text)


# What is captured.


def _code(launch: Launch) -> None:
    around, request, policy = launch.around, launch.request, launch.around.policy
    environ = dict(around.environ)
    captured = capture_code(
        around.cwd,
        request.argv,
        environ=environ,
        entry=request.entry,
        home=around.home,
        store=around.store.path,
        is_result=_is_result(launch),
        code_exclude=policy.code_exclude,
        untracked_limit=policy.untracked_limit,
        declared_url=request.code_url,
        declared_commit=request.code_commit,
    )
    launch.captured, launch.code = captured, captured.code
    _missing(launch, *captured.missing)
    if captured.plan is not None:
        launch.snapshot = launch.snapshots.take(
            _without_printed(launch, captured.plan), launch.recording.id, snapshot_terms(launch, captured.plan.root)
        )
        launch.code = launch.snapshot.onto(captured.code)
        _missing(launch, *launch.snapshot.missing)
        _warn_of_left_out(launch, launch.code)
    shown = masked(environ, around.secrets.mask_pair)
    of_folder = launch.code.id
    launch.code = of_image(launch.code, observe_container(shown, HostFiles()), shown)
    if of_folder is not None and launch.code.id is None:
        _missing(launch, Missing(what="code.id", because=NOT_IDENTIFIED))
    launch.recording.state(events.CodeCaptured(code=_shown(around, launch.code)))


def _without_printed(launch: Launch, plan: Plan) -> Plan:
    """What the run prints to is no code, and grows while it is read."""
    root = os.path.realpath(plan.root)
    paths = {*(one.path for one in launch.printed), *launch.passed_on()}
    return without(plan, {os.path.relpath(path, root) for path in paths}) if paths else plan


def _shown(around: Surroundings, code: Code) -> Code:
    """The code as it may be recorded: where it lies, and what it is called, may have a secret in it."""
    mask = functools.partial(_masked, around)
    return replace(
        code,
        root=mask(code.root),
        branch=mask(code.branch),
        describe=mask(code.describe),
        version=mask(code.version),
        url=mask(code.url),
        remotes={mask(name) or "": mask(url) or "" for name, url in code.remotes.items()},
        submodules=[replace(one, path=mask(one.path) or "", url=mask(one.url)) for one in code.submodules],
        repositories=[replace(one, branch=mask(one.branch), url=mask(one.url)) for one in code.repositories],
        entry=code.entry and _shown_entry(around, code.entry),
        dirty_paths=[_shown_path(around, one) for one in code.dirty_paths],
        files_left_out=[replace(one, path=mask(one.path) or "") for one in code.files_left_out],
    )


def _shown_entry(around: Surroundings, entry: Entry) -> Entry:
    """The name may be a whole word of the command, and is masked as one."""
    name = entry.name and around.secrets.mask_argv([entry.name])[0]
    return replace(entry, path=_masked(around, entry.path), name=name)


def _shown_path(around: Surroundings, dirty: DirtyPath) -> DirtyPath:
    path, before = _masked(around, dirty.path), _masked(around, dirty.before)
    return dirty if (path, before) == (dirty.path, dirty.before) else replace(dirty, path=path or "", before=before)


def _warn_of_left_out(launch: Launch, code: Code) -> None:
    """A program that would not come back is said at once; a `.env` that is left out is what everybody expects."""
    entry = code.entry.path if code.entry else None
    for item in code.files_left_out:
        if item.path == entry or guess(item.path)[0] in ("code", "notebook"):
            launch.around.say(f"warning: {item.path} is not in the snapshot, and not restored: {item.because}")


def snapshot_terms(launch: Launch, root: str) -> Terms:
    """What policy, secrets and earlier runs say about the snapshot of a folder."""
    return terms_of(launch.around.policy, launch.around.secrets, root, _is_result(launch))


def _is_result(launch: Launch) -> Callable[[str, bool], bool]:
    """Whether an absolute path is, or lies in, an output of an earlier run or a declared one of this, or has what is
    printed."""
    paths = [split_kind(spec)[1] for spec in launch.request.outputs]
    paths += [path for _, path in launch.request.output_data]
    declared = [launch.cwd / path for spec in paths for path in (spec, spec.partition("=")[2]) if path]
    is_known = results_judge(launch.around.store, [*declared, *(Path(one.path) for one in launch.printed)])
    return lambda path, tracked: is_known(path, tracked) or path in launch.passed_on()


def _environment(launch: Launch) -> None:
    request = launch.request
    captured = environment_of(launch, request.program, request.argv)
    _missing(launch, *captured.missing)
    launch.edited = captured.edited
    python = captured.environment.python
    if python is not None:
        launch.prefix = python.prefix
        launch.libraries = tuple(filter(None, (python.prefix, python.base)))
    launch.recording.state(events.EnvironmentCaptured(environment=captured.environment))


def environment_of(launch: Launch, program: str | None, argv: Sequence[str]) -> Environed:
    """The environment of a command, what it consists of kept in the store."""
    around = launch.around
    captured = capture_environment(
        program=program,
        argv=argv,
        cwd=around.cwd,
        root=Path(launch.code.root) if launch.code and launch.code.root else around.cwd,
        environ=without_boot(dict(around.environ)),  # `os.environ` decodes a value at each look.
        mask=around.secrets.mask_pair,
        allow=around.policy.environment_variables,
        running=launch.request.running,
    )
    for content in (captured.software, *captured.lock_bytes.values()):
        put_bytes(around.store, content)
    return captured


def _config(launch: Launch) -> None:
    around, request = launch.around, launch.request
    files = _config_files(launch) if request.config_files or request.hydra.files else []
    for file in files:
        put_bytes(around.store, file.content)
    for file in (read.file for read in files[: len(request.config_files)]):
        fault = f"could not be parsed: {file.error}" if file.error is not None else None
        fault = UNREAD_FORMAT if file.format == "text" else fault
        if fault is not None:
            around.say(f"warning: {file.path} {fault}; its bytes are kept, its values are not")
    config = resolve(
        argv=request.argv,
        files=files,
        objects=[] if request.config is None else [request.config],
        params=request.params,
        secrets=around.secrets,
        hydra=request.hydra,
        params_from="command_line" if request.mode == "command" else "declared",
    )
    launch.recording.state(events.ConfigResolved(config=config))


def _config_files(launch: Launch) -> list[ReadConfig]:
    """Those that were named, then Hydra's own."""
    from ..capture.config_files import read_config_file  # with its parsers, where a file is named

    cwd, secrets, request = str(launch.cwd), launch.around.secrets, launch.request
    named = [read_config_file(path, cwd=cwd, secrets=secrets) for path in request.config_files]
    return named + [read_config_file(path, cwd=cwd, secrets=secrets, merge=False) for path in request.hydra.files]


def _pins(launch: Launch) -> list[RefusedError]:
    """Lay out the data that are pinned, and say in the command where they lie; why that cannot be, for each."""
    request, around = launch.request, launch.around
    if not request.data:
        return []
    from .pins import double, find_pins, refusal, retention_ends  # with all that reads datasets, where some are pinned

    launch.pins, refusals = find_pins(around.store, request.data)
    for number, one in enumerate(launch.pins):
        if (said := double(one, launch.pins[:number])) is not None:
            around.say(f"warning: data {one}: {said}")
        if (said := retention_ends(one, around.policy, around.clock() / 1e9)) is not None:
            around.say(f"warning: data {one}: {said}")
    for one in () if refusals else launch.pins:
        try:
            one.lay_out(around.store, around.say, between=held.check)
        except WhenceError as error:
            refusals.append(refusal(one.pin, error))
    for one in launch.pins:
        launch.recording.state(events.InputPinned(input=one.input("launch")))
    folders = {one.pin.name: os.fspath(one.folder) for one in launch.pins}
    launch.request = replace(request, argv=with_places(request.argv, folders))
    return refusals


def _inputs(launch: Launch, refusals: list[RefusedError]) -> None:
    """Every declared input is found, or refused; as many as there is time for are digested, of a refused run none.

    `refusals` are those that are there already: all reasons are said together.
    """
    for spec in launch.request.inputs:
        held.check()
        try:
            launch.inputs += _declared(launch, spec)
        except RefusedError as refusal:
            refusals.append(refusal)
    until = time.monotonic() + (0 if refusals else launch.around.policy.digest_before_start)

    def enough() -> bool:
        held.check()
        return time.monotonic() >= until

    digest_all(launch.inputs, enough)
    for one in launch.inputs:
        held.check()
        launch.keep_input(one)
        launch.recording.state(events.InputDeclared(input=one.input))
    raise_together(refusals)


def _declared(launch: Launch, spec: str) -> list[InputDigest]:
    """What is said to be an input. Raises RefusedError when there is nothing."""
    found = declare(spec, cwd=str(launch.cwd), mounts=launch.mounts, mask_url=launch.around.secrets.mask_url)
    return [InputDigest(one, cache=launch.digests) for one in found]


# What policy says.


def _ask_policy(launch: Launch) -> None:
    """Warn or refuse, for each key whose case is there. Raises RefusedError."""
    policy = launch.around.policy
    refusals: list[RefusedError] = []
    unpinned = [one for one in launch.pins if one.found.floating]
    for case in policy_cases(launch.code, launch.request.fields, policy, unpinned):
        answer = policy.values[case.key]
        if answer == "refuse":
            refusals.append(RefusedError(f"policy {case.key} = refuse: {case.message}", hint=case.cure))
        if answer == "warn":
            launch.around.say(f"warning: {case.message} ({case.cure})")
    raise_together(refusals)


def raise_together(refusals: Sequence[RefusedError]) -> None:
    """All reasons in one refusal, in their order: a user mends them at once. Nothing when there is none."""
    if refusals:
        hints = dict.fromkeys(refusal.hint for refusal in refusals if refusal.hint)
        raise RefusedError("; ".join(refusal.message for refusal in refusals), hint="; ".join(hints) or None)


def refuse(launch: Launch, refusal: RefusedError) -> None:
    """State the refusal as the run's story; it never started."""
    held.defer()
    message = launch.around.secrets.mask_text(refusal.message)
    error = Error(type="refused", message=message)
    launch.recording.end(events.RunEnded(status="failed", exit_code=RefusedError.code, error=error))
