"""What `import whence` and `whence --help` load: every module costs every script and every command that uses us."""

from __future__ import annotations

import pytest
from workplace import Workplace

LOADED = """\
import sys
before = set(sys.modules)
{work}
print("\\n".join(sorted(set(sys.modules) - before)))
"""

HELP = """\
import contextlib, io
from whence.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["--help"])
"""

CASES = {
    "import whence": ("import whence", ["whence"]),
    "whence --help": (
        HELP,
        [
            "whence",
            "whence.cli",
            "whence.cli.main",
            "whence.errors",
            "whence.system",
            "whence.system.descriptors",
            "whence.version",
        ],
    ),
}
"""What is done, and which modules of ours it loads. When one is added here, measure what it costs."""

OTHERS = {"msgspec", "rich"}
"""Third-party packages of ours; neither case may load one."""

COSTLY = {
    "argparse", "asyncio", "concurrent.futures", "dataclasses", "email", "importlib.metadata", "inspect", "json",
    "logging", "multiprocessing", "pathlib", "shutil", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "unittest",
    "urllib",
}  # fmt: skip
"""Of the standard library: milliseconds each."""


@pytest.mark.parametrize("case", CASES)
def test_only_these_modules_are_loaded(case: str, workplace: Workplace) -> None:
    work, ours = CASES[case]
    loaded = set(workplace.python("-I", "-c", LOADED.format(work=work)).ok().out.split())
    assert {name for name in loaded if name.partition(".")[0] == "whence"} == set(ours)
    assert {name for name in loaded if name.partition(".")[0] in OTHERS} == set()
    assert loaded & COSTLY == set()
