"""Parquet and Feather (the Arrow file format), read with pyarrow, batch by batch.

Values become those of the canonical form: times to the nanosecond, categories as what they stand for, lists and
structures as such. A map is a list of structures of `key` and `value`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, BinaryIO, Literal

from ..rules.canonical_rows import Nanoseconds
from .table_rows import Format, Opener, Row, Table, TableError, TypedTable

_BATCH = 8192
"""Rows that are in memory at a time, as far as the file's own blocks allow."""

_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def open_parquet(stream: BinaryIO) -> Table:
    return _open(stream, _parquet)


def open_feather(stream: BinaryIO) -> Table:
    return _open(stream, _feather)


def typed_parquet(opener: Opener) -> Iterator[TypedTable]:
    yield from _typed(opener, _parquet)


def typed_feather(opener: Opener) -> Iterator[TypedTable]:
    yield from _typed(opener, _feather)


Reader = Callable[[Any, BinaryIO], tuple[Any, Iterator[Any]]]
"""The schema and the batches of a stream, by pyarrow."""


def _parquet(arrow: Any, stream: BinaryIO) -> tuple[Any, Iterator[Any]]:
    file: Any = _module("pyarrow.parquet").ParquetFile(stream)
    return file.schema_arrow, file.iter_batches(batch_size=_BATCH)


def _feather(arrow: Any, stream: BinaryIO) -> tuple[Any, Iterator[Any]]:
    file: Any = arrow.ipc.open_file(stream)
    return file.schema, (file.get_batch(at) for at in range(file.num_record_batches))


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise TableError(f"pyarrow is not installed ({error})", hint="pip install 'whence[tables]'") from error


def _open(stream: BinaryIO, reader: Reader) -> Table:
    arrow = _module("pyarrow")
    schema, batches = _begun(arrow, stream, reader)
    return Table(list(schema.names), None, (Row(values, b"") for values in _rows(arrow, batches)))


def _typed(opener: Opener, reader: Reader) -> Iterator[TypedTable]:
    arrow = _module("pyarrow")
    with opener() as stream:
        schema, batches = _begun(arrow, stream, reader)
        types = {field.name: type_text(arrow, field.type) for field in schema}
        yield TypedTable(None, list(types), types, _rows(arrow, batches))


def _begun(arrow: Any, stream: BinaryIO, reader: Reader) -> tuple[Any, Iterator[Any]]:
    try:
        schema, batches = reader(arrow, stream)
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise TableError(str(error).strip()) from error
    names: list[str] = list(schema.names)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise TableError(f"found the column {twice[0]!r} twice, expected different names")
    return schema, batches


def _rows(arrow: Any, batches: Iterator[Any]) -> Iterator[Mapping[str, Any]]:
    try:
        for batch in batches:
            columns = [values(arrow, column) for column in batch.columns]
            names: list[str] = batch.schema.names
            for row in zip(*columns, strict=True):
                yield dict(zip(names, row, strict=True))
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise TableError(str(error).strip()) from error


def values(arrow: Any, array: Any) -> list[Any]:
    """The values of an array. Raises TableError for a type that has none."""
    kind, types = array.type, arrow.types
    if isinstance(array, arrow.ExtensionArray):
        return values(arrow, array.storage)
    if types.is_dictionary(kind):
        return values(arrow, array.dictionary_decode())
    if types.is_timestamp(kind):
        return _times(arrow, array, "local timestamp" if kind.tz is None else "timestamp", _UNITS[kind.unit])
    if types.is_duration(kind):
        return _times(arrow, array, "duration", _UNITS[kind.unit])
    if types.is_time(kind):
        return _times(arrow, array, "time", _UNITS[kind.unit])
    if types.is_date64(kind):
        return array.cast(arrow.date32()).to_pylist()
    if types.is_floating(kind):
        return array.cast(arrow.float64()).to_pylist()
    if types.is_struct(kind):
        return _structures(arrow, array)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or types.is_map(kind):
        return [values(arrow, scalar.values) if scalar.is_valid else None for scalar in array]
    if _name_of(arrow, kind) is not None:
        return array.to_pylist()
    raise TableError(f"values of the type {kind} have no canonical form")


_Kind = Literal["timestamp", "local timestamp", "time", "duration"]


def _times(arrow: Any, array: Any, kind: _Kind, unit: int) -> list[Any]:
    counts = array.cast(arrow.int32() if array.type.bit_width == 32 else arrow.int64()).to_pylist()
    return [None if count is None else Nanoseconds(kind, count * unit) for count in counts]


def _structures(arrow: Any, array: Any) -> list[Any]:
    names = [array.type.field(at).name for at in range(array.type.num_fields)]
    columns = [values(arrow, column) for column in array.flatten()]
    there: list[bool] = array.is_valid().to_pylist()
    rows = zip(*columns, strict=True) if columns else (() for _ in there)
    return [dict(zip(names, row, strict=True)) if valid else None for row, valid in zip(rows, there, strict=True)]


def _name_of(arrow: Any, kind: Any) -> str | None:
    """What a type of plain values is called."""
    types = arrow.types
    names = (
        (types.is_null, "null"),
        (types.is_boolean, "boolean"),
        (types.is_integer, "integer"),
        (types.is_floating, "float"),
        (types.is_decimal, "decimal"),
        (types.is_string, "text"),
        (types.is_large_string, "text"),
        (types.is_string_view, "text"),
        (types.is_binary, "bytes"),
        (types.is_large_binary, "bytes"),
        (types.is_binary_view, "bytes"),
        (types.is_fixed_size_binary, "bytes"),
        (types.is_date, "date"),
        (types.is_time, "time"),
        (types.is_duration, "duration"),
    )
    return next((name for holds, name in names if holds(kind)), None)


def type_text(arrow: Any, kind: Any) -> str:
    """What a type is called: `integer`, `list of text`, `structure of x float, y float`."""
    types = arrow.types
    if isinstance(kind, arrow.BaseExtensionType):
        return type_text(arrow, kind.storage_type)
    if types.is_dictionary(kind):
        return type_text(arrow, kind.value_type)
    if types.is_timestamp(kind):
        return "local timestamp" if kind.tz is None else "timestamp"
    if types.is_map(kind):
        return f"list of structure of key {type_text(arrow, kind.key_type)}, value {type_text(arrow, kind.item_type)}"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return f"list of {type_text(arrow, kind.value_type)}"
    if types.is_struct(kind):
        fields = (kind.field(at) for at in range(kind.num_fields))
        return "structure of " + ", ".join(f"{field.name} {type_text(arrow, field.type)}" for field in fields)
    return _name_of(arrow, kind) or str(kind)


PARQUET = Format(open_parquet, typed_parquet)
FEATHER = Format(open_feather, typed_feather)
