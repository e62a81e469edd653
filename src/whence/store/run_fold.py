"""The fold of a run, from its files: what the journals, the points and the software of its environment come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ..errors import FormatError, UnresolvedError
from ..records.encoding import decode
from ..records.environment import Package, Software
from ..records.record import Record
from ..records.result import Metric
from ..records.seal import Seal
from ..rules.fold import Folded, Stated, fold
from .journal import POINTS_SUFFIX, SUFFIX, JournalText, journal_order, read_journal, writer_of
from .layout import Store
from .objects import open_object
from .points import summarise
from .run_files import RunFiles


def fold_run(
    store: Store,
    files: RunFiles,
    names: Sequence[str],
    texts: Sequence[JournalText],
    seal: Seal | None,
    seal_digest: str | None,
) -> Folded | None:
    """The fold of a run's files, as far as the seal goes; nothing if the run never came to be."""
    return fold_texts(store, texts, read_metrics(files, names, seal), seal, seal_digest)


def fold_texts(
    store: Store,
    texts: Sequence[JournalText],
    metrics: Mapping[str, Metric],
    seal: Seal | None,
    seal_digest: str | None,
) -> Folded | None:
    """The fold of what was read; nothing if the run never came to be."""
    folded = fold(by_writer(texts), metrics=metrics, seal=seal, seal_digest=seal_digest)
    return None if folded is None else replace(folded, record=_with_packages(store, folded.record))


def read_journals(files: RunFiles, names: Sequence[str], seal: Seal | None) -> list[JournalText]:
    """Every journal in the order of the fold, as far as the seal goes."""
    return [read_journal(_sealed_bytes(files, name, seal), name) for name in _covered(names, seal, SUFFIX)]


def _covered(names: Sequence[str], seal: Seal | None, suffix: str) -> list[str]:
    if seal is None:
        return journal_order(names, suffix)
    return journal_order({file.name for file in seal.files} & set(names), suffix)


def _sealed_bytes(files: RunFiles, name: str, seal: Seal | None) -> bytes:
    data = files.read(name)
    length = next((file.length for file in seal.files if file.name == name), 0) if seal else len(data)
    return data[:length]


def read_metrics(files: RunFiles, names: Sequence[str], seal: Seal | None) -> dict[str, Metric]:
    """The summaries over the points of all writers, as far as the seal goes."""
    return summarise(*(_sealed_bytes(files, name, seal) for name in _covered(names, seal, POINTS_SUFFIX)))


def by_writer(texts: Sequence[JournalText]) -> dict[str, list[Stated]]:
    """Each writer's events, continuations joined."""
    names = [text.name for text in texts]
    stated: dict[str, list[Stated]] = {}
    for text in texts:
        lines = stated.setdefault(writer_of(text.name, names), [])
        lines += [Stated(line.envelope.at, line.event) for line in text.lines if line.event is not None]
    return stated


def _with_packages(store: Store, record: Record) -> Record:
    """The record with the packages of its environment, from the object that the fingerprint names."""
    environment = record.environment
    if environment is None or environment.fingerprint is None:
        return record
    packages = read_software(store, environment.fingerprint)
    return replace(record, environment=replace(environment, packages=packages))


def read_software(store: Store, fingerprint: str) -> list[Package]:
    """The packages of an environment; none when the object is not there or not sound, which `verify` says."""
    try:
        with open_object(store, fingerprint) as stream:
            return decode(stream.read(), Software, where=fingerprint).packages
    except (OSError, ValueError, FormatError, UnresolvedError):
        return []
