"""Calls back when one of some modules has been imported, and costs a set lookup for every other import.

A finder stands before all others. For a module of the list it asks the others, and has the module executed by its own
loader; only then the callback comes. The module shows its own loader and spec, not ours.
"""

from __future__ import annotations

import sys

from .guard import Guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Found = Callable[[str, ModuleType], None]

WATCHED = frozenset(
    (
        "argparse", "simple_parsing.parsing", "transformers.hf_argparser", "jsonargparse._core", "jsonargparse.core",
        "click.core", "typer._click.core", "hydra.core.utils", "omegaconf.omegaconf", "absl.flags._flagvalues",
        "fire.core", "tyro._cli", "pydantic_settings.main", "gin.config", "lightning.pytorch.core.mixins.hparams_mixin",
        "pytorch_lightning.core.mixins.hparams_mixin", "urllib.request", "requests.sessions", "urllib3.connectionpool",
        "aiohttp.client", "httpx._client", "httpx2._client", "huggingface_hub.file_download", "random", "numpy.random",
        "torch", "jax.random", "tensorflow.python.framework.random_seed", "keras.src.utils.rng_utils",
        "lightning.fabric.utilities.seed", "lightning_fabric.utilities.seed", "torch.utils.tensorboard.writer",
        "tensorboardX.writer", "wandb.sdk.wandb_run", "wandb.sdk.lib.noop_run", "mlflow.tracking.client", "trackio.run",
        "aim.sdk.run", "lightning.pytorch.loggers.csv_logs", "pytorch_lightning.loggers.csv_logs",
        "keras.src.callbacks.history",
    )
)  # fmt: skip
"""The rows of `table.ROWS`; a test holds the two equal. Here, so that the table is only loaded when it is needed."""


def watch(found: Found) -> None:
    """Call `found(name, module)` after each of the watched modules was executed, and now for those that are there."""
    sys.meta_path.insert(0, Finder(found))
    for name in WATCHED.intersection(sys.modules):
        with Guard(name):
            found(name, sys.modules[name])


class Finder:
    """The finder before all others."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in WATCHED:
            return None
        for finder in sys.meta_path:
            find: Any = getattr(finder, "find_spec", None)
            spec = None if finder is self or find is None else find(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = Loader(spec.loader, self._found)
                return spec
        return None


class Loader:
    """Stands before a module's own loader until the module is executed."""

    def __init__(self, own: Any, found: Found) -> None:
        self._own = own
        self._found = found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def create_module(self, spec: Any) -> ModuleType | None:
        spec.loader = self._own
        try:
            return self._own.create_module(spec)
        finally:
            spec.loader = self

    def exec_module(self, module: ModuleType) -> None:
        with Guard("import"):
            module.__loader__ = self._own
            if module.__spec__ is not None:
                module.__spec__.loader = self._own
        self._own.exec_module(module)
        name = module.__name__
        with Guard(name):
            self._found(name, module)
