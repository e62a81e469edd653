"""Objects that a step names beside its manifest: what is known of tables, what was told of files, lists of paths."""

from __future__ import annotations

from ..digests import is_digest
from ..records.dataset import Step


def named_objects(step: Step) -> list[str]:
    """Their digests; of what is in the parameters, where it has the form of one."""
    named = (step.tables, *parameter_objects(step))
    return [digest for digest in named if digest is not None]


def parameter_objects(step: Step) -> list[str]:
    """Those that the parameters name: the `listing` of files that were added by address, the `paths` of a subset."""
    named = (step.parameters.get("listing"), step.parameters.get("paths"))
    return [digest for digest in named if isinstance(digest, str) and is_digest(digest)]
