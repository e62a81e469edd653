"""What lies between the code of two runs: commits, files and their unified difference, as far as it is kept."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

from ..capture.history import Between, commits_between
from ..errors import StoreError
from ..records.code import Code
from ..records.comparison import ChangedCode, CodeChanges
from ..records.record import Record
from ..rules.notebooks import notebook_text, strip_notebook
from ..rules.tree_difference import TreeChange
from ..store.layout import Store
from ..store.trees import Trees

_MOST_LINES = 20_000
"""Of notebooks: longer ones are compared as files, since comparing lines here costs their square."""

_NO_CODE = "no snapshot of the code of one of them was taken"


def code_changes(store: Store, records: Sequence[Record], environ: Mapping[str, str]) -> CodeChanges:
    """The commits between the snapshots of two runs, the files that changed, and their difference as text."""
    first, second = (record.code for record in records)
    between = _commits(store, first, second, environ)
    changes = CodeChanges(commits=between.commits, commits_because=between.because)
    if first is None or second is None or first.tree is None or second.tree is None:
        return _with_files(changes, because=_NO_CODE)
    if first.tree == second.tree:
        return _with_files(changes, files=[], patch="")
    try:
        return _compared(changes, Trees(store, environ), first, second, _results(records))
    except (StoreError, ValueError) as error:
        return _with_files(changes, because=str(error))


def _commits(store: Store, first: Code | None, second: Code | None, environ: Mapping[str, str]) -> Between:
    commits = [code.commit if code else None for code in (first, second)]
    if commits[0] is None or commits[1] is None or commits[0] == commits[1]:
        return Between()
    roots = [Path(code.root) for code in (first, second) if code is not None and code.root is not None]
    return commits_between(commits[0], commits[1], [*roots, store.path.parent], environ)


def _with_files(
    changes: CodeChanges,
    *,
    files: list[ChangedCode] | None = None,
    patch: str | None = None,
    because: str | None = None,
) -> CodeChanges:
    return CodeChanges(
        commits=changes.commits,
        commits_because=changes.commits_because,
        files=files,
        files_because=because,
        patch=patch,
    )


def _results(records: Sequence[Record]) -> set[str]:
    """The paths in the snapshots that are results, of these runs or of earlier ones."""
    found: set[str] = set()
    for record in records:
        code = record.code
        if code is not None:
            found |= {path.path for path in code.dirty_paths if path.role == "result"}
            paths = (os.path.join(record.cwd or "/", made.path) for made in record.artifacts)
            found |= {os.path.relpath(path, code.root) for path in paths} if code.root else set()
    return found


def _compared(changes: CodeChanges, trees: Trees, first: Code, second: Code, results: Container[str]) -> CodeChanges:
    found = trees.changes(first.tree or "", second.tree or "")
    # Of one program only results, what `code_exclude` matches and outputs of notebooks can differ.
    same = first.id is not None and first.id == second.id
    notebooks = _Notebooks(trees, found)
    files = [_changed(change, notebooks, is_result=same or change.path in results) for change in found]
    shown = [change for change, file in zip(found, files, strict=True) if file.role == "code"]
    apart = [change for change in shown if change not in notebooks.texts]
    patch = trees.difference(first.tree or "", second.tree or "", apart)
    text = os.fsdecode(patch) + "".join(notebooks.difference(change) for change in shown if change in notebooks.texts)
    return _with_files(changes, files=files, patch=text)


def _changed(change: TreeChange, notebooks: _Notebooks, *, is_result: bool) -> ChangedCode:
    outputs_only = notebooks.only_outputs(change)
    return ChangedCode(
        path=change.path,
        change=change.change,
        before=change.before,
        kind="text" if change.kind == "notebook" and change not in notebooks.texts else change.kind,
        role="result" if is_result and not outputs_only else "code",
        mode_changed=change.mode_changed,
        added=change.lines[0] if change.lines else None,
        removed=change.lines[1] if change.lines else None,
        outputs_only=outputs_only,
    )


class _Notebooks:
    """The notebooks among some changes, read once."""

    def __init__(self, trees: Trees, changes: Sequence[TreeChange]) -> None:
        named = [change for change in changes if change.kind == "notebook"]
        contents = trees.blobs([blob for change in named for blob in change.blobs if blob is not None])
        self._stripped: dict[TreeChange, tuple[bytes | None, bytes | None]] = {}
        self.texts: dict[TreeChange, tuple[str, str]] = {}
        """Those that can be compared by their cells, with the text of these before and after."""
        for change in named:
            before, after = (contents.get(blob) if blob else b"" for blob in change.blobs)
            if before is not None and after is not None:
                self._take(change, before, after)

    def _take(self, change: TreeChange, before: bytes, after: bytes) -> None:
        texts = [notebook_text(content) if content else "" for content in (before, after)]
        if texts[0] is None or texts[1] is None or sum(text.count("\n") for text in texts if text) > _MOST_LINES:
            return
        self.texts[change] = (texts[0], texts[1])
        self._stripped[change] = (strip_notebook(before), strip_notebook(after))

    def only_outputs(self, change: TreeChange) -> bool:
        before, after = self._stripped.get(change, (None, None))
        return before is not None and before == after

    def difference(self, change: TreeChange) -> str:
        """The unified difference of its cells."""
        import difflib  # Only a changed notebook needs it.

        before, after = (text.splitlines(keepends=True) for text in self.texts[change])
        names = f"a/{change.before or change.path} (cells)", f"b/{change.path} (cells)"
        lines = difflib.unified_diff(before, after, names[0], names[1])
        return "".join(_whole(lines))


def _whole(lines: Iterator[str]) -> Iterator[str]:
    return (line if line.endswith("\n") else line + "\n" for line in lines)
