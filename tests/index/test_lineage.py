"""Who made it, who used it, what is in it: lineage as the index tells it."""

from __future__ import annotations

import time

import msgspec
import pytest
import stored

from whence.digests import digest_of
from whence.index.interface import Index
from whence.records.act import Act, Actor, Subject
from whence.records.data import Artifact, Input, ManifestEntry
from whence.records.dataset import Step
from whence.records.encoding import timestamp
from whence.records.events import ArtifactProduced, InputDeclared, RunStarted
from whence.rules.manifests import encode_manifest
from whence.store.acts import write_act
from whence.store.layout import Store
from whence.store.objects import put_bytes
from whence.system.processes import identity

RAW, MODEL, REPORT = (digest_of(text) for text in (b"raw", b"model", b"report"))


def a_run(store: Store, *events: InputDeclared | ArtifactProduced, seal: bool = True, **said: str | None) -> str:
    run = stored.an_id()
    writer = stored.open_writer(store, run)
    created = stored.created(run)
    writer.append(msgspec.structs.replace(created, cwd="/home/ada/p", **said))
    writer.append(RunStarted(process=identity()))
    for event in events:
        writer.append(event)
    if seal:
        writer.append(stored.ended())
        writer.close()
        stored.seal(store, run)
    else:
        writer.close()
    return run


def read(path: str, digest: str) -> InputDeclared:
    return InputDeclared(input=Input(name=path, path=path, kind="file", digest=digest))


def wrote(path: str, digest: str) -> ArtifactProduced:
    return ArtifactProduced(artifact=Artifact(name=path, path=path, digest=digest, kind="model"))


def test_content_leads_to_who_made_and_who_used_it_newest_first(store: Store, index: Index) -> None:
    first = a_run(store, read("raw.csv", RAW), wrote("model.pt", MODEL))
    again = a_run(store, read("raw.csv", RAW), wrote("model.pt", MODEL))
    last = a_run(store, read("../p/model.pt", MODEL), wrote("report.html", REPORT))
    index.feed()
    assert [made.run for made in index.producers(MODEL)] == [again, first]
    assert [used.run for used in index.consumers(MODEL)] == [last]
    assert [(used.path, used.place) for used in index.inputs(last)] == [("../p/model.pt", "/home/ada/p/model.pt")]
    assert [made.digest for made in index.outputs(last)] == [REPORT]
    assert index.producers(RAW) == []
    assert index.consumers(digest_of(b"never seen")) == []


def test_a_path_leads_to_all_that_was_ever_recorded_there(store: Store, index: Index) -> None:
    corrected = digest_of(b"corrected")
    runs = [a_run(store, read("raw.csv", RAW)), a_run(store, read("/home/ada/p/raw.csv", corrected))]
    index.feed()
    assert [(item.run, item.digest) for item in index.by_path("/home/ada/p/raw.csv")] == [
        (runs[1], corrected),
        (runs[0], RAW),
    ]
    assert index.by_path("/home/ada/raw.csv") == []


@pytest.fixture
def folder(store: Store) -> str:
    link = ManifestEntry(path="b", kind="link", mode=0o777, size=2, digest=MODEL)
    return put_bytes(store, encode_manifest([link, file("sub/a.csv", 3, RAW)]))


def file(path: str, size: int, digest: str) -> ManifestEntry:
    return ManifestEntry(path=path, kind="file", mode=0o644, size=size, digest=digest)


def test_a_member_leads_to_its_folder_and_a_path_to_the_folders_above(store: Store, index: Index, folder: str) -> None:
    given = Input(name="data", path="data", kind="folder", digest=folder)
    run = a_run(store, InputDeclared(input=given))
    index.feed()
    assert [(member.folder, member.path, member.size) for member in index.folders_of(RAW)] == [(folder, "sub/a.csv", 3)]
    assert index.folders_of(MODEL) == [], "a link is no file"
    assert index.members(folder) == index.folders_of(RAW) == index.members_at("sub/a.csv")
    assert [item.run for item in index.by_path("/home/ada/p/data/sub/a.csv")] == [run]


def test_a_manifest_that_was_not_there_is_known_when_it_comes(store: Store, index: Index, folder: str) -> None:
    elsewhere = encode_manifest([file("x", 1, REPORT)])
    a_run(store, InputDeclared(input=Input(name="d", path="d", kind="folder", digest=digest_of(elsewhere))))
    index.feed()
    assert index.members(digest_of(elsewhere)) is None
    put_bytes(store, elsewhere)
    index.feed()
    assert [member.path for member in index.folders_of(REPORT)] == ["x"]


def test_a_dataset_version_is_known_by_its_act(store: Store, index: Index, folder: str) -> None:
    step = Step(number=0, operation="create", name="cifar", version="0.1.0", manifest=folder, files=1, size=3)
    act = Act(
        id=stored.an_id(),
        kind="dataset",
        at=timestamp(time.time_ns()),
        subject=Subject(dataset=(dataset := stored.an_id())),
        by=Actor(user="ada"),
        body=msgspec.to_builtins(step),
    )
    write_act(store, act)
    index.feed()
    [version] = index.versions(dataset="cifar")
    assert (version.dataset_id, version.version, version.manifest) == (dataset, "0.1.0", folder)
    assert index.versions(manifest=folder) == index.versions(dataset=dataset) == [version]
    assert [member.folder for member in index.folders_of(RAW)] == [folder]


def test_parents_and_reruns_are_two_kinds_of_kin(store: Store, index: Index) -> None:
    parent = a_run(store, name="sweep")
    child = a_run(store, parent=parent)
    rerun = a_run(store, rerun_of=parent, relation="rerun")
    index.feed()
    assert [kin.run for kin in index.children(parent)] == [child]
    assert [(kin.run, kin.relation) for kin in index.reruns(parent)] == [(rerun, "rerun")]
    kin = index.kin(child)
    assert kin is not None and (kin.parent, kin.rerun_of, kin.status) == (parent, None, "succeeded")
    assert index.kin(stored.an_id()) is None


def test_a_run_that_goes_on_is_read_each_time(store: Store, index: Index) -> None:
    run = a_run(store, read("raw.csv", RAW), seal=False)
    index.feed()
    assert [used.run for used in index.consumers(RAW)] == [run]
    continued = stored.JournalWriter.create(store.run_folder(run), "rank-1", time.time_ns)
    continued.append(wrote("model.pt", MODEL))
    continued.close()
    index.feed()
    assert [made.run for made in index.producers(MODEL)] == [run]
