"""`code.git`: the empty bare repository that will hold the tree of every snapshot, made without running git.

Its layout is that of gitrepository-layout(5); git takes it for a repository as soon as HEAD, objects and refs are
there, which is also what makes the guard against `git clean` work.
"""

from __future__ import annotations

import os
import stat as modes
from pathlib import Path

from ..system.files import make_folders, write_new

REFS = "refs/whence"
"""Where the snapshot of each run is kept by its reference."""
BASES = "refs/whence-base"
"""Where the commit's own tree of a dirty run is kept."""

_CONFIG = """\
[core]
\trepositoryformatversion = 1
\tfilemode = true
\tbare = true
\tlogallrefupdates = false
\tautocrlf = false
\tsafecrlf = false
\tprecomposeunicode = false
\thooksPath = /dev/null
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tfsmonitor = false
[extensions]
\tpreciousObjects = true
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""

_SHARED = "\tsharedRepository = group\n"

_FOLDERS = ("objects/info", "objects/pack", "refs/heads", "refs/tags", REFS, "info")


def is_code_repository(path: Path) -> bool:
    """Whether git would take it for one."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir()


def remake_code_repository(path: Path) -> None:
    """Make it where it is not, or is no repository any more: what is known to be in it is then forgotten, which is
    told by the age of its configuration."""
    (path / "config").unlink(missing_ok=True)
    create_code_repository(path)


def create_code_repository(path: Path) -> None:
    """Make the repository; safe for several processes at once, and to go on with one that was left half made."""
    for folder in _FOLDERS:
        make_folders(path / folder)
    shared = os.stat(path).st_mode & modes.S_ISGID
    config = _CONFIG.replace("[extensions]", _SHARED + "[extensions]") if shared else _CONFIG
    write_new(path / "config", config.encode(), sync=True)
    # Raw bytes in, raw bytes out: no attribute of a project reaches what is stored here.
    write_new(path / "info/attributes", b"* -text -filter -ident -working-tree-encoding\n", sync=True)
    write_new(path / "description", b"Snapshots of the code of recorded runs; written by whence.\n")
    write_new(path / "HEAD", b"ref: refs/heads/main\n", sync=True)
