"""Acts about datasets that are no steps of their history, in `datasets/<dataset id>/acts/` (docs/format.md, section
10).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from ..digests import digest_of
from ..errors import FormatError, StoreError
from ..ids import day_of, new_id
from ..records.act import Act, Subject
from ..records.checked import encode_checked, is_sound
from ..records.dataset import Described
from ..records.encoding import convert, timestamp
from ..rules.history import History, Redescribed
from ..system.files import make_folders, sync_folder, write_new
from .acts import SUFFIX, is_act, link_or_copy, read_act
from .layout import Store
from .speaker import Speaker


def acts_folder(store: Store, identifier: str) -> Path:
    return store.datasets / identifier / "acts"


def say_of_dataset(
    store: Store, identifier: str, kind: str, body: Any, *, prior: list[str], why: str | None, speaker: Speaker
) -> Act:
    """Make an act about a dataset; it is on the disk then. Raises OSError."""
    now = speaker.clock()
    act = Act(
        id=new_id(now // 1_000_000, speaker.random(10)),
        kind=kind,
        at=timestamp(now),
        subject=Subject(dataset=identifier),
        by=speaker.by,
        why=why,
        prior=prior,
        body=msgspec.to_builtins(body),
    )
    data = encode_checked(act)
    path = acts_folder(store, identifier) / (act.id + SUFFIX)
    make_folders(path.parent)
    sync_folder(path.parent.parent)
    if not write_new(path, data, sync=True):
        raise FileExistsError(17, "an act with this id is there", str(path))
    link_or_copy(path, store.acts / day_of(act.id), data)
    return act


DESCRIBE = "describe"


def descriptions(store: Store, identifier: str) -> list[Redescribed]:
    """What was said of the dataset beside its steps."""
    found: list[Redescribed] = []
    for _, act in dataset_acts(store, identifier):
        if act.kind == DESCRIBE:
            with suppress(FormatError):  # of a later version of the format
                text = convert(act.body, Described).description
                found.append(Redescribed(act=act.id, prior=tuple(act.prior), text=text))
    return found


def describe(store: Store, history: History, description: str | None, why: str | None, speaker: Speaker) -> bool:
    """Say what a dataset is, without a change of it; whether that was not said already. Raises OSError, StoreError."""
    if description in (None, history.description):
        return False
    if not store.writable:
        raise StoreError(f"{store.path}: may be read, not written", hint="copy the store, or ask its owner")
    prior = [stated.digest for stated in history.heads]
    body = Described(description=description or "")
    say_of_dataset(store, history.id, DESCRIBE, body, prior=prior, why=why, speaker=speaker)
    return True


def dataset_acts(store: Store, identifier: str, faults: list[str] | None = None) -> list[tuple[str, Act]]:
    """(digest, act) of each, the oldest first; `faults` is told of what cannot be read, or is not as it was made."""
    folder = acts_folder(store, identifier)
    try:
        names = sorted(name for name in os.listdir(folder) if is_act(name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    found: list[tuple[str, Act]] = []
    for name in names:
        try:
            data = (folder / name).read_bytes()
            act = read_act(data, str(folder / name))
            if not is_sound(data) or act.subject.dataset != identifier:
                raise FormatError(f"{folder / name}: found {digest_of(data)}, which does not hold its own check")
            found.append((digest_of(data), act))
        except (OSError, FormatError) as error:
            if faults is not None:
                faults.append(error.message if isinstance(error, FormatError) else f"{folder / name}: {error.strerror}")
    return found
