"""Joins the stream of what a command does with the record: from its first call to what is said at the end.

What folds the stream is imported in the keeper, while the command runs: no launch waits for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..records import events
from ..records.observation import Observation
from . import observing
from .choosing import Choice, choose
from .launch import Launch
from .observing import Observer, Records

if TYPE_CHECKING:
    from .observed import Observed
    from .outer_run import OuterRun


class Following:
    """One command's observation, as the keeper has it."""

    def __init__(self, launch: Launch, outer: OuterRun | None = None) -> None:
        self._launch = launch
        policy = launch.around.policy
        barred = {"python": "observe_python is off"} if policy.observe_python == "off" else {}
        self._outer = outer
        self._choice: Choice = choose(policy.observe, launch.request.program, barred, inside=outer is not None)
        if self._choice.mechanism == "none" and policy.observe not in ("auto", "off"):
            launch.around.say(f"the command is not watched: {self._choice.because}")
        self._observed: Observed | None = None

    @property
    def mechanism(self) -> str:
        return self._choice.mechanism

    def observer(self, told_in: Path | None) -> Observer:
        """Who is told what is seen; `told_in` is where the Python programs of the command tell."""
        return Observer(
            choice=self._choice,
            take=self._take,
            ended=self._ended,
            program=self._launch.request.program,
            told_in=told_in,
            outer=self._outer,
        )

    def begin(self) -> None:
        """The command runs."""
        if self._choice.mechanism != "none":
            self._watch()

    def _watch(self) -> Observed:
        if self._observed is None:
            from .settling import watch  # With what it needs, several milliseconds.

            self._observed = watch(self._launch, self._choice.mechanism, self._choice.because or None)
        return self._observed

    def _take(self, records: Records) -> None:
        self._watch().take(records)

    def _ended(self, outcome: observing.Observation) -> None:
        if self._choice.mechanism == "none":
            unseen = Observation(gaps=[f"the command was not watched: {outcome.because}"])
            self._launch.recording.state(events.ObservationEnded(observation=unseen))
            return
        observed = self._watch()
        for gap in outcome.gaps:
            observed.gap(gap)
        if outcome.mechanism == "none":
            observed.mechanism = "declared"
            observed.gap(f"the command was not watched: {outcome.because}")
        observed.interrupted = outcome.interrupted
        observed.complete = outcome.mechanism != "none" and not outcome.lost
