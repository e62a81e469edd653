"""A check names exactly what is damaged and who depends on it; a sound store has no findings."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest
import stored

from whence.digests import digest_of
from whence.ids import day_of
from whence.records.act import Act, Actor, Subject
from whence.records.data import Artifact
from whence.records.encoding import timestamp
from whence.records.events import ArtifactProduced, NoteAdded, RunStarted
from whence.store.acts import acts_about, write_act
from whence.store.check import Report, check_store
from whence.store.layout import Store
from whence.store.objects import object_path, put_bytes
from whence.store.runs import load_run
from whence.system.git import StoreGit
from whence.system.processes import identity


def produced(store: Store, name: str, data: bytes) -> ArtifactProduced:
    return ArtifactProduced(
        artifact=Artifact(name=name, path=name, digest=put_bytes(store, data), size=len(data), kept=True)
    )


def act(store: Store, run: str, text: str) -> str:
    return write_act(
        store,
        Act(
            id=stored.an_id(),
            kind="note",
            at=timestamp(time.time_ns()),
            subject=Subject(run=run, seal=load_run(store, run).seal_digest),
            by=Actor(user="ada"),
            prior=[digest for digest, _ in acts_about(store, run)],
            body={"text": text},
        ),
    )


def flip(path: Path, at: int) -> bytes:
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    return data


def files(report: Report) -> list[str]:
    return [damage.where.partition(":")[0] for damage in report.damage]


@pytest.mark.scenario("L4")
def test_a_sound_store_has_no_findings(store: Store) -> None:
    run = stored.a_sealed_run(store, produced(store, "model.pt", b"weights"))
    act(store, run, "first")
    act(store, run, "second")
    assert check_store(store) == Report(damage=(), late=(), notes=(), runs=1, objects=1, acts=2)


@pytest.mark.scenario("L5", "L6")
@pytest.mark.slow
def test_one_flipped_bit_anywhere_names_exactly_that_file(store: Store) -> None:
    run = stored.a_sealed_run(store, NoteAdded(text="a"), produced(store, "model.pt", b"weights"))
    act(store, run, "first")
    act(store, run, "second")
    folder = store.run_folder(run)
    held = [p for p in folder.iterdir() if p.is_file()] + list(store.acts.rglob("*.json"))
    held += [p for p in store.objects.rglob("*") if p.is_file()]
    chance = random.Random(7)
    for path in held:
        size = path.stat().st_size
        places = {*chance.sample(range(size), min(size, 60)), 0, size - 1}
        for at in sorted(places):
            whole = flip(path, at)
            report = check_store(store)
            assert files(report) == [str(path.relative_to(store.path))], (path, at, report.damage)
            assert report.damage[0].runs == (run,) or path.parent.parent == store.acts, (path, at)
            path.write_bytes(whole)
    assert check_store(store).damage == ()


def test_the_changed_line_of_a_journal_is_named(store: Store) -> None:
    run = stored.a_sealed_run(store)
    path = store.run_folder(run) / "main.jsonl"
    whole = path.read_bytes()
    starts = [0, *(at + 1 for at, byte in enumerate(whole) if byte == 10)][:-1]
    for number, start in enumerate(starts, 1):
        for offset in (30, 120 if number > 1 else 40):
            flip(path, start + offset)
            where = check_store(store).damage[0].where
            assert where == f"runs/{path.parent.parent.name}/{run}/main.jsonl:{number}"
            path.write_bytes(whole)


@pytest.mark.scenario("L4")
def test_k_faults_are_k_findings(store: Store) -> None:
    runs = [stored.a_sealed_run(store, produced(store, "m", b"%d" % n)) for n in range(4)]
    shared = produced(store, "shared", b"shared")
    both = [stored.a_sealed_run(store, shared), stored.a_sealed_run(store, shared)]
    flip(store.run_folder(runs[0]) / "main.points.jsonl", 3)
    (store.run_folder(runs[1]) / "output.log").unlink()
    (store.run_folder(runs[2]) / "output.log").write_bytes(b"epoch")
    object_path(store, digest_of(b"3")).unlink()
    flip(object_path(store, digest_of(b"shared")), 0)
    (store.code_git / "HEAD").unlink()
    report = check_store(store, environ=os.environ)
    assert len(report.damage) == 6
    assert {damage.runs for damage in report.damage} == {
        *((run,) for run in runs), tuple(sorted(both)), (),
    }  # fmt: skip


def test_what_came_after_the_seal_is_late_and_no_damage(store: Store) -> None:
    run = stored.a_sealed_run(store)
    folder = store.run_folder(run)
    with (folder / "main.points.jsonl").open("ab") as stream:
        stream.write(b'[9,1.0,{"loss":7}]\n')
    (folder / "rank-1.jsonl").write_bytes(b"")
    report = check_store(store)
    assert report.damage == ()
    where = f"runs/{folder.parent.name}/{run}"
    assert report.late == (f"{where}/main.points.jsonl: 19 bytes", f"{where}/rank-1.jsonl")
    assert load_run(store, run, refold=True).record.metrics["loss"].count == 2


def test_a_torn_tail_and_a_run_that_never_came_to_be_are_notes(store: Store) -> None:
    run = stored.an_id()
    writer = stored.open_writer(store, run)
    writer.append(stored.created(run))
    with writer.path.open("ab") as stream:
        stream.write(b'{"v":1,')
    stored.open_writer(store, empty := stored.an_id())
    report = check_store(store)
    assert report.damage == ()
    assert sorted(note.partition(": ")[2] for note in report.notes) == [
        "a run that never came to be: its writer died, or had no room, before the first line",
        "a torn tail of 7 bytes",
        "no seal yet",
    ]
    assert empty in "".join(report.notes)


def test_an_edited_line_of_a_running_journal_is_named(store: Store) -> None:
    run = stored.an_id()
    writer = stored.open_writer(store, run)
    for event in (stored.created(run), RunStarted(process=identity()), NoteAdded(text="x"), NoteAdded(text="y")):
        writer.append(event)
    writer.path.write_bytes(writer.path.read_bytes().replace(b'"text":"x"', b'"text":"z"'))
    assert [damage.where for damage in check_store(store).damage] == [
        f"runs/{writer.path.parent.parent.name}/{run}/main.jsonl:3"
    ]


def test_a_removed_act_and_a_replaced_seal_are_found(store: Store) -> None:
    run = stored.a_sealed_run(store)
    first = act(store, run, "first")
    act(store, run, "second")
    path = min(store.acts.rglob("*.json"))
    data = path.read_bytes()
    path.unlink()
    (store.run_folder(run) / "acts" / path.name).unlink()
    [found] = check_store(store).damage
    assert first in found.what and "removed" in found.what
    path.write_bytes(data)
    folder = store.run_folder(run)
    (folder / "seal.json").unlink()
    stored.seal(store, run)
    assert set(files(check_store(store))) == {f"runs/{folder.parent.name}/{run}/seal.json"}


def test_only_the_runs_that_were_asked_for_are_checked(store: Store) -> None:
    runs = [stored.a_sealed_run(store) for _ in range(2)]
    flip(store.run_folder(runs[0]) / "output.log", 0)
    assert check_store(store, [runs[1]]).damage == ()
    assert len(check_store(store, [runs[0]]).damage) == 1


def test_a_torn_line_before_the_seal_is_not_late(store: Store) -> None:
    run = stored.an_id()
    stored.a_sealed_run(store, run=run)
    folder = store.run_folder(run)
    for name in ("seal.json", "record.json"):
        (folder / name).unlink()
    with (folder / "main.points.jsonl").open("ab") as stream:
        stream.write(b"[9,1.")
    stored.seal(store, run)
    report = check_store(store)
    assert (report.damage, report.late) == ((), ())
    assert report.notes == (f"runs/{folder.parent.name}/{run}/main.points.jsonl: a torn tail of 5 bytes",)


@pytest.mark.parametrize("beside", ["record.json", "output.log", "main.points.jsonl"])
def test_a_journal_without_a_line_is_damage_where_something_was_written_after_it(store: Store, beside: str) -> None:
    stored.open_writer(store, run := stored.an_id()).close()
    (store.run_folder(run) / beside).write_bytes(b"x\n")
    [damage] = check_store(store).damage
    assert damage.what == f"found no whole line, expected run.created: {beside} beside it were written after it"


@pytest.mark.parametrize("name", ["main.jsonl", "output.log", "seal.json"])
def test_a_pipe_in_the_place_of_a_file_is_named_and_not_waited_for(store: Store, name: str) -> None:
    run = stored.a_sealed_run(store)
    (store.run_folder(run) / name).unlink()
    os.mkfifo(store.run_folder(run) / name)
    [damage] = check_store(store).damage
    assert damage.runs == (run,) and "it is a pipe, not a regular file" in damage.what


def test_a_run_that_was_removed_though_its_snapshot_is_kept_is_named(store: Store) -> None:
    old = stored.an_id(time.time() - 3600)
    young = stored.an_id()
    git = StoreGit(store.code_git, os.environ)
    tree = git.answer("hash-object", "-t", "tree", "-w", "--stdin", stdin=b"").decode().strip()
    author = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a"}
    words = ("git", "--git-dir", str(store.code_git), "commit-tree", tree, "-m", "x")
    commit = subprocess.run(words, env=os.environ | author, capture_output=True, text=True, check=True).stdout.strip()
    for run in (old, young):
        git.answer("update-ref", f"refs/whence/{run}", commit)
    [damage] = check_store(store, environ=os.environ).damage
    assert (damage.where, damage.runs) == (f"runs/{day_of(old)}/{old}", (old,))
    assert damage.what.startswith(f"not there, though code.git keeps its snapshot (refs/whence/{old})")
    assert check_store(store, [], environ=os.environ).damage == ()


COPIES = {
    "cut": lambda data: data[:60],
    "emptied": lambda data: b"",
    "longer": lambda data: data + b"\n",
}


@pytest.mark.scenario("L4")
@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_an_act_that_is_not_whole_is_named(how: str, store: Store) -> None:
    run = stored.a_sealed_run(store)
    act(store, run, "first")
    (copy,) = (store.run_folder(run) / "acts").iterdir()
    data = copy.read_bytes()
    copy.unlink()
    copy.write_bytes(COPIES[how](data))
    (damage,) = check_store(store).damage
    assert (damage.where, damage.runs) == (str(copy.relative_to(store.path)), (run,))
    assert damage.what == f"found {digest_of(copy.read_bytes())}, expected {digest_of(data)}, as it is in acts/"


def test_an_act_that_lies_in_one_place_only_counts_and_is_noted(store: Store) -> None:
    run = stored.a_sealed_run(store)
    first = act(store, run, "first")
    act(store, run, "second")
    path, other = sorted(store.acts.rglob("*.json"))
    copies = store.run_folder(run) / "acts"
    path.unlink()
    (copies / other.name).unlink()
    report = check_store(store)
    assert report.damage == ()
    where = (copies / path.name).relative_to(store.path)
    assert report.notes == (
        f"{other.relative_to(store.path)}: has no copy in the folder of its run, which carries none when it is copied",
        f"{where}: is not in acts/: it came with the folder, or was removed there; it counts",
    )
    assert acts_about(store, run)[0][0] == first


@pytest.mark.parametrize("how", ["changed", "of another version", "added"])
def test_the_line_of_a_running_journal_is_the_one_that_the_text_speaks_of(how: str, store: Store) -> None:
    run = stored.an_id()
    writer = stored.open_writer(store, run)
    for event in (stored.created(run), RunStarted(process=identity()), NoteAdded(text="a"), NoteAdded(text="b")):
        writer.append(event)
    lines = writer.path.read_bytes().splitlines(keepends=True)
    expected = 3, "found version 2, expected 1: written by a newer whence"
    if how == "changed":
        lines[2] = lines[2].replace(b'"a"', b'"c"')
        expected = 3, "found other bytes than the line after it names in `prev`"
    elif how == "of another version":
        lines[2] = lines[2].replace(b'"v":1', b'"v":2')
    else:
        lines.append(lines[3].replace(b'"v":1', b'"v":2').replace(b'"seq":3', b'"seq":4'))
        expected = 5, expected[1]
    writer.path.write_bytes(b"".join(lines))
    (damage,) = check_store(store).damage
    assert (damage.where.partition("main.jsonl:")[2], damage.what) == (str(expected[0]), expected[1])
