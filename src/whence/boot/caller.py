"""Whose code calls: the program's own, an installed program's, or a dependency's.

The caller is the nearest frame that is not of a library of parsers. Its code is

- *own* when it lies outside of the standard library and of site-packages (that is also where `-e` installs lie),
- *installed* when the program itself is an installed one (`python -m package`, or a script that an installer put
  beside the interpreter) and the code is of the program's own top-level package,
- else a dependency's (nothing).
"""

from __future__ import annotations

import os
import sys

from .sources import is_ours, is_outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType
    from typing import Any

PARSERS = frozenset(
    (
        "argparse", "click", "typer", "hydra", "omegaconf", "absl", "fire", "jsonargparse", "tyro", "simple_parsing",
        "pydantic_settings", "pydantic", "transformers.hf_argparser", "trl.scripts.utils", "rich_click", "cloup",
        "asyncclick", "lightning.pytorch.cli", "pytorch_lightning.cli", "torchtune.config", "tap", "argh",
        "gin", "lightning.pytorch.core.mixins", "pytorch_lightning.core.mixins",
        "contextlib", "functools", "runpy", "importlib", "_whence_boot",
    )
)  # fmt: skip
"""Modules, with what is below them, that stand between a program and its parser."""

DEEPEST = 100
"""Frames that are looked at."""


class Caller:
    """Who calls, and where."""

    def __init__(self, whose: str | None, place: str) -> None:
        self.whose = whose
        """`own`, `installed` or nothing."""
        self.place = place
        """`file:line` of the nearest frame that is the program's own, else of the caller."""


def caller_of(frame: FrameType | None) -> Caller:
    """The caller, seen from the frame that called our wrapper."""
    outward = list(_outward(frame))
    near = next((one for one in outward if not _is_parser(_module(one))), None)
    if near is None:
        return Caller(None, "?")
    own = next((one for one in outward if _is_own(one)), near)
    return Caller(_whose(near, outward), f"{own.f_code.co_filename}:{own.f_lineno}")


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(DEEPEST):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _whose(near: FrameType, outward: Sequence[FrameType]) -> str | None:
    if is_ours(near.f_code.co_filename):
        return None  # `whence run` inside a run.
    stub = _is_stub(near.f_code.co_filename)
    if _is_own(near) and not stub:
        return "own"
    package = _program_package(outward)
    installed = stub or (package and _module(near).partition(".")[0] in (package, "__main__"))
    return "installed" if installed else None


def _program_package(outward: Sequence[FrameType]) -> str | None:
    """The top-level package of an installed program; nothing for a script of the user's."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return None if is_outside(getattr(main, "__file__", None) or "") else str(spec.name).partition(".")[0]
    inside = ""
    for frame in outward:
        if _module(frame) == "__main__":
            return inside.partition(".")[0] if _is_stub(frame.f_code.co_filename) else None
        inside = _module(frame)
    return None


def _is_stub(file: str) -> bool:
    """Whether a file is a script that an installer wrote: no ending, beside an interpreter."""
    folder, name = os.path.split(os.path.abspath(file))
    known = (os.path.dirname(sys.executable), os.path.join(sys.prefix, "bin"), os.path.expanduser("~/.local/bin"))
    return "." not in name and folder in known


def _module(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""


def _is_parser(module: str) -> bool:
    while module:
        if module in PARSERS:
            return True
        module = module.rpartition(".")[0]
    return False


def _is_own(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    if file.startswith("<"):
        # Of `-c`, a prompt or a notebook; what a library compiles has another module's name.
        return _module(frame) == "__main__"
    return is_outside(file)


def stands_between(frame: FrameType | None, parser: str, frameworks: frozenset[str]) -> bool:
    """Whether a parser was called by one of these frameworks, for itself."""
    for one in _outward(frame):
        top = _module(one).partition(".")[0]
        if top not in (parser, "_whence_boot"):
            return top in frameworks
    return False


def from_command_line(words: Sequence[object]) -> bool:
    """Whether what is parsed is from the program's own command line: all of it stands there, in this order.

    No words at all are, where there are none: elsewhere a program asks for its defaults that way. In a notebook the
    command line is that of the kernel, and nothing else can be parsed.
    """
    if not words:
        return len(getattr(sys, "argv", [])) < 2 or "ipykernel" in sys.modules
    return any(_within(words, given) for given in (getattr(sys, "argv", []), getattr(sys, "orig_argv", [])))


def _within(words: Sequence[object], given: Sequence[object]) -> bool:
    rest = iter(given)
    return all(any(word == one for one in rest) for word in words)


def calling_frame(depth: int) -> FrameType | None:
    """The frame `depth` calls above the one that asks."""
    of_sys: Any = sys
    return of_sys._getframe(depth + 1)
