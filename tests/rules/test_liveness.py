"""Every piece of evidence, and what a reader may say of it."""

from __future__ import annotations

import pytest

from whence.rules.liveness import Evidence, Liveness, decide, span

DAY = 86400.0


def seen(**changes: object) -> Evidence:
    facts: dict[str, object] = {"lock": "unsupported", "lock_decides": False, "where": "lab3"}
    return Evidence(**{**facts, **changes})  # type: ignore[arg-type]


CASES: dict[str, tuple[Evidence, str, str | None, bool, str]] = {
    "a held lock is life": (
        seen(lock="held", silence=2.0), "running", None, False, "the recorder holds its lock",
    ),
    "a held lock is life, even in another boot": (
        seen(lock="held", writer=False, silence=2.0), "running", None, False, "the recorder holds its lock",
    ),
    "a suspended job holds its lock and is silent": (
        seen(lock="held", silence=720.0), "running", "silent", False,
        "silent for 12 min, but the recorder holds its lock: suspended, or its disk does not answer",
    ),
    "a free lock on a local disk is death": (
        seen(lock="free", lock_decides=True, silence=1.0), "lost", None, True,
        "the recorder holds no lock on its journal any more",
    ),
    "a process that is gone is death": (
        seen(writer=False), "lost", None, True, "the recorder's process is gone",
    ),
    "the recorder is dead and the command lives": (
        seen(lock="free", lock_decides=True, writer=False, command=True), "running", "unsupervised", False,
        "the recorder's process is gone, but the command's process still runs",
    ),
    "the process was replaced by exec": (
        seen(lock="free", lock_decides=True, writer=True, command=True), "running", "unsupervised", False,
        "the process still runs, but nothing holds its journal",
    ),
    "no locks, and the process is there": (
        seen(writer=True, silence=4.0), "running", None, False, "the recorder's process is there",
    ),
    "another host, heard of a moment ago": (
        seen(silence=20.0), "running", None, False, "last sign of life 20 s ago on lab3",
    ),
    "another host, silent": (
        seen(silence=720.0), "running", "silent", False, "silent for 12 min; unproven, ask on lab3",
    ),
    "another host, silent for more than a day": (
        seen(silence=2.5 * DAY), "lost", None, False, "unproven: silent for 2 d, more than a day; ask on lab3",
    ),
    "another host whose locks are seen, silent for five minutes": (
        seen(lock="free", shared_locks=True, silence=300.0), "lost", None, False,
        "unproven: no lock on its journal and silent for 5 min; ask on lab3",
    ),
    "another host whose locks are seen, heard of a moment ago": (
        seen(lock="free", shared_locks=True, silence=30.0), "running", None, False,
        "last sign of life 30 s ago on lab3",
    ),
    "nothing can be seen": (
        seen(), "running", "silent", False, "unproven: ask on lab3; the store's clock cannot be read from here",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_running_run_reads_as_the_evidence_says(case: str) -> None:
    evidence, status, phase, proven, text = CASES[case]
    assert decide("running", evidence) == Liveness(status=status, phase=phase, evidence=text, proven=proven)  # type: ignore[arg-type]


def test_a_launch_that_died_says_so() -> None:
    assert decide("created", seen(writer=False)).evidence == (
        "the recorder's process is gone, before the command was started"
    )
    assert decide("created", seen(lock="held")).status == "created"


def test_a_launch_that_may_have_gone_on_does_not_say_that_the_command_never_started() -> None:
    assert decide("created", seen(writer=False, launched=True)).evidence == (
        "the recorder's process is gone; whether the command was started is not known"
    )


@pytest.mark.parametrize("status", ["succeeded", "failed", "interrupted", "killed"])
def test_an_ended_run_keeps_its_status_and_is_finishing(status: str) -> None:
    for evidence in (seen(lock="held"), seen(silence=9 * DAY)):
        live = decide(status, evidence)  # type: ignore[arg-type]
        assert (live.status, live.phase, live.proven) == (status, "finishing", False)
    live = decide(status, seen(writer=False))  # type: ignore[arg-type]
    assert (live.status, live.phase, live.proven) == (status, "finishing", True)
    assert "doctor --close" in live.evidence


def test_only_proof_lets_another_process_close_a_run() -> None:
    for evidence, *_, proven, _ in CASES.values():
        live = decide("running", evidence)
        assert live.proven == proven
        assert not (live.proven and live.status == "running")


def test_spans_are_for_people() -> None:
    assert [span(s) for s in (0, 59.9, 60, 7200, 3 * DAY, None)] == [
        *("0 s", "59 s", "1 min", "2 h", "3 d", "an unknown time")
    ]
