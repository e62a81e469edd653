"""Names of datasets: one word that a file name, a shell and a reference `NAME@VERSION` all take as it stands."""

from __future__ import annotations

import re

from ..errors import UsageError
from ..ids import is_id

LONGEST = 100

_FORM = r"[A-Za-z0-9][A-Za-z0-9._-]*"


def check_dataset_name(name: str) -> str:
    """The name, if a dataset may have it. Raises UsageError."""
    fault = _fault(name)
    if fault is not None:
        raise UsageError(
            f"dataset {name!r}: {fault}",
            hint="letters, digits, `.`, `_` and `-`, for instance cifar-10 or patients_2026",
        )
    return name


def _fault(name: str) -> str | None:
    if len(name) > LONGEST:
        return f"found {len(name)} characters, expected at most {LONGEST}"
    if not re.fullmatch(_FORM, name):
        found = next((letter for letter in name if not re.fullmatch(_FORM, "a" + letter)), name[:1])
        return f"found {found!r} in it" if found else "found nothing, expected a name"
    return "found an identifier, expected a name" if is_id(name) else None
