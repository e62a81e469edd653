"""The log of what was printed: bounded, folded, and on the disk at every moment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.recorder.output_log import LINE_LIMIT, OutputLog, fold_line, fold_lines

FOLDED = {
    "nothing to fold": (b"abc", b"abc"),
    "the last one stays": (b" 10%\r 20%\r 30%", b" 30%"),
    "a return at the end erases nothing": (b" 10%\r 20%\r", b" 20%"),
    "a shorter one leaves the rest in sight": (b"loading\rdone", b"doneing"),
    "columns are characters, not bytes": ("████|\rdone ".encode(), b"done "),
    "an escape clears the line": (b"loading\r\x1b[Kdone", b"\x1b[Kdone"),
    "not text": (b"\xff\xfe\xfd\rab", b"ab"),
    "returns only": (b"\r\r\r", b""),
}


@pytest.mark.parametrize(("line", "shown"), FOLDED.values(), ids=FOLDED.keys())
def test_a_rewritten_line_is_as_it_was_last_shown(line: bytes, shown: bytes) -> None:
    assert fold_line(line) == shown


def test_line_ends_of_a_terminal_become_newlines_and_those_of_a_pipe_stay() -> None:
    assert fold_lines(b"a\r\nb\rc\r\r\n", terminal=True) == b"a\nc\n"
    assert fold_lines(b"a\r\nb\rc\r\n") == b"a\r\nc\r\n"


def test_a_progress_bar_is_one_line_at_every_moment(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "output.log", 1000)
    for percent in range(10_000):
        log.write("stderr", b"\r%3d%%" % (percent % 100))
        if percent % 1000 == 0:
            assert log.path.read_bytes() == b"%3d%%" % (percent % 100)
    log.write("stderr", b"\nend\n")
    output = log.finish()
    assert log.path.read_bytes() == b" 99%\nend\n"
    assert output and (output.cut, output.kept, output.bytes) == (0, 9, 50_005)


def test_a_return_at_the_end_of_a_chunk_waits_for_what_follows(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "output.log", 1000)
    for chunk in (b"one\r", b"\ntw", b"o\r", b"three", b"\r", b"\n"):
        log.write("stdout", chunk, terminal=True)
    log.finish()
    assert log.path.read_bytes() == b"one\nthree\n"


def test_every_chunk_is_on_the_disk_when_write_returns(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "output.log", 1000)
    log.write("stdout", b"a line\nand a prompt: ")
    assert (tmp_path / "output.log").read_bytes() == b"a line\nand a prompt: "


def test_two_streams_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "output.log", 1000)
    log.write("stderr", b"10%")
    log.write("stdout", b"hello\n")
    log.write("stderr", b"\r20%\n")
    output = log.finish()
    assert log.path.read_bytes() == b"hello\n20%\n"
    assert output and [part.stream for part in output.parts] == ["both"]


def test_nothing_printed_leaves_no_file(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "output.log", 1000)
    assert log.finish() is None
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\r", b"")), max_size=60), st.integers(2, 200))
def test_head_and_tail_are_kept_and_the_cut_is_counted(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], limit: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = OutputLog(folder / "output.log", limit)
    for chunk in chunks:
        log.write("stdout", chunk)
    output = log.finish()
    text = b"".join(chunks)
    if not text:
        assert output is None
        return
    assert output
    found = log.path.read_bytes()
    assert [path.name for path in folder.iterdir()] == ["output.log"]
    assert (output.bytes, output.kept + output.cut) == (len(text), len(text))
    if len(text) <= limit:
        assert found == text
    else:
        cut = len(text) - limit
        head, tail = text[: limit // 2], text[len(text) - (limit - limit // 2) :]
        assert found == head + b"\n[whence: %d bytes left out here]\n" % cut + tail
        assert output.cut == cut
    assert sum(part.length for part in output.parts) == len(found)


def test_a_line_without_end_does_not_stay_in_memory(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "output.log", 10 * LINE_LIMIT)
    for _ in range(5 * LINE_LIMIT // 1000):
        log.write("stdout", b"x" * 1000)
    log.finish()
    assert log.path.stat().st_size == 5 * LINE_LIMIT // 1000 * 1000


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no device that is always full")
def test_a_full_disk_stops_the_log_and_says_why(tmp_path: Path) -> None:
    os.symlink("/dev/full", tmp_path / "output.log")
    log = OutputLog(tmp_path / "output.log", 1000)
    log.write("stdout", b"abc\n")
    log.write("stdout", b"def\n")
    output = log.finish()
    assert log.fault
    assert output and (output.bytes, output.kept) == (8, 0)
    assert output.because == "output.log could not be written: No space left on device"
