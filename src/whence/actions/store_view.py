"""A store for Python: `whence.open()` gives it. Reading, and the notes and tags that one may add years later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, overload

from ..errors import FormatError, UnresolvedError, UsageError
from ..index.interface import Index
from ..records.comparison import Comparison, PartName
from ..records.record import Record
from ..rules.addresses import Scalar
from ..rules.difference import PARTS
from ..rules.query import All, parse
from ..rules.query_check import refuse_clashes
from ..rules.secrets import Secrets
from ..store.dataset_references import find_dataset
from ..store.dataset_steps import said_masked
from ..store.layout import Store
from ..store.speaker import Speaker
from .annotate import add_note, set_tags
from .content import find_content
from .dataset_view import list_datasets
from .diff import diff, find_compared
from .fetching import fetch
from .listing import Order, read_order
from .recorded_dataset import Paths, RecordedDataset, create_dataset, source_of
from .references import resolve_run
from .view import view_record


class StoreView:
    """The runs and datasets of a store."""

    def __init__(
        self,
        store: Store,
        *,
        cwd: Path,
        speaker: Speaker,
        environ: Mapping[str, str],
        secrets: Callable[[], Secrets],
        index: Callable[[], Index],
    ) -> None:
        self._store = store
        self._cwd = cwd
        self._speaker = speaker
        self._environ = environ
        self._secrets = secrets
        self._index = index

    @property
    def path(self) -> Path:
        """The store's folder."""
        return self._store.path

    def __repr__(self) -> str:
        return f"<whence store {self._store.path}>"

    def runs(self, query: str | None = None, *, sort: str | None = None, limit: int | None = None) -> Runs:
        """The runs that a query means, newest first; or sorted by a field, `-` before it for the largest first.

        `query` is what `whence log` takes: `metrics.acc > 0.9 and config.lr = 0.1`. Runs without the field that they
        are sorted by come last; runs that cannot be read are left out (`whence verify` names them). Which runs it are
        is decided now, and each record is read when it is asked for. Raises QueryError.
        """
        parsed = parse(query) if query else All()
        order = read_order(sort) if sort else Order()
        with closing(self._index()) as index:
            index.feed()
            refuse_clashes(parsed, query or "", index.kinds)
            found = list(index.runs(parsed, sort=order.path, falling=order.falling, limit=limit))
        return Runs(self, found)

    def __iter__(self) -> Iterator[RecordedRun]:
        return iter(self.runs())

    def run(self, reference: str = "@") -> RecordedRun:
        """One run: by id, the end of one, name, `@` for the latest, `@~2`. Raises UnresolvedError."""
        return self._get(resolve_run(self._store, reference))

    def diff(self, *references: str, only: Sequence[PartName] = PARTS, explain: bool = False) -> Comparison:
        """What two runs or more have otherwise: what `whence diff --json` prints. Each is named as in `run`, or by a
        file that it made. `only` names the parts. Raises UnresolvedError, UsageError."""
        now = self._speaker.clock()
        if len(references) < 2:
            raise UsageError(f"diff: found {len(references)} runs, expected two or more", hint='diff("@~1", "@")')
        if unknown := [part for part in only if part not in PARTS]:
            raise UsageError(f"diff: found the part {unknown[0]!r}, expected one of {', '.join(PARTS)}")
        runs = find_compared(self._store, references, cwd=self._cwd, now_ns=now)
        return diff(self._store, runs, self._environ, now_ns=now, parts=only, explained=explain)

    def get(self, reference: str, dest: str | Path) -> Path:
        """Write content out, verified: `RUN:name`, `sha256:…`. Raises UnresolvedError, ExistsError, FormatError."""
        content = find_content(self._store, reference, cwd=self._cwd, now_ns=self._speaker.clock())
        return fetch(self._store, content, self._cwd / dest, self._environ).path

    def datasets(self) -> list[RecordedDataset]:
        """Every dataset, by name; those whose steps cannot be read are left out (`whence verify` names them)."""
        return [self._dataset(line.id) for line in list_datasets(self._store, [])]

    def dataset(self, name: str) -> RecordedDataset:
        """One dataset, by name or id. Raises UnresolvedError, UsageError."""
        return self._dataset(find_dataset(self._store, name).id)

    def create_dataset(
        self,
        name: str,
        paths: Paths = (),
        *,
        below: str | None = None,
        because: str | None = None,
        description: str | None = None,
        reference: bool = False,
        sql: str | None = None,
        url: str | None = None,
        parameters: Mapping[str, Scalar] | None = None,
    ) -> RecordedDataset:
        """Make a dataset of files and folders, or of a query's rows; its first version, 0.1.0, is a release. The
        arguments are those of `RecordedDataset.add`. Raises UsageError for a name that is taken or none, SourceError,
        StoreError, LibraryError."""
        secrets = self._secrets()
        source = source_of(paths, below, reference, sql, url, parameters)
        said = said_masked(secrets, because, description)
        made = create_dataset(self._store, self._cwd, name, source, said=said, secrets=secrets, speaker=self._speaker)
        return self._dataset(made)

    def _dataset(self, identifier: str) -> RecordedDataset:
        return RecordedDataset(self._store, identifier, cwd=self._cwd, speaker=self._speaker, secrets=self._secrets)

    def _get(self, run_id: str) -> RecordedRun:
        return RecordedRun(self, view_record(self._store, run_id, now_ns=self._speaker.clock()))

    def note(self, run_id: str, text: str) -> RecordedRun:
        """Say something about a run."""
        add_note(self._store, run_id, text, secrets=self._secrets(), speaker=self._speaker)
        return self._get(run_id)

    def tag(self, run_id: str, tags: dict[str, str], remove: tuple[str, ...]) -> RecordedRun:
        """Put tags on a run or take them off."""
        set_tags(self._store, run_id, tags, remove=remove, secrets=self._secrets(), speaker=self._speaker)
        return self._get(run_id)


