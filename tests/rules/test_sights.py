"""What several writers saw, as one observation."""

from __future__ import annotations

from whence.records.observation import Connection, Observation, Program
from whence.rules.sights import connections, programs, together


def test_what_one_did_not_see_is_not_seen() -> None:
    seen = {
        "main": Observation(mechanism="seccomp", complete=True, events=2, files={"input": 1}),
        "rank-1": Observation(mechanism="seccomp", events=3, files={"input": 1, "code": 1}, gaps=["ssh ran"]),
    }
    assert together(seen) == Observation(
        mechanism="seccomp", complete=False, events=5, files={"code": 1, "input": 2}, gaps=["rank-1: ssh ran"]
    )
    assert together({"main": seen["main"]}) == seen["main"]
    assert together({}) == Observation()


def test_a_program_is_one_by_its_content_and_a_host_by_its_port() -> None:
    first, other = Program(path="/p", digest="sha256:a", times=2), Program(path="/p", digest="sha256:b")
    assert [(one.digest, one.times) for one in programs([first, other, first])] == [("sha256:a", 4), ("sha256:b", 1)]
    asked = [Connection(host="h", port=1), Connection(host="h", port=2), Connection(host="h", port=1)]
    assert [(one.port, one.times) for one in connections(asked)] == [(1, 2), (2, 1)]
