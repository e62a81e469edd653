"""How a version was derived, as its step says it."""

from __future__ import annotations

import msgspec

from ..errors import FormatError
from ..records.dataset import Step
from ..records.derivation import Derivation, Split
from ..records.encoding import convert


class _Recorded(msgspec.Struct, frozen=True):
    parameters: Derivation


def read_derivation(step: Step) -> Derivation | None:
    """How the version was derived; nothing for one that was not. Raises FormatError for what is not known here, or
    cannot be."""
    if step.operation != "derive":
        return None
    where = f"{step.name}@{step.version}"
    derivation = convert({"parameters": step.parameters}, _Recorded, where=where).parameters
    if isinstance(derivation, Split) and derivation.part not in (parts := [part.name for part in derivation.parts]):
        raise FormatError(f"{where}: found the part {derivation.part!r}, expected one of {', '.join(parts)}")
    return derivation
