"""The way in: begins our notes if WHENCE_BOOT asks for them, then is what it would be without us.

It parses on any Python, also on those too old for the rest. The user's own `sitecustomize`, if there is one, takes
this one's place, and its errors are its own; if there is none, the error is the one that `site` expects.
"""

import os
import sys


class _Quiet:
    """Lets no exception out."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return issubclass(kind or int, Exception)


def _begin(ours):
    """Load the package beside this folder under a name that no user's module has."""
    package = type(sys)("_whence_boot")
    package.__path__ = [os.path.dirname(ours)]
    sys.modules["_whence_boot"] = package
    __import__("_whence_boot.start")
    sys.modules["_whence_boot.start"].begin(os.environ["WHENCE_BOOT"])


with _Quiet():
    _ours = os.path.dirname(os.path.abspath(__file__))
    _at = sys.path.index(_ours)
    sys.path[:] = [entry for entry in sys.path if entry != _ours]
    sys.path_importer_cache.pop(_ours, None)
    if sys.version_info >= (3, 8) and os.environ.get("WHENCE_BOOT"):
        _begin(_ours)

with _Quiet():
    _path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if len(_path) > 1 and _ours + "/." in _path and os.getcwd() not in sys.path:
        # What was added to an empty PYTHONPATH has the working folder beside it: see rules/boot_environment.py.
        sys.path.insert(_at, os.getcwd())

# Taken out, and kept alive: this module is still being executed.
_self = sys.modules.pop("sitecustomize", None)
__import__("sitecustomize")
