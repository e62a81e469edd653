"""Tables that keep their snapshots: one of them is frozen, with which it was, whatever becomes of the table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stored
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog
from workplace import Workplace

import whence
from whence.errors import UsageError, WhenceError
from whence.store.adding import SourceError

ROWS = pa.table({"id": [1, 2, 3], "city": ["New York", "b%c", None]})
MORE = pa.table({"id": [4], "city": ["d"]})
LAST = pa.table({"id": [9], "city": ["z"]})


def delta(folder: Path, **words: Any) -> None:
    """A table whose version 1 has four rows, and version 2 one."""
    write_deltalake(folder, ROWS, name="events", **words)
    write_deltalake(folder, MORE, mode="append")
    write_deltalake(folder, LAST, mode="overwrite")


def vacuum(folder: Path) -> None:
    DeltaTable(folder).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


def rows(file: Path) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in pq.read_table(file).to_pylist()]


ALL = [(1, "New York"), (2, "b%c"), (3, None), (4, "d")]


@pytest.mark.scenario("S7")
def test_a_version_of_delta_lake_is_frozen_and_stays_when_the_table_is_vacuumed(workplace: Workplace) -> None:
    lake = workplace.path / "lake/events"
    delta(lake)
    made = workplace.whence("data", "create", "seen", "delta:///lake/events?version=1", "--json").ok().json()
    said = made["parameters"]
    assert (said["source"], said["path"], said["rows"]) == ("table", "events.parquet", 4)
    assert said["columns"] == [{"name": "id", "type": "int64"}, {"name": "city", "type": "string"}]
    snapshot = said["snapshot"]
    assert snapshot.pop("software").startswith("deltalake ") and snapshot.pop("committed").endswith("Z")
    assert snapshot == {
        "format": "delta", "location": str(lake), "name": "events", "table": str(DeltaTable(lake).metadata().id),
        "id": "1",
    }  # fmt: skip
    vacuum(lake)
    again = workplace.whence("data", "create", "other", "delta:///lake/events?version=1")
    assert again.code == 1
    first, hint = again.err.splitlines()
    assert first.startswith("whence: delta:///lake/events: version 1 has lost 'part-")
    assert first.endswith(" and 1 more of its files, as after a vacuum; still there are 4, 3, 2")
    assert hint.startswith("hint: name one that is there (version=4), or have it restored")
    workplace.whence("run", "--data", "seen@0.1.0", "--", "cp", "{data.seen}/events.parquet", "used.parquet").ok()
    assert rows(workplace.path / "used.parquet") == ALL


@pytest.fixture
def place(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    monkeypatch.chdir(workplace.path)
    stored.a_store(workplace.store)
    return workplace


def test_the_current_version_is_resolved_and_a_known_one_not_read_again(place: Workplace) -> None:
    delta(place.path / "events", partition_by=["city"])
    dataset = whence.open(place.store).create_dataset("seen", "delta:///events")
    assert (dataset.version().parameters["snapshot"]["id"], dataset.version().parameters["rows"]) == ("2", 1)
    assert dataset.version().parameters["snapshot"]["floating"] is True
    older = dataset.add("delta:///events?version=1")
    assert (older.changed, "floating" in older.parameters["snapshot"]) == (1, False)
    assert sorted(rows(dataset.get("out", older.version) / "events.parquet")) == sorted(ALL, key=str)
    vacuum(place.path / "events")
    assert dataset.add("delta:///events?version=1").version == older.version
    assert dataset.add("delta:///events?version=2").changed == 1


def test_a_table_without_rows_is_a_file_without_rows(place: Workplace) -> None:
    write_deltalake("events", ROWS.slice(0, 0))
    made = whence.open(place.store).create_dataset("seen", "delta:///events", below="deep/rows.parquet")
    file = pq.read_table(made.get("out") / "deep/rows.parquet")
    assert (file.num_rows, file.column_names) == (0, ["id", "city"])


def test_a_moment_means_the_version_that_was_current_then(place: Workplace) -> None:
    delta(place.path / "events")
    moments = [entry["timestamp"] for entry in DeltaTable("events").history()]
    assert len(moments) == 3
    dataset = whence.open(place.store).create_dataset("seen", "delta:///events?timestamp=2100-01-01T00:00:00Z")
    assert dataset.version().parameters["snapshot"]["id"] == "2"
    with pytest.raises(SourceError) as raised:
        dataset.add("delta:///events?timestamp=2001-01-01T00:00:00Z")
    assert raised.value.message == (
        "delta:///events: has no version as old as 2001-01-01T00:00:00Z; still there are 2, 1, 0"
    )


def test_a_version_that_left_the_log_is_named_with_those_that_are_there(place: Workplace) -> None:
    delta(place.path / "events")
    DeltaTable("events").create_checkpoint()
    for number in (0, 1):
        (place.path / f"events/_delta_log/{number:020}.json").unlink()
    store = whence.open(place.store)
    for version, what in ((0, "has no version 0 any more, its log was cleaned up; still there are 2"),
                          (7, "has no version 7, the newest is 2")):  # fmt: skip
        with pytest.raises(SourceError) as raised:
            store.create_dataset("seen", f"delta:///events?version={version}")
        assert raised.value.message == f"delta:///events: {what}"
    assert store.create_dataset("seen", "delta:///events?version=2").version().parameters["rows"] == 1


@pytest.mark.parametrize(
    ("paths", "words", "kind", "message"),
    [
        ("delta:///events", {"reference": True}, UsageError, "found --reference and a table that keeps its snapshots"),
        (["delta:///events", "events"], {}, UsageError, "found 2 words, one of them a table"),
        ("delta:///events", {"below": "x.csv"}, UsageError, "--as x.csv: expected a file that ends in .parquet"),
        ("delta:///nothing", {}, SourceError, "nothing: found no folder, expected a Delta Lake table"),
        ("delta:///here", {}, SourceError, "delta:///here: found no Delta Lake table"),
        ("iceberg:///here", {}, SourceError, "iceberg:///here: found no version-hint.text in its metadata"),
        ("iceberg:///x.metadata.json", {"below": "x.parquet"}, SourceError, "x.metadata.json: found nothing"),
        ("iceberg://nosuch/a.b", {}, SourceError, "iceberg://nosuch/a.b: the catalog 'nosuch' cannot be opened"),
    ],
)
def test_what_cannot_be_frozen_is_named_and_makes_nothing(
    paths: Any, words: dict[str, Any], kind: type[WhenceError], message: str, place: Workplace
) -> None:
    (place.path / "here").mkdir()
    store = whence.open(place.store)
    with pytest.raises(kind) as raised:
        store.create_dataset("seen", paths, **words)
    assert message in raised.value.message
    assert store.datasets() == []


@pytest.mark.parametrize(("name", "extra"), [("deltalake", "delta"), ("pyiceberg", "iceberg")])
def test_an_absent_library_is_named_with_the_words_that_install_it(
    name: str, extra: str, place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name, f"{name}.table"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(WhenceError) as raised:
        whence.open(place.store).create_dataset("seen", f"{extra}:///events")
    assert raised.value.message.startswith(f"{extra}:///events: {name} ")
    assert raised.value.hint == f"pip install 'whence[{extra}]'"


def test_a_snapshot_of_iceberg_is_frozen_and_one_that_expired_is_named(place: Workplace) -> None:
    url, warehouse = f"sqlite:///{place.path / 'catalog.db'}", place.path / "warehouse"
    catalog = SqlCatalog("prod", uri=url, warehouse=f"file://{warehouse}")
    catalog.create_namespace("sales")
    table = catalog.create_table("sales.orders", schema=ROWS.schema)
    table.append(ROWS)
    table.append(MORE)
    named, metadata = table.current_snapshot(), table.metadata_location.removeprefix("file://")
    assert named is not None
    address, catalogs = (
        f"iceberg://prod/sales.orders?snapshot={named.snapshot_id}",
        {"PYICEBERG_CATALOG__PROD__URI": url},
    )
    made = place.whence("data", "create", "orders", address, "--json", env=catalogs).ok().json()
    snapshot = made["parameters"]["snapshot"]
    assert snapshot.pop("software").startswith("pyiceberg ") and snapshot.pop("committed").endswith("Z")
    assert snapshot == {
        "format": "iceberg", "location": str(warehouse / "sales/orders"), "catalog": "prod", "name": "sales.orders",
        "table": str(table.metadata.table_uuid), "id": str(named.snapshot_id),
    }  # fmt: skip
    dataset = whence.open(place.store).dataset("orders")
    assert rows(dataset.get("out") / "orders.parquet") == ALL
    assert dataset.add(f"iceberg:///{metadata}").version == "0.1.0", "the same snapshot by its metadata file"

    table.append(LAST)
    table.maintenance.expire_snapshots().by_id(named.snapshot_id).commit()
    table = catalog.load_table("sales.orders")
    kept = [str(one.snapshot_id) for one in table.snapshots()]
    address = f"iceberg:///{table.metadata_location.removeprefix('file://')}"
    with pytest.raises(SourceError) as raised:
        dataset.add(f"{address}?snapshot={named.snapshot_id}")
    message = raised.value.message
    assert message.startswith(f"{address}: has no snapshot {named.snapshot_id}: it never had, or it has expired")
    assert f"; still there are {kept[-1]} (" in message and all(one in message for one in kept)
    assert dataset.add(address).parameters["rows"] == 5
    (file,) = [one.file.file_path for one in table.scan().plan_files() if one.file.record_count == 3]
    Path(file.removeprefix("file://")).unlink()
    with pytest.raises(SourceError, match=rf"snapshot {kept[0]} has lost files: "):
        dataset.add(f"{address}?snapshot={kept[0]}")
