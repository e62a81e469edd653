"""What was imported from where packages are installed: one file for each of them, by which it can be known."""

from __future__ import annotations

import os
import sys

from .sources import is_packaged, path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container


def imported(before: Container[str]) -> list[str]:
    """The file of every module that lies in no other regular package: a package's own, a part's of a namespace.

    `before` are modules that `site` has loaded for packages that the program itself may never import. Ours, which lie
    among the packages where whence is installed, are none of the program's.
    """
    ours = __name__.partition(".")[0]
    found: list[str] = []
    for name, module in list(sys.modules.items()):
        parent = sys.modules.get(name.rpartition(".")[0])
        if name in before or name.partition(".")[0] == ours or (parent is not None and path_of(parent) is not None):
            continue
        path = path_of(module)
        if path is not None and is_packaged(path):
            found.append(os.path.abspath(path))
    return found
