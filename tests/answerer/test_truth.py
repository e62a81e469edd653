"""What the answerer sees is what strace sees: every path of every call, in every way that programs have to name one."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest
from cases import PYTHON, SCRIPTS, SHELLS

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="nothing to hold it against: no strace")


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_python_is_seen_as_strace_sees_it(observed: Any, script: str) -> None:
    for name in "abc":
        (observed.work / name).write_text("content")
    assert observed.against_strace(*PYTHON, script.replace("\\n", "\n"))


@pytest.mark.parametrize("script", SHELLS.values(), ids=SHELLS.keys())
def test_a_shell_is_seen_as_strace_sees_it(observed: Any, script: str) -> None:
    (observed.work / "a").write_text("content\n")
    (observed.work / "d").mkdir()
    calls = observed.against_strace("sh", "-c", script)
    assert os.fsencode(observed.work / "a") in {path for call in calls for path in call.paths}
