"""What a word means that names a dataset or one of its versions: `cifar`, `cifar@2.1.0`, `<id>@2.1.0`.

After stores were merged a name may stand for several datasets: a version that only one of them has is that one's.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import msgspec

from ..errors import UnresolvedError, UsageError
from ..ids import is_id, short
from ..rules.history import History, Made
from ..rules.versions import Version, read_version
from .datasets import dataset_names, ids_of_name, load_history
from .layout import Store


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a dataset that a word names."""

    history: History
    made: Made
    floating: bool
    """The word named no version: this is the current release, and may be another one tomorrow."""

    def __str__(self) -> str:
        return f"{self.history.name}@{self.made.version}"


def split_reference(text: str) -> tuple[str, Version | None]:
    """The dataset that the word names, and the version. Raises UsageError for what is no version."""
    name, at, version = text.partition("@")
    if not name:
        raise UsageError(f"{text!r}: expected NAME or NAME@VERSION", hint="for instance cifar@2.1.0")
    return name, read_version(version) if at else None


def find_version(store: Store, text: str) -> Found:
    """The version that the word names. Raises UsageError, UnresolvedError."""
    name, version = split_reference(text)
    histories = find_datasets(store, name)
    if version is None:
        history = _only(name, histories)
        return Found(history=history, made=history.current, floating=True)
    having = [one for one in histories if any(made.version == version for made in one.versions)]
    history = _only(text, having or histories)
    return Found(history=history, made=history.get(version), floating=False)


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
    if found:
        return found
    if faults:
        raise UnresolvedError(f"dataset {name}: {faults[0]}", hint="`whence verify` names all that is damaged")
    known = dataset_names(store)
    raise UnresolvedError(
        f"no dataset {name} in {store.path}",
        candidates=tuple(difflib.get_close_matches(name, known, n=3)),
        hint="`whence data list` lists the datasets" if known else "`whence data create NAME PATH` makes one",
    )


def _only(text: str, histories: Sequence[History]) -> History:
    if len(histories) == 1:
        return histories[0]
    raise UnresolvedError(
        f"{text}: {len(histories)} datasets have this name, expected one",
        candidates=tuple(f"{one.id}  made {one.created[:19]}  {one.versions[-1].version}" for one in histories),
        hint=f"name it by its id, for instance {histories[0].id}; {short(histories[0].id)} alone is not enough",
    )
