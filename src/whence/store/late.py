"""What lies beyond the seal of a run: later than it, or torn."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..records.seal import Seal
from .journal import POINTS_SUFFIX, SUFFIX
from .run_files import RunFiles
from .seal import sealed_names


class Beyond(msgspec.Struct, frozen=True):
    """What lies beyond a seal."""

    late: list[str]
    """Files, or parts of files, that came after it: shown, never folded, never called damage."""
    torn: list[str]
    """Tails without the end of a line: the seal covers whole lines only."""


def beyond_seal(files: RunFiles, names: Iterable[str], seal: Seal) -> Beyond:
    """What of the run's files the seal does not cover. Costs a look at each file's length."""
    sealed = {file.name: file.length for file in seal.files}
    beyond = Beyond([], [])
    for name in sealed_names(name for name in names if not name.startswith("acts/")):
        if name not in sealed:
            beyond.late.append(name)
        elif (more := files.size(name) - sealed[name]) > 0:
            if name.endswith((SUFFIX, POINTS_SUFFIX)) and b"\n" not in files.read(name)[sealed[name] :]:
                beyond.torn.append(f"{name}: a torn tail of {more} bytes")
            else:
                beyond.late.append(f"{name}: {more} bytes")
    return beyond
