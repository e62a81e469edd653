"""A step that was made by hand, with a check of its own, shows by what it contradicts."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from whence.records.act import Actor
from whence.records.data import ManifestEntry
from whence.records.dataset import Step
from whence.rules.chains import counts_fault, step_faults
from whence.rules.history import Stated


def step(number: int, operation: Any, version: str, manifest: str, **more: Any) -> Step:
    fields: dict[str, Any] = {
        "number": number, "operation": operation, "name": "ds", "version": version, "manifest": manifest,
        "files": 1, "size": 1, **more,
    }  # fmt: skip
    return Step(**fields)


LINE = (
    step(0, "create", "0.1.0", "m0"),
    step(1, "add", "0.1.0.post1.dev1", "m1", base="0.1.0", run="r1"),
    step(2, "produce", "0.1.0.post1.dev2", "m2", base="0.1.0.post1.dev1", run="r2"),
    step(3, "release", "0.2.0", "m2", base="0.1.0.post1.dev2", producers=["r1", "r2"]),
    step(4, "derive", "0.2.1", "m4", base="0.2.0"),
)


def faults(*steps: Step) -> list[str]:
    """Of steps that follow each other; the digest of each is its number."""
    line = [
        Stated(
            digest=str(at), act=str(at), at="", by=Actor(), why=None, prior=[str(at - 1)] if at else [], step=one
        )
        for at, one in enumerate(steps)
    ]  # fmt: skip
    known = {stated.digest: stated for stated in line}
    return [fault for stated in line for fault in step_faults(stated, known)]


def test_steps_as_they_are_made_hold_together() -> None:
    assert faults(*LINE) == []


def test_the_first_that_a_run_makes_may_be_a_change_of_nothing() -> None:
    made = step(0, "produce", "0.0.0.post1.dev1", "m0", run="r1", producers=["r1"])
    assert faults(made, step(1, "release", "0.1.0", "m0", base=made.version, producers=["r1"])) == []
    assert faults(step(0, "create", "0.0.0.post1.dev1", "m0")) == ["version: found 0.0.0.post1.dev1, expected 0.1.0"]


LIES: dict[str, tuple[int, dict[str, Any], str]] = {
    "another manifest than it releases": (3, {"manifest": "m1"}, "manifest: found m1, expected m2"),
    "a producer that made nothing": (
        3,
        {"producers": ["r1", "r3", "r2"]},
        "producers: found r1, r3, r2, expected r1, r2",
    ),
    "a number that was left out": (3, {"number": 5}, "number: found 5, expected 3"),
    "another name": (2, {"name": "other"}, "name: found other, expected ds"),
    "another base": (2, {"base": "0.1.0"}, "base: found 0.1.0, expected 0.1.0.post1.dev1"),
    "a version that goes back": (
        3,
        {"version": "0.0.9"},
        "version: found 0.0.9, expected one that follows 0.1.0.post1.dev2",
    ),
    "a change of another release": (
        2,
        {"version": "0.3.0.post1.dev1"},
        "version: found 0.3.0.post1.dev1, expected one that follows 0.1.0.post1.dev1",
    ),
    "a change that calls itself a release": (
        1,
        {"version": "0.2.0"},
        "version: found 0.2.0, expected no release after the operation add",
    ),
    "a derivation that is none": (
        4,
        {"version": "0.2.0.post1.dev1"},
        "version: found 0.2.0.post1.dev1, expected a release after the operation derive",
    ),
    "a birth that is a release": (
        0,
        {"operation": "release"},
        "operation: found release, expected create or produce or derive or import",
    ),
    "a first version that is a later one": (0, {"version": "3.1.0"}, "version: found 3.1.0, expected 0.1.0"),
}


@pytest.mark.scenario("D12")
@pytest.mark.parametrize("case", LIES)
def test_a_step_that_contradicts_the_one_before_it_is_a_fault(case: str) -> None:
    at, fields, expected = LIES[case]
    assert faults(*LINE[:at], replace(LINE[at], **fields))[-1] == expected


def test_counts_are_those_of_the_manifest() -> None:
    manifest = [
        ManifestEntry(path="a", kind="file", mode=0o644, size=3, digest="d"),
        ManifestEntry(path="b", kind="folder", mode=0o755, size=0, digest=None),
    ]
    assert counts_fault(replace(LINE[0], size=3), manifest) is None
    link = ManifestEntry(path="c", kind="link", mode=0o777, size=1, digest="d")
    for files in (1, 2):
        assert counts_fault(replace(LINE[0], size=3, files=files), [*manifest, link]) is None
    assert counts_fault(replace(LINE[0], files=999), manifest) == (
        "found 999 files of 1 bytes, expected 1 of 3: its manifest"
    )
