"""Picking: of what two stores made apart and a merge brought together, which is meant from now on.

What competes are steps: to be the newest version of a dataset, to be one version of it, or, as the first of their
datasets, for a name. Nothing is changed or removed, and what is not meant is still found by its digest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from ..errors import UnresolvedError, UsageError
from ..ids import is_id
from ..records.dataset import Picked, Question
from ..rules.history import History, Stated, competitor
from ..rules.picks import Pick, latest, meant, standing
from ..rules.versions import Version
from ..store.dataset_picks import make_pick
from ..store.dataset_references import CONTENT, check_content, find_datasets, split_reference
from ..store.layout import Store
from ..store.speaker import Speaker


class Competitor(msgspec.Struct, frozen=True, kw_only=True):
    """One of what a word may mean."""

    history: History
    stated: Stated
    """The step that it is."""
    steps: Collection[str]
    """The digests of all that made it."""

    def __str__(self) -> str:
        return f"{self.history.id}: {competitor(self.stated)}"


class PickDone(msgspec.Struct, frozen=True, kw_only=True):
    """What was picked, over what, and whether that was not so before."""

    question: Question
    name: str
    id: str
    version: str
    manifest: str
    act: str
    """The act of the step that is meant."""
    over: list[str]
    """The manifests of the others."""
    changes: bool
    heads: int
    """How many versions may still be the newest."""


def pick(store: Store, reference: str, which: str, why: str | None, speaker: Speaker) -> PickDone:
    """Say that of what the reference may mean it is `which`: the digest of its manifest or how that begins, the id of
    its step's act or of its dataset, or its version.

    Raises UsageError where nothing competes, UnresolvedError, OSError.
    """
    name, version = split_reference(reference)
    if isinstance(version, str):
        raise UsageError(f"{reference}: is one content, expected NAME or NAME@VERSION", hint="nothing competes with it")
    histories = find_datasets(store, name)
    question, competing = _competing(histories, version)
    if len(competing) < 2:
        raise UsageError(
            f"{reference}: there is nothing to pick: one is meant, {competing[0]}",
            hint=f"`whence data log {name}` lists the versions",
        )
    chosen = _chosen(reference, competing, which)
    picks = latest(pick for one in histories for pick in one.picks_of(question))
    over = sorted({digest for one in competing if one is not chosen for digest in one.steps} - set(chosen.steps))
    left = _left(question, competing, picks)
    changes = len(left) > 1 or left[0] is not chosen
    if changes:
        _state(store, question, chosen, over, picks, why, speaker)
    now = next(one for one in find_datasets(store, chosen.history.id) if one.id == chosen.history.id)
    step = chosen.stated.step
    return PickDone(
        question=question,
        name=step.name,
        id=chosen.history.id,
        version=step.version,
        manifest=step.manifest,
        act=chosen.stated.act,
        over=[one.stated.step.manifest for one in competing if one is not chosen],
        changes=changes,
        heads=len(now.heads),
    )


def _competing(histories: Sequence[History], version: Version | None) -> tuple[Question, list[Competitor]]:
    if version is not None:
        made = [(one, made) for one in histories for made in one.versions if made.version == version]
        if not made:
            histories[0].get(version)  # Raises.
        return "version", [
            Competitor(history=history, stated=made.stated, steps=history.made_by(made)) for history, made in made
        ]
    if len(histories) > 1:
        return "name", [_competitor(one, one.steps[0]) for one in histories]
    (history,) = histories
    return "newest", [_competitor(history, tip) for tip in history.tips]


def _competitor(history: History, stated: Stated) -> Competitor:
    return Competitor(history=history, stated=stated, steps=(stated.digest,))


def _chosen(reference: str, competing: Sequence[Competitor], which: str) -> Competitor:
    """Raises UsageError, UnresolvedError."""
    if which.startswith(CONTENT):
        check_content(which)
    found = [one for one in competing if _is(one, which)]
    contents = {(one.history.id, one.stated.step.version, one.stated.step.manifest) for one in found}
    if len(contents) == 1:
        return found[0]
    what = f"{len(found)} of what it may mean" if found else "nothing that it may mean"
    raise UnresolvedError(
        f"{reference}: {which} is {what}, expected one",
        candidates=tuple(map(str, competing)),
        hint="name a digest, or the id of a dataset",
    )


def _is(one: Competitor, which: str) -> bool:
    step = one.stated.step
    if which.startswith(CONTENT):
        return step.manifest.startswith(which)
    return which in ((one.history.id, one.stated.act) if is_id(which) else (step.version,))


def _left(question: Question, competing: Sequence[Competitor], picks: Sequence[Pick]) -> list[Competitor]:
    """What may be meant as it stands."""
    if question == "newest":
        heads = {stated.digest for stated in competing[0].history.heads}
        return [one for one in competing if one.stated.digest in heads]
    return meant(competing, [one.steps for one in competing], standing(picks))


def _state(
    store: Store,
    question: Question,
    chosen: Competitor,
    over: Sequence[str],
    picks: Sequence[Pick],
    why: str | None,
    speaker: Speaker,
) -> None:
    step = chosen.stated.step
    picked = Picked(
        question=question,
        name=step.name,
        version=step.version,
        manifest=step.manifest,
        step=chosen.stated.digest,
        over=list(over),
    )
    against = [one.digest for one in picks if one.step in over or not set(one.over).isdisjoint(chosen.steps)]
    make_pick(store, chosen.history.id, picked, prior=against, why=why, speaker=speaker)
