"""Bags that name large files by address (`fetch.txt`): fetched and verified where they are imported, or referred to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import bags
import pytest
import webserver
from bags import data
from webserver import Site
from workplace import Workplace

LARGE = os.urandom(200_000)


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a server on this machine."""
    with webserver.serving() as address:
        Site.files.update({"/large%20file.bin": LARGE, "/small.txt": b"small\n"})
        yield address


@pytest.fixture
def there(tmp_path: Path) -> Workplace:
    """Another machine."""
    return Workplace(tmp_path / "there", tmp_path / "home there")


@pytest.fixture
def atlas(workplace: Workplace, site: str) -> Workplace:
    """Where a dataset of files elsewhere and one that is here was exported to `bag`, the large one by address."""
    addresses = [f"{site}/large%20file.bin", f"{site}/small.txt"]
    data(workplace, "create", "atlas", *addresses, "--reference")
    workplace.write("kept.txt", "kept\n")
    data(workplace, "add", "atlas", "kept.txt")
    data(workplace, "release", "minor", "atlas")
    Site.read.clear()
    done = data(workplace, "export", "atlas@0.2.0", "bag", "--fetch", "100 KiB")
    assert (done["files"], done["listed"], done["fetched"]) == (3, 1, 1)
    assert Site.read == ["/small.txt"], "the large one is asked about, and not read"
    return workplace


@pytest.mark.scenario("S12")
def test_a_large_file_elsewhere_is_named_by_its_address_and_fetched_where_it_is_imported(
    atlas: Workplace, there: Workplace, site: str
) -> None:
    bag = atlas.path / "bag"
    line = f"{site}/large%20file.bin {len(LARGE)} data/large=20file.bin\n".replace("=20", "%20")
    lines = (bag / "fetch.txt").read_text().splitlines(keepends=True)
    assert len(lines) == 1 and lines[0].startswith(line.partition(" data/")[0])
    path = lines[0].rstrip("\n").split(" ", 2)[2]
    assert path in (bag / "manifest-sha256.txt").read_text() and not (bag / path).exists()
    done = data(there, "import", bag)
    assert (done["version"], done["fetched"], done["referred"]) == ("0.2.0", 1, [])
    assert data(there, "show", "atlas")["manifest"] == data(atlas, "show", "atlas")["manifest"]
    Site.files.clear()
    got = data(there, "get", "atlas@0.2.0", "got")
    assert got["files"] == 3 and LARGE in [one.read_bytes() for one in (there.path / "got").iterdir()]
    # What a program for bags does with the line makes the bag complete.
    (bag / path).write_bytes(LARGE)
    assert len(bags.check_bag(bag)) == 3


def test_a_bag_is_kept_by_reference_where_it_should_be_or_nothing_can_be_fetched(
    atlas: Workplace, there: Workplace, site: str
) -> None:
    Site.read.clear()
    done = data(there, "import", atlas.path / "bag", "--reference")
    address = f"{site}/large%20file.bin"
    (referred,) = done["referred"]
    assert (referred["address"], referred["because"], Site.read) == (address, "it was not asked for", [])
    assert data(there, "show", "atlas")["here"]["files"] == 2
    large = Site.files.pop("/large%20file.bin")
    again = there.whence("data", "import", atlas.path / "bag").ok()
    assert f"is only referred to, at {address}: {address}: found nothing" in again.err
    refused = there.whence("data", "get", "atlas@0.2.0", "got")
    assert (refused.code, "was added by reference" in refused.err) == (3, True)
    Site.files["/large%20file.bin"] = large
    data(there, "get", "atlas@0.2.0", "got")
    assert there.whence("verify").code == 0
    assert data(there, "import", atlas.path / "bag")["fetched"] == 1
    assert data(there, "show", "atlas")["here"]["files"] == 3


