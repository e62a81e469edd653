"""Tables that keep their snapshots, by what stands before `://` in their address."""

from __future__ import annotations

from .of_delta import read_delta
from .of_iceberg import read_iceberg
from .snapshots import Read

LAKES: dict[str, Read] = {"delta": read_delta, "iceberg": read_iceberg}
