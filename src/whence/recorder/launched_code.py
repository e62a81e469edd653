"""The code of a launch: captured, kept as a snapshot, and stated as it may be shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from ..capture.code import capture_code
from ..capture.container import observe_container
from ..capture.hostfiles import HostFiles
from ..records import events
from ..records.base import Missing
from ..records.code import Code, DirtyPath, Entry
from ..rules.container import NOT_IDENTIFIED, masked, of_image
from ..rules.kinds import guess, split_kind
from ..rules.snapshot import Plan, without
from ..store.collection import Terms, terms_of
from ..store.results import results_judge
from .launch import Launch
from .request import Surroundings


def state_code(launch: Launch) -> None:
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
    launch.lacks(*captured.missing)
    if captured.plan is not None:
        launch.snapshot = launch.snapshots.take(
            _without_printed(launch, captured.plan), launch.recording.id, snapshot_terms(launch, captured.plan.root)
        )
        launch.code = launch.snapshot.onto(captured.code)
        launch.lacks(*launch.snapshot.missing)
        _warn_of_left_out(launch, launch.code)
    shown = masked(environ, around.secrets.mask_pair)
    of_folder = launch.code.id
    launch.code = of_image(launch.code, observe_container(shown, HostFiles()), shown)
    if of_folder is not None and launch.code.id is None:
        launch.lacks(Missing(what="code.id", because=NOT_IDENTIFIED))
    launch.recording.state(events.CodeCaptured(code=_shown(around, launch.code)))


def _without_printed(launch: Launch, plan: Plan) -> Plan:
    """What the run prints to is no code, and grows while it is read."""
    root = os.path.realpath(plan.root)
    paths = {*(one.path for one in launch.printed), *launch.passed_on()}
    return without(plan, {os.path.relpath(path, root) for path in paths}) if paths else plan


def _shown(around: Surroundings, code: Code) -> Code:
    """The code as it may be recorded: where it lies, and what it is called, may have a secret in it."""
    mask = around.mask
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
    return replace(entry, path=around.mask(entry.path), name=name)


def _shown_path(around: Surroundings, dirty: DirtyPath) -> DirtyPath:
    path, before = around.mask(dirty.path), around.mask(dirty.before)
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
