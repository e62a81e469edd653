"""A query over the index means what it means over the records, whatever SQL it becomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import stored
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from whence.digests import digest_of
from whence.index.entry import entry_of
from whence.index.feeding import Batch
from whence.index.sqlite import SqliteIndex
from whence.index.sqlite_feeding import SqliteCopy
from whence.index.sqlite_tables import open_tables
from whence.index.sqlite_tables import stored as as_stored
from whence.records.code import Code
from whence.records.configuration import Configuration
from whence.records.data import Artifact, Input
from whence.records.environment import Environment, Package
from whence.records.record import Record
from whence.records.result import Metric, Note
from whence.records.run import Error
from whence.rules.matching import THING, matches, shown
from whence.rules.ordering import ordered
from whence.rules.query import QueryError, parse, parse_field
from whence.store.layout import Store

NUMBERS = st.sampled_from([-1, 0, 1, 3, 0.1, 0.5, 1e300, 1 << 70])
TEXTS = st.sampled_from(
    ["", "a", "b.c", "adam", "0.5", "3", "2.1.0", "2.1", "true", "NaN", "2026-11-21", "\udcff", "é"]
)
VALUES = st.one_of(NUMBERS, TEXTS, st.booleans(), st.none(), st.lists(st.one_of(NUMBERS, TEXTS), max_size=2))
TREES = st.dictionaries(
    st.sampled_from(["lr", "optim", "optim.lr", "argv"]),
    st.one_of(VALUES, st.dictionaries(st.sampled_from(["lr", "name"]), VALUES, max_size=2)),
    max_size=3,
)
TIMES = st.sampled_from([f"2026-11-2{n}T0{n}:00:00.{n:06}Z" for n in range(3)])
DIGESTS = st.sampled_from([digest_of(b"a"), digest_of(b"b"), None])
PINS = st.sampled_from([(None, None), ("cifar", "2.1.0"), ("cifar", "2.1")])
NAMES = st.sampled_from(["train", "a.b", "train.csv", "digest"])


def metric(last: float | str) -> Metric:
    return Metric(last=last, min=last, max=last, mean=None, first=0.0, count=1, step=None)


COMMITS = st.sampled_from(["abcdef12" * 5, "abcdef13" * 5, None])


def an_input(name: str, digest: str | None, pin: tuple[str | None, str | None]) -> Input:
    return Input(name=name, path=f"data/{name}", kind="file", digest=digest, dataset=pin[0], version=pin[1])


def a_record(**said: Any) -> Record:
    return Record(id=stored.an_id(), command=["python", "train.py"], seal="sha256:", standing="active", **said)


RECORDS = st.builds(
    a_record,
    status=st.sampled_from(["running", "succeeded", "failed"]),
    name=st.one_of(st.none(), TEXTS),
    created=TIMES,
    duration=st.one_of(st.none(), st.sampled_from([0.5, 3.0])),
    code=st.builds(Code, vcs=st.just("git"), commit=COMMITS),
    purpose=st.one_of(st.none(), st.sampled_from(["warm-up helps", "Overfit again", "overfit"])),
    tags=st.dictionaries(st.sampled_from(["fold", "kind"]), TEXTS, max_size=2),
    ext=TREES,
    config=st.one_of(st.none(), st.builds(Configuration, values=TREES)),
    metrics=st.dictionaries(
        st.sampled_from(["acc", "acc.max", "loss"]), st.builds(metric, st.sampled_from([0.5, 1.0, "NaN"])), max_size=2
    ),
    inputs=st.lists(st.builds(an_input, NAMES, DIGESTS, PINS), max_size=2),
    artifacts=st.lists(
        st.builds(lambda name, digest: Artifact(name=name, path=name, digest=digest), NAMES, DIGESTS), max_size=1
    ),
    notes=st.lists(st.builds(lambda text: Note(text=text, at="", by=None), TEXTS), max_size=2),
    error=st.one_of(st.none(), st.just(Error(type="ValueError", message="CUDA out of memory"))),
    environment=st.one_of(
        st.none(),
        st.builds(
            lambda version: Environment(packages=[Package(name="torch", version=version)]),
            st.sampled_from(["2.3.1+cu121", "2.4.0rc1", "2.4"]),
        ),
    ),
)

FIELDS = st.sampled_from(
    [
        "status", "name", "created", "duration", "purpose", "tags.fold", "tags", "ext.lr", "ext.optim.lr", "config.lr",
        "config.optim", "config.optim.lr", "config.argv", 'config."optim.lr"', "config.values.lr", "metrics.acc",
        "metrics.acc.max", "metrics.loss.count", "metrics", "inputs", "input.train", "data.a.b", "input.train.csv",
        "inputs.digest", "inputs.path", "inputs.size", "artifacts", "artifact.train", "artifact.kind", "notes",
        "notes.text", "error", "error.type", "env.packages.torch", "env.packages", "env.packages.torch.version",
        "text", "command", "code.commit", "parent", "standing", "as_of",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "a", "adam", "0.5", "3", "1", "2.1.0", "2.1", "2.4", "true", "NaN", "cifar@2.1.0", "train", "'overfit'",
        "'CUDA out'", "2026-11-21", "2026-11-22", "running", "''", digest_of(b"a"),
        digest_of(b"a")[7:], digest_of(b"a")[:16], digest_of(b"b")[7:16], "abcdef1", "abcdef12", "cifar", "'python tr'",
    ]
)  # fmt: skip
TESTS = st.one_of(
    st.builds("{} {} {}".format, FIELDS, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~", "!~"]), WORDS),
    st.builds("{} {}in ({}, {})".format, FIELDS, st.sampled_from(["", "not "]), WORDS, WORDS),
    st.builds("{} {}".format, FIELDS, st.sampled_from(["exists", "missing"])),
)
QUERIES = st.recursive(
    TESTS,
    lambda inner: (
        st.builds("not ({})".format, inner)
        | st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stored.a_store(tmp_path_factory.mktemp("work") / ".whence")


def over(store: Store, records: Sequence[Record]) -> SqliteIndex:
    """An index that holds these records, and reads them where only they can tell."""
    index = SqliteIndex(store, None)
    by_id = {record.id: record for record in records}
    connection = open_tables("")
    SqliteCopy(connection).put(Batch(entries=[entry_of(record) for record in records]))
    index._connection = connection
    index._read = by_id.get  # type: ignore[method-assign]
    return index


def is_fit(query: str) -> bool:
    try:
        parse(query)
    except QueryError:
        return False
    return True


@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(records=st.lists(RECORDS, min_size=1, max_size=6), queries=st.lists(QUERIES, min_size=10, max_size=40))
def test_the_index_answers_what_the_records_answer(place: Store, records: list[Record], queries: list[str]) -> None:
    index = over(place, records)
    whole = [(record.id, msgspec.to_builtins(record)) for record in sorted(records, key=lambda one: one.id)]
    for query in filter(is_fit, queries):
        meant = [run for run, record in whole[::-1] if matches(parse(query), record)]
        assert list(index.runs(parse(query))) == meant, query
    index.close()


ODD = [
    True,
    False,
    0,
    1,
    3,
    0.5,
    1 << 70,
    "",
    "a",
    "0.5",
    "3",
    "true",
    "NaN",
    "2.1",
    "2.1.0rc1",
    "2026-11-21",
    "\udcff",
]


def test_each_kind_of_value_is_held_against_each_kind_of_word(place: Store) -> None:
    records = [a_record(status="succeeded", created="2026-11-21T00:00:00.000000Z", ext={"x": value}) for value in ODD]
    index = over(place, records)
    words = [
        "true",
        "0.5",
        "3",
        "1",
        "a",
        "''",
        "'true'",
        "NaN",
        "2.1",
        "2.1.0",
        "2026-11-21",
        "2026-11-22",
        "Infinity",
    ]
    for operator in ("=", "!=", "<", "<=", ">", ">=", "~", "!~"):
        for word in words:
            query = parse(f"ext.x {operator} {word}")
            meant = [record.id for record in records if matches(query, msgspec.to_builtins(record))]
            assert sorted(index.runs(query)) == sorted(meant), (operator, word)
    index.close()


@settings(max_examples=100)
@given(
    records=st.lists(RECORDS, max_size=6),
    field=FIELDS,
    query=st.just("") | TESTS.filter(is_fit),
    falling=st.booleans(),
    limit=st.sampled_from([None, 0, 1, 3]),
)
def test_the_index_sorts_as_the_records_sort(
    place: Store, records: list[Record], field: str, query: str, falling: bool, limit: int | None
) -> None:
    index = over(place, records)
    path = parse(f"{field} exists").field.path  # type: ignore[union-attr]
    newest = sorted(records, key=lambda record: record.id, reverse=True)
    meant = [record for record in newest if matches(parse(query), msgspec.to_builtins(record))]
    expected = [record.id for record in ordered(meant, msgspec.to_builtins, path, falling=falling)]
    assert list(index.runs(parse(query), sort=path, falling=falling, limit=limit)) == expected[:limit]
    index.close()


@settings(max_examples=100)
@given(records=st.lists(RECORDS, max_size=6), field=FIELDS)
def test_the_index_groups_by_what_the_records_show(place: Store, records: list[Record], field: str) -> None:
    index = over(place, records)
    path = parse_field(field).path
    values = ({as_stored(value) for value in shown(path, msgspec.to_builtins(record))} for record in records)
    groups = [
        (as_stored(group.value), group.runs) for group in index.groups(parse(""), path) if group.value is not None
    ]
    assert dict(groups) == Counter(value for some in values for value in some if value != as_stored(THING))
    assert len(groups) == len(dict(groups))
    index.close()
