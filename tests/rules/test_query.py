"""The query language: what it means, and what its mistakes say."""

from __future__ import annotations

from typing import Any

import pytest

from whence.errors import UsageError
from whence.rules.matching import Pinned, matches, shown
from whence.rules.query import All, QueryError, columns_of, parse, parse_field, parse_over
from whence.rules.query_check import refuse_clashes, unknown_fields
from whence.rules.query_words import FORMS, NAMES

CIFAR = {"dataset": "cifar", "version": "2.1.0"}

PACKAGES = [
    {"name": name, "version": version}
    for name, version in {"numpy": "2.1.0", "torch": "2.3.1+cu121", "jax": "0.5.0rc1", "ruamel.yaml": "0.18.6"}.items()
]

RECORD: dict[str, Any] = {
    "purpose": "is warm-up needed?",
    "id": "01a1",
    "name": "warm-up off",
    "status": "succeeded",
    "duration": 100.0,
    "started": "2026-11-21T06:40:29.120000Z",
    "exit_code": 0,
    "command": ["python", "train.py"],
    "tags": {"fold": "3", "paper": ""},
    "ext": {"site": "north", "hash": "cd" * 20},
    "host": {"name": "lab3"},
    "error": {"type": "ValueError", "message": "loss is NaN"},
    "code": {"dirty": True, "commit": "ab" * 20, "dirty_paths": [{"path": "a.py", "state": "modified"}]},
    "metrics": {
        "acc": {"last": 0.93, "max": 0.97},
        "val/acc": {"last": 0.9, "max": 0.95},
        "loss.total": {"last": 3},
        "diverged": {"last": "NaN"},
    },
    "config": {
        "values": {"lr": 0.1, "optim": {"name": "adam"}, "optim.decay": 2, "layers": [64, 32]},
        "origins": {},
        "argv": ["--lr", "0.1"],
        "seeds": [{"name": "seed", "value": 3}],
    },
    "environment": {"python": {"version": "3.11.7"}, "packages": PACKAGES},
    "inputs": [
        {"name": "train.csv", "path": "data/train.csv", "digest": "sha256:ab", "size": 2000, **CIFAR},
        {"name": "test.csv", "path": "data/test.csv", "digest": "sha256:cd", "size": 10},
        {"name": "long", "path": "data/long", "digest": f"sha256:{'12345678' * 8}"},
        {"name": "late", "path": "data/late", "digest": None, "dataset": "mnist", "version": "1.0.0"},
    ],
    "parent": None,
}

