"""The code that ran: the version control's view of it, and the identities of the exact snapshot."""

from typing import Literal

from .base import How, Struct, When

EntryKind = Literal[
    "file",
    "module",
    "console_script",
    "command",
    "inline",
    "stdin",
    "interactive",
    "notebook",
    "function",
    "unknown",
]


class Entry(Struct, frozen=True, kw_only=True):
    """What was started."""

    kind: EntryKind
    path: str | None = None
    """Relative to the root of the snapshot when inside it, else absolute."""
    digest: str | None = None
    name: str | None = None
    """The module, console script, command or qualified function, where there is one."""


class DirtyPath(Struct, frozen=True, kw_only=True):
    """One path that differs from the commit."""

    path: str
    state: Literal[
        "modified",
        "staged",
        "staged+modified",
        "untracked",
        "deleted",
        "renamed",
        "mode",
        "type",
        "conflict",
        "submodule",
        "hidden",
    ]
    """`hidden`: git was told to look away (`assume-unchanged`, `skip-worktree`) and the bytes differ."""
    change: Literal["added", "modified", "deleted", "renamed"] | None = None
    """What became of the file since the commit, staged or not; nothing in records that are older than this field."""
    mode_changed: bool = False
    """Whether the file may be executed is another than in the commit; `state` is `mode` where nothing else changed."""
    role: Literal["code", "result"] = "code"
    """`result`: an earlier run recorded it as output, or `code_exclude` matches it."""
    before: str | None = None
    """The old path of a rename."""

    @property
    def words(self) -> str:
        """For a person: `added, staged`. The change is named where the state does not tell it."""
        words = [self.state]
        if self.change is not None and self.state in ("modified", "staged", "staged+modified"):
            words = [self.change] if self.state == "modified" else [self.change, self.state]
        return ", ".join([*words, *(["mode"] if self.mode_changed and self.state != "mode" else [])])


class LeftOut(Struct, frozen=True, kw_only=True):
    """A file of the folder whose bytes are not in the snapshot."""

    path: str
    size: int
    digest: str | None
    """`sha256:` of the bytes, or `keyed:` and a keyed hash when the file holds a secret, or nothing if unread."""
    because: str


CELLS = "<cells>"
CELLS_AT_LAUNCH = "<cells at the launch>"
"""Paths of what an IPython shell executed, a source without a file."""


class OutsideSource(Struct, frozen=True, kw_only=True):
    """A source file that ran, and that the snapshot does not hold with these bytes."""

    path: str
    """Relative to the root of the snapshot when inside it, else absolute; links followed."""
    state: Literal["absent", "changed", "elsewhere"]
    """`absent`: inside the root and not in the snapshot; `changed`: the snapshot has the bytes of the launch, and these
    are others; `elsewhere`: outside the root."""
    module: str | None = None
    """The name that it was loaded under."""
    digest: str | None = None
    """`sha256:` of the bytes, or `keyed:` and a keyed hash when the file holds a secret, or nothing if unread."""
    size: int | None = None
    kept: bool = False
    """Whether the bytes are in the store, as an object."""
    certain: bool = False
    """Whether the file stood unchanged from the begin of the writer until it was read. If not, others may have run."""
    because: str | None = None
    """Why it was not kept, or has no digest."""
    when: When = "end"
    how: How = "observed"


class SourceObserver(Struct, frozen=True, kw_only=True):
    """A writer that looked which source files ran: what no observer saw is not known to be absent."""

    writer: str
    by: str
    """`modules`: what the interpreter had loaded when the block, or the process, ended; `opens`: the files that the
    command and its descendants were seen to open; `programs`: what the Python programs of the command had loaded when
    they ended; `cells`: what an IPython shell had executed. One that was killed, or left at once, did not say."""
    when: When = "end"


class Submodule(Struct, frozen=True, kw_only=True):
    """A nested repository: a submodule, or a repository inside the folder."""

    path: str
    commit: str | None
    expected: str | None = None
    """The commit that the outer tree names."""
    dirty: bool = False
    url: str | None = None


class Repository(Struct, frozen=True, kw_only=True):
    """Another repository whose code the run imports: an editable sibling, for instance."""

    path: str
    """The top of its working tree, absolute."""
    commit: str | None
    dirty: bool
    """Whether anything in it but what tools derive differed from the commit when it was looked at."""
    branch: str | None = None
    url: str | None = None
    """Of the remote that speaks for it, without credentials."""
    tree: str | None = None
    """The tree of its commit, where nothing differed."""
    package: str | None = None


class Declared(Struct, frozen=True, kw_only=True):
    """A value handed in from outside; an expectation to check, never a fact to copy."""

    name: str
    value: str
    checked: Literal["agrees", "differs", "unchecked"]
    observed: str | None = None


class Code(Struct, frozen=True, kw_only=True):
    """The code of a run. `tree` restores it; `id` says whether two runs ran the same program."""

    when: When = "launch"
    vcs: Literal["git", "none", "image", "package"] = "none"
    root: str | None = None
    """The folder that the snapshot is of."""
    id: str | None = None
    """`git-tree:` and the id of `tree` without results and `code_exclude`, notebooks stripped of outputs; or the
    image's digest; of an installed program without a checkout `package:NAME==VERSION#` and the digest of its files,
    then `+` and the folder's; nothing when unknown, and unknowns are never the same."""
    tree: str | None = None
    """Git tree id of the raw bytes (a SWHID without its prefix), present in `code.git`."""
    git_tree: str | None = None
    """What git itself computes for the same folder, filters applied."""
    base: str | None = None
    """The commit's own raw tree, where the snapshot is another one and `code.git` holds both."""
    digest: str | None = None
    """`sha256:` of the snapshot's manifest; seals and acts quote it."""
    commit: str | None = None
    branch: str | None = None
    describe: str | None = None
    version: str | None = None
    version_from: str | None = None
    url: str | None = None
    """A page that shows the entry file at the commit, where the remote's form is known."""
    pushed: bool | None = None
    """Whether a remote-tracking reference contains the commit; nothing when there is no remote."""
    shallow: bool = False
    dirty: bool | None = False
    """Nothing where there is no commit to compare with, or git could not do it: then `missing` says why."""
    dirty_paths: list[DirtyPath] = []
    remotes: dict[str, str] = {}
    submodules: list[Submodule] = []
    repositories: list[Repository] = []
    entry: Entry | None = None
    files_left_out: list[LeftOut] = []
    outside_snapshot: list[OutsideSource] = []
    """Source files that ran and that `tree` does not restore; `observed_by` says who looked."""
    observed_by: list[SourceObserver] = []
    declared: list[Declared] = []
    stored: Literal["complete", "pending", "partial"] = "complete"
    """`pending`: bytes that differ from the commit are kept, unchanged ones follow beside the run."""
    how: How = "observed"
