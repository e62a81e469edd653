"""The table of scenarios is what the tests say, and says nothing more than they show."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import scenarios
from fences import ROOT
from workplace import Workplace

GROUPS = scenarios.read()
LINES = [line for group in GROUPS for line in group.scenarios]
SIZES = {
    "S": 32, "A": 19, "B": 17, "C": 18, "D": 13, "E": 11, "F": 9, "G": 10, "H": 12, "I": 14, "J": 13, "K": 18,
    "L": 8, "M": 10, "N": 8, "O": 9, "P": 7, "R": 15, "T": 7, "U": 6, "V": 8, "X": 12, "Y": 14, "Z": 13,
}  # fmt: skip


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table as it should be, from a collection of all tests in a process of its own."""
    folder = tmp_path_factory.mktemp("scenarios")
    collect = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    Workplace(folder, folder / "home").run(
        [*collect, "--scenarios", folder / "table.md", ROOT / "tests"], cwd=ROOT
    ).ok()
    return (folder / "table.md").read_text("utf-8")


def test_every_scenario_is_listed_once() -> None:
    assert {group.letter: len(group.scenarios) for group in GROUPS} == SIZES
    assert [line.id for line in LINES] == [f"{letter}{n + 1}" for letter, size in SIZES.items() for n in range(size)]


def test_the_table_in_docs_is_the_one_that_the_tests_give(generated: str) -> None:
    assert (ROOT / "docs/scenarios.md").read_text("utf-8") == generated, (
        "regenerate it: python -m pytest --scenarios=docs/scenarios.md"
    )


def test_a_mark_names_a_scenario_that_exists() -> None:
    marked = {key for path in Path(ROOT / "tests").rglob("test_*.py") for key in _marked(path)}
    assert marked - {line.id for line in LINES} == set()


def _marked(path: Path) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
    marks = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "scenario"]
    return [a.value for mark in marks for a in mark.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]


def test_every_scenario_that_waits_for_nothing_is_shown_by_a_test(generated: str) -> None:
    rows = [row.strip("| ").split(" | ") for row in generated.splitlines() if row.startswith("| ")]
    shown = {key for key, _, by in rows if ".py::" in by}
    assert [line.id for line in LINES if not line.waits and line.id not in shown] == []
