"""Steps of a dataset: every change is a version, every version has one story, and of two at once one is made."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import stored

from whence.digests import digest_of
from whence.errors import UnresolvedError, UsageError, WhenceError
from whence.records.act import Actor
from whence.records.data import ManifestEntry
from whence.rules.versions import Level
from whence.store.acts import act_files
from whence.store.dataset_changes import addition, removal
from whence.store.dataset_references import find_dataset, find_version
from whence.store.dataset_steps import Said, Taken, change, create, release
from whence.store.datasets import load_history, steps_folder
from whence.store.layout import Store, open_store
from whence.store.manifests import put_manifest, read_manifest
from whence.store.speaker import Speaker

SAID = Said(why="a test")


def speaker(name: str = "Ada") -> Speaker:
    import os
    import time

    return Speaker(by=Actor(name=name, host="lab"), clock=time.time_ns, random=os.urandom)


def entry(path: str, content: str = "x") -> ManifestEntry:
    data = content.encode()
    return ManifestEntry(path=path, kind="file", mode=0o644, size=len(data), digest=digest_of(data))


def made(store: Store, *paths: str, name: str = "cifar") -> Taken:
    return create(store, name, [entry(path) for path in sorted(paths)], SAID, speaker())


def added(store: Store, identifier: str, *paths: str, said: Said = SAID) -> Taken | None:
    return change(store, identifier, "add", addition([entry(path, path) for path in paths]), said, speaker())


def released(store: Store, identifier: str, level: Level = "patch", said: Said = SAID) -> Taken:
    return release(store, identifier, level, said, speaker())


def versions(store: Store, identifier: str) -> list[str]:
    history = load_history(store, identifier)
    assert history is not None
    return [str(one.version) for one in history.versions]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return stored.a_store(tmp_path / ".whence")


def test_a_new_dataset_is_a_release_with_its_producer(store: Store) -> None:
    taken = create(store, "cifar", [entry("a"), entry("b")], Said(description="pictures", run="r1"), speaker())
    assert str(taken.made.version) == "0.1.0"
    assert taken.history.description == "pictures"
    step = taken.made.stated.step
    assert (step.number, step.operation, step.files, step.size, step.producers) == (0, "create", 2, 2, ["r1"])


def test_every_change_is_a_developing_version_and_a_change_of_nothing_is_none(store: Store) -> None:
    identifier = made(store, "a").history.id
    first = added(store, identifier, "b")
    assert first is not None
    assert (first.made.stated.step.added, first.made.stated.step.base) == (1, "0.1.0")
    assert added(store, identifier, "b") is None
    edited = change(store, identifier, "add", addition([entry("a", "other")]), SAID, speaker())
    assert edited is not None
    assert edited.made.stated.step.changed == 1
    gone = change(store, identifier, "remove", removal("cifar", ["b"]), SAID, speaker())
    assert gone is not None
    assert gone.made.stated.step.removed == 1
    assert versions(store, identifier) == ["0.1.0", "0.1.0.post1.dev1", "0.1.0.post1.dev2", "0.1.0.post1.dev3"]


@pytest.mark.scenario("D5", "D6")
def test_a_release_keeps_every_producer_of_what_it_releases_and_the_description_is_replaced(store: Store) -> None:
    identifier = made(store, "a").history.id
    for run, path in (("r1", "b"), (None, "c"), ("r2", "d"), ("r1", "e")):
        added(store, identifier, path, said=Said(run=run, description=f"up to {path}"))
    taken = released(store, identifier, "minor")
    assert str(taken.made.version) == "0.2.0"
    assert taken.made.stated.step.producers == ["r1", "r2"]
    assert taken.history.description == "up to e"
    added(store, identifier, "f", said=Said(run="r3"))
    assert released(store, identifier).made.stated.step.producers == ["r3"]


def test_nothing_to_release_is_an_error_that_says_so(store: Store) -> None:
    identifier = made(store, "a").history.id
    with pytest.raises(UsageError) as refused:
        released(store, identifier)
    assert refused.value.message == "cifar: there is nothing to release: 0.1.0 is the newest version"
    added(store, identifier, "b")
    change(store, identifier, "remove", removal("cifar", ["b"]), SAID, speaker())
    with pytest.raises(UsageError) as refused:
        released(store, identifier)
    assert refused.value.message == "cifar: there is nothing to release: 0.1.0.post1.dev2 has the content of 0.1.0"


def test_a_release_holds_what_it_held_whatever_comes_later(store: Store) -> None:
    identifier = made(store, "a", "b").history.id
    before = read_manifest(store, find_version(store, "cifar@0.1.0").made.manifest)
    added(store, identifier, "a", "c")
    change(store, identifier, "remove", removal("cifar", ["b"]), SAID, speaker())
    released(store, identifier)
    assert read_manifest(store, find_version(store, "cifar@0.1.0").made.manifest) == before
    assert find_version(store, "cifar").made.version == find_version(store, "cifar@0.1.1").made.version


def test_a_reference_without_a_version_is_the_current_release_and_floats(store: Store) -> None:
    identifier = made(store, "a").history.id
    added(store, identifier, "b")
    found = find_version(store, "cifar")
    assert (str(found), found.floating) == ("cifar@0.1.0", True)
    pinned = find_version(store, "cifar@0.1.0.post1.dev1")
    assert (str(pinned), pinned.floating) == ("cifar@0.1.0.post1.dev1", False)
    assert find_version(store, f"{identifier}@0.1.0").made == found.made


def test_a_version_that_is_not_there_is_refused_with_those_that_are(store: Store) -> None:
    made(store, "a")
    with pytest.raises(UnresolvedError) as refused:
        find_version(store, "cifar@2.0.0")
    assert refused.value.message == "dataset cifar: has no version 2.0.0"
    assert refused.value.candidates == ("0.1.0",)
    with pytest.raises(UnresolvedError) as refused:
        find_version(store, "cifra")
    assert refused.value.candidates == ("cifar",)


NAMES = {
    "a path": ("a/b", "found '/' in it"),
    "an at sign": ("a@1", "found '@' in it"),
    "nothing": ("", "found nothing, expected a name"),
    "a dash first": ("-a", "found '-' in it"),
    "a dot first": (".", "found '.' in it"),
    "too much": ("a" * 101, "found 101 characters, expected at most 100"),
    "an identifier": ("019a0000-0000-7000-8000-000000000000", "found an identifier, expected a name"),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_no_reference_could_tell_is_refused(case: str, store: Store) -> None:
    name, fault = NAMES[case]
    with pytest.raises(UsageError) as refused:
        made(store, "a", name=name)
    assert refused.value.message == f"dataset {name!r}: {fault}"
    assert list(act_files(store)) == []


def test_a_name_is_taken_once(store: Store) -> None:
    taken = made(store, "a")
    with pytest.raises(UsageError) as refused:
        made(store, "b")
    assert refused.value.message == f"dataset cifar: there is one already, {taken.history.id}"


BEGIN = """
import os, sys, time
from pathlib import Path
from whence.store.speaker import Speaker
from whence.store.dataset_changes import addition
from whence.store.dataset_steps import Said, change, create, release
from whence.errors import WhenceError
from whence.records.act import Actor
from whence.records.data import ManifestEntry
from whence.store.layout import open_store
store, number = open_store(Path(sys.argv[1])), int(sys.argv[2])
speaker = Speaker(by=Actor(name="Ada", host="lab"), clock=time.time_ns, random=os.urandom)
def entry(path): return ManifestEntry(path=path, kind="file", mode=0o644, size=1, digest="sha256:" + "0" * 64)
print("ready", flush=True)
sys.stdin.readline()
"""


def _together(store: Store, work: str, count: int) -> list[str]:
    """What so many processes print that do the work at the same moment."""
    command = [sys.executable, "-c", BEGIN + work, str(store.path)]
    processes = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    return [process.communicate("go\n")[0].strip() for process in _released(processes)]


def _released(processes: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


CREATE = """
try:
    print(create(store, "cifar", [entry(str(number))], Said(), speaker).history.id)
