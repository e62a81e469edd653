"""The code that an IPython shell has executed: what a notebook's kernel ran, which no file has to hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, cast

from ..handlers import let_pass


def is_shell(modules: Mapping[str, ModuleType]) -> bool:
    """Whether an IPython shell runs in this process. `modules` are `sys.modules`: nothing is imported."""
    return _shell(modules) is not None


def executed_cells(modules: Mapping[str, ModuleType]) -> bytes | None:
    """What was typed into the shell so far, the cell that runs now included, in the order of execution: each below a
    line `# In [N]`. Nothing where the shell keeps no history, or an emptied one."""
    try:
        cells = _history(_shell(modules))
    except Exception as error:  # noqa: BLE001  it is an object of the program's, and may raise anything
        let_pass(error)
        return None
    parts = [f"# In [{number}]\n{text}\n" for number, text in enumerate(cells) if text and isinstance(text, str)]
    return "\n".join(parts).encode("utf-8", "surrogateescape") if parts else None


def _shell(modules: Mapping[str, ModuleType]) -> Any:
    """The instance that `get_ipython()` gives."""
    module = modules.get("IPython.core.interactiveshell")
    return getattr(getattr(module, "InteractiveShell", None), "_instance", None)


def _history(shell: Any) -> Sequence[object]:
    """As it was typed, else as the user's `In` has it; the program may have put anything there."""
    typed = _list(getattr(getattr(shell, "history_manager", None), "input_hist_raw", None))
    return typed if any(typed) else _list(getattr(shell, "user_ns", {}).get("In"))


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
