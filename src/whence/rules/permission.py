"""What policy is asked about before a command may start: each case that is there, with its way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from ..errors import RefusedError
from ..records.code import Code
from .fields import check, read_fields
from .policy import Policy
from .versions import Version, role_of


class Case(msgspec.Struct, frozen=True):
    """Something that policy may warn about or refuse."""

    key: str
    message: str
    cure: str


_UNKNOWN = "git cannot compare the working folder with its commit, so it counts as dirty"


def policy_cases(
    code: Code | None, fields: Mapping[str, Any], policy: Policy, unpinned: Sequence[Unpinned] = ()
) -> Iterator[Case]:
    """The cases that are there, in the order of the policy's keys. `unpinned`: each pin that named no version."""
    if code is not None and code.dirty is None and code.vcs == "git":
        yield Case("dirty", _UNKNOWN, "mend the repository (git status says what is wrong); or dirty = allow")
    if code is not None and code.dirty:
        yield Case("dirty", _dirty(code), "commit, stash or ignore them; or dirty = allow: the snapshot has the bytes")
    missing = [problem for problem in check(read_fields(policy.fields), fields)[1] if problem.missing]
    if missing:
        message = "; ".join(f"field {problem.message}" for problem in missing)
        cure = " ".join(f"--field {problem.field}=VALUE" for problem in missing)
        yield Case("missing_fields", message, f"give {'it' if len(missing) == 1 else 'them'} with {cure}")
    if code is None or code.tree is None:
        yield Case("missing_code", "the code could not be captured", "`whence show` says why, under what is missing")
    yield from map(unpinned_case, unpinned)


class Unpinned(Protocol):
    """Data of which no fixed version was named; as a text `NAME=DATASET@VERSION`, with the one that was found."""

    @property
    def version(self) -> Version: ...


def unpinned_case(pin: Unpinned) -> Case:
    """Of data of which no fixed version was named."""
    role = role_of(pin.version)
    message = f"data {pin}: no fixed version was named, so another run may get another one; this is {role}"
    return Case("unpinned_data", message, f"name it: --data {pin}")


def _dirty(code: Code) -> str:
    """Every offending path, as a reviewer would list them."""
    paths = [f"{path.path} ({path.words})" for path in code.dirty_paths if path.role == "code"]
    shown = ", ".join(paths[:20]) + (f" and {len(paths) - 20} more" if len(paths) > 20 else "")
    return f"the working folder differs from its commit: {shown}"


def raise_together(refusals: Sequence[RefusedError]) -> None:
    """All reasons in one refusal, in their order: a user mends them at once. Nothing when there is none."""
    if refusals:
        hints = dict.fromkeys(refusal.hint for refusal in refusals if refusal.hint)
        raise RefusedError("; ".join(refusal.message for refusal in refusals), hint="; ".join(hints) or None)