except WhenceError as error:
    print(error.message)
"""


def test_of_many_that_take_a_name_at_once_one_has_it(store: Store) -> None:
    answers = _together(store, CREATE, 6)
    identifier = find_dataset(store, "cifar").id
    assert answers.count(identifier) == 1
    assert answers.count(f"dataset cifar: there is one already, {identifier}") == 5


ADD = """
for one in range(5):
    change(store, {identifier!r}, "add", addition([entry(f"{{number}}-{{one}}")]), Said(), speaker)
"""


def test_what_many_add_at_once_is_all_there_and_every_step_has_its_number(store: Store) -> None:
    identifier = made(store, "a").history.id
    _together(store, ADD.format(identifier=identifier), 4)
    history = load_history(store, identifier)
    assert history is not None
    paths = {one.path for one in read_manifest(store, history.head.manifest)}
    assert paths == {"a", *(f"{number}-{one}" for number in range(4) for one in range(5))}
    assert str(history.head.version) == "0.1.0.post1.dev20"
    assert len(list(act_files(store))) == 21


RELEASE = """
try:
    level = ("patch", "minor", "major", "patch")[number]
    print(release(store, {identifier!r}, level, Said(), speaker).made.version)
except WhenceError as error:
    print(error.message)
"""


@pytest.mark.scenario("D7")
def test_of_many_that_release_at_once_one_does_and_the_others_are_told(store: Store) -> None:
    identifier = made(store, "a").history.id
    added(store, identifier, "b")
    answers = _together(store, RELEASE.format(identifier=identifier), 4)
    done = [answer for answer in answers if answer in ("0.1.1", "0.2.0", "1.0.0")]
    assert len(done) == 1
    for answer in set(answers) - set(done):
        overtaken = f"cifar: 0.1.0.post1.dev1 was not released: Ada made {done[0]} of it at "
        late = f"cifar: there is nothing to release: {done[0]} is the newest version"
        assert answer.startswith(overtaken) or answer == late
    assert versions(store, identifier) == ["0.1.0", "0.1.0.post1.dev1", *done]


def _merged(first: Store, second: Store) -> None:
    shutil.copytree(second.path, first.path, dirs_exist_ok=True, ignore=_exists(first, second))


def _exists(first: Store, second: Store) -> Callable[[str, list[str]], list[str]]:
    def ignore(folder: str, names: list[str]) -> list[str]:
        below = Path(folder).relative_to(second.path)
        return [name for name in names if (first.path / below / name).is_file()]

    return ignore


def test_stores_that_went_on_apart_and_were_merged_have_both_versions_and_say_what_is_ambiguous(
    store: Store, tmp_path: Path
) -> None:
    identifier = made(store, "a").history.id
    other = open_store(Path(shutil.copytree(store.path, tmp_path / "other", symlinks=True)))
    added(store, identifier, "here")
    added(other, identifier, "there")
    _merged(store, other)
    history = load_history(store, identifier)
    assert history is not None
    assert len(history.heads) == 2
    with pytest.raises(UnresolvedError) as refused:
        find_version(store, "cifar@0.1.0.post1.dev1")
    assert refused.value.message.startswith("cifar@0.1.0.post1.dev1: is ambiguous")
    assert len(refused.value.candidates) == 2
    with pytest.raises(UnresolvedError, match="was changed in two stores that were merged"):
        added(store, identifier, "more")
    assert str(find_version(store, "cifar@0.1.0")) == "cifar@0.1.0"


def test_a_name_that_two_merged_stores_gave_is_ambiguous_where_both_have_the_version(
    store: Store, tmp_path: Path
) -> None:
    made(store, "a")
    other = stored.a_store(tmp_path / "other")
    theirs = made(other, "b").history.id
    added(other, theirs, "c")
    released(other, theirs)
    _merged(store, other)
    with pytest.raises(UnresolvedError) as refused:
        find_version(store, "cifar@0.1.0")
    assert refused.value.message == "cifar@0.1.0: 2 datasets have this name, expected one"
    assert len(refused.value.candidates) == 2
    assert find_version(store, "cifar@0.1.1").history.id == theirs
    assert find_version(store, f"{theirs}@0.1.0").history.id == theirs


def test_a_step_that_was_edited_does_not_count_and_is_named(store: Store) -> None:
    identifier = made(store, "a").history.id
    added(store, identifier, "b")
    (step,) = (steps_folder(store, identifier) / "1").iterdir()
    step.write_bytes(step.read_bytes().replace(b'"why":"a test"', b'"why":"a lie!"'))
    faults: list[str] = []
    history = load_history(store, identifier, faults)
    assert history is not None
    assert [str(one.version) for one in history.versions] == ["0.1.0"]
    assert len(faults) == 1
    assert "which does not hold its own check" in faults[0]
    with pytest.raises(WhenceError, match="does not hold its own check"):
        added(store, identifier, "c")


def test_what_no_version_can_have_is_refused_and_taken_out_where_one_has_it(store: Store) -> None:
    found = made(store, "a")
    (step,) = (steps_folder(store, found.history.id) / "0").iterdir()
    bad = [ManifestEntry(path=".whence/a", kind="file", mode=0o644, size=1, digest=digest_of(b"a"))]
    stored.forge(step, manifest=put_manifest(store, bad))
    with pytest.raises(UsageError, match="lies in a store"):
        added(store, found.history.id, "b")
    done = change(store, found.history.id, "remove", removal("cifar", [".whence"]), SAID, speaker())
    assert done is not None and done.made.stated.step.removed == 1
    assert read_manifest(store, done.made.manifest) == []


def test_a_dataset_whose_maker_was_cut_off_after_it_took_the_name_is_whole(store: Store) -> None:
    identifier = made(store, "a").history.id
    shutil.rmtree(store.datasets / identifier)
    assert [str(one.version) for one in find_dataset(store, "cifar").versions] == ["0.1.0"]
    assert added(store, identifier, "b") is not None
    assert versions(store, identifier) == ["0.1.0", "0.1.0.post1.dev1"]
