"""Golden records: stores that earlier versions wrote must be read for ever, and say what they said then.

The stores under `golden/<format>/` were made by `make_golden.py` and are never changed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace

from whence.records.encoding import encode
from whence.store.layout import open_store
from whence.store.run_list import run_ids
from whence.store.runs import load_run

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/expected.json"))


@pytest.fixture(params=CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def golden(request: pytest.FixtureRequest, workplace: Workplace) -> tuple[Workplace, dict[str, Any]]:
    shutil.copytree(request.param / "store", workplace.store)
    return workplace, json.loads((request.param / "expected.json").read_text("ascii"))


def said(record: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """What the record says under the names that there were then; later versions may add names, never change one."""
    return {name: _said(record[name], value) for name, value in expected.items()}


def _said(now: Any, then: Any) -> Any:
    if isinstance(then, dict) and isinstance(now, dict):
        return {key: _said(now[key], value) for key, value in then.items()}
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [_said(one, other) for one, other in zip(now, then, strict=True)]
    return now


@pytest.mark.scenario("V7")
def test_a_golden_record_is_read_as_it_was(golden: tuple[Workplace, dict[str, Any]]) -> None:
    workplace, expected = golden
    shown = workplace.show()
    assert said(shown, expected) == expected


def test_a_golden_record_is_folded_again_to_what_it_was(golden: tuple[Workplace, dict[str, Any]]) -> None:
    workplace, expected = golden
    store = open_store(workplace.store)
    (run,) = run_ids(store)
    again = json.loads(encode(load_run(store, run, refold=True).record))
    by_acts = ("outcome", "standing", "siblings", "verdict", "notes", "tags", "children", "phase", "evidence")
    facts = {name: value for name, value in expected.items() if name not in by_acts}
    assert said(again, facts) == facts


def test_a_golden_record_holds_together_though_later_versions_have_more_fields(
    golden: tuple[Workplace, dict[str, Any]],
) -> None:
    workplace, _ = golden
    # The code is not among what was kept of them.
    assert {item["where"] for item in workplace.whence("verify", "--json").json()["damage"]} <= {"code.git"}


def test_there_is_a_golden_record_of_every_ending() -> None:
    assert {case.name for case in CASES} >= {"succeeded", "failed", "refused", "killed", "lost", "block", "odd_names"}
