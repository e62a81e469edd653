"""Words about a run's code that several commands print."""

from __future__ import annotations

from ..records.code import OutsideSource

_STATES = {
    "absent": "not in the snapshot",
    "changed": "the snapshot has it as it was at the launch",
    "elsewhere": "outside of the code's folder",
}


def outside_text(source: OutsideSource) -> str:
    """What a source file that ran has to do with the snapshot, and whether its bytes are kept."""
    kept = "kept" if source.kept else f"not kept: {source.because or 'unknown why'}"
    sure = "" if source.certain or source.digest is None else "; changed after the start: other bytes may have run"
    return f"{_STATES[source.state]}; {kept}{sure}"
