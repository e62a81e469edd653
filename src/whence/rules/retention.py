"""How long the bytes of developing versions are kept: from when on `whence data expire --old` takes them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from ..records.encoding import parse_timestamp
from .history import Made

SOON = 30 * 86400.0
"""Seconds before its end in which a launch says that a retention ends."""


def retention_end(made: Made, retention: float) -> float | None:
    """When that of a version ends, in Unix seconds; nothing of a release, and where `retention` has no end."""
    if not made.version.developing or math.isinf(retention):
        return None
    return parse_timestamp(made.stated.at) + retention


def ends_soon(made: Made, retention: float, now: float) -> str | None:
    """What to say of a version whose retention has ended, or ends soon."""
    end = retention_end(made, retention)
    if end is None or end > now + SOON:
        return None
    ends = "has ended" if end <= now else "ends"
    return f"the retention of this developing version {ends} on {datetime.fromtimestamp(end, UTC):%Y-%m-%d}"
