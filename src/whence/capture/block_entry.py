"""What was started, where a run is a block of Python: a script, module, notebook, prompt, test, worker."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from ..records.code import Entry
from .entry import (
    file_entry,
    function_entry,
    interactive_entry,
    module_entry,
    notebook_entry,
    resolve_entry,
)


def block_entry(modules: Mapping[str, ModuleType], argv: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> Entry:
    """The entry of this process. `modules` are `sys.modules`, `argv` the interpreter's own (`sys.orig_argv`)."""
    main = modules.get("__main__")
    if main is not None and "ipykernel" in modules and "get_ipython" in vars(main):
        return notebook_entry(_notebook(main, cwd, environ))
    if test := environ.get("PYTEST_CURRENT_TEST"):
        return _test(test, cwd)
    if (worker := modules.get("__mp_main__")) is not None and (file := _file(worker)):
        # A spawned worker: its command line is multiprocessing's, its program the parent's.
        return file_entry(file)
    return _program(main, argv, cwd, environ)


def _program(main: ModuleType | None, argv: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> Entry:
    spec = getattr(main, "__spec__", None)
    file = _file(main)
    if spec is not None and file is not None:
        known = module_entry(spec.name.removesuffix(".__main__"), cwd)
        return known if known.path else _moved(known, file)
    if file is None:
        found = resolve_entry(argv, cwd, environ)
        return found if found.kind in ("inline", "stdin", "interactive") else interactive_entry()
    if file.parent.name in ("bin", "Scripts") and os.access(file, os.X_OK):
        return resolve_entry([str(file)], cwd, environ)
    return file_entry(file)


def _moved(entry: Entry, file: Path) -> Entry:
    """A module that lies outside of the working folder."""
    found = file_entry(file)
    return Entry(kind="module", path=found.path, digest=found.digest, name=entry.name)


def _file(module: ModuleType | None) -> Path | None:
    path = getattr(module, "__file__", None)
    return Path(path) if isinstance(path, str) and not path.startswith("<") else None


def _notebook(main: ModuleType, cwd: Path, environ: Mapping[str, str]) -> Path | None:
    """The notebook's file, where the front end tells: VS Code's variable, or Jupyter's session name (server 2)."""
    for told in (vars(main).get("__vsc_ipynb_file__"), vars(main).get("__session__"), environ.get("JPY_SESSION_NAME")):
        if isinstance(told, str) and told.endswith(".ipynb") and (path := cwd / told).is_file():
            return path
    return None


def _test(current: str, cwd: Path) -> Entry:
    """pytest's own statement: `tests/test_x.py::TestY::test_z[1] (call)`; relative to its root folder."""
    path, _, name = current.rpartition(" ")[0].partition("::")
    for folder in (cwd, *cwd.parents):
        if (folder / path).is_file():
            return function_entry(name.replace("::", "."), folder / path)
    return function_entry(name.replace("::", "."), None)