HOLD = {
    "text": 'name = "warm-up off"',
    "a word": "status = succeeded",
    "two signs mean one": "status == succeeded",
    "a flag": "code.dirty = true",
    "no flag": "code.dirty != false",
    "a number": "exit_code = 0",
    "a metric is its last value": "metrics.acc > 0.9",
    "another part of a metric": "metrics.acc.max >= 0.97",
    "a slash in a name": "metrics.val/acc < 0.95",
    "a quoted part": 'metrics."val/acc".max = 0.95',
    "a dot in a name": "metrics.loss.total = 3",
    "the text for not-a-number": "metrics.diverged = NaN",
    "a value of the configuration": "config.lr = 0.1",
    "a nested value": "config.optim.name = adam",
    "a flattened value": "config.optim.decay = 2",
    "any item of a list": "config.layers = 32",
    "the configuration's own fields": "config.argv = --lr",
    "a seed by its name": "config.seeds.seed = 3",
    "one of several": "config.lr in (0.1, 0.01)",
    "none of several": "status not in (failed, lost)",
    "an item by its name": "input.train.csv = sha256:ab",
    "a part of an item": "data.train.csv.size < 10KiB",
    "any input": "inputs ~ train",
    "a field of any input": "inputs.path = data/test.csv",
    "a package is its version": "env.packages.numpy = 2.1.0",
    "versions are ordered": "env.packages.numpy >= 2.0.10",
    "versions are no numbers": "env.python.version > 3.9",
    "what is built into a version does not count": "env.packages.torch = 2.3.1+cu121 and env.packages.torch < 2.3.2",
    "a candidate comes before its release": "env.packages.jax < 0.5",
    "zeros at the end of a version say nothing": "env.packages.numpy >= 2.1.0.0",
    "a package with a dot in its name": "env.packages.ruamel.yaml >= 0.18",
    "a version of a dataset": "data.train.csv = cifar@2.1.0",
    "a version of any dataset": "inputs = cifar@2.1.0",
    "not that version": "data.train.csv != cifar@2.2.0",
    "what was said": "text ~ 'loss is' and text ~ warm",
    "any input by its digest": "input = sha256:cd",
    "an error is its message": "error ~ NaN",
    "a part of an error": "error.type = ValueError",
    "no such error": "error !~ memory",
    "a host is its name": "host = lab3",
    "a tag's text that is a number": "tags.fold > 2",
    "a tag without a value is there": "tags.paper exists",
    "what nobody set is missing": "tags.other missing",
    "null is missing": "parent missing",
    "a project's field": "ext.site = north",
    "a word of the command": "command = train.py",
    "words of the command as they stand together": "command ~ 'python tr' and command = 'python train.py'",
    "a commit as it is printed": "code.commit = abababa",
    "one of several commits": "code.commit in (1234567, ABABABA, abababa)",
    "a commit in full": f"code.commit = {'ab' * 20}",
    "a digest by its first digits": "input.long = sha256:1234567 and input.long = 1234567 and input = 12345678",
    "a digest without the name of its algorithm": f"input.long = {'12345678' * 8}",
    "any version of a dataset": "data.train.csv = cifar and inputs = cifar and data.train.csv in (mnist, cifar)",
    "a version whose digest is not known": "data.late = mnist@1.0.0 and data.late = mnist and inputs = mnist@1.0.0",
    "a duration": "duration < 2h",
    "a shorter one": "duration > 90s",
    "a day": "started = 2026-11-21",
    "a day is not over before it ends": "started <= 2026-11-21",
    "a minute": "started = 2026-11-21T06:40",
    "after a minute began": "started >= 2026-11-21T06:40",
    "another zone": "started = 2026-11-21T07:40+01:00",
    "a path that differs": "code.dirty_paths.path = a.py",
    "and binds closer than or": "name = x and status = lost or exit_code = 0",
    "parentheses": "exit_code = 0 and (name = x or status = succeeded)",
    "not": "not status = failed",
    "signs without blanks": "exit_code=0 and(status=succeeded)",
    "an escaped quote": r'not name = "a \" b"',
    "nothing asked": "  ",
}

DO_NOT_HOLD = {
    "a missing field is not equal": "tags.other = 3",
    "nor unequal": "tags.other != 3",
    "nor in a list": "tags.other not in (1, 2)",
    "nor ordered": "metrics.other > 0",
    "not-a-number has no order": "metrics.diverged > 0",
    "a later minute": "started > 2026-11-21T06:40",
    "the day before": "started < 2026-11-21",
    "a number that is a version": "env.python.version = 3.11",
    "that version": "data.train.csv != cifar@2.1.0",
    "a later build of a version": "env.packages.torch >= 2.3.1+cu122",
    "fewer than 7 digits of a commit": "code.commit = ababab",
    "a commit that begins otherwise": "code.commit = babababa",
    "a commit that begins so is not another": "code.commit != abababa",
    "digits of another algorithm": "input.long = md5:1234567",
    "what a project calls by digits begins with nothing": "ext.hash = cdcdcdc",
    "another dataset": "data.train.csv = cif",
    "a mapping has no value": "tags = 3",
    "an input's name is not its digest": "input.train.csv = train.csv",
}


@pytest.mark.parametrize("query", HOLD.values(), ids=HOLD)
def test_a_query_holds(query: str) -> None:
    assert matches(parse(query), RECORD)


