"""Windows is refused with a message, not with a module that cannot be imported."""

from __future__ import annotations

import pytest
from workplace import Workplace

PRETEND = "import sys; sys.platform = 'win32'\n"

REFUSED = "Windows is not supported: whence needs file locks and processes as Linux and macOS have them"


@pytest.mark.scenario("V4")
@pytest.mark.parametrize("words", [["run", "--", "echo", "started"], ["log"], ["--help"]])
def test_a_command_is_refused_with_the_way_out(words: list[str], workplace: Workplace) -> None:
    program = PRETEND + f"from whence.cli.main import main; sys.exit(main({words!r}))"
    done = workplace.python("-c", program)
    assert (done.code, done.out) == (4, "")
    assert done.err == f"whence: {REFUSED}\nhint: inside WSL 2 it works as on Linux\n"
    assert list(workplace.path.iterdir()) == []


@pytest.mark.scenario("V4")
def test_a_script_is_refused_where_it_begins_a_run(workplace: Workplace) -> None:
    program = PRETEND + "import whence\ntry: whence.start()\nexcept whence.StoreError as error: print(error)"
    assert workplace.python("-c", program).ok().out == f"{REFUSED}\n"
