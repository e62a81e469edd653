"""`whence doctor`: check the installation and the store; close runs that never got their seal."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from ..actions.completing import complete_digests
from ..actions.doctor import Check, Closed, close_runs, installation, store_checks
from ..errors import StoreError
from ..store.layout import open_store
from ..wiring import Setting, find_spools, load_policy, setting, store_path, store_policy
from .arguments import CommandParser
from .output import json_document, line, printable, styled
from .speaking import speaker

STYLES = {"good": "green", "note": "yellow", "bad": "red"}


def parser() -> CommandParser:
    parser = CommandParser(
        "doctor",
        "Check Python, git, the store, its file system and locks, what crashed writers left behind, and runs without a"
        " seal. Exit code 1 when something is bad. Writes nothing without --close.",
        examples=("whence doctor", "whence doctor --close"),
    )
    parser.add_argument(
        "--close",
        action="store_true",
        help="seal the runs whose writer is proven dead, and take digests that a seal left out",
    )
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    where = setting()
    checks = [*installation(where.environ), *_policy_checks(where)]
    path = store_path(where, store_policy(where, wrong=lambda error: None))
    closed: list[Closed] = []
    if not path.exists():
        checks.append(Check(name="store", level="note", found=f"{path} is not there yet: the first run makes it"))
    else:
        try:
            store = open_store(path)
        except StoreError as error:
            checks.append(Check(name="store", level="bad", found=error.message, fix=error.hint))
        else:
            local = find_spools(where)
            spools = local.root if local else None
            if options.close:
                us = speaker(where)
                closed = close_runs(
                    store, spools=spools, host=us.by.host or "?", pid=os.getpid(), user=us.by.user, clock=us.clock
                )
                complete_digests(store, us)
            checks += store_checks(store, spools=spools, now_ns=time.time_ns())
    if options.json:
        json_document(_as_json(checks, closed))
    else:
        _print(checks, closed)
    return 1 if any(check.level == "bad" for check in checks) else 0


def _policy_checks(where: Setting) -> list[Check]:
    """What is wrong in the policy: no run could begin."""
    checks: list[Check] = []
    load_policy(
        where,
        wrong=lambda error: checks.append(Check(name="policy", level="bad", found=error.message, fix=error.hint)),
    )
    return checks


def _as_json(checks: Sequence[Check], closed: Sequence[Closed]) -> dict[str, object]:
    return {
        "good": all(check.level != "bad" for check in checks),
        "checks": [{"name": c.name, "level": c.level, "found": c.found, "fix": c.fix} for c in checks],
        "closed": [{"id": c.run, "seal": c.seal, "because": c.because} for c in closed],
    }


def _print(checks: Sequence[Check], closed: Sequence[Closed]) -> None:
    for one in closed:
        line(f"closed  {one.run}  {one.seal}" if one.seal else f"left open  {printable(one.because or '')}")
    for check in checks:
        line(f"{styled(f'{check.level:<5}', STYLES[check.level])} {check.name}: {printable(check.found)}")
        if check.fix:
            line(f"      fix: {printable(check.fix)}")
