"""What every test has: a fence around the user's home, a clean environment, a `workplace`, and scenario ids.

Marks: `@pytest.mark.scenario("A2", …)` names the lines of the acceptance scenarios that a test shows from outside, and
`@pytest.mark.slow` a test of more than a few seconds. `pytest --scenarios=FILE` writes the table of docs/scenarios.md.
With `--no-skips` a test that is skipped has failed: where everything can be checked, everything is.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import scenarios
from fences import Fences
from workplace import Workplace, clean_environ

hypothesis.settings.register_profile("whence", deadline=None)  # A busy machine is no fault.
hypothesis.settings.load_profile("whence")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scenarios", metavar="FILE", help="write which test shows which scenario to FILE; run no test")
    parser.addoption("--no-skips", action="store_true", help="a test that is skipped has failed")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job ignores it, and so would every program that a test interrupts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # Likewise under nohup.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if config.getoption("--scenarios"):
        config.option.collectonly = True
        config.option.verbose = -2


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any]:
    report = (yield).get_result()
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, where nothing may be: {report.longrepr[2]}"


def pytest_collection_finish(session: pytest.Session) -> None:
    if file := session.config.getoption("--scenarios"):
        Path(file).write_text(scenarios.table(scenarios.read(), scenarios.shown_by(session.items)), "utf-8")


@pytest.fixture(scope="session", autouse=True)
def fences(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fences]:
    """Fails the session when something of whence was left in the real home or in the checkout."""
    fences = Fences(Path.home(), [tmp_path_factory.getbasetemp().parent])
    fences.install()
    yield fences
    assert not fences.left_behind(), f"tests left {', '.join(map(str, fences.left_behind()))} outside their folders"


@pytest.fixture(autouse=True)
def clean_surroundings(
    fences: Fences, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """This process's environment, as a new user's: an empty home, none of our settings, none of git's."""
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    for name in [n for n in os.environ if n.startswith(("WHENCE", "GIT_", "XDG_", "SLURM_", "PBS_", "LSB_"))]:
        monkeypatch.delenv(name)
    for name, value in clean_environ(home).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    """An empty folder with a home and an environment of its own, in which `whence`, `git` and `python` can be run."""
    workplace = Workplace(tmp_path / "work", tmp_path / "home")
    yield workplace
    workplace.close()


@pytest.fixture
def repository(workplace: Workplace) -> Workplace:
    """A workplace that is a git repository with one commit of a small program, `train.py`."""
    return workplace.repository(**{"train.py": "print('trained')\n"})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)  # A test that failed may hold a file open.
