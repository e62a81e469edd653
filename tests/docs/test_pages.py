"""Everything that one can set, say or meet is on a page."""

from __future__ import annotations

import re

import pages
import pytest
from fences import ROOT

from whence import errors
from whence.cli import main as cli
from whence.cli import run as cli_run
from whence.records.events import KINDS
from whence.rules.policy import KEYS

FORMAT = (ROOT / "docs/format.md").read_text("utf-8")
COMMANDS = (ROOT / "docs/commands.md").read_text("utf-8")


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    written = (ROOT / "docs" / name).read_text("utf-8")
    assert written == pages.PAGES[name](), "regenerate it: python tests/support/pages.py"


def test_every_event_kind_is_in_the_format_and_no_other() -> None:
    table = FORMAT.partition("### Events")[2].partition("### Points")[0]
    named = {
        kind
        for row in table.splitlines()
        if row.startswith("| `")
        for kind in re.findall(r"`([\w.]+)`", row[: row.index("|", 2)])
    }
    assert named == set(KINDS)


def test_every_policy_key_has_a_row() -> None:
    page = (ROOT / "docs/policy.md").read_text("utf-8")
    assert [key for key in KEYS if f"| `{key}` |" not in page] == []


@pytest.mark.scenario("P6")
def test_every_command_and_variable_is_listed() -> None:
    assert [name for name in cli.every_command() if f"## whence {name}\n" not in COMMANDS] == []
    assert [name for name in cli.VARIABLES if f"| `{name}` |" not in COMMANDS] == []


@pytest.mark.scenario("P4")
def test_every_exit_code_is_listed() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", COMMANDS, flags=re.M)}
    raised = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.WhenceError)
    }
    assert raised | {0, 126, 127, cli.FAULT, cli.INTERRUPTED, cli_run.REFUSED} == listed
