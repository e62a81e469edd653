"""What a run would record now, and what policy would say. Writes nothing into the store or the user's repository.

The snapshot is taken into a scratch store, which is thrown away: so its identities are those of a run, not a guess.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..capture.captured_code import no_result
from ..capture.code import capture_code
from ..records.base import Missing
from ..records.code import Code, Entry
from ..rules.permission import Case, policy_cases
from ..rules.policy import Policy
from ..rules.secrets import Secrets
from ..store.collection import terms_of
from ..store.layout import Store, create_store
from ..store.results import results_judge
from ..store.run_list import run_ids
from ..store.snapshots import Snapshots


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    store: Path
    """Where the store is, or where the first run would make it."""
    runs: int | None
    """How many it holds; nothing when it is not there yet."""
    code: Code
    missing: tuple[Missing, ...]
    policy: Mapping[str, str]
    """Policy keys that are not at their default, with their source."""
    cases: tuple[Case, ...]
    """What policy has an answer to; the answer is the policy's."""


def status(
    store: Store | None,
    path: Path,
    *,
    cwd: Path,
    environ: Mapping[str, str],
    home: Path | None,
    policy: Policy,
    secrets: Secrets,
) -> Status:
    """Look at the code as a run would. Costs what the snapshot of a new store costs."""
    judge = no_result if store is None else results_judge(store)
    captured = capture_code(
        cwd,
        [],
        environ=environ,
        entry=Entry(kind="unknown"),
        home=home,
        store=path,
        is_result=judge,
        code_exclude=policy.code_exclude,
        untracked_limit=policy.untracked_limit,
    )
    code, missing = captured.code, captured.missing
    if captured.plan is not None:
        terms = terms_of(policy, secrets, captured.plan.root, judge)
        with tempfile.TemporaryDirectory(prefix="whence-status-") as scratch:
            now = time.time_ns()
            place = create_store(Path(scratch) / "store", now_ns=now, random=os.urandom(10))
            snapshot = Snapshots(place, environ).take(captured.plan, "status", terms)
        code, missing = snapshot.onto(code), (*missing, *snapshot.missing)
    return Status(
        store=path,
        runs=None if store is None else sum(1 for _ in run_ids(store)),
        code=code,
        missing=missing,
        policy=policy.sources,
        cases=tuple(policy_cases(code, {}, policy)),
    )