def test_other_bytes_at_an_address_take_nothing(atlas: Workplace, there: Workplace, site: str) -> None:
    for other, what in ((b"x" * len(LARGE), "has the sha256 "), (LARGE + b"x", "is longer than the 200000 bytes")):
        Site.files["/large%20file.bin"] = other
        refused = there.whence("data", "import", atlas.path / "bag")
        assert (refused.code, f"fetched from {site}/large%20file.bin, {what}" in refused.err) == (1, True)
    assert there.whence("data", "list", "--json").ok().out == ""
    Site.files["/large%20file.bin"] = b"short"
    refused = atlas.whence("data", "export", "atlas@0.2.0", "other", "--fetch", "0")
    assert (refused.code, "found 5 bytes; expected 200000 bytes" in refused.err) == (3, True)
    assert atlas.whence("data", "export", "atlas@0.2.0", "other", "--fetch", "large").code == 2


def foreign(folder: Path, url: str, path: str = "data/far.bin", size: object = len(LARGE)) -> Path:
    """A bag of somebody else, with a file that it names by address."""
    bag = bags.made(folder, **{"a.csv": "a\n"})
    there = folder / "data/far.bin"
    there.write_bytes(LARGE)
    bags.sealed(bag)
    there.unlink()
    manifest = bag / "manifest-sha256.txt"
    manifest.write_text(manifest.read_text().replace("data/far.bin", path))
    (bag / "fetch.txt").write_text(f"{url} {size} {path}\n")
    (bag / "tagmanifest-sha256.txt").unlink()
    return bag


def test_a_bag_of_somebody_else_is_fetched_too_or_referred_to(there: Workplace, site: str, tmp_path: Path) -> None:
    bag = foreign(tmp_path / "theirs", f"{site}/large%20file.bin")
    assert data(there, "import", bag, "--name", "survey")["fetched"] == 1
    assert data(there, "import", bag, "--name", "again")["fetched"] == 0, "the store holds it"
    assert data(there, "show", "survey")["manifest"] == data(there, "show", "again")["manifest"]
    other = Workplace(tmp_path / "other", tmp_path / "home other")
    done = data(other, "import", bag, "--name", "survey", "--reference")
    assert done["manifest"] == data(there, "show", "survey")["manifest"]
    assert data(other, "show", "survey")["here"]["files"] == 1
    data(other, "get", "survey", "got")
    assert (other.path / "got/far.bin").read_bytes() == LARGE


@pytest.mark.scenario("S23")
def test_an_address_that_has_a_secret_in_it_is_in_no_list(workplace: Workplace, site: str) -> None:
    signed = f"{site}/small.txt?X-Amz-Signature={'0a1b' * 16}"
    data(workplace, "create", "signed", signed, "--reference")
    done = data(workplace, "export", "signed", "bag", "--fetch", "0")
    assert (done["listed"], done["fetched"]) == (0, 1)
    assert not any(b"0a1b" * 16 in one.read_bytes() for one in (workplace.path / "bag").rglob("*") if one.is_file())


HOSTILE = {
    "a path out of it": ("https://x.org/a", "data/../../far.bin", "has the part '..' in it"),
    "an absolute path": ("https://x.org/a", "/data/far.bin", "is an absolute path"),
    "a path that is not payload": ("https://x.org/a", "bagit.txt.bin", "is not in data/"),
    "a file of this machine": ("file:///etc/hostname", "data/far.bin", "is at no address of another machine"),
    "a file behind an address": ("simplecache::file:///etc/hostname", "data/far.bin", "is at no address of another"),
}


@pytest.mark.scenario("S12")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_list_is_refused_and_nothing_is_asked(case: str, there: Workplace, tmp_path: Path) -> None:
    url, path, what = HOSTILE[case]
    refused = there.whence("data", "import", foreign(tmp_path / "theirs", url, path), "--name", "survey")
    assert (refused.code, what in refused.err) == (1, True), refused.err
    assert there.whence("data", "list", "--json").ok().out == ""


def test_a_file_in_no_manifest_is_not_fetched(there: Workplace, site: str, tmp_path: Path) -> None:
    bag = foreign(tmp_path / "theirs", f"{site}/large%20file.bin")
    (bag / "fetch.txt").write_text(f"{site}/small.txt 6 data/other.txt\n")
    refused = there.whence("data", "import", bag, "--name", "survey")
    assert (refused.code, "'data/other.txt' is not in manifest-sha256.txt" in refused.err) == (1, True)
    assert Site.read == []
