"""Picks: of what competes for one meaning after stores were merged, which is meant (docs/format.md, section 10).

A pick says that one step is meant rather than others. One that names another in `prior` takes its place. Picks that
were made apart may contradict each other, also over a third: then none of these stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from ..records.act import Actor
from ..records.dataset import Question

Competing = TypeVar("Competing")


class Pick(msgspec.Struct, frozen=True, kw_only=True):
    """An act of kind `pick`; or what a step says that follows several: its first is meant."""

    digest: str
    """Of the act."""
    act: str
    at: str
    by: Actor
    why: str | None
    prior: Sequence[str]
    """The digests of those that it takes the place of."""
    question: Question
    step: str
    """The digest of the act of the step that is meant."""
    over: Sequence[str]
    """Those of the others."""


Ways = Mapping[str, Collection[str]]
"""What comes of a step: who is meant rather than a step is meant rather than what comes of it."""


def latest(picks: Iterable[Pick]) -> list[Pick]:
    """Those that nothing took the place of."""
    picks = list(picks)
    replaced = {digest for pick in picks for digest in pick.prior}
    return [pick for pick in picks if pick.digest not in replaced]


def standing(picks: Sequence[Pick], ways: Ways | None = None) -> list[Pick]:
    """Those that nothing took the place of and that contradict no other."""
    known = latest(picks)
    wrong = {pick.digest for pick in contradicting(known, ways)}
    return [pick for pick in known if pick.digest not in wrong]


def contradicting(picks: Sequence[Pick], ways: Ways | None = None) -> list[Pick]:
    """Those that nothing took the place of, and that lead back to what they decided against."""
    known = latest(picks)
    leads: dict[str, set[str]] = {step: set(to) for step, to in (ways or {}).items()}
    for pick in known:
        leads.setdefault(pick.step, set()).update(pick.over)
    return [pick for pick in known if pick.step in _reached(leads, pick.over)]


def meant(competing: Sequence[Competing], steps: Sequence[Collection[str]], picks: Iterable[Pick]) -> list[Competing]:
    """What is left of what competes; `steps` are those that made each. All of it where nothing is."""
    picks = list(picks)
    chosen = {pick.step for pick in picks}
    out = {digest for pick in picks for digest in pick.over}
    left = [
        one
        for one, made in zip(competing, steps, strict=True)
        if out.isdisjoint(made) or not chosen.isdisjoint(set(made) - out)
    ]
    return left or list(competing)


def _reached(leads: Mapping[str, Collection[str]], start: Iterable[str]) -> set[str]:
    waiting, seen = list(start), set[str]()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += leads.get(one, ())
    return seen
