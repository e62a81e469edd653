"""Like `steps`: adds a folder, fills another with it, adds a second version and fills the same with that, killed after
each system call in turn. `FOLDER/one` and `FOLDER/two` are added; the numbers lie in `FOLDER/stopped`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import steps
import stored

from whence.store import bulk
from whence.store.adding import add
from whence.store.materialize import Wish, materialize

bulk.SMALL, bulk.LARGEST_PACK, bulk.FEWEST = 1000, 6000, 3


def make_sources(folder: Path) -> None:
    """Two versions: most is the same, something changes, goes and comes."""
    for version in ("one", "two"):
        for number in range(8):
            (folder / version / f"d{number % 2}").mkdir(parents=True, exist_ok=True)
            (folder / version / f"d{number % 2}" / str(number)).write_bytes(b"%d" % number * 300)
        (folder / version / "large").write_bytes(version.encode() * 1000)
        (folder / version / "changed").write_bytes(version.encode())
        (folder / version / "link").symlink_to(version)
        (folder / version / "empty").mkdir()
    (folder / "one" / "gone").mkdir()
    (folder / "one" / "gone" / "f").write_bytes(b"gone")
    (folder / "two" / "new").write_bytes(b"new")


def work(folder: Path, done: Callable[[str], None]) -> None:
    store = stored.a_store(folder / ".whence")
    done("store")
    for version in ("one", "two"):
        added = add(store, folder.parents[1] / version)
        done(f"added {version} {added.manifest}")
        materialize(store, added.manifest, folder / "target", Wish(replace=True))
        done(f"filled {version}")


if __name__ == "__main__":
    make_sources(Path(sys.argv[1]))
    (Path(sys.argv[1]) / "stopped").mkdir()
    steps.main(Path(sys.argv[1]) / "stopped", work)
