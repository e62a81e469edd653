"""What is loaded by `import whence`, by `whence --help` and by a run: every module costs every script that uses us."""

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
            "whence.handlers",
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


RUN = """\
sys.modules["typing_extensions"] = None  # msgspec takes it where it is installed, and it imports inspect.
import whence
with whence.start() as run:
    run.log(loss=0.5, step=1)
"""

NOT_FOR_A_RUN = {
    "_hashlib", "argparse", "ast", "asyncio", "base64", "concurrent.futures", "csv", "ctypes", "dataclasses",
    "email", "hashlib", "hmac", "importlib.metadata", "inspect", "logging", "multiprocessing", "shutil", "socket",
    "sqlite3", "ssl", "subprocess", "tempfile", "tomllib", "traceback", "unittest", "yaml", "zipfile",
}  # fmt: skip
"""Of the standard library and beyond: what a run in process needs in rare cases only, at milliseconds each."""

READERS_AND_RARE = {
    "actions", "capture.config_files", "capture.config_formats", "capture.distribution", "capture.interpreter",
    "capture.python_environment", "cli", "reading", "recorder.blockless", "recorder.command", "recorder.functions",
    "recorder.keeper", "recorder.source_keeping", "records.act", "rules.notebooks", "store.acts", "store.archives",
    "store.check", "store.closing", "store.completion", "store.forwarder", "store.git_tree", "store.late",
    "store.printed", "store.run_list", "store.runs", "store.spool", "store.trees",
}  # fmt: skip
"""Of ours: what reads records, and what only a command, a spool or a changed folder needs."""


def test_a_run_in_process_loads_nothing_that_only_rare_runs_need(workplace: Workplace) -> None:
    workplace.repository(**{"train.py": LOADED.format(work=RUN)})
    workplace.python("-I", "train.py").ok()  # Makes the store, which costs more than every later run.
    loaded = set(workplace.python("-I", "train.py").ok().out.split())
    assert "whence.recorder.recording" in loaded
    assert loaded & NOT_FOR_A_RUN == set()
    ours = {name.removeprefix("whence.") for name in loaded}
    assert ours & READERS_AND_RARE == set()


COMMAND = """\
sys.modules["typing_extensions"] = None
from whence.cli.main import main
assert main(["run", *{options}, "--", "true"]) == 0
sys.stdout = open("{file}", "w")  # Its own is given up when the command has closed it.
"""

NOT_FOR_A_COMMAND = {"_hashlib", "ast", "dataclasses", "hashlib", "hmac", "inspect", "logging", "shutil", "socket",
                     "subprocess", "tempfile", "tomllib", "traceback"}  # fmt: skip
"""Of the standard library: what the process that the shell waits for needs in rare cases only."""

WATCHING = {"answerer.filter", "answerer.native", "answerer.post", "answerer.ring", "answerer.standby",
            "recorder.hooked", "recorder.inner_runs", "recorder.listening", "recorder.tracing"}  # fmt: skip


@pytest.mark.parametrize("options", [[], ["--observe", "off"]], ids=["observed", "not observed"])
def test_a_command_loads_nothing_that_only_rare_commands_need(options: list[str], workplace: Workplace) -> None:
    told = workplace.home / "loaded"
    workplace.repository(**{"launch.py": LOADED.format(work=COMMAND.format(options=options, file=told))})
    workplace.python("-I", "launch.py").ok()
    workplace.python("-I", "launch.py").ok()
    loaded = set(told.read_text().split())
    assert "whence.recorder.command" in loaded
    assert loaded & NOT_FOR_A_COMMAND == set()
    if options:
        assert {name.removeprefix("whence.") for name in loaded} & WATCHING == set()
