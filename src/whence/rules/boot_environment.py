"""The environment of a command whose Python programs are to tell: one more folder on PYTHONPATH, and where to tell.

An empty entry of PYTHONPATH is the working folder, and `$PYTHONPATH:/x` makes one where the variable was not set. So
that a script under `whence run` finds the same modules, the folder is spelled as `ALONE` where nothing else stood
there: what is added to it later has an empty entry in its place. Apart from `booted`, which a launch does not need.
"""

from __future__ import annotations

from collections.abc import Mapping

FOLDER = "WHENCE_BOOT"
PATH = "PYTHONPATH"
SITE = "/whence/boot/site"
"""The end of the folder's name, wherever whence is installed."""

ALONE = "/."
"""What follows the folder's name where PYTHONPATH was empty, or not set."""


def with_boot(environ: Mapping[str, str], site: str, folder: str) -> dict[str, str]:
    """The environment with the way in before all others, and the folder for what is told."""
    old = _without_site(environ.get(PATH, ""))
    return {**environ, PATH: f"{site}:{old}" if old else site + ALONE, FOLDER: folder}


def without_boot(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment as it would be had `with_boot` not been: a run inside a run is in the same one."""
    if FOLDER not in environ:
        return environ
    rest = {name: value for name, value in environ.items() if name not in (FOLDER, PATH)}
    old = _without_site(environ.get(PATH, ""))
    return {**rest, PATH: old} if old else rest


def _without_site(path: str) -> str:
    """PYTHONPATH as it would be without the folder."""
    entries = path.split(":")
    if len(entries) > 1:
        entries = ["" if entry.endswith(SITE + ALONE) else entry for entry in entries]
    return ":".join(entry for entry in entries if not entry.endswith((SITE, SITE + ALONE)))
