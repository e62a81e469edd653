"""What git says of two trees, as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.rules.notebooks import notebook_text, strip_notebook
from whence.rules.tree_difference import read_changes

NONE, A, B = "0" * 40, "a" * 40, "b" * 40

paths = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=8)
marks = {"A": "added", "D": "removed", "M": "changed", "R100": "renamed"}


@given(st.dictionaries(paths, st.tuples(st.sampled_from(sorted(marks)), st.none() | st.integers(0, 9)), max_size=5))
def test_a_listing_of_any_names_is_read_as_it_was_written(changes: dict[str, tuple[str, int | None]]) -> None:
    raw, counts = "", ""
    for path, (mark, lines) in changes.items():
        modes = "000000 100644" if mark == "A" else "100644 000000" if mark == "D" else "100644 100755"
        ids = f"{NONE if mark == 'A' else A} {NONE if mark == 'D' else B}"
        counted = "-\t-" if lines is None else f"{lines}\t0"
        before = f"{path}-before"
        raw += f":{modes} {ids} {mark}\0" + (f"{before}\0{path}\0" if mark == "R100" else f"{path}\0")
        counts += f"{counted}\t" + (f"\0{before}\0{path}\0" if mark == "R100" else f"{path}\0")
    found = read_changes(raw + counts)
    assert [change.path for change in found] == sorted(changes)
    for change in found:
        mark, lines = changes[change.path]
        assert change.change == marks[mark]
        assert change.lines == (None if lines is None else (lines, 0))
        assert change.before == (f"{change.path}-before" if mark == "R100" else None)
        assert change.mode_changed is (mark in ("M", "R100"))


@pytest.mark.parametrize(
    ("modes", "path", "lines", "kind"),
    [
        ("100644 100644", "a.py", "1\t1", "text"),
        ("100644 100644", "a.png", "-\t-", "binary"),
        ("120000 120000", "a", "1\t1", "link"),
        ("160000 160000", "lib", "1\t1", "repository"),
        ("100644 100644", "a.ipynb", "1\t1", "notebook"),
    ],
)
def test_a_change_says_what_kind_of_file_it_is_of(modes: str, path: str, lines: str, kind: str) -> None:
    (change,) = read_changes(f":{modes} {A} {B} M\0{path}\0{lines}\t{path}\0")
    assert change.kind == kind


def test_a_notebook_as_text_has_its_cells_and_nothing_of_its_outputs() -> None:
    content = b"""{"nbformat": 4, "metadata": {}, "cells": [
        {"cell_type": "markdown", "source": ["# Title\\n", "words"], "metadata": {}},
        {"cell_type": "code", "source": "x = 1", "metadata": {"tags": ["parameters"]}, "outputs": ["secret"]}]}"""
    assert notebook_text(content) == '# %% [markdown]\n# Title\nwords\n# %% [code] tags=["parameters"]\nx = 1\n'
    assert notebook_text(b"no notebook") is None
    assert strip_notebook(b"no notebook") is None
