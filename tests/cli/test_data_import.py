"""Importing: the same version as where it was exported, and nothing at all of a bag that is not sound."""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import bags
import pytest
import stored
from bags import FORMS, contents, data, make_odd
from workplace import Workplace

from whence.digests import digest_of
from whence.store import objects
from whence.store.layout import Store, open_store


@pytest.fixture
def there(tmp_path: Path) -> Workplace:
    """Another machine."""
    return Workplace(tmp_path / "there", tmp_path / "home there")


@pytest.fixture
def cifar(workplace: Workplace) -> Workplace:
    """Where a dataset was made, released twice and exported to `bag`."""
    make_odd(workplace.path / "cifar")
    workplace.write("cifar/large", os.urandom(300_000))
    data(workplace, "create", "cifar", "cifar", "--description", "ten classes")
    workplace.write("cifar/more.csv", "more\n")
    data(workplace, "add", "cifar", "cifar", "--because", "more of it")
    data(workplace, "release", "minor", "cifar")
    data(workplace, "export", "cifar@0.2.0", "bag")
    return workplace


def opened(place: Workplace) -> Store:
    return open_store(place.store)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.scenario("S12")
@pytest.mark.parametrize("form", FORMS)
def test_an_imported_version_is_the_same_one(form: str, cifar: Workplace, there: Workplace) -> None:
    if form != "bag":
        data(cifar, "describe", "cifar", "the ten classes")
        data(cifar, "export", "cifar@0.2.0", form)
    done = data(there, "import", cifar.path / form, "--because", "for the paper")
    assert (done["steps"], done["same_name"], done["heads"]) == (3, [], 1)
    for version in ("cifar@0.2.0", "cifar"):
        page = data(there, "show", version)
        assert [(one["archive"], one["why"]) for one in page["imports"]] == [(form, "for the paper")]
        assert {**page, "imports": []} == data(cifar, "show", version)
    assert f": {form}: for the paper\n" in there.whence("data", "show", "cifar").ok().out
    log, other = (place.whence("data", "log", "cifar", "--json").ok().json_lines() for place in (cifar, there))
    assert [act["archive"] for act in other[-1].pop("acts")] == [form], "who imported what is a fact of the other store"
    log[-1].pop("acts")
    assert other == log
    data(there, "get", "cifar@0.2.0", "got")
    assert contents(there.path / "got") == contents(cifar.path / "cifar")
    assert there.whence("verify").code == 0
    before = tree(there.store)
    again = data(there, "import", cifar.path / form)
    assert (again["steps"], again["objects"]) == (0, 0) and tree(there.store) == before
    data(there, "import", cifar.path / form, "--description", "theirs")
    assert data(there, "show", "cifar")["description"] == "theirs"


def test_what_was_imported_is_exported_as_the_same_archive_and_goes_on(cifar: Workplace, there: Workplace) -> None:
    data(there, "import", cifar.path / "bag")
    data(cifar, "export", "cifar@0.2.0", "bag.tar")
    data(there, "export", "cifar@0.2.0", "bag.tar")
    assert (there.path / "bag.tar").read_bytes() == (cifar.path / "bag.tar").read_bytes()
    there.write("new.csv", "new\n")
    assert data(there, "add", "cifar", "new.csv")["version"] == "0.2.0.post1.dev1"
    assert data(there, "release", "patch", "cifar")["version"] == "0.2.1"
    data(there, "export", "cifar@0.2.1", "later.zip")
    done = data(cifar, "import", there.path / "later.zip")
    assert (done["version"], done["steps"], done["objects"]) == ("0.2.1", 2, 1)
    assert data(cifar, "show", "cifar")["version"] == "0.2.1"
    for place in (cifar, there):
        assert place.whence("verify").code == 0


def test_parts_of_a_version_are_parts_of_it_elsewhere(cifar: Workplace, there: Workplace) -> None:
    cifar.write("study/notes.txt", "notes")
    data(cifar, "create", "study", "study")
    data(cifar, "nest", "study", "cifar@0.2.0", "--as", "raw")
    data(cifar, "export", "study@0.1.0.post1.dev1", "study.tar")
    done = data(there, "import", cifar.path / "study.tar")
    assert (
        data(there, "show", "study@0.1.0.post1.dev1")["parts"][0]["manifest"]
        == data(cifar, "show", "cifar")["manifest"]
    )
    assert done["files"] == data(cifar, "show", "study@0.1.0.post1.dev1")["files"]
    there.write("more.txt", "more")
    assert len(data(there, "add", "study", "more.txt")["parts"]) == 1
    assert there.whence("verify").ok().code == 0


