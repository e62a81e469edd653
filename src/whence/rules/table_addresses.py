"""Addresses of tables that keep their snapshots: `delta:///lake/events?version=12`, `iceberg://prod/sales.orders`.

The format stands before `://`, with `+` and the scheme of what holds the table where that is no path (`delta+s3://…`).
Which snapshot is meant is the only option; without one it is the current one.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import unquote

import msgspec

from ..errors import UsageError
from .addresses import without_password

FORMATS = ("delta", "iceberg")

OPTIONS = {"delta": ("version", "timestamp"), "iceberg": ("snapshot", "ref", "timestamp")}
"""What names a snapshot."""

_EXAMPLES = {
    "delta": "delta:///lake/events?version=12",
    "iceberg": "iceberg://CATALOG/NAMESPACE.TABLE?snapshot=3051729675574597004",
}


class TableAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A table, and which of its snapshots."""

    format: str
    location: str
    """A path, as it was written, or the address of what holds the table; of one in a catalog its name there."""
    catalog: str | None = None
    option: str | None = None
    """What names the snapshot; nothing for the current one."""
    value: str = ""

    @property
    def number(self) -> int:
        """The version, or the identifier of the snapshot. Raises UsageError."""
        if not (self.value.isascii() and self.value.isdigit()):
            raise UsageError(f"{self}: found {self.option}={self.value}, expected a whole number")
        return int(self.value)

    @property
    def moment(self) -> datetime:
        """Raises UsageError."""
        try:
            moment = datetime.fromisoformat(self.value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise UsageError(
                f"{self}: found timestamp={self.value}, expected a moment with its zone",
                hint="for instance timestamp=2026-11-30T12:00:00Z",
            )
        return moment

    @property
    def name(self) -> str:
        """What the table is called, by its address."""
        if self.catalog is not None:
            return self.location.rpartition(".")[2]
        parts = self.location.rstrip("/").split("/")
        if parts[-1].endswith(".metadata.json"):
            parts = parts[:-2] if parts[-2:-1] == ["metadata"] else parts[:-1]
        return parts[-1] if parts else ""

    @property
    def table(self) -> str:
        """The address without the snapshot, and without what opens it."""
        if self.catalog is not None:
            return f"{self.format}://{self.catalog}/{self.location}"
        if "://" in self.location:
            return f"{self.format}+{without_password(self.location)}"
        return f"{self.format}:///{self.location}"

    def __str__(self) -> str:
        return self.table + (f"?{self.option}={self.value}" if self.option else "")


def is_table_address(text: str) -> bool:
    """Whether it is the address of a table that keeps its snapshots."""
    scheme, colon, _ = text.partition("://")
    return bool(colon) and scheme.lower().partition("+")[0] in FORMATS


def read_table_address(text: str) -> TableAddress:
    """Raises UsageError, which does not repeat what may be a password."""
    scheme, _, rest = text.partition("://")
    kind, _, held = scheme.lower().partition("+")
    place, _, options = rest.partition("?")
    example = f"for instance {_EXAMPLES[kind]}"
    catalog = None
    if held:
        location = f"{held}://{place}"
    elif place.startswith("/"):
        location = place[1:]
    elif kind == "iceberg":
        catalog, _, location = place.partition("/")
    else:
        found = "something before the path" if "@" in place else repr(place.partition("/")[0])
        raise UsageError(f"{kind}://: found {found}, expected a path or a scheme", hint=example)
    if not location.rpartition("://")[2].strip("/"):
        raise UsageError(f"{kind}://: found no table", hint=example)
    option, value = _option(kind, options, example)
    return TableAddress(format=kind, location=location, catalog=catalog, option=option, value=value)


def _option(kind: str, options: str, example: str) -> tuple[str | None, str]:
    if not options:
        return None, ""
    option, equals, value = options.partition("=")
    if option not in OPTIONS[kind] or not value or "&" in value:
        found = f"the option {option!r}" if equals else "an option without a value"
        expected = ", ".join(f"{one}=…" for one in OPTIONS[kind])
        raise UsageError(
            f"{kind}://: found {'several options' if '&' in value else found}, expected one of {expected}", hint=example
        )
    return option, unquote(value)
