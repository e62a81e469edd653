"""A command under observation, and the processes that answer for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from observed import Observed, Watchers

from whence.recorder.choosing import choose


@pytest.fixture
def watchers(observed: Observed) -> Watchers:
    return Watchers(observed.folder)


@pytest.fixture
def observed(tmp_path: Path) -> Iterator[Observed]:
    choice = choose("seccomp", None)
    if choice.mechanism == "none":
        pytest.skip(choice.because)
    folder, work = tmp_path / "run", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    observed = Observed(folder, work)
    yield observed
    observed.close()