def test_what_a_step_names_beside_its_files_is_carried_and_never_expires(cifar: Workplace, there: Workplace) -> None:
    for number in range(21):
        cifar.write(f"far/{number}.txt", f"file {number}\n")
    far = data(cifar, "create", "far", f"file://{cifar.path}/far")
    listing = far["parameters"]["listing"]
    told = objects.read_object(opened(cifar), listing)
    cifar.write("copy/listing.json", told)
    data(cifar, "create", "copy", "copy")
    refused = cifar.whence("data", "expire", "copy@0.1.0", "--because", "x")
    assert (refused.code, "needed by steps of datasets, which name it" in refused.err) == (1, True)
    cifar.write("copy/more.txt", "what may go")
    data(cifar, "add", "copy", "copy")
    done = data(cifar, "expire", "copy@0.1.0.post1.dev1", "--because", "it has the bytes of a list that a step names")
    assert (done["plan"]["objects"], done["plan"]["versions"][0]["kept"]) == (1, 1)
    assert objects.read_object(opened(cifar), listing) == told
    data(cifar, "subset", "far@0.1.0", "few", "--paths", cifar.write("few.txt", "1.txt\n2.txt\n"))
    data(cifar, "export", "far", "far.tar")
    data(cifar, "export", "few", "few.zip")
    for bag in ("far.tar", "few.zip"):
        data(there, "import", cifar.path / bag)
    assert objects.read_object(opened(there), listing) == told
    assert there.whence("data", "derive", "few", "--check").ok()
    assert there.whence("verify").ok().err == ""
    root = bags.unpacked(cifar.path / "far.tar", cifar.path / "unpacked")
    (root / "whence/objects/stray").write_text("named by no step")
    refused = there.whence("data", "import", bags.sealed(root))
    assert (refused.code, "no step names the object sha256:" in refused.err) == (1, True)


def test_who_imported_and_from_what_stays(cifar: Workplace, there: Workplace) -> None:
    data(there, "import", cifar.path / "bag", "--because", "for the paper")
    (path,) = there.store.glob("datasets/*/acts/*.json")
    act = json.loads(path.read_bytes())
    assert (act["kind"], act["why"], act["body"]["archive"], act["body"]["steps"]) == (
        "import", "for the paper", "bag", 3,
    )  # fmt: skip
    assert next(there.store.glob(f"acts/*/{path.name}")).read_bytes() == path.read_bytes()


def test_a_dataset_that_went_on_apart_has_both(cifar: Workplace, there: Workplace) -> None:
    data(there, "import", cifar.path / "bag")
    for place, name in ((cifar, "a"), (there, "b")):
        place.write(f"{name}.csv", name)
        data(place, "add", "cifar", f"{name}.csv")
    data(there, "export", "cifar@0.2.0.post1.dev1", "apart")
    done = cifar.whence("data", "import", there.path / "apart").ok()
    assert "cifar went on apart here and there" in done.err
    ambiguous = cifar.whence("data", "show", "cifar@0.2.0.post1.dev1")
    assert (ambiguous.code, "is ambiguous" in ambiguous.err) == (3, True)
    assert data(cifar, "show", "cifar@0.2.0")["version"] == "0.2.0"


def test_another_dataset_of_the_same_name_is_said_and_both_are_there(cifar: Workplace, there: Workplace) -> None:
    there.write("other/x.csv", "x")
    other = data(there, "create", "cifar", "other")["id"]
    done = there.whence("data", "import", cifar.path / "bag").ok()
    assert f"another dataset, {other}, is called cifar, too" in done.err
    identifier = data(cifar, "show", "cifar")["id"]
    assert data(there, "show", f"{identifier}@0.2.0")["id"] == data(there, "show", "cifar@0.2.0")["id"] == identifier
    assert there.whence("data", "show", "cifar@0.1.0").code == 3