@pytest.mark.parametrize("query", DO_NOT_HOLD.values(), ids=DO_NOT_HOLD)
def test_a_query_does_not_hold(query: str) -> None:
    assert not matches(parse(query), RECORD)


def test_a_field_of_the_project_goes_by_the_name_of_its_option() -> None:
    assert parse("field.batch = 7") == parse("ext.batch = 7")
    assert parse("param.lr exists") == parse("config.lr exists")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("data.train.csv", ["cifar@2.1.0"]),
        ("data.test.csv", ["sha256:cd"]),
        ("data.late", ["mnist@1.0.0"]),
        ("inputs", ["cifar@2.1.0", "test.csv", "long", "mnist@1.0.0"]),
        ("data.test.csv.size", [10]),
        ("artifacts", []),
        ("command", ["python train.py"]),
        ("config.layers", [64, 32]),
        ("metrics.acc", [0.93]),
        ("tags", []),
    ],
)
def test_a_field_is_shown_as_one_value_an_item(field: str, values: list[Any]) -> None:
    found = list(shown(parse_field(field).path, RECORD))
    assert (found, {type(one) for one in found} & {Pinned}) == (values, set())


def test_the_empty_query_is_every_run() -> None:
    assert parse("") == All()
    assert matches(parse(""), {})


MISTAKES = {
    "an unknown field": ("stats = x", 0, "unknown field 'stats'", "did you mean status?"),
    "an unknown part": ("code.dirt = true", 0, "unknown field 'code.dirt'", "did you mean code.dirty?"),
    "no operator": ("status", 6, "expected an operator after status, found the end", None),
    "no value": ("metrics.acc >", 13, "expected a value", None),
    "no field": ("= 3", 0, "expected a field", None),
    "an open quote": ('a = "x', 4, "this quote is never closed", None),
    "an open list": ("name in (a, b", 13, "expected ')'", None),
    "an open parenthesis": ("(name = a", 9, "expected ')'", None),
    "two queries": ("name = a b = c", 9, "expected `and`, `or` or the end, found 'b'", None),
    "null": ("name = null", 7, "nothing is equal to null", "ask `FIELD missing` or `FIELD exists`"),
    "a status that there is not": (
        "status = faild",
        9,
        "status is never 'faild'",
        "expected one of created, running, succeeded, failed, interrupted, killed, lost",
    ),
    "one of a list that there is not": ("status in (lost, ded)", 17, "status is never 'ded'", None),
    "a number in words": (
        "exit_code = one",
        12,
        "exit_code is never 'one'",
        "expected a number, for instance 1, 0.5, 2h or 10MiB",
    ),
    "a flag in other words": ("code.dirty = yes", 13, "code.dirty is never 'yes'", "expected true or false"),
    "a day in words": (
        "created > yesterday",
        10,
        "created is never 'yesterday'",
        "expected a time in UTC: 2026-11-21, 2026-11-21T06:40 or 2026-11-21T06:40:29",
    ),
    "a duration by another name": ("took > 2h", 0, "unknown field 'took'", "did you mean duration?"),
    "a metric alone": ("loss < 1", 0, "unknown field 'loss'", "did you mean metrics.loss?"),
    "a parameter alone": (
        "lr = 3",
        0,
        "unknown field 'lr'",
        "a metric is metrics.lr, a parameter config.lr, a field of the project ext.lr; see docs/query.md",
    ),
    "a wrong expression": ("name ~ '['", 7, "not a regular expression", None),
}


