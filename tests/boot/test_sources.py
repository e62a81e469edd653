"""Which source files ran in the Python programs of a command is in the record, and their bytes in the store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace

PYTHON = sys.executable
OTHER = str(Path(sys.base_prefix) / "bin" / "python3")


def observers(code: dict[str, Any]) -> list[str]:
    """Who looked; that a program was seen to open its sources is said by another."""
    return [one["by"] for one in code["observed_by"]]


@pytest.mark.scenario("A13", "A14")
@pytest.mark.parametrize("python", [PYTHON, OTHER])
def test_a_git_ignored_module_that_a_program_imports_is_kept(python: str, workplace: Workplace) -> None:
    workplace.repository(**{"train.py": "import generated, outputs.made\n", ".gitignore": "generated.py\noutputs/\n"})
    workplace.write("generated.py", "VALUE = 1\n")
    workplace.write("outputs/made.py", "VALUE = 2\n")
    record = workplace.record(python, "train.py")
    outside = record["code"]["outside_snapshot"]
    assert [(one["path"], one["state"], one["module"], one["kept"]) for one in outside] == [
        ("generated.py", "absent", "generated", True),
        ("outputs/made.py", "absent", "outputs.made", True),
    ]
    assert "programs" in observers(record["code"])
    workplace.whence("get", outside[0]["digest"], "again.py").ok()
    assert (workplace.path / "again.py").read_text() == "VALUE = 1\n"


def test_a_program_whose_sources_are_all_in_the_snapshot_says_so(workplace: Workplace) -> None:
    workplace.repository(**{"train.py": "import other\n", "other.py": ""})
    code = workplace.record(PYTHON, "train.py")["code"]
    assert (code["outside_snapshot"], "programs" in observers(code)) == ([], True)


def test_a_source_that_was_edited_before_it_was_imported_is_kept_as_it_ran(workplace: Workplace) -> None:
    body = "import pathlib\npathlib.Path('other.py').write_text('A = 2\\n')\nimport other\n"
    workplace.repository(**{"train.py": body, "other.py": "A = 1\n"})
    (one,) = workplace.record(PYTHON, "train.py")["code"]["outside_snapshot"]
    assert (one["path"], one["state"], one["kept"], one["certain"]) == ("other.py", "changed", True, False)


@pytest.mark.parametrize("body", ["import os\nos._exit(0)\n", "import os\nos.kill(os.getpid(), 9)\n"])
def test_a_program_that_left_at_once_is_not_said_to_have_told(body: str, workplace: Workplace) -> None:
    workplace.repository(**{"train.py": body})
    assert "programs" not in observers(workplace.record(PYTHON, "train.py")["code"])


def test_a_script_that_an_installer_wrote_is_no_source_of_the_users(workplace: Workplace) -> None:
    workplace.write("schema.json", "{}")
    workplace.write("one.json", "1")
    record = workplace.record(Path(sys.executable).with_name("jsonschema"), "--instance", "one.json", "schema.json")
    assert (record["status"], record["code"]["outside_snapshot"]) == ("succeeded", [])
    assert record["config"]["values"]["instances"] == ["one.json"]
    assert record["config"]["origins"]["instances"] == "command_line"
