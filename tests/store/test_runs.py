"""Runs in folders and in a month's archive read the same; acts go where the format says."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import stored

from whence.actions.references import name_of, resolve_run
from whence.errors import FormatError, UnresolvedError
from whence.ids import day_of
from whence.records.act import Act, Actor, Subject
from whence.records.encoding import timestamp
from whence.records.events import NoteAdded
from whence.store.acts import acts_about, all_acts, write_act
from whence.store.check import check_store
from whence.store.layout import Store
from whence.store.run_list import open_run, run_ids
from whence.store.runs import load_run

OCTOBER = datetime(2026, 10, 5, 12, tzinfo=UTC).timestamp()


def archive(store: Store, *runs: str) -> Path:
    """Move runs into their month's archive."""
    path = store.runs / f"{day_of(runs[0])[:7]}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for run in runs:
            for file in sorted(store.run_folder(run).rglob("*")):
                if file.is_file():
                    target.write(file, file.relative_to(store.runs))
            shutil.rmtree(store.run_folder(run))
    return path


def an_act(store: Store, run: str) -> str:
    subject = Subject(run=run, seal=load_run(store, run).seal_digest)
    act = Act(id=stored.an_id(), kind="note", at=timestamp(time.time_ns()), subject=subject, by=Actor(user="ada"))
    return write_act(store, act)


@pytest.mark.scenario("V3")
def test_an_archived_month_reads_like_its_folders(store: Store) -> None:
    old = sorted(stored.a_sealed_run(store, NoteAdded(text="x"), run=stored.an_id(OCTOBER + n)) for n in range(3))
    new = stored.a_sealed_run(store)
    digest = an_act(store, old[1])
    before = {run: load_run(store, run, refold=True).record for run in [*old, new]}
    archive(store, *old[:2])
    assert list(run_ids(store)) == [new, *reversed(old)]
    assert list(run_ids(store, newest_first=False)) == [*old, new]
    for run in [*old, new]:
        assert load_run(store, run).record == load_run(store, run, refold=True).record == before[run]
    assert open_run(store, old[0]).path("main.jsonl") is None
    assert [found for found, _ in acts_about(store, old[1])] == [digest]
    assert check_store(store).damage == ()


def test_a_changed_archive_is_found(store: Store) -> None:
    run = stored.a_sealed_run(store, run=stored.an_id(OCTOBER))
    path = archive(store, run)
    data = path.read_bytes()
    at = data.index(b"epoch 1")
    path.write_bytes(data[:at] + b"X" + data[at + 1 :])
    [damage] = check_store(store).damage
    assert damage.where == f"runs/{day_of(run)}/{run}/output.log" and damage.runs == (run,)
    path.write_bytes(b"no archive")
    newer = stored.a_sealed_run(store)
    assert list(run_ids(store)) == [newer]
    assert [damage.where for damage in check_store(store).damage] == ["runs/2026-10.zip"]


def test_a_run_that_is_not_there_is_said_with_a_hint(store: Store) -> None:
    with pytest.raises(UnresolvedError, match="holds no run"):
        load_run(store, stored.an_id())


def test_a_folder_without_a_first_line_is_no_run(store: Store) -> None:
    stored.open_writer(store, run := stored.an_id())
    with pytest.raises(FormatError, match=r"begins with no run\.created"):
        load_run(store, run)


@pytest.mark.scenario("V8")
def test_two_stores_merge_by_copying(store: Store, tmp_path: Path) -> None:
    other = stored.a_store(tmp_path / "other")
    runs = [stored.a_sealed_run(store), stored.a_sealed_run(other)]
    act = an_act(other, runs[1])
    subprocess.run(["cp", "-rn", f"{other.path}/runs", f"{other.path}/acts", store.path], check=False)
    assert sorted(run_ids(store)) == sorted(runs)
    assert [digest for digest, _ in all_acts(store)] == [act]
    assert check_store(store).damage == ()


def test_an_act_is_linked_into_the_runs_folder_and_never_written_twice(store: Store) -> None:
    run = stored.a_sealed_run(store)
    digest = an_act(store, run)
    [path] = store.acts.rglob("*.json")
    [link] = (store.run_folder(run) / "acts").iterdir()
    assert path.stat().st_ino == link.stat().st_ino
    act = acts_about(store, run)[0][1]
    with pytest.raises(FileExistsError):
        write_act(store, act)
    assert acts_about(store, run)[0][0] == digest
    assert load_run(store, run).late == [], "an act is nothing late"


def test_a_copied_run_folder_carries_its_acts(store: Store, tmp_path: Path) -> None:
    run = stored.a_sealed_run(store)
    digest = an_act(store, run)
    other = stored.a_store(tmp_path / "other")
    shutil.copytree(store.run_folder(run), other.run_folder(run))
    assert [found for found, _ in acts_about(other, run)] == [digest]


def test_a_sealed_run_with_a_damaged_record_is_read_from_its_journals(store: Store) -> None:
    run = stored.a_sealed_run(store)
    sound = load_run(store, run)
    (store.run_folder(run) / "record.json").write_bytes(b"{}")
    loaded = load_run(store, run)
    assert loaded.record == sound.record
    assert loaded.faults and "record.json" in loaded.faults[0]
    os.unlink(store.run_folder(run) / "record.json")
    assert load_run(store, run).record == sound.record


def test_a_run_whose_journal_is_damaged_in_an_archive_is_still_found_by_its_name(store: Store) -> None:
    run = stored.an_id(OCTOBER)
    writer = stored.open_writer(store, run)
    writer.append(msgspec.structs.replace(stored.created(run), name="baseline"))
    writer.append(stored.ended())
    writer.close()
    stored.seal(store, run)
    path = archive(store, run)
    data = path.read_bytes()
    at = data.index(b'"run.created"')
    path.write_bytes(data[:at] + b"X" + data[at + 1 :])
    assert name_of(store, run) == "baseline"
    assert resolve_run(store, "baseline") == run
