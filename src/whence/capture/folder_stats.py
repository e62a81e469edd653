"""Whether anything in a folder was written since: the stat identities of all that lies there, as one digest.

No content is read. A file that is written over with the same bytes has another identity, and a folder in which
something was made, renamed or removed, too.
"""

from __future__ import annotations

import os
import time

from ..digests import sha256
from ..handlers import let_pass


def folder_stats(path: str, until: float = float("inf")) -> str | None:
    """The digest; nothing where a folder cannot be listed, or has more in it than can be asked until then, in monotonic
    seconds. Links inside are not followed, and a store inside is left out."""
    running = sha256()
    pending = [path]
    try:
        running.update(_line(b".", os.stat(path)))
        while pending:
            if time.monotonic() >= until:
                return None
            folder = pending.pop()
            with os.scandir(folder) as scan:
                entries = sorted((entry for entry in scan if entry.name != ".whence"), key=lambda entry: entry.name)
            for entry in entries:
                running.update(_line(os.fsencode(entry.path), entry.stat(follow_symlinks=False)))
            pending += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        let_pass(error)
        return None
    return running.hexdigest()


def _line(path: bytes, stat: os.stat_result) -> bytes:
    numbers = (stat.st_dev, stat.st_ino, stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return path + b"\0" + repr(numbers).encode()
