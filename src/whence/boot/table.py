"""The table of adapters: a library's module, and what is done once it has been imported.

An adapter is a function of (module, notes). It replaces functions of the library by some that call the original and
then note; what it needs and does not find is left alone, so another version is no error.
"""

from __future__ import annotations

import sys
from importlib import import_module

from .guard import Guard
from .report import Report, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from .parsed import Parsed
    from .points import Points

ROWS = {
    "argparse": "of_argparse:adapt",
    "simple_parsing.parsing": "of_argparse:adapt_subclass",
    "transformers.hf_argparser": "of_argparse:adapt_dataclasses",
    "jsonargparse._core": "of_jsonargparse:adapt",
    "jsonargparse.core": "of_jsonargparse:adapt",
    "click.core": "of_click:adapt",
    "typer._click.core": "of_click:adapt",
    "hydra.core.utils": "of_hydra:adapt",
    "omegaconf.omegaconf": "of_omegaconf:adapt",
    "absl.flags._flagvalues": "of_absl:adapt",
    "fire.core": "of_fire:adapt",
    "tyro._cli": "of_tyro:adapt",
    "pydantic_settings.main": "of_pydantic:adapt",
    "gin.config": "of_gin:adapt",
    "lightning.pytorch.core.mixins.hparams_mixin": "of_lightning:adapt",
    "pytorch_lightning.core.mixins.hparams_mixin": "of_lightning:adapt",
    "urllib.request": "network:adapt",
    "requests.sessions": "network:adapt",
    "urllib3.connectionpool": "network:adapt",
    "aiohttp.client": "network:adapt",
    "httpx._client": "network:adapt",
    "httpx2._client": "network:adapt",
    "huggingface_hub.file_download": "network:adapt_hub",
    "random": "seeds:adapt_random",
    "numpy.random": "seeds:adapt_numpy",
    "torch": "seeds:adapt_torch",
    "jax.random": "seeds:adapt_jax",
    "tensorflow.python.framework.random_seed": "seeds:adapt_tensorflow",
    "keras.src.utils.rng_utils": "seeds:adapt_keras",
    "lightning.fabric.utilities.seed": "seeds:adapt_lightning",
    "lightning_fabric.utilities.seed": "seeds:adapt_lightning",
    "torch.utils.tensorboard.writer": "trackers:adapt",
    "tensorboardX.writer": "trackers:adapt",
    "wandb.sdk.wandb_run": "trackers:adapt",
    "wandb.sdk.lib.noop_run": "trackers:adapt",
    "mlflow.tracking.client": "trackers:adapt",
    "trackio.run": "trackers:adapt",
    "aim.sdk.run": "trackers:adapt",
    "lightning.pytorch.loggers.csv_logs": "trackers:adapt",
    "pytorch_lightning.loggers.csv_logs": "trackers:adapt",
    "keras.src.callbacks.history": "trackers:adapt",
}
"""Module of the library -> module of ours : function. The same names as `hook.WATCHED`."""


class Notes:
    """What an adapter is given."""

    def __init__(self, to: Report) -> None:
        self.report = to
        self._parsed: Parsed | None = None
        self._points: Points | None = None
        self._has_measured = False

    @property
    def parsed(self) -> Parsed:
        """What was parsed; loaded with the first parser, not with a generator of random numbers."""
        if self._parsed is None:
            from .parsed import Parsed

            self._parsed = Parsed(self.report)
        return self._parsed

    @property
    def points(self) -> Points:
        """Where metric points go; loaded with the first of them."""
        if self._points is None:
            from .points import Points

            self._points = Points(self.report.folder)
        return self._points

    def measured(self) -> None:
        """A metric: with the first, what was parsed is looked at once more."""
        if not self._has_measured:
            self._has_measured = True
            self.look_again()

    def look_again(self) -> None:
        """Look at what was parsed once more."""
        if self._parsed is not None:
            self._parsed.look_again()


_notes: list[Notes] = []


def adapt(name: str, module: ModuleType, file: str) -> None:
    """Have a library's adapter work on its module."""
    ours, _, function = ROWS[name].partition(":")
    adapter = getattr(import_module("." + ours, __package__), function)
    adapter(module, notes(file))


def notes(file: str) -> Notes:
    """The notes of this process; the same each time."""
    if not _notes:
        _notes.append(Notes(report(file)))
    return _notes[0]


def look_at_parsed() -> None:
    """At the first metric: what was parsed, as it is now. Raises nothing."""
    with Guard("the first metric"):
        for one in _notes:
            one.measured()


def look_again() -> None:
    """At the end of a process: what was parsed once more, and what is only known now of seeds."""
    seeds: Any = sys.modules.get("_whence_boot.seeds")
    for one in _notes:
        one.look_again()
        if seeds is not None:
            seeds.tell_repeated(one)


def replace(holder: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put `make(original)` in the place of a function that is there; it shows itself as the original does.

    What a module has of an object (`random.seed`) stays a method of that object: then `make` gets, and gives, a
    function that takes the object first.
    """
    original = getattr(holder, name, None)
    if original is None:
        return
    with Guard("replacing " + name):
        if is_method(holder, name):
            made = type(original)(alike(make(original.__func__), original.__func__), original.__self__)
        else:
            made = alike(make(original), original)
            if isinstance(holder, type(sys)):
                # Pickled by these two: they must lead here. A method of an instance would name its class.
                made.__qualname__ = name
                made.__module__ = holder.__name__
        setattr(holder, name, made)


def is_method(holder: Any, name: str) -> bool:
    """Whether a module has a method of an object there, that is written in Python."""
    return isinstance(holder, type(sys)) and type(getattr(holder, name, None)) is _METHOD


_METHOD = type(Guard("a method").__enter__)

_SHOWN = "__module__", "__name__", "__qualname__", "__doc__", "__text_signature__"


def alike(made: Any, original: Any) -> Any:
    """A function of ours with all that one can look at in the original."""
    made.__dict__.update(getattr(original, "__dict__", {}))
    made.__wrapped__ = original
    for name in _SHOWN:
        if hasattr(original, name):
            setattr(made, name, getattr(original, name))
    if hasattr(original, "__annotate__"):  # From 3.14 on; those themselves may not be known yet.
        made.__annotate__ = original.__annotate__
    else:
        made.__annotations__ = getattr(original, "__annotations__", {})
    if not hasattr(made, "__self__") and hasattr(original, "__self__"):
        made.__self__ = original.__self__  # Compiled code has methods that a function cannot be.
    return made