def test_a_bag_of_somebody_else_becomes_a_dataset(there: Workplace, tmp_path: Path) -> None:
    bag = bags.made(tmp_path / "theirs", **{"a.csv": "a\n", "deep/b%25 c.csv": "b\n"})
    (bag / "bag-info.txt").write_text("External-Description: a survey\n of people\nExternal-Identifier: doi:10.1/x\n")
    bags.sealed(bag)
    refused = there.whence("data", "import", bag)
    assert (refused.code, "none of a whence dataset" in refused.err, "--name" in refused.err) == (2, True, True)
    done = data(there, "import", bags.tarred(bag, tmp_path / "theirs.tar"), "--name", "survey")
    shown = data(there, "show", "survey", "--files")
    assert (done["version"], shown["operation"], shown["description"]) == ("0.1.0", "import", "a survey of people")
    assert shown["parameters"] == {"archive": "theirs.tar", "identifiers": ["doi:10.1/x"]}
    assert [entry["path"] for entry in shown["entries"]] == ["a.csv", "deep/b%25 c.csv"]
    taken = there.whence("data", "import", bag, "--name", "survey")
    assert (taken.code, "there is one already" in taken.err) == (2, True)


def test_an_archive_of_ours_keeps_its_name(cifar: Workplace, there: Workplace) -> None:
    refused = there.whence("data", "import", cifar.path / "bag", "--name", "mine")
    assert (refused.code, "keeps its name" in refused.err) == (2, True)


