"""What was printed last before everything was killed is joined to what was printed first."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.recorder.output_log import OutputLog
from whence.store import printed

CHUNKS = st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\r", b"") + b"\n"), max_size=60)
"""Whole lines: one that is not ended yet lies behind the head until it is."""


@given(CHUNKS, st.integers(2, 200))
def test_a_log_without_its_writer_is_joined_to_what_the_writer_would_have_made(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], limit: int
) -> None:
    finished, left = tmp_path_factory.mktemp("finished"), tmp_path_factory.mktemp("left")
    for folder in (finished, left):
        log = OutputLog(folder / "output.log", limit)
        for chunk in chunks:
            log.write("stdout", chunk)
        if folder is finished:
            log.finish()
    printed.join_logs(left)
    assert contents(left) == contents(finished)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_skipped_is_counted_by_whoever_joins(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "output.log", 20)
    log.write("stdout", b"0123456789ab\n")
    log.skip(1000)
    log.write("stdout", b"the very end, which is long\n")
    printed.join_logs(tmp_path)
    joined = (tmp_path / "output.log").read_bytes()
    assert joined.endswith(b" long\n")
    head, _, tail = joined.partition(b"\n[whence: ")
    cut = int(tail.split(b" ", 1)[0])
    assert len(head) + cut + len(tail.split(b"here]\n", 1)[1]) == 13 + 1000 + 28


def test_the_logs_of_two_ranks_in_one_folder_stay_apart(tmp_path: Path) -> None:
    logs = [OutputLog(tmp_path / name, 10) for name in ("output.log", "rank-1.output.log")]
    for number in range(20):
        for log, letter in zip(logs, (b"x", b"z"), strict=True):
            log.write("stdout", letter * number + b"\n")
    for log in logs:
        log.finish()
    assert b"z" not in (tmp_path / "output.log").read_bytes()
    assert b"x" not in (tmp_path / "rank-1.output.log").read_bytes()
    assert sorted(contents(tmp_path)) == ["output.log", "rank-1.output.log"]


@pytest.mark.parametrize("step", ["unlink", "rename", "open", "pread"])
@pytest.mark.parametrize("after", range(4))
def test_joining_that_is_killed_midway_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: int
) -> None:
    log = OutputLog(tmp_path / "output.log", 10)
    for number in range(8):
        log.write("stdout", b"line %d\n" % number)
    with monkeypatch.context() as patch:
        place = os if hasattr(os, step) and step in ("open", "pread") else Path
        patch.setattr(place, step, dying(getattr(place, step), after))
        with contextlib.suppress(SystemExit):
            printed.join_logs(tmp_path)
    printed.join_logs(tmp_path)
    assert (tmp_path / "output.log").read_bytes() == b"line \n[whence: 46 bytes left out here]\nne 7\n"
    assert {name for name in contents(tmp_path) if not name.endswith(str(os.getpid()))} == {"output.log"}


def dying(call: Callable[..., object], after: int) -> Callable[..., object]:
    """The call, which ends the process (as far as Python lets it) after so many times."""
    left = [after]

    def instead(*args: object, **named: object) -> object:
        if not left[0]:
            raise SystemExit
        left[0] -= 1
        return call(*args, **named)

    return instead


def test_two_that_join_at_once_join_once(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "output.log", 100_000)
    for number in range(50_000):
        log.write("stdout", b"line %d\n" % number)
    program = (
        "import sys; from pathlib import Path; from whence.store.printed import join_logs; join_logs(Path(sys.argv[1]))"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in started] == [0] * 4
    text = (tmp_path / "output.log").read_bytes()
    assert text.count(b"[whence: ") == 1
    assert len(text) == 100_000 + len(printed.notice(100_000)) or text.endswith(b"line 49999\n")
    assert sorted(contents(tmp_path)) == ["output.log"]
