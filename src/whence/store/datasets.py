"""Datasets in the store: who has a name, and the steps of each (docs/format.md, section 10).

Whoever makes a step claims its number, and whoever makes a dataset its name, by putting a folder in place that has
the act in it: of several at once exactly one succeeds, and there is no moment at which a claim says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..digests import digest_of
from ..errors import FormatError, UsageError
from ..ids import day_of, is_id
from ..records.act import Act
from ..records.checked import encode_checked, is_sound
from ..records.dataset import Step
from ..records.encoding import convert, encode
from ..rules.dataset_names import LONGEST
from ..rules.history import History, Stated, fold_history
from ..rules.versions import read_version
from ..system.files import TEMPORARY, claim_folder, make_folders, read_regular, write_new
from .acts import SUFFIX, is_act, link_or_copy, read_act
from .dataset_acts import descriptions
from .dataset_picks import read_picks
from .layout import Store

KIND = "dataset"
"""The kind of an act that is a step."""


def names_folder(store: Store) -> Path:
    return store.datasets / "names"


def steps_folder(store: Store, identifier: str) -> Path:
    return store.datasets / identifier / "steps"


def claim_first_step(store: Store, act: Act, step: Step) -> bool:
    """Make the dataset, unless its name is taken. Raises OSError."""
    data = encode_checked(act)
    claim = names_folder(store) / step.name
    make_folders(claim.parent)
    if not claim_folder(claim, f"{act.subject.dataset}{SUFFIX}", data):
        return False
    first = steps_folder(store, str(act.subject.dataset)) / "0"
    make_folders(first.parent)
    claim_folder(first, act.id + SUFFIX, data)
    link_or_copy(first / (act.id + SUFFIX), store.acts / day_of(act.id), data)
    return True


def claim_step(store: Store, act: Act, step: Step) -> bool:
    """Make the step, unless there is one of its number already. Raises OSError."""
    data = encode_checked(act)
    claim = steps_folder(store, str(act.subject.dataset)) / str(step.number)
    make_folders(claim.parent)
    if not claim_folder(claim, act.id + SUFFIX, data):
        return False
    link_or_copy(claim / (act.id + SUFFIX), store.acts / day_of(act.id), data)
    return True


def take_step(store: Store, identifier: str, stated: Stated, data: bytes) -> bool:
    """Have a step that was made in another store; whether it was not there. Another of its number stays beside it, as
    in merged stores. Raises OSError."""
    name = stated.act + SUFFIX
    claim = steps_folder(store, identifier) / str(stated.step.number)
    make_folders(claim.parent)
    taken = claim_folder(claim, name, data) or write_new(claim / name, data, sync=True)
    link_or_copy(claim / name, store.acts / day_of(stated.act), data)
    return taken


def take_name(store: Store, identifier: str, name: str, first: bytes) -> None:
    """Let a dataset that was made in another store be found by its name, which others may have, too. Raises OSError."""
    claim = names_folder(store) / name
    make_folders(claim.parent)
    if not claim_folder(claim, identifier + SUFFIX, first):
        write_new(claim / (identifier + SUFFIX), first, sync=True)


def dataset_names(store: Store) -> list[str]:
    """Every name, sorted."""
    return sorted(_listed(names_folder(store)))


def ids_of_name(store: Store, name: str) -> list[str]:
    """The datasets of a name: one, or several where stores were merged; none for an unknown name.

    A claim that was lost frees no name: the first step of every dataset has it, too. Costs a read of these.
    """
    if "/" in name or "\0" in name or name in ("", ".", "..") or len(name) > LONGEST:
        return []
    claimed = {file.removesuffix(SUFFIX) for file in _listed(names_folder(store) / name) if is_act(file)}
    root, said = str(store.datasets), b'"name":%b' % encode(name)
    others = (other for other in _listed(root) if is_id(other) and other not in claimed)
    return sorted(claimed | {other for other in others if _is_born_as(root, other, name, said)})


def _is_born_as(root: str, identifier: str, name: str, said: bytes) -> bool:
    # Texts, not paths: these are made for every dataset of the store.
    folder = f"{root}/{identifier}/steps/0"
    for file in filter(is_act, _listed(folder)):
        with suppress(OSError, FormatError):
            data = read_regular(f"{folder}/{file}")
            if said in data and read_step(data, identifier, file).step.name == name:
                return True
    return False


def dataset_ids(store: Store) -> list[str]:
    """Every dataset, the oldest first."""
    named = {identifier for name in dataset_names(store) for identifier in ids_of_name(store, name)}
    return sorted(named | {name for name in _listed(store.datasets) if is_id(name)})


def load_history(store: Store, identifier: str, faults: list[str] | None = None) -> History | None:
    """The history of a dataset; nothing where its first step is not there. `faults` is told of steps that cannot be
    read, or are not as they were made; they do not count."""
    said = faults if faults is not None else []
    steps = {stated.act: stated for stated, _ in read_steps(store, identifier, said)}
    said_beside = descriptions(store, identifier)
    history = fold_history(identifier, steps.values(), descriptions=said_beside)
    if history is None or not history.contested:
        return history
    return fold_history(identifier, steps.values(), read_picks(store, identifier), said_beside)


def step_files(store: Store, identifier: str) -> Iterator[Path]:
    """The file of every step. Who was cut off when the dataset was made has left the first under its name alone."""
    folder = steps_folder(store, identifier)
    if not _acts_in(folder / "0"):
        born = (names_folder(store) / name / f"{identifier}{SUFFIX}" for name in dataset_names(store))
        yield from (path for path in born if path.exists())
    for number in _listed(folder):
        yield from _acts_in(folder / number)


def empty_claims(store: Store, identifier: str) -> list[str]:
    """The numbers whose folder has no step in it. None is made so: it was removed."""
    folder = steps_folder(store, identifier)
    return sorted(number for number in _listed(folder) if number.isdecimal() and not _acts_in(folder / number))


def read_step(data: bytes, identifier: str, where: str) -> Stated:
    """The step that the bytes of an act are. Raises FormatError for what is none of this dataset, or was changed."""
    if not is_sound(data):
        raise FormatError(f"{where}: found {digest_of(data)}, which does not hold its own check, expected a step")
    act = read_act(data, where)
    step = convert(act.body, Step, where=where)
    if act.kind != KIND or act.subject.dataset != identifier:
        raise FormatError(
            f"{where}: found an act of kind {act.kind} about {act.subject.dataset}, expected a step of {identifier}"
        )
    try:
        read_version(step.version)
    except UsageError as error:
        raise FormatError(f"{where}: {error.message}") from error
    return Stated(
        digest=digest_of(data), act=act.id, at=act.at, by=act.by, why=act.why, prior=tuple(act.prior), step=step
    )


def read_chain(store: Store, identifier: str, digest: str) -> list[tuple[Stated, bytes]]:
    """A step by the digest of its act, after those that it comes of, each with its bytes. Raises FormatError where one
    of them is missing or damaged."""
    faults: list[str] = []
    known = {stated.digest: (stated, data) for stated, data in read_steps(store, identifier, faults)}
    found: dict[str, tuple[Stated, bytes]] = {}
    pending = [digest]
    while pending:
        wanted = pending.pop()
        if wanted not in known:
            because = faults[0] if faults else f"dataset {identifier}: the step {wanted} is not there"
            raise FormatError(because, hint="`whence verify` names all that is damaged")
        found[wanted] = known[wanted]
        pending += [prior for prior in known[wanted][0].prior if prior not in found]
    return sorted(found.values(), key=lambda one: (one[0].step.number, one[0].act))


def read_steps(store: Store, identifier: str, faults: list[str]) -> Iterator[tuple[Stated, bytes]]:
    """Every step that can be read."""
    for path in step_files(store, identifier):
        try:
            data = read_regular(path)
            stated = read_step(data, identifier, str(path))
            _refuse_misplaced(path, stated)
            yield stated, data
        except OSError as error:
            faults.append(f"{path}: cannot be read: {error.strerror}, expected a step")
        except FormatError as error:
            faults.append(error.message)


def _refuse_misplaced(path: Path, stated: Stated) -> None:
    """Raises FormatError for a step in the folder of another one, which it keeps from being made."""
    place = path.parent.name
    if place.isdecimal() and place != str(stated.step.number):
        what = f"found the step {stated.step.number}, expected the step {place}"
        raise FormatError(f"{path}: {what}; move it out of the store, or to its own folder")


def _acts_in(folder: Path) -> list[Path]:
    return [folder / file for file in sorted(_listed(folder)) if is_act(file)]


def _listed(folder: Path | str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(TEMPORARY)]
    except (FileNotFoundError, NotADirectoryError):
        return []
