"""Journals: what was written is read; what is torn, changed or newer is said."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import stored
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.digests import digest_of
from whence.records.events import FieldSet, JournalContinued, NoteAdded, TagSet
from whence.store.journal import (
    POINTS_SUFFIX,
    JournalLost,
    JournalWriter,
    journal_order,
    last_line,
    read_journal,
    whole_length,
    writer_of,
)
from whence.system.locks import lock_state

TEXT = st.text(st.characters(codec=None), max_size=40)


def write(folder: Path, *texts: str) -> bytes:
    writer = JournalWriter.create(folder, "main", lambda: 1_795_243_229_120_000_000)
    for text in texts:
        writer.append(NoteAdded(text=text))
    writer.close()
    return writer.path.read_bytes()


def test_a_line_is_written_as_the_format_says(tmp_path: Path) -> None:
    first, second = write(tmp_path, "warm-up off", "é\udcff").splitlines()
    assert first == (
        b'{"v":1,"seq":0,"at":"2026-11-21T06:40:29.120000Z","kind":"note.added","prev":null,'
        b'"text":"warm-up off","by":null}'
    )
    assert second == (
        b'{"v":1,"seq":1,"at":"2026-11-21T06:40:29.120000Z","kind":"note.added","prev":"'
        + digest_of(first).encode()
        + b'","text":"\\u00e9\\udcff","by":null}'
    )


@settings(max_examples=60)
@given(texts=st.lists(TEXT, max_size=6), values=st.dictionaries(TEXT, st.floats() | TEXT | st.booleans(), max_size=3))
def test_every_event_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, texts, values) -> None:
    events = [NoteAdded(text=text) for text in texts] + [TagSet(tags={text: text for text in texts})]
    folder = tmp_path_factory.mktemp("journal")
    writer = JournalWriter.create(folder, "main", lambda: 0)
    for event in events:
        writer.append(event)
    writer.append(FieldSet(when="during", values=values))
    writer.close()
    read = read_journal(writer.path.read_bytes(), "main.jsonl")
    assert (read.torn, read.faults) == (0, ())
    assert [line.event for line in read.lines][:-1] == events
    assert writer.last is not None and writer.last.digest == read.lines[-1].digest


@settings(max_examples=60)
@given(texts=st.lists(TEXT, min_size=1, max_size=5), data=st.data())
def test_any_truncation_reads_as_a_prefix(tmp_path_factory: pytest.TempPathFactory, texts, data) -> None:
    whole = write(tmp_path_factory.mktemp("journal"), *texts)
    length = data.draw(st.integers(0, len(whole)))
    zeros = data.draw(st.integers(0, 3))
    cut = read_journal(whole[:length] + bytes(zeros), "main.jsonl")
    lines = read_journal(whole, "main.jsonl").lines
    assert cut.lines == lines[: len(cut.lines)]
    assert cut.faults == ()
    assert cut.torn == length + zeros - whole_length(whole[:length])


DAMAGES = {
    "an edited line": (lambda lines: [lines[0].replace(b"a a", b"b a"), *lines[1:]], "main.jsonl:2: found prev"),
    "a dropped line": (lambda lines: [lines[0], lines[2]], "main.jsonl:2: found seq 2, expected 1"),
    "a dropped first line": (lambda lines: lines[1:], "main.jsonl:1: found seq 1, expected 0"),
    "two lines that changed places": (lambda lines: [lines[0], lines[2], lines[1]], "main.jsonl:2: found seq 2"),
    "no JSON": (lambda lines: [lines[0], b"oops", lines[2]], "main.jsonl:2: "),
    "a newer version": (
        lambda lines: [*lines[:2], lines[2].replace(b'"v":1', b'"v":2')],
        "main.jsonl:3: found version 2, expected 1: written by a newer whence",
    ),
    "a wrong type": (
        lambda lines: [*lines[:2], lines[2].replace(b'"text":"a c"', b'"text":7')],
        "main.jsonl:3: Expected `str`, got `int` - at `$.text`",
    ),
    "zeros inside": (lambda lines: [lines[0], bytes(8), lines[2]], "main.jsonl:2: "),
}


@pytest.mark.scenario("I11")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_names_the_line_and_reads_on(tmp_path: Path, damage: str) -> None:
    change, message = DAMAGES[damage]
    lines = write(tmp_path, "a a", "a b", "a c").splitlines()
    data = b"\n".join(change(lines)) + b"\n"
    read = read_journal(data, "main.jsonl")
    last = last_line(data + b'{"v":1,"torn', "main.jsonl")
    assert last is not None and (last.seq, last.digest) == (read.lines[-1].envelope.seq, read.lines[-1].digest)
    assert any(fault.startswith(message) for fault in read.faults), read.faults
    assert read.lines


def test_unknown_kinds_and_fields_are_kept_and_ignored(tmp_path: Path) -> None:
    line = write(tmp_path, "a").replace(b'"text"', b'"mood":"good","text"')
    read = read_journal(line, "main.jsonl")
    assert read.faults == () and read.lines[0].event == NoteAdded(text="a")
    read = read_journal(line.replace(b"note.added", b"song.sung"), "main.jsonl")
    assert read.faults == () and read.lines[0].event is None and read.lines[0].envelope.kind == "song.sung"


def test_threads_share_one_writer(tmp_path: Path) -> None:
    writer = JournalWriter.create(tmp_path, "main", lambda: 0)
    threads = [
        threading.Thread(target=lambda: [writer.append(NoteAdded(text="x" * 99)) for _ in range(50)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    read = read_journal(writer.path.read_bytes(), "main.jsonl")
    assert read.faults == () and len(read.lines) == 400


def test_the_lock_lives_as_long_as_the_writer(tmp_path: Path) -> None:
    writer = JournalWriter.create(tmp_path, "main", lambda: 0)
    assert lock_state(writer.path) == "held"
    assert lock_state(writer.path) == "held", "a reader leaves no lock behind"
    writer.close()
    assert lock_state(writer.path) == "free"
    with pytest.raises(RuntimeError, match="is closed"):
        writer.append(NoteAdded(text="a"))


def test_no_writer_appends_to_a_file_that_it_did_not_create(tmp_path: Path) -> None:
    write(tmp_path, "a")
    with pytest.raises(FileExistsError):
        JournalWriter.create(tmp_path, "main", lambda: 0)


FORK = """
import os, sys, time, signal
from pathlib import Path
from whence.records.events import NoteAdded
from whence.store.journal import JournalWriter
writer = JournalWriter.create(Path(sys.argv[1]), "main", time.time_ns)
writer.append(NoteAdded(text="parent"))
if sys.argv[2] == "give":
    writer.give_to_child()
