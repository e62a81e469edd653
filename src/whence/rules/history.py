"""The history of a dataset, folded from its steps.

A step names the one before it, so the steps of a store form a chain: the number of a step is claimed by exclusive
creation. Two stores that went on apart and were merged have two steps of one number: then the history has two heads,
and a version that both made with other content is ambiguous, until a pick says which is meant (`rules.picks`). The
step that is made next follows all heads, the one that is meant first: its line is that of first priors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import msgspec

from ..errors import FormatError, UnresolvedError
from ..records.act import Actor
from ..records.dataset import Question, Step
from .picks import Pick, contradicting, meant, standing
from .versions import Version, read_version

MOST_LISTED = 20
"""Versions that an error names."""


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """A step with what its act says around it."""

    digest: str
    """Of the act."""
    act: str
    at: str
    by: Actor
    why: str | None
    prior: Sequence[str]
    step: Step


class Redescribed(msgspec.Struct, frozen=True, kw_only=True):
    """That a dataset was described without a step."""

    act: str
    prior: Sequence[str]
    """The newest steps then."""
    text: str


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A version, and the step that made it."""

    version: Version
    stated: Stated

    @property
    def manifest(self) -> str:
        return self.stated.step.manifest


class History(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What a dataset is and was."""

    id: str
    name: str
    description: str | None
    created: str
    versions: tuple[Made, ...]
    """Ascending; one that is ambiguous stands once for each content."""
    steps: tuple[Stated, ...]
    """By number."""
    picks: tuple[Pick, ...] = ()
    """Where something is ambiguous."""

    @cached_property
    def tips(self) -> tuple[Stated, ...]:
        """The steps that no other goes on from: one, unless stores were merged that went on apart."""
        first = {stated.prior[0] for stated in self.steps if stated.prior}
        return tuple(stated for stated in self.steps if stated.digest not in first)

    @cached_property
    def heads(self) -> tuple[Stated, ...]:
        """The tips that may be meant: one, unless no pick says which."""
        steps = [(stated.digest,) for stated in self.tips]
        return tuple(meant(self.tips, steps, self.standing("newest")))

    def picks_of(self, question: Question) -> list[Pick]:
        """Of one question; with what steps say that follow several."""
        said = [pick for pick in self.picks if pick.question == question]
        return [*said, *map(_said_by, filter(_joins, self.steps))] if question == "newest" else said

    def standing(self, question: Question) -> list[Pick]:
        """Those that count."""
        return standing(self.picks_of(question), self._ways if question == "newest" else None)

    @property
    def _ways(self) -> dict[str, set[str]]:
        ways: dict[str, set[str]] = {}
        for stated in self.steps:
            for prior in stated.prior[:1]:
                ways.setdefault(prior, set()).add(stated.digest)
        return ways

    @property
    def contested(self) -> bool:
        """Whether picks are asked."""
        return len(self.tips) > 1 or len({made.version for made in self.versions}) < len(self.versions)

    @property
    def cut(self) -> list[Stated]:
        """The steps that follow one which is not there, or cannot be read."""
        there = {stated.digest for stated in self.steps}
        return [stated for stated in self.steps if not there.issuperset(stated.prior)]

    @property
    def head(self) -> Made:
        """The newest version. Raises UnresolvedError where there are several, and FormatError where steps before one
        are not there, so that it cannot be told."""
        if self.cut:
            raise FormatError(
                f"dataset {self.name}: the step before {self.cut[0].step.version} is not there, or was changed,"
                " so what its newest version is cannot be told",
                hint="`whence verify` names all that is damaged; a version that is named can be used",
            )
        if len(self.heads) != 1:
            said = " and ".join(f"{one.step.version} ({one.at[:19]}, {one.by.host})" for one in self.heads)
            raise UnresolvedError(
                f"dataset {self.name}: was changed in two stores that were merged: its newest version is {said}"
                + differently(contradicting(self.picks_of("newest"), self._ways)),
                candidates=tuple(competitor(one) for one in self.heads),
                hint=f"`whence data pick {self.name} sha256:…` says which is meant; or name a version",
            )
        return Made(version=read_version(self.heads[0].step.version), stated=self.heads[0])

    @property
    def priors(self) -> list[Stated]:
        """What the next step follows: the newest version, and then the tips that are not meant. Raises
        UnresolvedError."""
        head = self.head.stated
        before = self._ancestors(head, every=True)
        return [head, *(tip for tip in self.tips if tip.digest not in before)]

    @property
    def current(self) -> Made:
        """The current release: the last one that the newest version comes of. Where nothing was released it is the
        newest version. Raises as `head`, and `get`."""
        head = self.head
        return head if self.is_free(head.version.anchor) else self.get(head.version.anchor)

    def line(self) -> list[Stated]:
        """The steps that the newest version comes of, oldest first. Raises UnresolvedError."""
        inside = self._ancestors(self.head.stated, every=False)
        return [stated for stated in self.steps if stated.digest in inside]

    def _ancestors(self, last: Stated, *, every: bool) -> set[str]:
        """Itself, and what it follows: with `every` on all lines."""
        known = {stated.digest: stated for stated in self.steps}
        waiting, seen = [last.digest], set[str]()
        while waiting:
            digest = waiting.pop()
            if digest in known and digest not in seen:
                seen.add(digest)
                waiting += known[digest].prior if every else known[digest].prior[:1]
        return seen

    def made_by(self, made: Made) -> set[str]:
        """The digests of the steps that made a version with this content."""
        wanted = (made.stated.step.version, made.manifest)
        return {stated.digest for stated in self.steps if (stated.step.version, stated.step.manifest) == wanted}

    def is_free(self, version: Version) -> bool:
        return all(made.version != version for made in self.versions)

    def release_of(self, made: Made) -> Version | None:
        """The first release with the content of a developing version."""
        if not made.version.developing:
            return None
        later = (one for one in self.versions if one.version > made.version and one.manifest == made.manifest)
        return next((one.version for one in later if not one.version.developing), None)

    def get(self, version: Version) -> Made:
        """The version. Raises UnresolvedError, naming those that there are, or the two that it may mean."""
        found = [made for made in self.versions if made.version == version]
        if not found:
            listed = [str(made.version) for made in self.versions][-MOST_LISTED:]
            raise UnresolvedError(
                f"dataset {self.name}: has no version {version}",
                candidates=tuple(listed),
                hint=f"`whence data log {self.name}` lists all {len(self.versions)}"
                if len(self.versions) > len(listed)
                else None,
            )
        if len(found) > 1:
            found = self._meant(found)
        if len(found) > 1:
            raise UnresolvedError(
                f"{self.name}@{version}: is ambiguous: it was made with two contents, in stores that were merged"
                + differently(contradicting(self.picks_of("version"))),
                candidates=tuple(competitor(made.stated) for made in found),
                hint=f"`whence data pick {self.name}@{version} sha256:…` says which is meant;"
                f" {self.name}@sha256:… names one",
            )
        return found[0]

    def _meant(self, found: Sequence[Made]) -> list[Made]:
        """As a pick says; else the one that the newest version comes of."""
        steps = [self.made_by(made) for made in found]
        left = meant(found, steps, self.standing("version"))
        if len(left) == 1 or len(self.heads) != 1:
            return left
        line = self._ancestors(self.heads[0], every=False)
        return [made for made in left if not line.isdisjoint(self.made_by(made))] or left

    def of_content(self, digest: str) -> list[Made]:
        """The newest version of each content whose digest begins so."""
        return list({made.manifest: made for made in self.versions if made.manifest.startswith(digest)}.values())


def competitor(stated: Stated) -> str:
    """One of several, for an error: its content, and what tells it from the others."""
    return f"{stated.step.manifest} ({stated.step.version}, {stated.at[:19]}, {stated.by.host})"


def differently(picks: Sequence[Pick]) -> str:
    """What to say of picks that contradict each other."""
    said = (f"{one.by.name or one.by.user or 'somebody'} on {one.by.host}" for one in picks)
    return f"; it was picked differently by {' and '.join(dict.fromkeys(said))}" if picks else ""


def _joins(stated: Stated) -> bool:
    return len(stated.prior) > 1


def _said_by(stated: Stated) -> Pick:
    """Who follows several means the first."""
    return Pick(
        digest=stated.digest,
        act=stated.act,
        at=stated.at,
        by=stated.by,
        why=stated.why,
        prior=(),
        question="newest",
        step=stated.digest,
        over=stated.prior[1:],
    )


def fold_history(
    identifier: str,
    steps: Iterable[Stated],
    picks: Sequence[Pick] = (),
    descriptions: Iterable[Redescribed] = (),
) -> History | None:
    """The history of a dataset, with what was said of it beside its steps; nothing where there is no first step."""
    known = sorted(steps, key=lambda stated: (stated.step.number, stated.act))
    if not known or known[0].step.number != 0:
        return None
    return History(
        id=identifier,
        name=known[0].step.name,
        description=_description(known, descriptions),
        created=known[0].at,
        versions=_versions(known),
        steps=tuple(known),
        picks=tuple(picks),
    )


def _description(steps: Sequence[Stated], descriptions: Iterable[Redescribed]) -> str | None:
    """What was said last: a step counts by its number, an act comes behind the step that was the newest then."""
    numbers = {stated.digest: stated.step.number for stated in steps}
    said = [(stated.step.number, 0, stated.act, stated.step.description) for stated in steps]
    said += [(max((numbers.get(one, 0) for one in act.prior), default=0), 1, act.act, act.text) for act in descriptions]
    texts = [text for *_, text in sorted(said, key=lambda one: one[:3]) if text is not None]
    return texts[-1] if texts else None


def _versions(steps: Sequence[Stated]) -> tuple[Made, ...]:
    """Each content of each version once, as the first step that made it says."""
    made: dict[tuple[Version, str], Made] = {}
    for stated in steps:
        version = read_version(stated.step.version)
        made.setdefault((version, stated.step.manifest), Made(version=version, stated=stated))
    return tuple(sorted(made.values(), key=lambda one: (one.version, one.stated.act)))


def producers_since_release(history: History) -> list[str]:
    """The runs that made the changes since the current release, the oldest first."""
    anchor = history.head.version.anchor
    since = [stated.step for stated in history.line() if read_version(stated.step.version).anchor == anchor]
    runs = [step.run for step in since if read_version(step.version).developing]
    return list(dict.fromkeys(run for run in runs if run is not None))
