"""A PostgreSQL server of a test's own: in a temporary folder, as an account that may not do everything."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accounts import NOBODY, open_folder

PASSWORD = "hunter2-Tr0ub4dor&3"


def programs() -> Path | None:
    """The folder of the server's programs, which Debian does not put on the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)


@contextmanager
def server() -> Iterator[str]:
    """HOST:PORT of a server whose account `ada` has PASSWORD."""
    folder = programs()
    assert folder is not None
    with open_folder() as place:
        os.chown(place, *((NOBODY, NOBODY) if os.geteuid() == 0 else (-1, -1)))
        (place / "password").write_text(PASSWORD)
        (place / "password").chmod(0o644)
        data = place / "data"
        words = ["-D", data, "-U", "ada", "-A", "scram-sha-256", "--pwfile", place / "password", "-E", "UTF8"]
        _run(folder / "initdb", *words, "--no-locale", "--no-sync", place=place)
        port = _free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={place} -c fsync=off"
        _run(folder / "pg_ctl", "-D", data, "-l", place / "log", "-o", options, "-w", "start", place=place)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            _run(folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop", place=place)


def _run(*words: str | Path, place: Path) -> None:
    account = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    environ = {"PATH": os.environ["PATH"], "HOME": str(place), "LC_ALL": "C"}
    # Files, no pipes: the server would hold them open.
    with (place / "out").open("ab") as out:
        done = subprocess.run(
            words, cwd=place, env=environ, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **account
        )
    assert done.returncode == 0, (place / "out").read_text() + (place / "log").read_text()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
