"""Words that pin data."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from whence.errors import UsageError
from whence.rules.pins import reference_of

LINE = SimpleNamespace(id="018f0000-0000-7000-8000-000000000001", name="cifar", version="2.1.0")
"""What `Dataset.versions()` gives, as far as it counts."""


@pytest.mark.scenario("S8")
def test_a_version_that_says_of_which_dataset_it_is_is_that_ones() -> None:
    assert reference_of("train", "cifar", LINE) == reference_of("train", LINE.id, LINE) == f"{LINE.id}@2.1.0"
    assert reference_of("train", None, LINE) == f"{LINE.id}@2.1.0"
    with pytest.raises(UsageError) as refused:
        reference_of("train", "birds", LINE)
    assert refused.value.message == "data 'train': found cifar@2.1.0 as a version of birds, expected one of birds"


def test_the_newest_version_is_asked_for_by_a_word() -> None:
    assert reference_of("train", "cifar", "newest") == "cifar@newest"


def test_an_error_repeats_the_beginning_of_what_was_given() -> None:
    with pytest.raises(UsageError) as refused:
        reference_of("train", "cifar", ["x" * 500])
    assert len(refused.value.message) < 220
