"""Checks `code.git` against the records: each run's reference, its tree, and every object that the tree needs.

Git re-reads the objects and says which are damaged; here each is traced to the runs and paths that need it. What git
dislikes about the contents of a project's files and trees (`hasDotgit`, `zeroPaddedFilemode`) is no damage.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from ..ids import created_at, day_of, is_id
from ..records.code import Code
from ..system.git import GitError, StoreGit
from .code_repository import BASES, REFS
from .damage import Damage
from .layout import Store
from .run_list import holds_run

WHERE = "code.git"

_ID = re.compile(r"\b[0-9a-f]{40}\b")
_LOOSE = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{38})\b")
_PACK = re.compile(r"pack-[0-9a-f]{40}\.\w+")
_MISSING = re.compile(r"missing (?:blob|tree|commit|tag) ([0-9a-f]{40})")
_NO_DAMAGE = re.compile(
    r"notice: |(?:error|warning) in \w+ |dangling |broken link |\s*to +\w+ |.*invalid sha1 pointer "
)
"""Of the repository as such, of contents, and what only follows from a missing object or reference."""
_FOLDER = b"40000"
_NESTED = b"160000"


class CodeOfRun(msgspec.Struct, frozen=True, kw_only=True):
    """A tree that a run's record rests on."""

    run: str
    ref: str
    """What keeps it."""
    tree: str
    complete: bool
    """Whether every blob of the tree must be there."""


def code_of_run(run: str, code: Code | None) -> Iterator[CodeOfRun]:
    """The snapshot, and the commit's own tree where the record says that it is kept too."""
    if code is not None and code.tree is not None:
        yield CodeOfRun(run=run, ref=f"{REFS}/{run}", tree=code.tree, complete=code.stored == "complete")
    if code is not None and code.base is not None:
        yield CodeOfRun(run=run, ref=f"{BASES}/{run}", tree=code.base, complete=True)


def check_code(
    store: Store, environ: Mapping[str, str], codes: Sequence[CodeOfRun], *, everything: bool
) -> Iterator[Damage]:
    """What is not as these runs need it; with `everything` also damage that no run needs. Reads all of `code.git`."""
    if not (store.code_git / "HEAD").is_file():
        yield Damage(
            where=WHERE,
            what="has no HEAD, expected a bare repository",
            runs=tuple(sorted({code.run for code in codes})),
        )
        return
    git = StoreGit(store.code_git, environ)
    try:
        kept, faults = _check_references(git, codes)
        yield from faults
        if everything:
            yield from _runs_that_are_gone(store, git)
        yield from _check_objects(git, kept, everything=everything)
    except GitError as error:
        yield Damage(where=WHERE, what=f"could not be checked: {error}")


# References


def _check_references(git: StoreGit, codes: Sequence[CodeOfRun]) -> tuple[list[CodeOfRun], list[Damage]]:
    """The trees whose objects are to be there, and what is wrong with the references that keep them."""
    listing = git.answer("for-each-ref", "--format=%(refname) %(objectname)", REFS, BASES)
    commits = dict(line.split(" ") for line in os.fsdecode(listing).splitlines())
    trees = _trees_of(git, sorted(set(commits.values())), [code.tree for code in codes])
    roots: list[CodeOfRun] = []
    faults: list[Damage] = []
    for code in codes:
        found = trees[commits[code.ref]] or "a damaged commit" if code.ref in commits else None
        if found == code.tree:
            roots.append(code)
        else:
            what = _lost(code.ref, found, code.tree, trees[code.tree])
            faults.append(Damage(where=WHERE, what=what, runs=(code.run,)))
    return roots, faults


UNDER_WAY = 60.0
"""Seconds in which the first line of a run may still be on its way from a spool."""


def _runs_that_are_gone(store: Store, git: StoreGit) -> Iterator[Damage]:
    """Runs whose snapshot is kept and whose folder is not there: a launch makes the folder first."""
    listing = os.fsdecode(git.answer("for-each-ref", "--format=%(refname)", REFS)).splitlines()
    for run in (name.rpartition("/")[2] for name in listing):
        if is_id(run) and not holds_run(store, run) and time.time() - created_at(run).timestamp() > UNDER_WAY:
            what = (
                f"not there, though code.git keeps its snapshot ({REFS}/{run}): take it from a copy of the store; if it"
                f" was removed on purpose, so may be the reference: git -C code.git update-ref -d {REFS}/{run}"
            )
            yield Damage(where=f"runs/{day_of(run)}/{run}", what=what, runs=(run,))


