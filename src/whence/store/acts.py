"""Acts: later statements, one file each, created whole and never changed (docs/format.md, section 7)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ..digests import digest_of
from ..errors import FormatError
from ..ids import day_of, is_id
from ..records.act import Act
from ..records.checked import encode_checked, is_sound
from ..records.encoding import decode
from ..system.files import TEMPORARY, make_folders, read_regular, write_new
from .layout import Store

SUFFIX = ".json"


def write_act(store: Store, act: Act) -> str:
    """Create the act and its link in the run's folder; its digest. Raises OSError, FileExistsError for a used id."""
    data = encode_checked(act)
    path = act_path(store, act.id)
    make_folders(path.parent)
    if not write_new(path, data, sync=True):
        raise FileExistsError(17, "an act with this id is there", str(path))
    if act.subject.run is not None:
        _link(path, store.run_folder(act.subject.run), data)
    return digest_of(data)


def _link(path: Path, run: Path, data: bytes) -> None:
    """Let a copied run folder carry the act; a run in an archive has none."""
    if run.is_dir():
        link_or_copy(path, run / "acts", data)


def link_or_copy(path: Path, folder: Path, data: bytes) -> None:
    """Let the act stand in a second folder, too, if that can be had: readers go by the first."""
    try:
        make_folders(folder)
        os.link(path, folder / path.name)
    except FileExistsError:
        return
    except OSError:
        _copy(folder / path.name, data)


def _copy(path: Path, data: bytes) -> None:
    with suppress(OSError):
        write_new(path, data, sync=True)


def acts_about(store: Store, run_id: str, faults: list[str] | None = None) -> list[tuple[str, Act]]:
    """(digest, act) of every act about the run, oldest first; `faults` is told of what cannot be read.

    Costs a read of every act since the run's day; for many runs take `all_acts` once.
    """
    since = day_of(run_id)
    days = sorted(name for name in _names(store.acts) if name >= since)
    return acts_in(store, run_id, (path for day in days for path in _files(store.acts / day)), faults)


def acts_in(store: Store, run_id: str, files: Iterable[Path], faults: list[str] | None = None) -> list[tuple[str, Act]]:
    """(digest, act) of the acts about the run among these files, and of those that its folder carries, oldest first."""
    carried = {path.name: path for path in _files(store.run_folder(run_id) / "acts")}
    known = {path.name: path for path in files}
    found = _read((carried | known).values(), run_id.encode(), faults, carried)
    return sorted((item for item in found if item[1].subject.run == run_id), key=lambda item: item[1].id)


def act_path(store: Store, act: str) -> Path:
    """Where an act of that identifier lies."""
    return store.acts / day_of(act) / (act + SUFFIX)


def read_one(path: Path) -> Act | str:
    """The act in a file, or what is wrong with it."""
    found = _read_one(path, b"")
    return found[1] if isinstance(found, tuple) else found or f"{path}: found nothing, expected an act"


def all_acts(store: Store, faults: list[str] | None = None) -> list[tuple[str, Act]]:
    """(digest, act) of every act of the store, oldest first; `faults` is told of what cannot be read."""
    return list(_read(act_files(store), b"", faults, {}))


def act_files(store: Store) -> Iterator[Path]:
    """Every file of an act, oldest first."""
    for day in act_days(store):
        yield from _files(store.acts / day)


def act_days(store: Store) -> list[str]:
    """The days that have a folder of acts, in order."""
    return sorted(_names(store.acts))


def acts_of_day(store: Store, day: str) -> list[str]:
    """The identifiers of the acts in a day's folder."""
    return [path.name.removesuffix(SUFFIX) for path in _files(store.acts / day)]


def read_act(data: bytes, where: str) -> Act:
    """The act in the bytes. Raises FormatError."""
    return decode(data, Act, where=where)


def _read(
    files: Iterable[Path], wanted: bytes, faults: list[str] | None, carried: Mapping[str, Path]
) -> Iterator[tuple[str, Act]]:
    """The acts whose bytes hold what is wanted, and those that the run's folder carries.

    One bad file must not hide the others, and is not believed: its copy in the run's folder may be as it was.
    """
    for path in files:
        act = _read_one(path, b"" if path.name in carried else wanted)
        if isinstance(act, str):
            if faults is not None:
                faults.append(act)
            copy = carried.get(path.name, path)
            act = None if copy == path else _read_one(copy, wanted)
        if isinstance(act, tuple):
            yield act


def _read_one(path: Path, wanted: bytes) -> tuple[str, Act] | str | None:
    """The act with its digest, or what is wrong with it; nothing when its bytes do not hold what is wanted."""
    try:
        data = read_regular(path)
        if wanted not in data:
            return None
        if not is_sound(data):
            return f"{path}: found {digest_of(data)}, which does not hold its own check, expected an act"
        return digest_of(data), read_act(data, str(path))
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}, expected an act"
    except FormatError as error:
        return error.message


def is_act(name: str) -> bool:
    """Whether a file of that name holds an act."""
    return name.endswith(SUFFIX) and is_id(name.removesuffix(SUFFIX))


def _files(folder: Path) -> list[Path]:
    return [folder / name for name in sorted(_names(folder)) if is_act(name)]


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(TEMPORARY)]
    except (FileNotFoundError, NotADirectoryError):
        return []
