"""The words of a comparison: numbers as a person reads them, and what is not recorded."""

from __future__ import annotations

from typing import Any

import pytest

from whence.cli.diff_words import cause_text, change_text, same_text
from whence.records.comparison import Cause, Comparison, Differing, Part


def metric(*values: Any) -> Differing:
    told = [{"last": value, "count": 1} for value in values]
    return Differing(what="metrics.loss", change="changed", values=told)


def setting(*values: Any) -> Differing:
    return Differing(what="config.values.lr", change="changed", values=list(values))


@pytest.mark.parametrize(
    ("one", "full", "text"),
    [
        (setting(0.1 + 0.2, 1 / 3), False, "0.3 -> 0.333333"),
        (setting(0.1 + 0.2, 1 / 3), True, "0.30000000000000004 -> 0.3333333333333333"),
        (setting(0.3, 0.1 + 0.2), False, "0.3 -> 0.30000000000000004"),
        (metric(2 / 3, 1 / 3), False, "0.666667 -> 0.333333"),
        (metric(0.3, 0.1 + 0.2), False, "0.3 -> 0.30000000000000004"),
        (setting([0.1 + 0.2], {"k": 1 / 3}), False, "[0.30000000000000004] -> k 0.333333"),
        (setting(1, 1_000_000_007), False, "1 -> 1000000007"),
    ],
)
def test_numbers_have_the_digits_that_show_prints_unless_they_would_look_alike(
    one: Differing, full: bool, text: str
) -> None:
    assert change_text(one, full=full) == text


def test_a_part_of_which_nothing_is_recorded_is_not_counted_as_the_same() -> None:
    parts: dict[Any, Part] = {"config": Part(state="same", same=0), "seeds": Part(state="same", same=1)}
    text = same_text(Comparison(runs=[], same=True, parts=parts))
    assert text == "configuration (none recorded), seeds (1 fact)"


def test_a_cause_names_the_files_that_changed_and_not_the_identity_of_all() -> None:
    cause = Cause(likelihood="likely", part="code", what=["code.id"], because="another program ran", files=["fit.py"])
    assert cause_text(cause) == "code: another program ran: fit.py"
