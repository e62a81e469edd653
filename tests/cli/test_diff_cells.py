"""Cells of the table of several runs: short, and told apart."""

from __future__ import annotations

from typing import Any

import pytest

from whence.cli.diff_cells import row_cells
from whence.records.comparison import Differing


def pin(version: str, digest: str) -> dict[str, Any]:
    return {"digest": "sha256:" + digest * 64, "dataset": "cifar", "version": version, "kind": "folder"}


CASES: dict[str, tuple[list[Any], list[str]]] = {
    "numbers": ([2 / 3, 1 / 3, 1], ["0.666667", "0.333333", "1"]),
    "the last value of a metric": ([{"last": 0.5, "count": 1}, {"last": 0.25, "count": 2}], ["0.5", "0.25"]),
    "paths below one folder": (["/home/me/work/a/x", "/home/me/work/b/x"], ["…a/x", "…b/x"]),
    "one path among them ends where the others go on": (["/home/me/work/", "/home/me/work/b"], ["…", "…b"]),
    "short words": (["a/b", "a/c"], ["a/b", "a/c"]),
    "words that begin alike, with no end between": (["abcdefghijklmnop1", "abcdefghijklmnop2"],) * 2,
    "versions of a dataset": ([pin("1.0.0", "1"), pin("2.0.0", "2")], ["cifar@1.0.0", "cifar@2.0.0"]),
    "one version with two contents": (
        [pin("1.0.0", "1"), pin("1.0.0", "2")], ["sha256:111111111111…", "sha256:222222222222…"],
    ),
    "an object and a word": ([{"k": 1}, "x"], ["k 1", "x"]),
    "objects without a field in common": ([{"k": 1}, {"j": 2}], ["k 1", "j 2"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_cells_are_short_and_told_apart(case: str) -> None:
    values, cells = CASES[case]
    assert row_cells(Differing(what="x", change="varies", values=values), len(values), full=False) == cells


def test_a_run_that_has_none_has_a_dash_and_the_others_all_that_they_say() -> None:
    one = Differing(what="x", change="varies", values=[None, {"k": 1}, {"k": 1}], absent=[0])
    assert row_cells(one, 3, full=False) == ["-", "k 1", "k 1"]


def test_in_full_nothing_is_left_out() -> None:
    values = ["/home/me/work/a/x", "/home/me/work/b/x", 1 / 3]
    one = Differing(what="x", change="varies", values=values)
    assert row_cells(one, 3, full=True) == ["/home/me/work/a/x", "/home/me/work/b/x", "0.3333333333333333"]
