"""Points: every number comes back, and a torn or broken line costs no other."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.recorder.measures import measured_step, measures
from whence.records.encoding import number_text
from whence.records.result import Metric
from whence.store.points import PointsWriter, faulty_lines, iterate, summarise

STEPS = st.none() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.dictionaries(st.text(st.characters(codec=None), max_size=9), st.floats(), min_size=1, max_size=4)


def plain(value: float) -> float | str:
    return value if math.isfinite(value) else number_text(value)


@settings(max_examples=100)
@given(points=st.lists(st.tuples(STEPS, VALUES), max_size=6), data=st.data())
def test_points_come_back_and_any_truncation_is_a_prefix(tmp_path_factory, points, data) -> None:
    folder = tmp_path_factory.mktemp("points")
    writer = PointsWriter.create(folder, "main")
    for step, values in points:
        writer.write(values, step, 1.5)
    writer.close()
    written = (folder / "main.points.jsonl").read_bytes()
    expected = [(step, 1.5, {name: plain(value) for name, value in values.items()}) for step, values in points]
    assert list(iterate(written)) == expected
    cut = list(iterate(written[: data.draw(st.integers(0, len(written)))]))
    assert cut == expected[: len(cut)]


ANYTHING = st.one_of(
    st.floats(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
    st.sampled_from([2**53, -(2**53) - 1, 2**70]),
)


@settings(max_examples=200)
@given(
    values=st.dictionaries(st.one_of(st.text(st.characters(codec=None), max_size=5), st.integers()), ANYTHING),
    step=st.one_of(ANYTHING, STEPS),
)
def test_the_short_way_writes_the_line_of_the_long_way_or_nothing(tmp_path_factory, values, step) -> None:
    folder = tmp_path_factory.mktemp("points")
    short, long = PointsWriter.create(folder, "short"), PointsWriter.create(folder, "long")
    if short.write_plain(values, step, 1.5):
        numbers, faults = measures(values)
        assert not faults
        long.write(numbers, measured_step(step), 1.5)
    for writer in (short, long):
        writer.close()
    assert (folder / "short.points.jsonl").read_bytes() == (folder / "long.points.jsonl").read_bytes()


@pytest.mark.parametrize("step", [3, None])
def test_floats_and_small_integers_go_the_short_way(tmp_path: Path, step: int | None) -> None:
    writer = PointsWriter.create(tmp_path, "main")
    assert writer.write_plain({"loss": 0.25, "null": 7}, step, 1.5)
    writer.close()
    assert not writer.write_plain({"loss": 0.25}, step, 1.5)
    assert list(iterate((tmp_path / "main.points.jsonl").read_bytes())) == [(step, 1.5, {"loss": 0.25, "null": 7})]


FORKED = """
import os, sys
from pathlib import Path
from whence.store.points import PointsWriter
writer = PointsWriter.create(Path(sys.argv[1]), "main")
if child := os.fork():
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert writer.write_plain({"a": 1.0}, 1, 1.0)
else:
    os._exit(writer.write_plain({"a": 2.0}, 2, 1.0))
"""


def test_a_forked_child_writes_no_point_of_its_parent(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKED, tmp_path], check=True)
    assert [step for step, _, _ in iterate((tmp_path / "main.points.jsonl").read_bytes())] == [1]


CHANGED = """
import sys, threading
from pathlib import Path
from whence.store.points import PointsWriter
sys.setswitchinterval(1e-6)
writer, values, stop = PointsWriter.create(Path(sys.argv[1]), "main"), {f"a{n}": 1.0 for n in range(5000)}, []
def change():
    while not stop:
        values[f"b{len(values)}"] = 1.0
threading.Thread(target=change).start()
try:
    print(all(writer.write_plain(values, step, 1.0) for step in range(1000)))
finally:
    stop.append(True)