@pytest.mark.parametrize(("query", "position", "message", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_its_place(query: str, position: int, message: str, hint: str | None) -> None:
    with pytest.raises(QueryError) as raised:
        parse(query)
    assert raised.value.position == position
    assert raised.value.message.startswith(f"query, character {position + 1}: {message}")
    assert raised.value.message.endswith(f"{query[:position]}»{query[position:]}")
    assert isinstance(raised.value, UsageError)
    if hint:
        assert raised.value.hint == hint


COLUMNS = ("label", "body mass", "a.b", "meta")
ROW = {"label": "cat", "body mass": "3.5", "a.b": 2, "meta": {"site": "north"}, "status": "x"}


@pytest.mark.parametrize(
    "query", ["label = cat", "'body mass' > 3", "a.b = 2", "meta.site = north", "label missing or meta exists", " "]
)
def test_a_query_over_columns_holds(query: str) -> None:
    assert matches(parse_over(query, COLUMNS), ROW)


def test_a_query_over_columns_knows_these_and_not_the_fields_of_runs() -> None:
    with pytest.raises(QueryError) as raised:
        parse_over("label = cat and status = failed", COLUMNS)
    assert raised.value.message == "query, character 17: unknown column 'status': label = cat and »status = failed"
    assert raised.value.hint == "there are label, body mass, a.b, meta"
    assert columns_of("x = 1 and not (y.z > 2 or 'b c' in (1)) or x exists") == ["x", "y.z", "b c"]


@pytest.mark.parametrize("example", [one.example for one in (*FORMS, *NAMES)])
def test_every_example_of_the_page_is_a_query(example: str) -> None:
    parse(example)


KINDS: dict[tuple[str, ...], frozenset[str]] = {
    ("config", "lr"): frozenset({"number"}),
    ("config", "mixed"): frozenset({"number", "text"}),
    ("config", "flag"): frozenset({"flag"}),
}


@pytest.mark.parametrize(
    ("query", "position"),
    [("config.lr > 'high'", 1), ("name = a and config.lr in (0.1, high)", 14), ("not (config.flag = 3)", 6)],
)
def test_a_value_of_another_kind_than_all_runs_have_is_a_mistake(query: str, position: int) -> None:
    with pytest.raises(QueryError) as raised:
        refuse_clashes(parse(query), query, lambda path: KINDS.get(tuple(path), frozenset()))
    assert raised.value.position == position - 1
    assert (raised.value.hint or "").startswith("in all runs that have it, it is ")


@pytest.mark.parametrize(
    "query", ["config.lr > 3", "config.lr = NaN", "config.lr ~ high", "config.mixed = high", "config.new > high"]
)
def test_a_value_that_some_run_may_have_is_none(query: str) -> None:
    refuse_clashes(parse(query), query, lambda path: KINDS.get(tuple(path), frozenset()))


def test_a_field_that_no_run_has_is_named_with_the_nearest() -> None:
    query = parse("metrics.los < 3 and tags.kind = x and outcome = refuted or config.zzz exists")
    found = list(unknown_fields(query, ["metrics.loss", "metrics.acc", "config.lr", "tags.kind"]))
    assert [(str(field), near) for field, near in found] == [("metrics.los", "metrics.loss"), ("config.zzz", None)]


DEEP = {
    "open brackets": "(" * 5000,
    "brackets": "(" * 5000 + "status = failed" + ")" * 5000,
    "not": "not " * 3000 + "status = failed",
    "both": "not (" * 3000 + "status = failed" + ")" * 3000,
    "an open bracket of a value": "name in " + "(" * 5000,
    "a regular expression": "name ~ '" + "(" * 50_000 + "'",
}


@pytest.mark.parametrize("case", DEEP)
def test_what_is_nested_too_deeply_is_a_mistake_that_is_shown_in_part(case: str) -> None:
    with pytest.raises(QueryError) as raised:
        parse(DEEP[case])
    assert len(raised.value.message) < 700


@pytest.mark.parametrize("nested", ["not " * 98, "(" * 98])
def test_what_is_nested_as_people_do_is_a_query(nested: str) -> None:
    closed = ")" * nested.count("(")
    assert matches(parse(f"{nested}status = failed{closed}"), {"status": "failed"})
    assert parse(f"({nested}status = failed{closed}) or " * 50 + "status = lost")
