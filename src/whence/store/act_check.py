"""Checks acts: each by its own check, the copies in the folders of runs, and what an act quotes."""

from __future__ import annotations

from collections.abc import Callable, Set

import msgspec

from ..digests import digest_of
from ..errors import FormatError
from ..ids import day_of
from ..records.act import Act, Subject
from ..records.checked import is_sound
from ..system.files import read_regular
from .acts import act_files, read_act
from .checking import ActCopy, Check
from .datasets import KIND as STEP
from .run_files import SEAL
from .run_list import holds_run


class _Acts(msgspec.Struct):
    """What was read of the acts."""

    files: dict[str, bytes] = {}
    """Name -> bytes, sound or not."""
    damaged: set[str] = set()
    sound: dict[str, tuple[str, Act]] = {}
    """Digest -> where it lies, and the act, of those of concern."""
    known: set[str] = set()
    """The digests of all that are sound."""


def check_acts(check: Check, concerns: Callable[[Subject], bool]) -> None:
    """Every act whose subject is of concern."""
    acts = _Acts()
    for path in act_files(check.store):
        where = str(path.relative_to(check.store.path))
        try:
            data = read_regular(path)
        except OSError as error:
            check.add(where, f"cannot be read: {error.strerror}, expected an act")
            continue
        acts.files[path.name] = data
        act = _check_act(check, data, where, path.stem, concerns)
        if act is None:
            acts.damaged.add(path.name)
            continue
        acts.known.add(digest_of(data))
        if concerns(act.subject):
            acts.sound[digest_of(data)] = (where, act)
            check.acts += 1
            if act.subject.dataset is not None:
                check.dataset_acts[digest_of(data)] = (where, act)
    carried = {(copy.run, copy.name) for copy in check.copies}
    check.notes += [
        f"{where}: has no copy in the folder of its run, which carries none when it is copied"
        for where, act in acts.sound.values()
        if act.subject.run is not None and _lacks_copy(check, act.subject.run, where, carried)
    ]
    for copy in check.copies:
        _check_copy(check, copy, acts)
    for where, act in acts.sound.values():
        _check_quotes(check, where, act, acts.known, bool(acts.damaged))


def _lacks_copy(check: Check, run: str, where: str, carried: Set[tuple[str, str]]) -> bool:
    """Nobody reads the copy, and who makes an act may not be allowed to; a run in an archive has none."""
    return (run, where.rpartition("/")[2]) not in carried and check.store.run_folder(run).is_dir()


def _check_copy(check: Check, copy: ActCopy, acts: _Acts) -> None:
    """Against the act itself, which is what readers go by; one that came with a folder from another store is added."""
    data = acts.files.get(copy.name)
    if copy.data == data:
        return
    if data is not None and copy.name not in acts.damaged:
        found, expected = digest_of(copy.data), digest_of(data)
        check.add(copy.where, f"found {found}, expected {expected}, as it is in acts/", [copy.run])
    elif act := _check_act(check, copy.data, copy.where, copy.name.removesuffix(".json"), lambda _: True):
        acts.sound[digest_of(copy.data)] = (copy.where, act)
        acts.known.add(digest_of(copy.data))
        if data is None:
            check.notes.append(
                f"{copy.where}: is not in acts/: it came with the folder, or was removed there; it counts"
            )


def _check_act(check: Check, data: bytes, where: str, name: str, concerns: Callable[[Subject], bool]) -> Act | None:
    try:
        act = read_act(data, where)
    except FormatError as error:
        check.add(where, error.message)
        return None
    about = [act.subject.run] if act.subject.run else []
    if not is_sound(data):
        if concerns(act.subject):
            check.add(where, f"found {digest_of(data)}, which does not hold its own check", about)
        return None
    if act.id != name:
        check.add(where, f"found the act {act.id}, expected {name}", about)
    return act


def _check_quotes(check: Check, where: str, act: Act, known: set[str], damaged: bool) -> None:
    """What an act quotes: the acts before it, its run, and the seal of that run."""
    run = act.subject.run
    for prior in () if act.kind == STEP else act.prior:  # The steps of a dataset hold each other.
        # A damaged act has another digest than the one quoted; it is named already.
        if prior not in known and not damaged:
            check.add(where, f"the act {prior} that it follows is not there: it was removed", [run] if run else [])
    if run is None:
        return
    place = f"runs/{day_of(run)}/{run}"
    if not holds_run(check.store, run):
        check.add(place, f"not there, expected the run that {where} is about", [run])
        return
    expected, found = act.subject.seal, check.seals.get(run, "")
    # A damaged seal is named already.
    if expected is None or found is None or found == expected:
        return
    what = f"found {found}" if found else "not there"
    check.add(f"{place}/{SEAL}", f"{what}, expected {expected}, which {where} quotes", [run])
