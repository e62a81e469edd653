"""Name the next version: fetch the tags, tag the commit, push the tag, in one step.

The only action that changes the user's repository, on their order: their own configuration, hooks and credentials
apply. Versions are tags `X.Y.Z`, with the prefix that the last one has; the first is `v0.1.0`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ..capture.captured_code import no_result
from ..capture.git_listings import Status, parse_status
from ..errors import WhenceError
from ..records.code import DirtyPath
from ..rules.remotes import without_credentials
from ..rules.snapshot import is_excluded
from ..system.processes import Done, ProgramError, run

Part = Literal["patch", "minor", "major"]
FIRST = "v0.1.0"
_VERSION = re.compile(r"(?P<prefix>v?)(?P<major>0|[1-9]\d*)\.(?P<minor>0|[1-9]\d*)\.(?P<patch>0|[1-9]\d*)")
SECONDS = 300.0
"""For a fetch or a push over a slow line."""


class Bumped(msgspec.Struct, frozen=True, kw_only=True):
    """The tag, and where it is."""

    previous: str | None
    tag: str
    commit: str
    remote: str | None
    """Where it was pushed to; nothing when there is no remote."""
    done: bool
    """False for a plan."""


def next_version(tags: list[str], part: Part) -> tuple[str | None, str]:
    """The highest version among the tags, and the one after it; other tags do not count."""
    versions = [found for tag in tags if (found := _VERSION.fullmatch(tag))]
    if not versions:
        return None, FIRST
    last = max(versions, key=lambda v: (int(v["major"]), int(v["minor"]), int(v["patch"])))
    major, minor, patch = int(last["major"]), int(last["minor"]), int(last["patch"])
    after = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}[part]
    return last[0], last["prefix"] + ".".join(map(str, after))


def bump(
    folder: Path,
    part: Part,
    environ: Mapping[str, str],
    *,
    plan: bool = False,
    is_result: Callable[[str, bool], bool] = no_result,
    code_exclude: Sequence[str] = (),
) -> Bumped:
    """Tag the commit of the folder with the next version and push the tag; with `plan`, only say which.

    Raises WhenceError when the folder has uncommitted changes or no commit, when the commit has the newest version
    already, and when git fails. What `is_result` says of an absolute path, or `code_exclude` matches, is no change of
    the code, as for policy `dirty`. A tag that could not be pushed is taken back, so that the step happens wholly or
    not at all.
    """
    commit = _commit(folder, environ)
    _refuse_dirty(folder, environ, is_result, code_exclude)
    remote = _remote(folder, environ)
    if remote is not None and not plan:
        _git(folder, environ, "fetch", "--quiet", "--tags", remote)
    tags = _git(folder, environ, "tag", "--list").split("\n")
    previous, tag = next_version(tags, part)
    if previous is not None:
        _refuse_named(folder, environ, previous, commit)
    if not plan:
        _git(folder, environ, "tag", "--annotate", "--message", f"version {tag}", tag, commit)
        if remote is not None:
            _push(folder, environ, remote, tag)
    return Bumped(previous=previous, tag=tag, commit=commit, remote=remote, done=not plan)


def _commit(folder: Path, environ: Mapping[str, str]) -> str:
    done = _ask(folder, environ, "rev-parse", "--verify", "-q", "HEAD^{commit}")
    if not done.ok:
        said = done.err.decode("utf-8", "replace").strip()
        inside = _ask(folder, environ, "rev-parse", "--git-dir").ok
        hint = "commit first" if inside else "git init, and commit: a version names a commit"
        raise WhenceError(f"{folder}: found no commit to tag" + (f" ({said})" if said else ""), hint=hint)
    return done.out.decode().strip()


def _refuse_named(folder: Path, environ: Mapping[str, str], version: str, commit: str) -> None:
    """One commit, one version: a second name for the same code tells of a change that there is not."""
    if _git(folder, environ, "rev-parse", f"refs/tags/{version}^{{commit}}").strip() == commit:
        raise WhenceError(
            f"{folder}: the commit {commit[:12]} is version {version} already, the newest there is",
            hint="commit what is new first; `git tag` gives a commit a second name",
        )


def _refuse_dirty(
    folder: Path, environ: Mapping[str, str], is_result: Callable[[str, bool], bool], code_exclude: Sequence[str]
) -> None:
    root = _git(folder, environ, "rev-parse", "--show-toplevel").removesuffix("\n")
    said = _git(folder, environ, "status", "--porcelain=v2", "-z", "--untracked-files=all")
    status = parse_status(os.fsencode(said))
    changed = [
        words
        for path, words in _changes(status)
        if not is_result(f"{root}/{path}", path in status.changed) and not is_excluded(path, code_exclude)
    ]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise WhenceError(
            f"{folder}: found uncommitted changes: {', '.join(changed[:3])}{more}",
            hint="commit them, or stash or ignore them; a version names a commit",
        )


def _changes(status: Status) -> list[tuple[str, str]]:
    """(path from the root, words) of all that differs from the commit."""
    tracked = [(dirty.path, _words(dirty)) for dirty in status.changed.values()]
    return tracked + [(path, path) for path in (*status.untracked, *status.nested)]


def _words(dirty: DirtyPath) -> str:
    return dirty.path if dirty.before is None else f"{dirty.before} -> {dirty.path}"


def _remote(folder: Path, environ: Mapping[str, str]) -> str | None:
    """The remote that the branch follows, else `origin`, else the only one."""
    names = [name for name in _git(folder, environ, "remote").split("\n") if name]
    branch = os.fsdecode(_ask(folder, environ, "symbolic-ref", "-q", "--short", "HEAD").out).strip()
    follows = os.fsdecode(_ask(folder, environ, "config", f"branch.{branch}.remote").out).strip()
    if follows in names:
        return follows
    if "origin" in names:
        return "origin"
    if len(names) > 1:
        raise WhenceError(
            f"{folder}: found the remotes {', '.join(names)}, and no `origin`",
            hint=f"git branch --set-upstream-to={names[0]}/{branch or 'main'} says which one to push to",
        )
    return names[0] if names else None


def _push(folder: Path, environ: Mapping[str, str], remote: str, tag: str) -> None:
    try:
        _git(folder, environ, "push", "--quiet", remote, f"refs/tags/{tag}")
    except WhenceError:
        _git(folder, environ, "tag", "--delete", tag)
        raise


def _git(folder: Path, environ: Mapping[str, str], *words: str) -> str:
    done = _ask(folder, environ, *words)
    if not done.ok:
        said = done.err.decode("utf-8", "replace").strip()
        clean = " ".join(without_credentials(word.strip("'")) for word in said.split(" "))
        raise WhenceError(f"git {words[0]} ended with code {done.code}: {clean}", hint=_HINTS.get(words[0]))
    return os.fsdecode(done.out)


_HINTS = {
    "fetch": "the remote must be reachable, so that no version is given twice",
    "push": "the tag was taken back; push access to the remote is needed",
}


def _ask(folder: Path, environ: Mapping[str, str], *words: str) -> Done:
    own = {**environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        return run(["git", "-C", os.fspath(folder), *words], seconds=SECONDS, environ=own)
    except ProgramError as error:
        raise WhenceError(str(error)) from error
