"""Which records a query means: what a field has in a record, and whether a test holds for it.

What a record lacks is neither equal nor unequal to anything; of a list any item may match. `~` searches a regular
expression. Text holds a number or version when it looks like one (`environment.python.version >= 3.11`), and a date
means its whole day, in UTC. The first 7 digits or more of a commit or digest mean it. The query was checked by
`query.parse`: nothing raises here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from .query import TEXT, All, Any_, Compare, Exists, In, Not, Operator, Query
from .query_value import Value, number_of, span_of
from .releases import read_release


def matches(query: Query, record: Mapping[str, Any]) -> bool:
    """Whether a record, as the builtins of its JSON, is one that the query means."""
    match query:
        case Compare() | In() | Exists():
            return any(holds(query, item) for item in look_up(query.field.path, record))
        case Not():
            return not matches(query.part, record)
        case All():
            return all(matches(part, record) for part in query.parts)
        case Any_():
            return any(matches(part, record) for part in query.parts)


_SCALAR = str | int | float | bool

_FACES: dict[str, tuple[str, ...]] = {
    "metrics": ("last",),
    "error": ("message",),
    "seeds": ("value",),
    "packages": ("version",),
    "inputs": ("digest",),
    "artifacts": ("digest",),
}
"""What a thing is compared by when it was named in full: `metrics.acc` is its last value."""

_LISTED = ("name", "path", "text", "what", "digest", "version", "host")
"""What the items of a list are compared by when none was named: `inputs ~ train`."""


def look_up(path: Sequence[str], record: Mapping[str, Any]) -> Iterator[Any]:
    """The scalars that a field has in a record; none when it is missing."""
    if path[0] == TEXT and TEXT not in record:
        yield from texts_of(record) if len(path) == 1 else ()
        return
    for item, named in _walk(path, record):
        yield from scalars(item, faces_of(path, named=named))
    if tuple(path) == (COMMAND,) and (whole := joined(record)) is not None:
        yield whole


def shown(path: Sequence[str], record: Mapping[str, Any]) -> Iterator[Any]:
    """The values that a person is shown of a field: of a command, an input and an artifact one.

    A dataset version is `NAME@VERSION`; other content by its name where a whole list is asked for, and else its digest.
    """
    if tuple(path) == (COMMAND,) and (whole := joined(record)) is not None:
        yield whole
    elif path[0] not in CONTENT:
        yield from (value for value in look_up(path, record) if not isinstance(value, Thing))
    else:
        for item, named in _walk(path, record):
            yield from _shown_of(item, faces_of(path, named=named))


CONTENT = ("inputs", "artifacts")
"""Lists of what a run read and made."""

COMMAND = "command"


def joined(record: Mapping[str, Any]) -> str | None:
    """The words of the command as one text, by which it is found beside each word; nothing where that says no more."""
    words = record.get(COMMAND)
    if not isinstance(words, list | tuple) or len(cast("Sequence[Any]", words)) < 2:
        return None
    return " ".join(map(str, cast("Sequence[Any]", words)))


def _shown_of(value: Any, faces: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in cast("Sequence[Any]", value):
            yield from _shown_of(item, _LISTED)
        return
    found = [one for one in scalars(value, faces) if not isinstance(one, Thing)]
    pins = [one.pin for one in found if isinstance(one, Pinned)]
    yield from (pins or found)[:1]


def texts_of(record: Mapping[str, Any]) -> Iterator[str]:
    """The texts that a search in words looks through, those of people first."""
    for field in (("purpose",), ("hypothesis",), ("notes", "text"), ("claims",), ("error", "message")):
        yield from (text for text in look_up(field, record) if isinstance(text, str))


def faces_of(path: Sequence[str], *, named: int) -> Sequence[str]:
    """What a thing at the end of the path is compared by; `named`: how many parts at the end are its own name."""
    return _FACES.get(path[0] if path[0] in _FACES else path[-1 - named] if named < len(path) else "", ())


def _walk(path: Sequence[str], value: Any, *, named: int = 0) -> Iterator[tuple[Any, int]]:
    """What lies at the end of a path; and how many of its last parts were an item's own name."""
    if not path:
        yield value, named
    elif isinstance(value, Mapping):
        yield from _walk_mapping(path, cast("Mapping[str, Any]", value))
    elif isinstance(value, list | tuple):
        yield from _walk_list(path, cast("Sequence[Any]", value))


def _walk_mapping(path: Sequence[str], value: Mapping[str, Any]) -> Iterator[tuple[Any, int]]:
    """Keys may hold dots themselves (a flattened configuration, `val.acc`): the longest key that fits is taken."""
    for length in range(len(path), 0, -1):
        key = ".".join(path[:length])
        if key in value:
            yield from _walk(path[length:], value[key])
            return
    if is_configuration(value):
        # Its values are meant by `config.lr`.
        yield from _walk(path, value["values"])


def is_configuration(value: Mapping[str, Any]) -> bool:
    """Whether what has no name of its own in the mapping is looked for among its values."""
    return "origins" in value and "values" in value