pid = os.fork()
if pid == 0:
    try:
        writer.append(NoteAdded(text="child"))
        os.write(1, b"wrote\\n")
    except RuntimeError as error:
        os.write(1, b"refused\\n")
    os.close(1)
    time.sleep(600)
os.write(1, b"%d\\n" % pid)  # One write: the two processes share the pipe.
os.kill(os.getpid(), signal.SIGKILL)
"""


def fork(folder: Path, mode: str) -> tuple[str, int]:
    argv = [sys.executable, "-c", FORK, str(folder), mode]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        said = sorted(parent.stdout.read().split())  # type: ignore[union-attr]
    return said[1], int(said[0])


def test_a_forked_child_neither_writes_nor_keeps_the_lock(tmp_path: Path) -> None:
    said, child = fork(tmp_path, "keep")
    try:
        assert said == "refused"
        assert lock_state(tmp_path / "main.jsonl") == "free"
    finally:
        os.kill(child, signal.SIGKILL)
    assert len(read_journal((tmp_path / "main.jsonl").read_bytes(), "").lines) == 1


def test_a_writer_can_be_handed_to_a_child_with_its_lock(tmp_path: Path) -> None:
    said, child = fork(tmp_path, "give")
    try:
        assert said == "wrote"
        assert lock_state(tmp_path / "main.jsonl") == "held"
    finally:
        os.kill(child, signal.SIGKILL)
    assert len(read_journal((tmp_path / "main.jsonl").read_bytes(), "").lines) == 2


FULL = """
import os, resource, signal, sys
from pathlib import Path
from whence.records.events import NoteAdded
from whence.store.journal import JournalLost, JournalWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = JournalWriter.create(Path(sys.argv[1]), "main", lambda: 0)
for text in ("one", "two", "long" * 200):
    writer.append(NoteAdded(text=text))
size = writer.path.stat().st_size
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(sys.argv[2]), hard))
writer.append(NoteAdded(text="three"))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
try:
    writer.append(NoteAdded(text="lost"))