class Runs(Sequence["RecordedRun"]):
    """Runs in an order, each read from the store when it is asked for. One that was removed meanwhile raises
    UnresolvedError by its number, and is passed over by a loop."""

    def __init__(self, view: StoreView, ids: Sequence[str]) -> None:
        self._view = view
        self._ids = ids

    @property
    def ids(self) -> list[str]:
        """The identifiers, which are known without reading a run."""
        return list(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> RecordedRun: ...
    @overload
    def __getitem__(self, at: slice) -> Runs: ...
    def __getitem__(self, at: int | slice) -> RecordedRun | Runs:
        return Runs(self._view, self._ids[at]) if isinstance(at, slice) else self._view.run(self._ids[at])

    def __iter__(self) -> Iterator[RecordedRun]:
        for run in self._ids:
            try:
                yield self._view.run(run)
            except (FormatError, UnresolvedError):
                continue

    def __repr__(self) -> str:
        return f"<{len(self._ids)} whence runs>"


class RecordedRun:
    """A run as it stood when it was read: the fields of its record as attributes, and what one may add to it."""

    def __init__(self, view: StoreView, record: Record) -> None:
        self._view = view
        self._record = record

    @property
    def record(self) -> Record:
        """The whole record."""
        return self._record

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._record, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._record.__struct_fields__})

    def __repr__(self) -> str:
        return f"<whence run {self._record.id} {self._record.status}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecordedRun) and other._record == self._record

    def __hash__(self) -> int:
        return hash(self._record.id)

    def metric(self, name: str) -> float | str | None:
        """The last value of a metric; nothing if it was never logged."""
        found = self._record.metrics.get(name)
        return found.last if found else None

    def note(self, text: str) -> RecordedRun:
        """Say something about the run; itself, as it stands then."""
        return self._view.note(self._record.id, text)

    def tag(self, *names: str, remove: tuple[str, ...] = (), **tags: str) -> RecordedRun:
        """Put tags on the run or take them off; itself, as it stands then."""
        return self._view.tag(self._record.id, {**dict.fromkeys(names, ""), **tags}, remove)

    def get(self, name: str, dest: str | Path) -> Path:
        """Write out an artifact or a kept input, verified; where it went."""
        return self._view.get(f"{self._record.id}:{name}", dest)
