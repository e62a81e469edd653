"""What code says from inside a run: the functions of `import whence`, as `cli` holds those of the command line.

After a run has begun nothing of ours raises into the code that it records.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeVar, cast, overload

from msgspec.structs import replace

from .capture.block_entry import block_entry
from .capture.configuration import hydra_state
from .capture.running import Running
from .errors import WhenceError
from .recorder.asking import Paths, config_of, fields_of, params_of, paths_of, pins_of, policy_of, tags_of, text_of
from .recorder.attach import DRY_RUN, Outer, find_outer, is_dry
from .recorder.blocks import Asked, begin
from .recorder.handle import DryRun, Run
from .recorder.open_runs import current as current_run
from .recorder.request import Request, Surroundings
from .recorder.warned import warn_once
from .records.code import Entry
from .rules.names import check_name
from .store.layout import Store
from .system.apart import apart
from .system.held_signals import held
from .wiring import existing_store, find_spools, load_policy, setting, surroundings


def start(
    config: Any = None,
    *,
    name: str | None = None,
    purpose: str | None = None,
    hypothesis: str | None = None,
    tags: Mapping[str, Any] | Sequence[str] = (),
    fields: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | Sequence[str] | None = None,
    config_files: Paths = (),
    inputs: Paths = (),
    data: Mapping[str, str] | Sequence[str] = (),
    outputs: Paths = (),
    nested: bool = False,
    policy: Mapping[str, Any] | Sequence[str] = (),
    dry_run: bool = False,
    entry: Entry | None = None,
) -> Run:
    """Begin a run of this process, or join the one that it belongs to (docs/python.md says which).

    Raises RefusedError when policy or a missing input forbids the start (the refusal is recorded), StoreError when
    nothing can be recorded, UsageError for wrong settings, TypeError for what cannot be meant. After this call nothing
    of ours raises.
    """
    if dry_run:
        return _dry_run(data)
    with held, apart:
        where = setting()
        if is_dry(where.environ):
            warn_once(DRY_RUN, _NOTHING)
            return _dry_run(data)
        request = Request(
            mode="block",
            argv=list(sys.orig_argv),
            program=sys.executable,
            entry=entry or block_entry(sys.modules, sys.orig_argv, where.cwd, where.environ),
            name=check_name(text_of("name", name)),
            purpose=text_of("purpose", purpose),
            hypothesis=text_of("hypothesis", hypothesis),
            tags=tags_of(tags),
            fields=fields_of(fields),
            config_files=paths_of("config_files", config_files),
            params=params_of(params),
            config=config_of(config),
            inputs=paths_of("inputs", inputs),
            data=pins_of(data),
            outputs=paths_of("outputs", outputs),
            hydra=hydra_state(sys.modules),
            running=_running(),
        )
        chosen = load_policy(where, policy_of(policy))
        world = Asked(
            request=request,
            nested=nested,
            environ=cast("MutableMapping[str, str]", where.environ),
            spools=find_spools(where),
            surroundings=lambda: surroundings(where, chosen, say=_say),
        )
        return begin(world)


_NOTHING = f"{DRY_RUN} is set: nothing is recorded"


def _dry_run(data: Mapping[str, str] | Sequence[str] = ()) -> Run:
    return DryRun(_existing_store, setting().environ, pins_of(data))


def _existing_store() -> Store:
    where = setting()
    return existing_store(where, load_policy(where))


def _running() -> Running:
    """This interpreter."""
    return Running(
        version=sys.version,
        implementation=sys.implementation.name.replace("cpython", "CPython"),
        executable=sys.executable,
        prefix=sys.prefix,
        base_prefix=sys.base_prefix,
        path=list(sys.path),
    )


def _say(message: str) -> None:
    sys.stderr.write(f"whence: {message}\n")
    sys.stderr.flush()


def current() -> Run | None:
    """The run that this code belongs to: of its context, of this process, or of the process that started it."""
    run = current_run()
    if run is None:
        with apart:
            environ = setting().environ
            if is_dry(environ):
                warn_once(DRY_RUN, _NOTHING)
                return _dry_run()
            outer = find_outer(environ)
            return None if outer is None else _join(outer)
    return run


def _join(outer: Outer) -> Run | None:
    from .recorder.blockless import join_lazily  # only where a process speaks without a block

    return join_lazily(outer, lambda: find_spools(setting()), _attach)


def _attach(store: Store) -> Surroundings:
    where = setting()
    return replace(surroundings(where, load_policy(where), say=_say), store=store)


def log(values: Mapping[str, Any] | None = None, /, step: Any = None, **more: Any) -> None:
    """Record metrics in the current run. Like all that follow: without a run it warns once and does nothing."""
    if run := _current_or_warn("log"):
        run.log(values, step=step, **more)


def input(path: str | os.PathLike[str], name: str | None = None) -> None:
    """Say that a file, folder, glob or URL is read."""
    if run := _current_or_warn("input"):
        run.input(path, name)


def output(path: str | os.PathLike[str], name: str | None = None, kind: str | None = None) -> None:
    """Say that a file, folder or glob is written: by now, or until the end."""
    if run := _current_or_warn("output"):
        run.output(path, name, kind)


def note(text: str) -> None:
    """Say something in words."""
    if run := _current_or_warn("note"):
        run.note(text)


def tag(*names: str, **tags: Any) -> None:
    """Put tags on the current run."""
    if run := _current_or_warn("tag"):
        run.tag(*names, **tags)


def field(name: str, value: Any) -> None:
    """Fill a field of the project."""
    if run := _current_or_warn("field"):
        run.field(name, value)


def progress(text: str | None = None, fraction: float | None = None) -> None:
    """How far the current run is."""
    if run := _current_or_warn("progress"):
        run.progress(text, fraction)


def _current_or_warn(call: str) -> Run | None:
    try:
        run = current()
    except (WhenceError, OSError) as error:
        warn_once("", f"whence.{call}(): {error}; nothing is recorded")
        return None
    if run is None:
        warn_once(
            "", f"whence.{call}() was called without a run: nothing is recorded; `with whence.start():` begins one"
        )
    return run


Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])


@overload
def record(function: Wrapped, /) -> Wrapped: ...
@overload
def record(**asked: Any) -> Callable[[Wrapped], Wrapped]: ...
def record(function: Callable[..., Any] | None = None, /, **asked: Any) -> Any:
    """Make every call of a function a run: its arguments are the configuration, the function is the entry.

    Works on functions, methods and `async` functions. `asked` is what `start` takes.
    """
    with apart:
        from .recorder.functions import record_calls  # with `inspect`, which costs 6 ms

    if function is None:

        def wrap(given: Callable[..., Any]) -> Any:
            return record_calls(given, asked, start)

        return wrap
    return record_calls(function, asked, start)
