"""What several processes of one run saw of their commands, as one observation: what one did not see is not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ..records.observation import Connection, Observation, Program


def together(seen: Mapping[str, Observation]) -> Observation:
    """One observation of those by writer; of one it is that."""
    if len(seen) < 2:
        return next(iter(seen.values()), Observation())
    files: dict[str, int] = {}
    for one in seen.values():
        for word, count in one.files.items():
            files[word] = files.get(word, 0) + count
    return Observation(
        mechanism=", ".join(dict.fromkeys(one.mechanism for one in seen.values())),
        because="; ".join(dict.fromkeys(one.because for one in seen.values() if one.because)) or None,
        complete=all(one.complete for one in seen.values()),
        events=sum(one.events for one in seen.values()),
        interrupted=sum(one.interrupted for one in seen.values()),
        files=dict(sorted(files.items())),
        gaps=[f"{writer}: {gap}" for writer, one in seen.items() for gap in one.gaps],
    )


def programs(told: Sequence[Program]) -> list[Program]:
    """Each path with each content once, in the order in which they were told."""
    known: dict[tuple[str, str | None], Program] = {}
    for one in told:
        before = known.get((one.path, one.digest))
        times = one.times if before is None or one.kind == "library" else before.times + one.times
        known[one.path, one.digest] = replace(before or one, times=times)
    return list(known.values())


def connections(told: Sequence[Connection]) -> list[Connection]:
    """Each address once."""
    known: dict[tuple[str, int | None], Connection] = {}
    for one in told:
        before = known.get((one.host, one.port))
        known[one.host, one.port] = one if before is None else replace(before, times=before.times + one.times)
    return list(known.values())