except JournalLost as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.append(NoteAdded(text="four"))
print(writer.path.name)
"""


@pytest.mark.parametrize("room", [0, 1, 60])
def test_a_short_write_goes_on_in_a_second_journal(tmp_path: Path, room: int) -> None:
    """A limit on the file's size acts like a full disk: the write comes back short, the next one fails."""
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path, str(room)], capture_output=True, text=True, check=True)
    texts = [read_journal((tmp_path / name).read_bytes(), name) for name in journal_order(os.listdir(tmp_path))]
    assert [fault for text in texts for fault in text.faults] == []
    assert [line.event.text for text in texts for line in text.lines if isinstance(line.event, NoteAdded)] == [
        *("one", "two", "long" * 200, "three", "four")
    ]
    second = texts[1].lines[0].event
    assert isinstance(second, JournalContinued)
    last = texts[0].lines[-1]
    assert (second.previous, second.last, second.digest) == ("main.jsonl", 2, last.digest)
    assert texts[1].lines[0].envelope.prev == last.digest
    assert texts[0].torn == room
    assert "main-" in done.stdout


def test_a_first_line_that_cannot_be_written_is_an_error_and_no_run(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer = JournalWriter.create(tmp_path, "main", lambda: 0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(JournalLost, match="short write, 10 of"):
            writer.append(stored.created(stored.an_id()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
        writer.close()
    assert os.listdir(tmp_path) == ["main.jsonl"]


def test_journals_are_read_main_first_and_continuations_by_number() -> None:
    names = ["rank-3.jsonl", "main-10.jsonl", "main-2.jsonl", "rank-3-2.jsonl", "a.jsonl", "main.jsonl", "x.log"]
    ordered = ["main.jsonl", "main-2.jsonl", "main-10.jsonl", "a.jsonl", "rank-3.jsonl", "rank-3-2.jsonl"]
    assert journal_order(names) == ordered
    assert [writer_of(name, names) for name in ordered] == ["main", "main", "main", "a", "rank-3", "rank-3"]
    points = [name.replace(".jsonl", POINTS_SUFFIX) for name in ordered]
    assert journal_order([*names, *reversed(points)], POINTS_SUFFIX) == points
    assert journal_order([*names, *points]) == ordered


# Signal handlers and finalizers.


def _texts(folder: Path) -> list[str]:
    read = [read_journal((folder / name).read_bytes(), name) for name in journal_order(os.listdir(folder))]
    assert [fault for text in read for fault in text.faults] == []
    return [line.event.text for text in read for line in text.lines if isinstance(line.event, NoteAdded)]


def test_what_a_handler_appends_in_the_midst_of_an_append_follows_it(tmp_path: Path) -> None:
    def clock() -> int:
        """Asked for in the midst of an append."""
        if not asked:
            asked.append(True)
            writer.append(NoteAdded(text="from a handler"))
        return 0

    asked: list[bool] = []
    writer = JournalWriter.create(tmp_path, "main", clock)
    writer.append(NoteAdded(text="one"))
    writer.append(NoteAdded(text="two"))
    writer.close()
    assert _texts(tmp_path) == ["one", "from a handler", "two"]


@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after the write"])
def test_a_handler_that_raises_in_the_midst_of_an_append_leaves_each_line_once(
    tmp_path: Path, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes through; the line that it cut off is written by the next turn if it is not there yet."""

    def handler(number: int, frame: object) -> None:
        raise TimeoutError("the user's")

    def interrupted(fd: int, line: bytes) -> int:
        monkeypatch.undo()
        if written:
            os.write(fd, line)
        signal.raise_signal(signal.SIGUSR1)
        return len(line)

    writer = JournalWriter.create(tmp_path, "main", lambda: 0)
    writer.append(NoteAdded(text="one"))
    before = signal.signal(signal.SIGUSR1, handler)
    monkeypatch.setattr(os, "write", interrupted)
    try:
        with pytest.raises(TimeoutError, match="the user's"):
            writer.append(NoteAdded(text="two"))
    finally:
        signal.signal(signal.SIGUSR1, before)
    writer.append(NoteAdded(text="three"))
    writer.close()
    assert _texts(tmp_path) == ["one", "two", "three"]
    assert sorted(os.listdir(tmp_path)) == ["main.jsonl"]
