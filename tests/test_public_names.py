"""The names that scripts may rely on."""

from __future__ import annotations

import whence

PUBLIC = {
    "to record": ["start", "record", "current", "Run"],
    "on the current run": ["log", "input", "output", "note", "tag", "field", "progress"],
    "to read": ["open", "StoreView", "RecordedRun", "RecordedDataset", "DatasetVersion"],
    "errors": ["WhenceError", "UsageError", "UnresolvedError", "StoreError", "FormatError", "RefusedError"],
    "of the package": ["__version__"],
}


def test_the_public_names_are_these() -> None:
    assert sorted(whence.__all__) == sorted(name for names in PUBLIC.values() for name in names)


def test_every_public_name_is_there_and_documented() -> None:
    assert [name for name in whence.__all__ if not getattr(whence, name).__doc__] == []


def test_dir_lists_the_public_names_before_they_are_used() -> None:
    assert set(whence.__all__) <= set(dir(whence))


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert whence.__version__ == version("whence")
