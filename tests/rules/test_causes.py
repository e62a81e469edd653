"""Why results may differ: a table of what differs, and what is then likely."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from samples import SAMPLES

from whence.records.comparison import Explanation
from whence.records.record import Record
from whence.rules.causes import explain
from whence.rules.difference import compare

BASE = copy.deepcopy(SAMPLES[0]) | {"config": SAMPLES[0]["config"] | {"others": [], "contested": []}}


def explained(**changes: Any) -> Explanation:
    """Of two runs of which the second wrote another artifact; `changes` are fields of the second, dotted by `__`."""
    other = {"artifacts__digest": "sha256:" + "2" * 64} | changes
    first, second = (msgspec.convert(_with(BASE, fields), Record) for fields in ({}, other))
    return explain([first, second], compare([first, second]).parts)


def _with(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(base)
    for name, value in changes.items():
        *above, last = name.split("__")
        owner = changed
        for word in above:
            owner = owner[word][0] if isinstance(owner[word], list) else owner[word]
        owner[last] = value
    return changed


def ranks(found: Explanation) -> list[tuple[str, str]]:
    return [(cause.likelihood, cause.part) for cause in found.causes]


NO_SEEDS = BASE["config"] | {"seeds": []}

CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "another program": ({"code__id": "git-tree:" + "1" * 40}, [("likely", "code")]),
    "another commit of one program": (
        {"code__commit": "1" * 40}, [("likely", "seeds"), ("unlikely", "code")],
    ),
    "other data": ({"inputs__digest": "sha256:" + "1" * 64}, [("likely", "data")]),
    "the same bytes elsewhere": ({"inputs__path": "other"}, [("likely", "seeds"), ("unlikely", "data")]),
    "a configuration value": ({"config__values": {"k": 2}}, [("likely", "config")]),
    "another seed": ({"config__seeds": [{"name": "x", "value": 2, "origin": "file"}]}, [("likely", "seeds")]),
    "another command alone": ({"command": ["y"]}, [("likely", "command")]),
    "another command, as the configuration says": (
        {"command": ["y"], "config__values": {"k": 2}}, [("likely", "config"), ("possible", "command")],
    ),
    "an imported package, and nothing that weighs more": (
        {"environment__packages__version": "2", "environment__imported__version": "2"}, [("likely", "environment")],
    ),
    "an imported package beside another program": (
        {
            "environment__packages__version": "2", "environment__imported__version": "2",
            "code__id": "git-tree:" + "1" * 40,
        },
        [("likely", "code"), ("possible", "environment")],
    ),
    "a package that nobody imported": (
        {"environment__packages": [BASE["environment"]["packages"][0], {"name": "idle", "version": "2"}]},
        [("likely", "seeds"), ("unlikely", "environment")],
    ),
    "a driver": ({"environment__drivers": {"k": "2"}}, [("likely", "environment")]),
    "another place": ({"cwd": "/elsewhere"}, [("likely", "seeds"), ("unlikely", "command")]),
    "nothing": ({}, [("likely", "seeds")]),
    "the other failed": (
        {"status": "failed", "error__type": "ValueError"}, [("likely", "results")],
    ),
    "the code of one is not known": ({"code": None}, [("possible", "seeds"), ("unknown", "code")]),
    "the code of one is not known, and a package differs": (
        {"code": None, "environment__packages__version": "2", "environment__imported__version": "2"},
        [("possible", "environment"), ("unknown", "code")],
    ),
    "an input has no digest": ({"inputs__digest": None}, [("possible", "seeds"), ("unknown", "data")]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_causes_are_ranked_by_how_much_they_decide(case: str) -> None:
    changes, expected = CASES[case]
    found = explained(**changes)
    assert found.results == "differs"
    assert ranks(found) == expected


def test_equal_results_need_no_cause() -> None:
    record = msgspec.convert(BASE, Record)
    found = explain([record, record], compare([record, record]).parts)
    assert (found.results, found.causes) == ("same", [])
    assert found.summary == "the results are the same: there is nothing to explain"


def test_results_that_are_not_known_are_not_said_to_differ() -> None:
    found = explained(artifacts=[BASE["artifacts"][0] | {"digest": None}])
    assert found.results == "unknown"
    assert "not wholly known" in found.summary


def test_a_single_likely_cause_is_named_in_the_summary() -> None:
    found = explained(inputs__digest="sha256:" + "1" * 64)
    assert found.summary == "the results differ, and one thing that decides them: other data were read"


def test_chance_without_a_seed_says_that_none_is_known() -> None:
    first = msgspec.convert(_with(BASE, {"config": NO_SEEDS}), Record)
    second = msgspec.convert(_with(BASE, {"config": NO_SEEDS, "artifacts__digest": "sha256:" + "2" * 64}), Record)
    found = explain([first, second], compare([first, second]).parts)
    assert [cause.because for cause in found.causes] == [
        "nothing that decides differs, and no seed is known: the program may not give the same twice"
    ]


def test_what_is_not_known_gives_its_reason() -> None:
    found = explained(code=None)
    unknown = [cause for cause in found.causes if cause.likelihood == "unknown"]
    assert [(cause.what, cause.because) for cause in unknown] == [(["code"], "it was not captured")]
