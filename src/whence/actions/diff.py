"""What runs have otherwise than each other: their records, and of two the code and the data behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from ..errors import FormatError, UnresolvedError, UsageError
from ..records.comparison import CodeChanges, Comparison, Members, Part, PartName
from ..records.record import Record
from ..records.tables import TableShape
from ..rules.causes import explain
from ..rules.contents import difference
from ..rules.difference import PARTS, compare, compare_part
from ..rules.facts import quoted
from ..rules.table_difference import table_changes
from ..store.dataset_references import find_version
from ..store.dataset_tables import tables_before
from ..store.datasets import load_history
from ..store.layout import Store
from ..store.manifests import read_manifest
from .code_changes import code_changes
from .dataset_view import changed_files
from .makers import resolve_shown
from .view import KnownActs, view_record


def find_compared(store: Store, texts: Sequence[str], *, cwd: Path, now_ns: int) -> list[str]:
    """The runs that the words name: of a file or digest, the one that made it. Raises UnresolvedError, UsageError."""
    return [_find(store, text, texts, cwd, now_ns) for text in texts]


def _find(store: Store, text: str, texts: Sequence[str], cwd: Path, now_ns: int) -> str:
    try:
        return resolve_shown(store, text, cwd=cwd, now_ns=now_ns)
    except UnresolvedError as error:
        if "@" in text and _is_version(store, text):
            hint = f"whence data diff {' '.join(texts[:2])}"
            raise UsageError(f"{text}: is a version of a dataset, expected a run", hint=hint) from error
        raise


def _is_version(store: Store, text: str) -> bool:
    try:
        find_version(store, text)
    except (UnresolvedError, UsageError):
        return False
    return True


def diff(
    store: Store,
    runs: Sequence[str],
    environ: Mapping[str, str],
    *,
    now_ns: int,
    parts: Sequence[PartName] = PARTS,
    explained: bool = False,
) -> Comparison:
    """What the runs have otherwise, which are at least two; why the results of two may differ, where that is asked.

    `environ` is for git, which reads the snapshots. Raises FormatError, UsageError.
    """
    if explained and len(runs) > 2:
        raise UsageError(f"causes: found {len(runs)} runs, expected two", hint="leave --explain out, or name two runs")
    acts = KnownActs(store)
    records = [view_record(store, run, now_ns=now_ns, acts=acts) for run in runs]
    compared = compare(records, parts)
    if len(records) != 2:
        return compared
    members = list(_members(store, compared, records))
    code = _code(store, records, environ) if explained or "code" in compared.parts else None
    compared = replace(compared, code=code if "code" in compared.parts else None, members=members)
    if not explained:
        return compared
    every: dict[PartName, Part] = {part: compared.parts.get(part) or compare_part(part, records) for part in PARTS}
    return replace(compared, explanation=explain(records, every, (code.files if code else None) or ()))


def _code(store: Store, records: Sequence[Record], environ: Mapping[str, str]) -> CodeChanges | None:
    first, second = (record.code for record in records)
    same = first is not None and second is not None and (first.tree, first.commit) == (second.tree, second.commit)
    return None if same and first is not None and first.tree else code_changes(store, records, environ)


def _members(store: Store, compared: Comparison, records: Sequence[Record]) -> Iterator[Members]:
    """Of each folder or version of a dataset that both runs have, with other content."""
    folders = [_folders(record) for record in records]
    for part in ("data", "results"):
        for one in compared.parts[part].differs if part in compared.parts else ():
            first, second = (named.get(one.what) for named in folders)
            if first is not None and second is not None and first[0] != second[0]:
                yield _members_of(store, one.what, first, second)


_Folder = tuple[str, str | None, str | None]
"""The digest of a manifest; the identifier and version of the dataset that it is of, if any."""


def _folders(record: Record) -> dict[str, _Folder]:
    """By dotted name."""
    found: dict[str, _Folder] = {}
    for one in record.inputs:
        if one.digest is not None and (one.kind == "folder" or one.dataset_id is not None):
            found[f"inputs.{quoted(one.name)}"] = (one.digest, one.dataset_id, one.version)
    for made in record.artifacts:
        if made.digest is not None and (made.form == "folder" or made.dataset_id is not None):
            found[f"artifacts.{quoted(made.name)}"] = (made.digest, made.dataset_id, made.version)
    return found


def _members_of(store: Store, what: str, first: _Folder, second: _Folder) -> Members:
    try:
        differs = difference(read_manifest(store, first[0]), read_manifest(store, second[0]))
    except UnresolvedError as error:
        cure = "; policy keep_inputs = copy keeps the list of a folder's files" if what.startswith("inputs.") else ""
        return Members(what=what, because=error.message + cure)
    except FormatError as error:
        return Members(what=what, because=error.message)
    tables = table_changes(*(_tables(store, folder) for folder in (first, second)))
    return Members(
        what=what,
        added=[entry.path for entry in differs.added],
        changed=changed_files(differs),
        removed=[entry.path for entry in differs.removed],
        tables=tables,
    )


def _tables(store: Store, folder: _Folder) -> list[TableShape]:
    digest, dataset, version = folder
    history = None if dataset is None else load_history(store, dataset, [])
    if history is None:
        return []
    steps = [made.stated.step for made in history.versions if made.manifest == digest]
    exact = [step for step in steps if step.version == version] or steps
    return tables_before(store, exact[0].tables) if exact else []
