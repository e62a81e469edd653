"""Words about datasets that a run makes: `--output-data features=out/features`."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from ..records.base import Missing, When
from .dataset_names import check_dataset_name


def read_products(words: Sequence[str]) -> list[tuple[str, str]]:
    """`DATASET=PATH` words: what a run makes new versions of. Raises UsageError."""
    pairs: dict[str, str] = {}
    for word in words:
        name, _, path = word.partition("=")
        if not name or not path:
            raise UsageError(f"output data {word!r}: expected DATASET=PATH", hint="for instance features=out/features")
        if pairs.setdefault(check_dataset_name(name), path) != path:
            raise UsageError(f"output data {word!r}: found {pairs[name]} before it for the same dataset")
    return list(pairs.items())


def no_version(name: str, path: str, because: str, when: When) -> Missing:
    """What is stated of a dataset that was not made."""
    return Missing(what=f"datasets.{name}", because=f"no version was made of {path}: {because}", when=when)
