"""whence records a research run while it happens.

The names are resolved when they are first used: `import whence` loads nothing else.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .actions.recorded_dataset import RecordedDataset
    from .actions.store_view import RecordedRun, StoreView
    from .errors import FormatError, RefusedError, StoreError, UnresolvedError, UsageError, WhenceError
    from .inside import current, field, input, log, note, output, progress, record, start, tag
    from .reading import open
    from .recorder.handle import Run
    from .rules.versions import Version as DatasetVersion
    from .version import VERSION as __version__

__all__ = [
    "DatasetVersion",
    "FormatError",
    "RecordedDataset",
    "RecordedRun",
    "RefusedError",
    "Run",
    "StoreError",
    "StoreView",
    "UnresolvedError",
    "UsageError",
    "WhenceError",
    "__version__",
    "current",
    "field",
    "input",
    "log",
    "note",
    "open",
    "output",
    "progress",
    "record",
    "start",
    "tag",
]

_PLACES = {
    "actions.recorded_dataset": ("RecordedDataset",),
    "actions.store_view": ("RecordedRun", "StoreView"),
    "errors": ("FormatError", "RefusedError", "StoreError", "UnresolvedError", "UsageError", "WhenceError"),
    "inside": ("current", "field", "input", "log", "note", "output", "progress", "record", "start", "tag"),
    "reading": ("open",),
    "recorder.handle": ("Run",),
}


def __getattr__(name: str) -> object:
    import importlib

    if name == "DatasetVersion":
        return importlib.import_module(".rules.versions", __name__).Version
    if name == "__version__":
        return importlib.import_module(".version", __name__).VERSION
    for place, names in _PLACES.items():
        if name in names:
            # Not kept in the module's own names: `open` and `input` would hide Python's in this very file.
            return getattr(_loaded(place), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _loaded(place: str) -> object:
    import importlib
    import sys

    if place == "errors" or f"{__name__}.{place}" in sys.modules:
        return importlib.import_module(f".{place}", __name__)
    importlib.import_module(".errors", __name__).refuse_windows()
    # What the modules of ours need is none of the files that a program reads which is watched.
    held, apart = (importlib.import_module(f".system.{name}", __name__) for name in ("held_signals", "apart"))
    with held.held, apart.apart:
        return importlib.import_module(f".{place}", __name__)


def __dir__() -> list[str]:
    return sorted(__all__)