# Bags that are not sound. Each case changes a sound one.


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `bag` and `bag.zip` in it; tests of a module share it and must not change it."""
    folder = tmp_path_factory.mktemp("sound")
    place = Workplace(folder / "work", folder / "home")
    place.write("cifar/a.csv", "a\n")
    data(place, "create", "cifar", "cifar")
    place.write("cifar/more.csv", "more\n")
    data(place, "add", "cifar", "cifar", "--because", "more of it")
    data(place, "release", "minor", "cifar")
    for form in FORMS:
        data(place, "export", "cifar@0.2.0", form)
    return place.path


@pytest.fixture
def bag(sound: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return bags.copied(sound / "bag", tmp_path / "bag")


def step_of(root: Path, number: int) -> Path:
    needle = b'"number":%d,' % number
    return next(path for path in (root / "whence/steps").iterdir() if needle in path.read_bytes())


def edit(path: Path, before: bytes, after: bytes) -> None:
    assert before in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(before, after))


def edited(name: str, before: bytes, after: bytes) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        edit(root / name, before, after)
        bags.sealed(root)

    return change


def with_file(name: str, *, seal: bool) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / name).write_text("more")
        if seal:
            bags.sealed(root)

    return change


def step_edited(root: Path) -> None:
    edit(step_of(root, 1), b"more of it", b"LESS of it")
    bags.sealed(root)


def step_removed(root: Path) -> None:
    step_of(root, 1).unlink()
    bags.sealed(root)


def last_step_removed(root: Path) -> None:
    step_of(root, 2).unlink()
    bags.sealed(root)


def step_forged(number: int, **fields: object) -> Callable[[Path], None]:
    """A step with other words, whose check is that of its bytes, as have those that follow it."""

    def change(root: Path) -> None:
        steps = [step_of(root, at) for at in range(3)]
        stored.forge(steps[number], **fields)
        for before, after in itertools.pairwise(steps):
            stored.follow(after, before)
        edit_version(root, steps[-1])
        bags.sealed(root)

    return change


def edit_version(root: Path, last: Path) -> None:
    path = root / "whence/version.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "step": digest_of(last.read_bytes())}))


def link_beside(root: Path) -> None:
    (root / "data/more.csv").unlink()
    (root / "data/more.csv").symlink_to("/etc/passwd")


def file_removed(root: Path) -> None:
    (root / "data/more.csv").unlink()


def file_removed_and_sealed(root: Path) -> None:
    (root / "data/more.csv").unlink()
    (root / "bag-info.txt").unlink()
    bags.sealed(root)


def oxum(root: Path) -> None:
    info = root / "bag-info.txt"
    info.write_text("Payload-Oxum: 1.1\n")
    bags.sealed(root)


UNSOUND: dict[str, tuple[Callable[[Path], None], str]] = {
    "a byte of a file": (lambda root: edit(root / "data/more.csv", b"more", b"MORE"), "'data/more.csv' has the sha256"),
    "a file that is gone": (file_removed, "'data/more.csv' is not there, which manifest-sha256.txt names"),
    "a file that the version lacks": (file_removed_and_sealed, "is not in it, which the version has"),
    "a file that no manifest names": (with_file("data/x", seal=False), "'data/x' is in no manifest of the payload"),
    "a file of no version": (with_file("data/x", seal=True), "found a payload of"),
    "a tag file that no manifest names": (with_file("whence/steps/x.json", seal=False), "is in no manifest of the tag"),
    "a step that is none": (with_file("whence/steps/x.json", seal=True), "which does not hold its own check"),
    "a step that was edited": (step_edited, "which does not hold its own check"),
    "a step that is gone": (step_removed, "a step before step 2 of the dataset is missing"),
    "the last step gone": (last_step_removed, "its steps do not end with the one that made cifar@0.2.0"),
    "counts that are none": (step_forged(2, files=999), "step 2: found 999 files of"),
    "a version that goes back": (
        step_forged(1, version="0.0.1.post1.dev1"),
        "step 1: version: found 0.0.1.post1.dev1, expected one that follows 0.1.0",
    ),
    "a birth that is none": (step_forged(0, operation="release"), "step 0: operation: found release, expected create"),
    "another version": (edited("whence/version.json", b"0.2.0", b"0.3.0"), "expected 0.3.0"),
    "another name": (edited("whence/version.json", b'"cifar"', b'"cifer"'), "is of 'cifar', expected 'cifer'"),
    "another manifest": (
        edited("whence/manifest.json", b"more.csv", b"less.csv"),
        "whence/manifest.json: found sha256",
    ),
    "another form": (edited("whence/version.json", b"whence-bag/1", b"whence-bag/2"), "whence-bag/2"),
    "a link that leads out": (link_beside, "'data/more.csv' is a link, expected files and folders only"),
    "a pipe": (lambda root: os.mkfifo(root / "data/pipe"), "'data/pipe' is a pipe"),
    "another sum": (oxum, "expected the Payload-Oxum 1.1"),
    "no declaration": (lambda root: (root / "bagit.txt").unlink(), "is no bag: found no bagit.txt in it"),
    "another version of BagIt": (edited("bagit.txt", b"1.0", b"2.0"), "found BagIt-Version '2.0'"),
    "no manifest": (lambda root: (root / "manifest-sha256.txt").unlink(), "has no manifest of its payload"),
}


def refused(there: Workplace, bag: Path, message: str) -> None:
    """The bag is refused, and neither the store nor anything beside it is changed."""
    stored.a_store(there.store)
    before = kept(there)
    done = there.whence("data", "import", bag)
    assert (done.code, "Traceback" in done.err) == (1, False), done.err
    assert message in done.err, done.err
    assert kept(there) == before


def kept(there: Workplace) -> dict[str, bytes]:
    """Everything near the store but what is derived, and our own key."""
    return {
        name: content
        for name, content in tree(there.path.parent).items()
        if "/cache/" not in name and not name.startswith("home")
    }


@pytest.mark.parametrize("case", UNSOUND)
def test_nothing_is_taken_of_a_bag_that_is_not_sound(case: str, bag: Path, there: Workplace) -> None:
    change, message = UNSOUND[case]
    change(bag)
    refused(there, bag, message)


def tar_with(into: Path, bag: Path, *members: tarfile.TarInfo) -> Path:
    bags.tarred(bag, into)
    with tarfile.open(into, "a") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return into


def member(name: str, kind: bytes = tarfile.REGTYPE, linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    info.size = 1 if kind == tarfile.REGTYPE else 0
    return info


MEMBERS: dict[str, tuple[tarfile.TarInfo, str]] = {
    "a path to above": (member("bag/data/../../../out"), "has the part '..' in it"),
    "an absolute path": (member("/tmp/out"), "is an absolute path"),
    "a symbolic link": (member("bag/data/l", tarfile.SYMTYPE, "/etc/passwd"), "is a link, expected files and folders"),
    "a hard link": (member("bag/data/l", tarfile.LNKTYPE, "bag/data/more.csv"), "is a link, expected files"),
    "a device": (member("bag/data/null", tarfile.CHRTYPE), "is a device, expected files"),
    "a file twice": (member("bag/data/more.csv"), "is there a second time"),
    "a file beside the bag": (member("other/file"), "found 'other/file' beside the bag 'bag/'"),
}


@pytest.mark.parametrize("case", MEMBERS)
def test_nothing_is_taken_of_a_tar_that_leads_elsewhere(case: str, bag: Path, there: Workplace) -> None:
    info, message = MEMBERS[case]
    refused(there, tar_with(bag.parent / "bad.tar", bag, info), message)


def zipped(into: Path, name: str, mode: int, content: str) -> Path:
    with zipfile.ZipFile(into, "a") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content)
    return into


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("bag/../../out", 0o100644, "has the part '..' in it"),
        ("/tmp/out", 0o100644, "is an absolute path"),
        ("bag/data/l", 0o120777, "is a link"),
        ("bag/data/more.csv", 0o100644, "is there a second time"),
    ],
)
def test_nothing_is_taken_of_a_zip_that_leads_elsewhere(
    name: str, mode: int, message: str, sound: Path, tmp_path: Path, there: Workplace
) -> None:
    copy = Path(shutil.copy(sound / "bag.zip", tmp_path))
    refused(there, zipped(copy, name, mode, "/etc/passwd"), message)


@pytest.mark.parametrize("form", FORMS[1:])
def test_an_archive_that_was_cut_is_refused(form: str, sound: Path, tmp_path: Path, there: Workplace) -> None:
    copy = Path(shutil.copy(sound / form, tmp_path))
    os.truncate(copy, copy.stat().st_size * 2 // 3)
    refused(there, copy, str(copy))


def test_what_is_no_archive_at_all_is_refused(there: Workplace, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    refused(there, tmp_path / "text", "is no folder, tar or zip")
    done = there.whence("data", "import", tmp_path / "nowhere")
    assert (done.code, "nowhere: is not there, expected a bag" in done.err) == (3, True)


def test_an_act_that_is_here_with_other_bytes_is_not_believed(cifar: Workplace, there: Workplace) -> None:
    data(there, "import", cifar.path / "bag")
    (step,) = there.store.glob("datasets/*/steps/1/*.json")
    forged = there.home / "forged.py"
    forged.write_text(
        "import sys, msgspec\n"
        "from pathlib import Path\n"
        "from whence.records.act import Act\n"
        "from whence.records.checked import encode_checked\n"
        "path = Path(sys.argv[1])\n"
        "act = msgspec.json.decode(path.read_bytes(), type=Act)\n"
        "path.unlink()\n"
        "path.write_bytes(encode_checked(msgspec.structs.replace(act, why='another')))\n"
    )
    there.python(forged, step).ok()
    done = there.whence("data", "import", cifar.path / "bag")
    assert (done.code, "one of them was made by hand" in done.err) == (1, True)


def test_an_import_brings_back_what_is_missing(cifar: Workplace, there: Workplace) -> None:
    data(there, "import", cifar.path / "bag")
    shutil.rmtree(there.store / "packs")
    assert data(there, "show", "cifar@0.2.0")["here"]["files"] < 10
    assert data(there, "import", cifar.path / "bag")["objects"] > 0
    data(there, "get", "cifar@0.2.0", "got")
    assert contents(there.path / "got") == contents(cifar.path / "cifar")


def test_an_import_verifies_what_is_here_and_puts_right_what_is_damaged(cifar: Workplace, there: Workplace) -> None:
    data(there, "import", cifar.path / "bag")
    for path in [*(there.store / "objects").rglob("*"), *(there.store / "packs").iterdir()]:
        if path.is_file():
            path.chmod(0o600)
            content = bytearray(path.read_bytes())
            content[600 if path.suffix == ".tar" else 0] ^= 1  # Of a pack in the first member, behind its header.
            path.write_bytes(content)
    assert there.whence("data", "verify", "cifar@0.2.0").code == 1
    done = there.whence("data", "import", cifar.path / "bag").ok()
    assert "was damaged: sound bytes took its place" in done.err and "already" not in done.err
    data(there, "get", "cifar@0.2.0", "got")
    assert contents(there.path / "got") == contents(cifar.path / "cifar")
    assert data(there, "import", cifar.path / "bag")["objects"] == 0
