"""Lightning's `save_hyperparameters`: what an object of the program's own class was made with.

The method looks at the frame that called it, so none of ours may stand there; the function below it is told the frame.
"""

from __future__ import annotations

from .caller import calling_frame
from .guard import Guard
from .parsed import plain_mapping
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def adapt(module: ModuleType, notes: Notes) -> None:
    """Of `lightning.pytorch.core.mixins.hparams_mixin`."""
    replace(module, "save_hyperparameters", lambda original: _saving(original, notes))


def _saving(original: Any, notes: Notes) -> Any:
    def save_hyperparameters(obj: Any, *args: Any, **named: Any) -> Any:
        result = original(obj, *args, **named)
        with Guard("lightning"):
            caller = notes.parsed.whose(calling_frame(1), None)
            values = plain_mapping(obj.hparams)
            origins = dict.fromkeys(values, "declared")
            notes.parsed.note("lightning", caller, obj, lambda one: plain_mapping(one.hparams), origins=origins)
        return result

    return save_hyperparameters