def _lost(name: str, found: str | None, expected: str, there: str | None) -> str:
    also = "" if there else ", which is not there either"
    if found is None:
        return f"{name}: not there, expected a commit of the tree {expected}{also}"
    return f"{name}: found {found}, expected the tree {expected}{also}"


def _trees_of(git: StoreGit, commits: Sequence[str], trees: Sequence[str]) -> dict[str, str | None]:
    """The tree of each commit or tree; nothing for one that cannot be read."""
    names = [*commits, *dict.fromkeys(trees)]
    asked = "".join(f"{name}^{{tree}}\n" for name in names).encode()
    answers = os.fsdecode(git.answer("cat-file", "--batch-check", stdin=asked)).splitlines() if names else []
    pairs = zip(names, answers, strict=True)
    return {name: answer.split(" ")[0] if " tree " in answer else None for name, answer in pairs}


# Objects


def _check_objects(git: StoreGit, roots: Sequence[CodeOfRun], *, everything: bool) -> Iterator[Damage]:
    done = git.ask("fsck", "--full", "--no-dangling", "--no-progress")
    lines = (done.err + done.out).decode("utf-8", "replace").splitlines()
    faults = [text for text in lines if text.strip() and not _NO_DAMAGE.match(text)]
    damaged = damaged_objects(faults)
    needed = _who_needs(git, roots, damaged) if damaged else {}
    for name, what in sorted(damaged.items()):
        needs = needed.get(name, {})
        # What an interrupted writer left unfinished is missing and nobody needs it.
        if needs or (everything and what != _GONE):
            path = f" ({next(iter(needs.values()))})" if needs else ""
            yield Damage(where=WHERE, what=f"object {name}{path}: {what}", runs=tuple(sorted(needs)))
    if faults and not damaged and not done.ok:
        yield from (Damage(where=WHERE, what=text.strip()) for text in faults)


_GONE = "not there"


def damaged_objects(faults: Iterable[str]) -> dict[str, str]:
    """Which objects the lines of `git fsck` accuse, and of what."""
    found: dict[str, str] = {}
    for text in faults:
        if missing := _MISSING.match(text):
            found.setdefault(missing[1], _GONE)
            continue
        # A loose object is known by its path; a name beside it is that of the bytes that lie there instead.
        loose = _LOOSE.findall(text)
        names = [first + rest for first, rest in loose] or _ID.findall(_PACK.sub("", text))
        found |= dict.fromkeys(names, "corrupt: its bytes are not those that it is named for")
    return found


def _who_needs(git: StoreGit, roots: Sequence[CodeOfRun], damaged: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Damaged object -> run that needs it -> path in that run's tree."""
    entries = _read_trees(git, {root.tree for root in roots}, damaged)
    reached: dict[str, dict[str, str]] = {}
    needed: dict[str, dict[str, str]] = {}
    for root in roots:
        for name, path in _reach(root.tree, entries, damaged, reached).items():
            if root.complete or damaged[name] != _GONE:
                needed.setdefault(name, {}).setdefault(root.run, path or "the whole tree")
    return needed


_Entries = dict[str, list[tuple[bytes, str, str]]]
"""Tree -> (mode, name, object) of each entry."""


def _read_trees(git: StoreGit, trees: set[str], damaged: Mapping[str, str]) -> _Entries:
    """Every tree below these that can be read, a level at a time."""
    entries: _Entries = {}
    level = trees - damaged.keys()
    while level:
        for name, content in git.contents("tree", sorted(level)):
            entries[name] = list(_entries_of(content))
        below = {name for tree in level for mode, _, name in entries[tree] if mode == _FOLDER}
        level = below - entries.keys() - damaged.keys()
    return entries


def _entries_of(tree: bytes) -> Iterator[tuple[bytes, str, str]]:
    """Mode, a blank, the name, NUL and 20 bytes of the object's name, an entry after the other."""
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].partition(b" ")
        if mode != _NESTED:
            yield mode, os.fsdecode(name), tree[end + 1 : end + 21].hex()
        at = end + 21


def _reach(
    tree: str, entries: _Entries, damaged: Mapping[str, str], reached: dict[str, dict[str, str]]
) -> dict[str, str]:
    """Damaged object -> its path below the tree."""
    if tree not in reached:
        found = {tree: ""} if tree in damaged else dict[str, str]()
        for mode, name, below in entries.get(tree, ()):
            if mode == _FOLDER:
                inner = _reach(below, entries, damaged, reached)
                found |= {it: f"{name}/{path}".rstrip("/") for it, path in inner.items()}
            elif below in damaged:
                found[below] = name
        reached[tree] = found
    return reached[tree]