"""


def test_values_that_another_thread_changes_raise_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CHANGED, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_line_is_written_as_the_format_says(tmp_path: Path) -> None:
    writer = PointsWriter.create(tmp_path, "main")
    writer.write({"loss": 0.25, "acc": math.nan}, 12, 1795243229.12)
    writer.write({"null": 1.0}, None, 2.0)
    writer.write({"inf": math.inf}, None, 2.0)
    assert (tmp_path / "main.points.jsonl").read_bytes().splitlines() == [
        b'[12,1795243229.12,{"loss":0.25,"acc":"NaN"}]',
        b'[null,2.0,{"null":1.0}]',
        b'[null,2.0,{"inf":"Infinity"}]',
    ]
    writer.close()
    writer.close()


@pytest.mark.scenario("X11")
def test_a_summary_takes_file_order_whatever_the_steps() -> None:
    data = b'[5,1,{"a":3}]\n[2,2,{"a":1,"b":"NaN"}]\noops\n[2,3,{"a":"Infinity"}]\n[1,4,{"a":2.0}]\n[9,5,{"a":'
    assert summarise(data) == {
        "a": Metric(last=2.0, min=1.0, max=3.0, mean=2.0, first=3.0, count=4, step=1),
        "b": Metric(last="NaN", min=None, max=None, mean=None, first="NaN", count=1, step=2),
    }
    assert faulty_lines(data) == [3]


def test_a_summary_over_several_files_is_that_of_one(tmp_path: Path) -> None:
    lines = [b'[%d,1,{"a":%d}]\n' % (n, n * n) for n in range(10)]
    assert summarise(b"".join(lines[:4]), b"".join(lines[4:])) == summarise(b"".join(lines))


def test_a_summary_of_many_lines_equals_a_plain_loop() -> None:
    values = [math.sin(n) for n in range(120_000)]
    data = b"".join(b'[%d,1.0,{"a":%s,"b":1}]\n' % (n, repr(v).encode()) for n, v in enumerate(values))
    metric = summarise(data)["a"]
    assert (metric.min, metric.max, metric.count, metric.step) == (min(values), max(values), 120_000, 119_999)
    assert metric.mean == pytest.approx(math.fsum(values) / len(values))


def test_numbers_too_large_for_a_mean_do_not_stop_the_summary() -> None:
    metric = summarise(b'[1,1,{"a":1.7e308}]\n[2,2,{"a":1.7e308}]\n')["a"]
    assert (metric.last, metric.mean) == (1.7e308, "Infinity")


KILLED = """
import os, sys
from pathlib import Path
from whence.store.points import PointsWriter
writer = PointsWriter.create(Path(sys.argv[1]), "main")
for step in range(10**9):
    writer.write_plain({"loss": step / 2}, step, 1.0) if step % 2 else writer.write({"loss": step / 2}, step, 1.0)
    if step == 1000:
        print("going", flush=True)
"""


@pytest.mark.scenario("X10")
def test_every_point_before_a_sigkill_is_there(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"going\n"
        os.kill(writer.pid, signal.SIGKILL)
    data = (tmp_path / "main.points.jsonl").read_bytes()
    points = list(iterate(data))
    assert data.endswith(b"\n") and len(points) > 1000
    assert [step for step, _, _ in points] == list(range(len(points)))


FULL = """
import resource, signal, sys
from pathlib import Path
from whence.store.points import PointsWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = PointsWriter.create(Path(sys.argv[1]), "main")
writer.write({"a": 1.0}, 1, 1.0)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (25, hard))
try:
    writer.write({"a": 2.0}, 2, 1.0)
except OSError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.write({"a": 3.0}, 3, 1.0)
"""


def test_a_point_after_a_short_write_goes_to_a_new_file(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=True)
    assert "short write" in done.stdout
    assert list(iterate((tmp_path / "main-2.points.jsonl").read_bytes())) == [(3, 1.0, {"a": 3.0})]
    assert [step for step, _, _ in iterate((tmp_path / "main.points.jsonl").read_bytes())] == [1]


def fill(disk: Path, left: int = 0) -> Path:
    """Leave so many bytes of a disk; the file that takes up the rest."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)):
            pass
    os.truncate(ballast, ballast.stat().st_size - left)
    return ballast


def test_a_full_disk_costs_points_and_no_new_files_and_is_written_to_as_soon_as_there_is_room(small_disk: Path) -> None:
    writer = PointsWriter.create(small_disk, "main")
    ballast = fill(small_disk, left=4096)
    lost = 0
    for step in range(4000):
        try:
            writer.write({"a": 1.0}, step, 1.0)
        except OSError as error:
            assert error.errno == errno.ENOSPC
            lost += 1
    names = sorted(path.name for path in small_disk.glob("*.points.jsonl"))
    assert names == ["main-2.points.jsonl", "main.points.jsonl"]  # The first one ends in half a line.
    ballast.unlink()
    assert not writer.write_plain({"a": 2.0}, 4000, 1.0)
    writer.write({"a": 2.0}, 4000, 1.0)
    assert writer.write_plain({"a": 3.0}, 4001, 1.0)
    points = [point for name in reversed(names) for point in iterate((small_disk / name).read_bytes())]
    writer.close()
    assert [step for step, _, _ in points] == [*range(4000 - lost), 4000, 4001]


def test_on_a_full_disk_few_writes_are_tried(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, tries = PointsWriter.create(small_disk, "main"), []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: tries.append(fd) or write(fd, data))
    fill(small_disk)
    began = time.monotonic()
    for step in range(4000):
        with pytest.raises(OSError, match="No space left on device"):
            writer.write({"a": 1.0}, step, 1.0)
    writer.close()
    assert len(tries) < 12 + (time.monotonic() - began)