def _walk_list(path: Sequence[str], items: Sequence[Any]) -> Iterator[tuple[Any, int]]:
    """Of a list the items of that name, or else whatever of the name its items have."""
    things = [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]
    for length in range(len(path), 0, -1):
        key = ".".join(path[:length])
        found = [thing for thing in things if thing.get("name") == key]
        if found:
            for thing in found:
                yield from _walk(path[length:], thing, named=length)
            return
    for thing in things:
        yield from _walk_mapping(path, thing)


def scalars(value: Any, faces: Sequence[str]) -> Iterator[Any]:
    """What is compared of a value: itself, of a thing its faces, of a list every item."""
    if isinstance(value, _SCALAR):
        yield value
    elif isinstance(value, Mapping):
        yield from _faces(cast("Mapping[str, Any]", value), faces or ("name",))
    elif isinstance(value, list | tuple):
        for item in cast("Sequence[Any]", value):
            if isinstance(item, Mapping):
                yield from _faces(cast("Mapping[str, Any]", item), _LISTED)
            else:
                yield from scalars(item, faces)


def _faces(item: Mapping[str, Any], names: Sequence[str]) -> Iterator[Any]:
    found = [item[name] for name in names if isinstance(item.get(name), _SCALAR)]
    if "digest" in names and (pin := pin_of(item.get("dataset"), item.get("version"))):
        digest = item.get("digest")
        found = [one for one in found if one != digest] + [Pinned(digest if isinstance(digest, str) else pin, pin)]
    # A mapping that is there, and has no face, exists and equals nothing.
    yield from found or ([THING] if item else [])


def pin_of(dataset: Any, version: Any) -> str | None:
    """`cifar@2.1.0`, of what is a version of a dataset."""
    return f"{dataset}@{version}" if isinstance(dataset, str) and isinstance(version, str) else None


class Pinned(str):
    """The digest of a dataset version, which is meant by `NAME@VERSION` and by `NAME`, too."""

    pin: str

    def __new__(cls, digest: str, pin: str) -> Pinned:
        made = super().__new__(cls, digest)
        made.pin = pin
        return made


class Thing:
    """Something that exists and has no value to compare."""

    def __repr__(self) -> str:
        return "<a thing>"


THING = Thing()


def holds(test: Compare | In | Exists, item: Any) -> bool:
    """Whether one value that a field has passes the test."""
    match test:
        case Compare():
            return _holds(item, test.operator, test.value)
        case In():
            return any(_equal(item, value) for value in test.values)
        case Exists():
            return True


def _holds(item: Any, operator: Operator, value: Value) -> bool:
    match operator:
        case "=":
            return _equal(item, value)
        case "!=":
            return not _equal(item, value)
        case "~":
            return _is_found(value.text, item)
        case "!~":
            return not _is_found(value.text, item)
        case _:
            order = _order(item, value)
            return order is not None and _ORDERS[operator](order)


_ORDERS: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


def _is_found(pattern: str, item: Any) -> bool:
    texts = (item, item.pin) if isinstance(item, Pinned) else (_text(item),)
    return any(re.search(pattern, text) is not None for text in texts)


def _text(item: Any) -> str:
    return ("true" if item else "false") if isinstance(item, bool) else "" if isinstance(item, Thing) else str(item)


def _equal(item: Any, value: Value) -> bool:
    if isinstance(item, bool):
        return item is value.flag
    if isinstance(item, Pinned) and value.text in (item.pin, item.pin.partition("@")[0]):
        return True
    if isinstance(item, str) and (item == value.text or (value.begins and _begins(item, value.text))):
        return True
    return not _looks_like_version(item, value) and _order(item, value) == 0


_WHOLE = re.compile(r"(?:[a-z0-9-]+:)?(?:[0-9a-f]{40}|[0-9a-f]{64})")
"""A commit, tree or digest: `sha256:…`."""


def _begins(item: str, text: str) -> bool:
    """Whether the text is how a commit, tree or digest begins, with or without the name of its algorithm."""
    return _WHOLE.fullmatch(item) is not None and (item.startswith(text) or item.rpartition(":")[2].startswith(text))


def _looks_like_version(item: Any, value: Value) -> bool:
    """`3.10` is a number and not the version `3.1`: versions are equal as text only."""
    return isinstance(item, str) and number_of(item) != value.number


def _order(item: Any, value: Value) -> int | None:
    """-1, 0 or 1: the item lies before, at or after the value; nothing when they cannot be compared."""
    if isinstance(item, bool | Thing):
        return None
    if isinstance(item, str):
        return _order_text(item, value)
    if value.number is None or math.isnan(item):
        return None
    return (item > value.number) - (item < value.number)


def _order_text(item: str, value: Value) -> int | None:
    if value.span is not None:
        moment = span_of(item)
        return None if moment is None else (moment.start >= value.span.end) - (moment.start < value.span.start)
    own, other = read_release(item), read_release(value.text)
    if own is not None and other is not None:
        return own.order(other)
    if item in ("NaN", "Infinity", "-Infinity"):
        return None if item == "NaN" or value.number is None else (1 if item == "Infinity" else -1)
    number = number_of(item)
    if number is not None and value.number is not None:
        return (number > value.number) - (number < value.number)
    return (item > value.text) - (item < value.text)
