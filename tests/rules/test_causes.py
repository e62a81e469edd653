"""Why results may differ: a table of what differs, and what is then likely."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from samples import SAMPLES

from whence.records.comparison import ChangedCode, Explanation
from whence.records.record import Record
from whence.rules.causes import explain
from whence.rules.difference import compare

BASE = copy.deepcopy(SAMPLES[0]) | {"config": SAMPLES[0]["config"] | {"others": [], "contested": []}}


def explained(**changes: Any) -> Explanation:
    """Of two runs of which the second wrote another artifact; `changes` are fields of the second, dotted by `__`."""
    other = DIFFERS | changes
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


DIFFERS = {"artifacts__digest": "sha256:" + "2" * 64}
NO_PROGRAM = "files of the snapshot changed, and none of them is of a program"
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


@pytest.mark.parametrize(
    ("paths", "likelihood", "because", "told"),
    [
        (["d/x.csv", "fit.py"], "likely", "another program ran", ["fit.py", "d/x.csv"]),
        (["fit.toml", "d/x.csv"], "possible", NO_PROGRAM, ["fit.toml", "d/x.csv"]),
        (["bin/start", "fit.toml"], "likely", "another program ran", ["bin/start", "fit.toml"]),
        ([], "likely", "another program ran", []),
    ],
)
def test_files_that_changed_are_named_and_weighed_by_whether_they_are_of_a_program(
    paths: list[str], likelihood: str, because: str, told: list[str]
) -> None:
    """`bin/start` has no suffix that says so: it is what was started. Of data other bytes were read, too."""
    start = {"code__entry": BASE["code"]["entry"] | {"path": "bin/start"}}
    other = {"code__id": "git-tree:" + "1" * 40, "inputs__digest": "sha256:" + "1" * 64}
    pair = [msgspec.convert(_with(BASE, fields | start), Record) for fields in ({}, DIFFERS | other)]
    files = [ChangedCode(path=path, change="changed") for path in paths]
    result = ChangedCode(path="out.py", change="added", role="result")
    found = explain(pair, compare(pair).parts, [*files, result])
    cause = next(cause for cause in found.causes if cause.part == "code")
    assert (cause.likelihood, cause.because, cause.what, cause.files) == (likelihood, because, ["code.id"], told)


def test_a_file_of_configuration_that_was_only_seen_is_a_cause_among_the_configuration() -> None:
    seen = {"inputs__how": "observed", "inputs__role": "config", "inputs__kind": "file", "inputs__path": "fit.toml"}
    pair = [
        msgspec.convert(_with(BASE, seen | fields), Record)
        for fields in ({}, DIFFERS | {"inputs__digest": "sha256:" + "1" * 64})
    ]
    found = explain(pair, compare(pair).parts)
    assert [(cause.likelihood, cause.part, cause.what) for cause in found.causes] == [
        ("likely", "config", ['config.files."fit.toml"'])
    ]


@pytest.mark.parametrize(("opened", "likelihood"), [(False, "unlikely"), (True, "likely"), (None, "likely")])
def test_that_an_input_was_changed_meanwhile_is_no_other_data_and_counts_where_it_was_read(
    opened: bool | None, likelihood: str
) -> None:
    pair = [
        msgspec.convert(_with(BASE, {"inputs__changed": "no", "inputs__name": "train"} | fields), Record)
        for fields in ({}, DIFFERS | {"inputs__changed": "yes", "inputs__opened": opened})
    ]
    found = explain(pair, compare(pair).parts)
    cause = next(cause for cause in found.causes if cause.part == "data")
    assert (cause.likelihood, cause.what) == (likelihood, ["inputs.train.changed"])
    assert "was changed while the run went on" in cause.because
