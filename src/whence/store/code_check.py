"""Checks `code.git` against the records: each run's reference, its tree, and every object that the tree needs.

Git re-reads the objects and says which are damaged; here each is traced to the runs and paths that need it. What git
dislikes about the contents of a project's files and trees (`hasDotgit`, `zeroPaddedFilemode`) is no damage.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ..ids import created_at, day_of, is_id
from ..records.code import Code
from ..system.git import GitError, StoreGit
from .code_faults import GONE, Faults, faults_of
from .code_repository import BASES, REFS
from .damage import Damage
from .layout import Store
from .run_list import holds_run

WHERE = "code.git"

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
        done = git.ask("fsck", "--full", "--no-dangling", "--no-progress")
        faults = faults_of((done.err + done.out).decode("utf-8", "replace").splitlines())
        kept = _kept_by_references(git, codes, faults)
        yield from kept.lost
        if everything:
            yield from _runs_that_are_gone(store, git)
        if not (done.ok and kept.sound):
            yield from _check_objects(git, kept, faults, everything=everything)
    except GitError as error:
        yield Damage(where=WHERE, what=f"could not be checked: {error}")


# References


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    roots: list[CodeOfRun]
    """Whose objects are to be there."""
    commits: list[tuple[CodeOfRun, str]]
    """What a reference names and is not there, or damaged."""
    lost: list[Damage]
    """References that do not keep what they should."""

    @property
    def sound(self) -> bool:
        return not self.commits and not self.lost


def _kept_by_references(git: StoreGit, codes: Sequence[CodeOfRun], faults: Faults) -> _Kept:
    listing = git.answer("for-each-ref", "--format=%(refname) %(objectname)", REFS, BASES)
    commits = dict(line.split(" ") for line in os.fsdecode(listing).splitlines())
    trees = _trees_of(git, sorted(set(commits.values()) - faults.objects.keys()))
    wrong = [code for code in codes if trees.get(commits.get(code.ref, ""), code.tree) != code.tree]
    wrong += [code for code in codes if code.ref not in commits]
    there = {name for name, tree in git.readable("tree", sorted({code.tree for code in wrong})) if tree is not None}
    lost = [
        Damage(
            where=WHERE, what=_lost(code, trees.get(commits.get(code.ref, "")), code.tree in there), runs=(code.run,)
        )
        for code in wrong
    ]
    gone = {code.ref for code in wrong if code.tree not in there}
    return _Kept(
        roots=[code for code in codes if code.ref not in gone],
        commits=[(code, commits[code.ref]) for code in codes if code.ref in commits and commits[code.ref] not in trees],
        lost=lost,
    )


def _lost(code: CodeOfRun, found: str | None, there: bool) -> str:
    also = "" if there else ", which is not there either"
    if found is None:
        return f"{code.ref}: not there, expected a commit of the tree {code.tree}{also}"
    return f"{code.ref}: found {found}, expected the tree {code.tree}{also}"


def _trees_of(git: StoreGit, commits: Sequence[str]) -> dict[str, str]:
    """The tree of each commit that can be read."""
    read = ((name, content) for name, content in git.readable("commit", commits) if content is not None)
    return {name: content[5:45].decode("ascii", "replace") for name, content in read}


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


# Objects


def _check_objects(git: StoreGit, kept: _Kept, faults: Faults, *, everything: bool) -> Iterator[Damage]:
    """Damage hides from fsck what lies below it, so what is to be there is told by the runs' own trees."""
    damaged = dict(faults.objects)
    entries = _read_trees(git, {root.tree for root in kept.roots}, damaged)
    for name in git.absent(sorted({name for name, mode in _named(entries) if mode != _FOLDER} - damaged.keys())):
        damaged[name] = GONE
    for _, commit in kept.commits:
        damaged.setdefault(commit, GONE)
    needed = _who_needs(kept, entries, damaged)
    unreadable = _unreadable_packs(git, faults, needed)
    behind = {name for names in unreadable.values() for name in names}
    for name, what in sorted(damaged.items()):
        needs = needed.get(name, {})
        # What an interrupted writer left unfinished is missing and nobody needs it.
        if name not in behind and (needs or (everything and what != GONE)):
            path = f" ({next(iter(needs.values()))})" if needs else ""
            yield Damage(where=WHERE, what=f"object {name}{path}: {what}", runs=tuple(sorted(needs)))
    for pack, names in unreadable.items():
        runs = {run for name in names for run in needed[name]}
        if runs or everything:
            yield Damage(where=WHERE, what=f"{pack}: {faults.packs[pack]}", runs=tuple(sorted(runs)))
    if not (faults.objects or faults.packs):
        yield from (Damage(where=WHERE, what=text) for text in faults.others)


def _unreadable_packs(git: StoreGit, faults: Faults, needed: Mapping[str, Mapping[str, str]]) -> dict[str, set[str]]:
    """Pack -> what runs need and was in it; without those whose damage is that of single objects in them."""
    found: dict[str, set[str]] = {}
    for pack in faults.packs:
        held = _objects_of_pack(git.git_dir / f"objects/pack/{Path(pack).stem}.idx")
        if not held & faults.objects.keys():
            found[pack] = {name for name in needed.keys() & held if name not in faults.objects}
    return found


def _objects_of_pack(index: Path) -> set[str]:
    """What an index names (gitformat-pack(5), version 2), though git may not take it any more: how many there are is
    told by its length."""
    try:
        data = index.read_bytes()
    except OSError:
        return set()
    count = (len(data) - _INDEX_HEAD - 40) // 28
    return {data[at : at + 20].hex() for at in range(_INDEX_HEAD, _INDEX_HEAD + 20 * count, 20)}


_INDEX_HEAD = 8 + 256 * 4


def _who_needs(kept: _Kept, entries: _Entries, damaged: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Damaged object -> run that needs it -> path in that run's tree."""
    folders = {name for name, mode in _named(entries) if mode == _FOLDER}
    reached: dict[str, dict[str, str]] = {}
    needed: dict[str, dict[str, str]] = {}
    for code, commit in kept.commits:
        needed.setdefault(commit, {}).setdefault(code.run, f"the commit of {code.ref}")
    for root in kept.roots:
        for name, path in _reach(root.tree, entries, damaged, reached).items():
            if root.complete or damaged[name] != GONE or name in folders or not path:
                needed.setdefault(name, {}).setdefault(root.run, path or "the whole tree")
    return needed


_Entries = dict[str, list[tuple[bytes, str, str]]]
"""Tree -> (mode, name, object) of each entry."""


def _named(entries: _Entries) -> Iterator[tuple[str, bytes]]:
    """Object and mode of every entry."""
    return ((name, mode) for members in entries.values() for mode, _, name in members)


def _read_trees(git: StoreGit, trees: set[str], damaged: dict[str, str]) -> _Entries:
    """Every tree below these that can be read, a level at a time; those that are not there are damaged, too."""
    entries: _Entries = {}
    level = trees - damaged.keys()
    while level:
        for name, content in git.readable("tree", sorted(level)):
            if content is None:
                damaged[name] = GONE
            else:
                entries[name] = list(_entries_of(content))
        below = {name for tree in level & entries.keys() for mode, _, name in entries[tree] if mode == _FOLDER}
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
