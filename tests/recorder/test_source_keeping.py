"""Source files that ran, kept one by one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from accounts import folder_of_nobody
from stored import a_store

from whence.recorder.source_keeping import WHOLE, SourceKeeping
from whence.rules.policy import Policy
from whence.rules.secrets import Secrets
from whence.store.layout import Store
from whence.store.objects import read_object


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return a_store(tmp_path / "store")


def keeper(store: Store, *, enough: bool = False) -> SourceKeeping:
    return SourceKeeping.of(store, Policy(), Secrets(b"k" * 32), "here", lambda: enough)


def test_a_source_is_kept_and_what_is_known_is_not_read_again(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    time.sleep(2.1)
    first = keeper(store)
    source = first.keep(str(path), "a.py")
    first.finish()
    assert (source.kept, source.size, source.changed) == (True, 6, path.stat().st_ctime_ns)
    assert read_object(store, source.digest or "") == b"x = 1\n"
    assert keeper(store, enough=True).keep(str(path), "a.py") == source, "without time to read it"


def test_without_time_it_is_listed_by_its_size(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    source = keeper(store, enough=True).keep(str(tmp_path / "a.py"), "a.py")
    assert (source.digest, source.size, source.kept) == (None, 6, False)
    assert source.because == "there was no time to read it before the seal"


def test_a_big_compiled_module_is_kept(store: Store, tmp_path: Path) -> None:
    content = b"\x7fELF\0" + bytes(WHOLE)
    (tmp_path / "fast.so").write_bytes(content)
    source = keeper(store).keep(str(tmp_path / "fast.so"), "fast.so")
    assert source.kept and read_object(store, source.digest or "") == content


def test_a_big_source_with_a_secret_is_not_kept_and_has_no_digest(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('PASSWORD = "correct-horse-9-battery"\n' + "x = 1\n" * WHOLE)
    source = keeper(store).keep(str(tmp_path / "a.py"), "a.py")
    assert (source.digest, source.kept, source.because) == (None, False, "it holds a value that looks like a secret")


def test_what_cannot_be_read_is_a_reason(store: Store, tmp_path: Path) -> None:
    with folder_of_nobody() as folder:
        (folder / "closed.py").write_text("x = 1\n")
        (folder / "closed.py").chmod(0)
        os.mkfifo(folder / "pipe.py")
        closed = keeper(store).keep(str(folder / "closed.py"), "closed.py")
        pipe = keeper(store).keep(str(folder / "pipe.py"), "pipe.py")
        gone = keeper(store).keep(str(folder / "gone.py"), "gone.py")
    assert closed.because == "it could not be read: Permission denied"
    assert pipe.because == "it is no regular file now"
    assert gone.because == "it is not there any more"
    assert {(one.digest, one.kept) for one in (closed, pipe, gone)} == {(None, False)}


def test_a_store_that_takes_nothing_is_a_reason(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    store.objects.rmdir()
    store.objects.write_text("in the way")
    source = keeper(store).keep(str(tmp_path / "a.py"), "a.py")
    assert not source.kept and source.digest and "it could not be kept: " in (source.because or "")
