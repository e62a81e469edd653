"""Every byte of a version is read again, and what is damaged is named with the versions and runs that need it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import stored
from bags import data
from workplace import Workplace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """`cifar` of two releases, small files in a pack and a large one that only 0.2.0 has; a run that pinned that."""
    folder = tmp_path_factory.mktemp("made")
    place = Workplace(folder / "work", folder / "home")
    for number in range(12):
        place.write(f"cifar/{number}.png", f"picture {number}\n")
    data(place, "create", "cifar", "cifar")
    place.write("cifar/large.bin", b"large" * 100_000)
    data(place, "add", "cifar", "cifar")
    data(place, "release", "minor", "cifar")
    place.record("true", options=("--data", "cifar@0.2.0"))
    return place


@pytest.fixture
def cifar(made: Workplace, tmp_path: Path) -> Workplace:
    """A copy of it."""
    shutil.copytree(made.path, tmp_path / "work", symlinks=True)
    return Workplace(tmp_path / "work", tmp_path / "home")


def verify(place: Workplace, *words: str) -> tuple[int, Any]:
    done = place.whence("data", "verify", *words, "--json")
    return done.code, done.json()


def change(path: Path, before: bytes, after: bytes) -> None:
    path.chmod(0o644)
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))


def test_what_is_sound_is_said_with_how_much_was_read(cifar: Workplace) -> None:
    code, found = verify(cifar)
    assert (code, found["sound"], found["versions"], found["objects"]) == (0, True, 3, 15)
    assert verify(cifar, "cifar@0.1.0")[1]["objects"] == 13
    assert cifar.whence("data", "verify", "cifar").out == "3 versions, 15 objects: sound\n"


def test_an_object_whose_header_in_its_pack_was_changed_is_named_and_is_kept_anew_where_it_is_added(
    cifar: Workplace,
) -> None:
    (pack,) = cifar.store.glob("packs/*.tar")
    digest = hashlib.sha256(b"picture 3\n").hexdigest()
    change(pack, f"sha256/{digest[:2]}/{digest[2:]}".encode(), f"sha256/{digest[:2]}/Z{digest[3:]}".encode())
    got = cifar.whence("data", "get", "cifar@0.2.0", "before")
    assert got.code == 4 and "'3.png' is damaged" in got.err and pack.name in got.err
    shutil.copytree(cifar.path / "cifar", cifar.path / "copy")
    data(cifar, "create", "again", "copy")
    data(cifar, "get", "again", "after")
    assert (cifar.path / "after/3.png").read_text() == "picture 3\n"


def test_a_damaged_manifest_is_put_right_by_the_folder_that_it_is_of(cifar: Workplace) -> None:
    (cifar.path / "cifar" / "large.bin").unlink()
    manifest = data(cifar, "show", "cifar@0.1.0")["manifest"].removeprefix("sha256:")
    change(cifar.store / "objects/sha256" / manifest[:2] / manifest[2:], b"3.png", b"4.png")
    assert cifar.whence("data", "get", "cifar@0.1.0", "before").code == 4
    shutil.copytree(cifar.path / "cifar", cifar.path / "copy")
    data(cifar, "create", "again", "copy")
    data(cifar, "get", "cifar@0.1.0", "after")
    assert verify(cifar)[0] == 0


@pytest.mark.scenario("D12")
def test_a_damaged_object_is_named_with_the_versions_and_runs_that_need_it(cifar: Workplace) -> None:
    (large,) = [path for path in cifar.store.glob("objects/sha256/*/*") if path.stat().st_size == 500_000]
    change(large, b"large", b"LARGE")
    assert verify(cifar, "cifar@0.1.0")[0] == 0, "it does not need that"
    code, found = verify(cifar, "cifar")
    (damage,) = found["damage"]
    assert (code, damage["versions"]) == (1, ["cifar@0.1.0.post1.dev1", "cifar@0.2.0"])
    assert damage["where"] == str(large.relative_to(cifar.store))
    assert damage["runs"] == [cifar.show()["id"]]


def test_a_damaged_byte_in_a_pack_is_found(cifar: Workplace) -> None:
    (pack,) = cifar.store.glob("packs/*.tar")
    change(pack, b"picture 7", b"picture X")
    code, found = verify(cifar, "cifar@0.1.0")
    (damage,) = found["damage"]
    assert (code, damage["versions"]) == (1, ["cifar@0.1.0"]) and pack.name in damage["where"]


@pytest.mark.scenario("D12")
def test_a_step_that_was_edited_is_found(cifar: Workplace) -> None:
    (step,) = cifar.store.glob("datasets/*/steps/1/*.json")
    change(step, b'"files":13', b'"files":14')
    code, found = verify(cifar, "cifar")
    assert code == 1 and "which does not hold its own check" in found["damage"][0]["what"]


@pytest.mark.scenario("D12")
def test_a_forged_release_contradicts_what_it_releases_and_the_run_that_pinned_it(cifar: Workplace) -> None:
    before, release = (next(cifar.store.glob(f"datasets/*/steps/{number}/*.json")) for number in (0, 2))
    first = json.loads(before.read_bytes())["body"]
    stored.forge(release, **{field: first[field] for field in ("manifest", "files", "size")})
    run = cifar.show()["id"]
    for words in (("verify",), ("data", "verify", "cifar")):
        found = cifar.whence(*words, "--json").json()["damage"]
        assert any(f"manifest: found {first['manifest']}, expected" in one["what"] for one in found)
        assert any(f"but run {run} pinned cifar@0.2.0 of sha256:" in one["what"] for one in found)


@pytest.mark.scenario("D12")
def test_bytes_that_are_lost_are_damage_and_not_a_note(cifar: Workplace) -> None:
    (pack,) = cifar.store.glob("packs/*.tar")
    pack.unlink()
    code, found = verify(cifar, "cifar@0.1.0")
    (damage,) = found["damage"]
    assert (code, damage["versions"]) == (1, ["cifar@0.1.0"])
    assert damage["what"].startswith("0.png and 11 more files are not there (")
    assert cifar.whence("verify").code == 1


def test_what_is_not_there_is_refused(cifar: Workplace) -> None:
    assert cifar.whence("data", "verify", "cifer").code == 3
    assert cifar.whence("data", "verify", "cifar@9.0.0").code == 3
