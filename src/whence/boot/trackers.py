"""Trackers that the program's code has already: what it logs to them goes into the record, too.

One table: the module, its class, and for each method what a call of it says. A point is taken after the tracker has
taken it, so one that it refuses is none. Of a metric that is logged to several trackers the first one's points count.
"""

from __future__ import annotations

from .guard import Guard
from .plain import is_dict
from .points import number
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType
    from typing import Any

    Point = tuple[Any, Any, Mapping[Any, Any]]
    """Step, Unix seconds or nothing, values by name."""
    Read = Callable[..., Iterator[Point]]

_owners: dict[str, str] = {}
"""Which tracker a metric was first logged to."""

_steps: dict[tuple[int, Any], int] = {}
"""By the identity of a run of W&B: the step that the next call is of, which W&B counts itself."""


def adapt(module: ModuleType, notes: Notes) -> None:
    """Of any module of the table."""
    of, methods = TRACKERS[module.__name__]
    kind = getattr(module, of, None)
    for name, read in methods.items():
        if kind is not None and name in vars(kind):
            _replace(kind, name, module.__name__, read, notes)


def _replace(kind: Any, name: str, tracker: str, read: Read, notes: Notes) -> None:
    def make(original: Any) -> Any:
        def log(self: Any, *args: Any, **named: Any) -> Any:
            result = original(self, *args, **named)
            with Guard("points of " + tracker):
                for step, at, values in read(self, *args, **named):
                    _take(notes, tracker, step, at, values)
            return result

        return log

    replace(kind, name, make)


def _take(notes: Notes, tracker: str, step: Any, at: Any, values: Mapping[Any, Any]) -> None:
    found: dict[str, float] = {}
    _collect(values, "", found)
    mine = {name: value for name, value in found.items() if _owners.setdefault(name, tracker) == tracker}
    if mine:
        notes.measured()
        notes.points.write(None if step is None else number(step), at, mine)


def _collect(values: Mapping[Any, Any], prefix: str, found: dict[str, float]) -> None:
    """Numbers by dotted names; pictures, tables and texts are no points."""
    for key, value in list(values.items()):
        name = prefix + str(key)
        if is_dict(value):
            _collect(value, name + ".", found)
        elif not isinstance(value, str):
            with Guard("a metric"):
                one = number(value)
                if one is not None:
                    found[name] = one


# What a call says. The parameters are those of the tracker's own method.


def _scalar(
    writer: Any, tag: Any, scalar_value: Any, global_step: Any = None, walltime: Any = None, *more: Any, **named: Any
) -> Iterator[Point]:
    yield global_step, walltime, {tag: scalar_value}


def _scalars(
    writer: Any, main_tag: Any, tag_scalar_dict: Any, global_step: Any = None, walltime: Any = None
) -> Iterator[Point]:
    yield global_step, walltime, {f"{main_tag}/{tag}": value for tag, value in tag_scalar_dict.items()}


def _wandb(run: Any, data: Any, step: Any = None, commit: Any = None, *more: Any, **named: Any) -> Iterator[Point]:
    """W&B counts its steps itself, and drops what is said of an earlier one."""
    key = id(run), getattr(run, "id", None)
    now = _steps.get(key, getattr(run, "starting_step", 0) or 0)
    if step is not None and step < now:
        return
    now = now if step is None else int(step)
    commits = step is None if commit is None else commit
    _steps[key] = now + 1 if commits else now
    yield now, None, data


def _mlflow_metric(
    client: Any, run_id: Any, key: Any, value: Any, timestamp: Any = None, step: Any = None, *more: Any, **named: Any
) -> Iterator[Point]:
    yield step or 0, None if timestamp is None else timestamp / 1000, {key: value}


def _mlflow_batch(client: Any, run_id: Any, metrics: Any = (), *more: Any, **named: Any) -> Iterator[Point]:
    for metric in metrics:
        yield metric.step, metric.timestamp / 1000, {metric.key: metric.value}


def _mapping(logger: Any, metrics: Any, step: Any = None) -> Iterator[Point]:
    yield step, None, metrics


def _trackio(run: Any, metrics: Any, step: Any = None) -> Iterator[Point]:
    """Trackio counts its steps itself, and has counted this one."""
    following = getattr(run, "_next_step", None)
    yield step if step is not None or following is None else following - 1, None, metrics


def _aim(
    run: Any, value: Any, name: Any = None, step: Any = None, epoch: Any = None, *, context: Any = None
) -> Iterator[Point]:
    """A context (`{"subset": "train"}`) tells series of one name apart."""
    words: Mapping[Any, Any] = context or {}
    prefix = "".join(f"{word}." for word in words.values())
    values = value if is_dict(value) else {name: value}
    yield step, None, {f"{prefix}{key}": item for key, item in values.items()}


def _keras(callback: Any, epoch: Any, logs: Any = None) -> Iterator[Point]:
    yield epoch, None, logs or {}


_TENSORBOARD: tuple[str, dict[str, Read]] = ("SummaryWriter", {"add_scalar": _scalar, "add_scalars": _scalars})
_LIGHTNING: tuple[str, dict[str, Read]] = ("CSVLogger", {"log_metrics": _mapping})
_KERAS: tuple[str, dict[str, Read]] = ("History", {"on_epoch_end": _keras})

TRACKERS: dict[str, tuple[str, dict[str, Read]]] = {
    "torch.utils.tensorboard.writer": _TENSORBOARD,
    "tensorboardX.writer": _TENSORBOARD,
    "wandb.sdk.wandb_run": ("Run", {"log": _wandb}),
    "wandb.sdk.lib.noop_run": ("NoopRun", {"log": _wandb}),
    "mlflow.tracking.client": ("MlflowClient", {"log_metric": _mlflow_metric, "log_batch": _mlflow_batch}),
    "trackio.run": ("Run", {"log": _trackio}),
    "aim.sdk.run": ("Run", {"track": _aim}),
    "lightning.pytorch.loggers.csv_logs": _LIGHTNING,
    "pytorch_lightning.loggers.csv_logs": _LIGHTNING,
    "keras.src.callbacks.history": _KERAS,
}
"""Lightning's other loggers, and those of Transformers, log to the trackers above."""
