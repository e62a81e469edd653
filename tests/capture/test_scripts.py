"""What the kernel runs for a script."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stage import Stage

from whence.capture.scripts import Scripts
from whence.rules.seen import Seen, seen


def program(path: Path, content: str) -> Path:
    path.write_text(content)
    path.chmod(0o755)
    return path


def executed(path: Path, root: bytes = b"") -> Seen:
    stage = Stage(path.parent)
    stage.note("execute", path, root)
    return seen(stage.records[0])


def names(path: Path, root: bytes = b"") -> list[str]:
    return [os.fsdecode(one.path) for one in Scripts().executed_with(executed(path, root))]


def test_a_script_runs_what_its_first_line_names_and_what_that_names(tmp_path: Path) -> None:
    program(tmp_path / "first", "#! /bin/sh -e\n")
    program(tmp_path / "second", f"#!{tmp_path}/first with a word\n")
    assert names(tmp_path / "second") == [str(tmp_path / "first"), "/bin/sh"]


@pytest.mark.parametrize("content", ["", "#!", "#!\n/bin/sh", "#!sh\n", "#!/no/such\n", "\x7fELF", " #!/bin/sh\n"])
def test_what_names_no_program_that_is_there_runs_none_besides(content: str, tmp_path: Path) -> None:
    assert names(program(tmp_path / "program", content)) == []


def test_a_script_is_read_once_and_only_while_it_is_what_was_executed(tmp_path: Path) -> None:
    script, scripts = program(tmp_path / "script", "#!/bin/sh\n"), Scripts()
    call = executed(script)
    assert len(list(scripts.executed_with(call))) == 1
    script.write_text("#!/bin/cat\n")
    assert [one.path for one in scripts.executed_with(call)] == [b"/bin/sh"]
    assert list(Scripts().executed_with(call)) == []


def test_of_a_script_below_another_root_the_interpreter_lies_there(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "sh", "")
    script = program(tmp_path / "script", "#!/bin/sh\n")
    assert names(script, os.fsencode(tmp_path)) == [str(tmp_path / "bin" / "sh")]
