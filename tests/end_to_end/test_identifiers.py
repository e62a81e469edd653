"""What the world outside calls an input: stated, or found beside it, and held against its bytes."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from workplace import Workplace

CONTENT = "a,b\n1,2\n"
SHA256 = hashlib.sha256(CONTENT.encode()).hexdigest()
MD5 = hashlib.md5(CONTENT.encode(), usedforsecurity=False).hexdigest()


def inputs(record: dict[str, Any]) -> list[tuple[str, dict[str, Any] | None]]:
    return [(item["path"], item["identifier"]) for item in record["inputs"]]


def called(scheme: str, value: str, *, checked: bool) -> dict[str, Any]:
    return {"scheme": scheme, "value": value, "checked": checked}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("doi:10.5281/zenodo.1", called("doi", "10.5281/zenodo.1", checked=False)),
        ("hf://datasets/org/set@main/a.csv", called("hf", "datasets/org/set@main/a.csv", checked=False)),
        ("s3://bucket/a.csv?versionId=V1", called("s3-version", "V1", checked=False)),
        (f"https://example.org/a.csv#sha256={SHA256}", called("sha256", SHA256, checked=True)),
        (f"https://example.org/a.csv#md5={MD5}", called("md5", MD5, checked=True)),
        (f"https://example.org/a.csv#md5={MD5[::-1]}", called("md5", MD5[::-1], checked=False)),
    ],
)
def test_a_copy_carries_the_identifier_that_is_stated_for_it(
    workplace: Workplace, stated: str, expected: dict[str, Any]
) -> None:
    workplace.write("data/a.csv", CONTENT)
    record = workplace.record("cat", "data/a.csv", options=("--input", f"{stated}=data/a.csv"))
    assert inputs(record) == [("data/a.csv", expected)]
    (item,) = record["inputs"]
    assert (item["digest"], item["location"]["mount"] is not None) == (f"sha256:{SHA256}", True)
    shown = workplace.whence("show", "@").ok().out
    assert f"{expected['scheme']}:{expected['value']}" in shown
    assert ("(not checked)" in shown) is not expected["checked"]


def test_a_secret_in_the_address_of_a_copy_is_masked(workplace: Workplace) -> None:
    workplace.write("a.csv", CONTENT)
    record = workplace.record("true", options=("--input", "https://user:hunter2hunter2@example.org/a.csv=a.csv"))
    assert record["inputs"][0]["identifier"]["scheme"] == "url"
    assert not [
        path for path in workplace.store.rglob("*") if path.is_file() and b"hunter2hunter2" in path.read_bytes()
    ]


@pytest.mark.parametrize("options", [("--input", "data/a.csv"), ()], ids=["declared", "observed"])
def test_what_dvc_tracks_has_its_name_there_and_whether_it_is_that(
    workplace: Workplace, options: tuple[str, ...]
) -> None:
    workplace.write("data/a.csv", CONTENT)
    workplace.write("data/a.csv.dvc", f"outs:\n- md5: {MD5}\n  size: 8\n  hash: md5\n  path: a.csv\n")
    record = workplace.record("cat", "data/a.csv", options=options)
    assert ("data/a.csv", called("dvc-md5", MD5, checked=True)) in inputs(record)
    workplace.write("data/a.csv", CONTENT + "3,4\n")
    record = workplace.record("cat", "data/a.csv", options=options)
    assert ("data/a.csv", called("dvc-md5", MD5, checked=False)) in inputs(record)


def test_a_pointer_of_git_lfs_is_told_from_the_data(workplace: Workplace) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize 8\n"
    workplace.write("a.csv", pointer)
    record = workplace.record("cat", "a.csv", options=("--input", "a.csv"))
    assert inputs(record) == [("a.csv", called("git-lfs", f"sha256:{SHA256}", checked=False))]


def test_a_file_of_git_lfs_is_found_in_its_store(workplace: Workplace) -> None:
    workplace.repository(**{"a.csv": CONTENT})
    workplace.write(f".git/lfs/objects/{SHA256[:2]}/{SHA256[2:4]}/{SHA256}", CONTENT)
    record = workplace.record("cat", "a.csv", options=("--input", "a.csv"))
    assert inputs(record) == [("a.csv", called("git-lfs", f"sha256:{SHA256}", checked=True))]


@pytest.mark.parametrize("declared", [True, False])
def test_what_lies_in_the_cache_of_the_hub_has_repository_revision_and_file(
    workplace: Workplace, declared: bool
) -> None:
    revision, repository = "0123456789" * 4, "hub/datasets--org--some-set"
    blob = workplace.write(f"{repository}/blobs/{SHA256}", CONTENT)
    link = workplace.path / repository / "snapshots" / revision / "data" / "a.csv"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    path = str(link.relative_to(workplace.path))
    record = workplace.record("cat", path, options=("--input", path) if declared else ())
    assert inputs(record) == [(path, called("hf", f"datasets/org/some-set@{revision}/data/a.csv", checked=True))]


def test_an_address_without_a_copy_keeps_the_version_that_it_names(workplace: Workplace) -> None:
    options = [
        word
        for url in ("s3://bucket/a?versionId=V1", "gs://bucket/a#17", "hf://org/m@v1/w.bin")
        for word in ("--input", url)
    ]
    found = {path.partition(":")[0]: name for path, name in inputs(workplace.record("true", options=options))}
    assert found == {
        "s3": called("s3-version", "V1", checked=False),
        "gs": called("gs-generation", "17", checked=False),
        "hf": called("hf", "org/m@v1/w.bin", checked=False),
    }
