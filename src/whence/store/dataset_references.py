"""What a word means that names a dataset or a version: `cifar`, `cifar@2.1.0`, `cifar@newest`, `cifar@sha256:…`,
`<id>@2.1.0`.

After stores were merged a name may stand for several datasets: a version that only one of them has is that one's, and
else it is the one that a pick says.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import msgspec

from ..errors import UnresolvedError, UsageError
from ..ids import is_id, short
from ..rules.history import History, Made, competitor, differently
from ..rules.picks import contradicting, meant, standing
from ..rules.versions import NEWEST, Version, read_version
from .dataset_picks import read_picks
from .datasets import dataset_names, ids_of_name, load_history
from .layout import Store


class NoDatasetError(UnresolvedError):
    """There is none of the name; the candidates are names like it."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a dataset that a word names."""

    history: History
    made: Made
    floating: bool
    """The word named no version, or only the newest: this is what it means now, and may be another one tomorrow."""

    def __str__(self) -> str:
        return f"{self.history.name}@{self.made.version}"


def split_reference(text: str) -> tuple[str, Version | str | None]:
    """The dataset that the word names, and the version, or the digest of its manifest, or how that begins; nothing
    for the newest, too. Raises UsageError for what is neither."""
    name, at, version = text.partition("@")
    if not name:
        raise UsageError(f"{text!r}: expected NAME or NAME@VERSION", hint="for instance cifar@2.1.0")
    if version.startswith(CONTENT):
        return name, version
    return name, read_version(version) if at and version != NEWEST else None


def find_version(store: Store, text: str) -> Found:
    """The version that the word names. Raises UsageError, UnresolvedError."""
    name, version = split_reference(text)
    histories = find_datasets(store, name)
    if version is None:
        history = _only(name, histories)
        made = history.head if text.endswith(f"@{NEWEST}") else history.current
        return Found(history=history, made=made, floating=True)
    if isinstance(version, str):
        return content_of(text, histories, version)
    having = [one for one in histories if any(made.version == version for made in one.versions)]
    if len(having) > 1:
        having = _meant_of_version(having, version)
    history = _only(text, having or histories)
    return Found(history=history, made=history.get(version), floating=False)


def content_of(text: str, histories: Sequence[History], digest: str) -> Found:
    """The newest version with a content, of one of these datasets; `text` is the word for it. Raises UsageError,
    UnresolvedError."""
    check_content(digest)
    found = [(history, made) for history in histories for made in history.of_content(digest)]
    if not found:
        raise UnresolvedError(
            f"{text}: no version has this content", hint=f"`whence data log {histories[0].name} --json` has the digests"
        )
    if len(found) > 1:
        _only(text, list({history.id: history for history, _ in found}.values()))
        raise UnresolvedError(
            f"{text}: {len(found)} contents begin so, expected one",
            candidates=tuple(competitor(made.stated) for _, made in found),
        )
    return Found(history=found[0][0], made=found[0][1], floating=False)


def _meant_of_version(histories: Sequence[History], version: Version) -> list[History]:
    """Those of several datasets that a pick leaves for a version."""
    steps = [
        {digest for made in one.versions if made.version == version for digest in one.made_by(made)}
        for one in histories
    ]
    return meant(histories, steps, standing([pick for one in histories for pick in one.picks_of("version")]))


def find_dataset(store: Store, name: str) -> History:
    """The one dataset of a name or id. Raises UnresolvedError."""
    if "@" in name:
        raise UsageError(f"{name}: expected a dataset, found a version", hint=f"for instance {name.partition('@')[0]}")
    return _only(name, find_datasets(store, name))


def find_datasets(store: Store, name: str) -> list[History]:
    """Every dataset of a name or id. Raises UnresolvedError when there is none, or none of them can be read."""
    ids = [name] if is_id(name) else ids_of_name(store, name)
    faults: list[str] = []
    found = [history for one in ids if (history := load_history(store, one, faults)) is not None]
    if len(found) > 1:
        return [msgspec.structs.replace(one, picks=tuple(read_picks(store, one.id))) for one in found]
    if found:
        return found
    if faults:
        raise UnresolvedError(f"dataset {name}: {faults[0]}", hint="`whence verify` names all that is damaged")
    known = dataset_names(store)
    near = difflib.get_close_matches(name, known, n=3)
    listed = f"did you mean {near[0]}? " if near else ""
    raise NoDatasetError(
        f"no dataset {name} in {store.path}",
        candidates=tuple(near),
        hint=f"{listed}`whence data list` lists the datasets" if known else "`whence data create NAME PATH` makes one",
    )


def _only(text: str, histories: Sequence[History]) -> History:
    picks = [pick for one in histories for pick in one.picks_of("name")]
    left = meant(histories, [{one.steps[0].digest} for one in histories], standing(picks))
    if len(left) == 1:
        return left[0]
    raise UnresolvedError(
        f"{text}: {len(left)} datasets have this name, expected one{differently(contradicting(picks))}",
        candidates=tuple(f"{one.id}  made {one.created[:19]}  {one.versions[-1].version}" for one in left),
        hint=f"name it by its id, for instance {left[0].id}; {short(left[0].id)} alone is not enough;"
        f" `whence data pick {text} ID` says which is meant",
    )


CONTENT = "sha256:"

FEWEST = 8
"""Hexadecimal digits that name a content; all of it has 64."""


def check_content(text: str) -> None:
    """Raises UsageError for what is no digest of a manifest, nor how one begins."""
    if not re.fullmatch(f"{CONTENT}[0-9a-f]{{{FEWEST},64}}", text):
        raise UsageError(
            f"{text}: expected {CONTENT} and {FEWEST} to 64 hexadecimal digits",
            hint="`whence data log NAME --json` has them",
        )
