"""The environment of a command whose Python programs are to tell: one more folder on PYTHONPATH, and where to tell.

Apart from `booted`, which a launch does not need.
"""

from __future__ import annotations

from collections.abc import Mapping

FOLDER = "WHENCE_BOOT"
PATH = "PYTHONPATH"
SITE = "/whence/boot/site"
"""The end of the folder's name, wherever whence is installed."""


def with_boot(environ: Mapping[str, str], site: str, folder: str) -> dict[str, str]:
    """The environment with the way in before all others, and the folder for what is told."""
    old = [entry for entry in environ.get(PATH, "").split(":") if entry and not entry.endswith(SITE)]
    return {**environ, PATH: ":".join([site, *old]), FOLDER: folder}


def without_boot(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment as it would be had `with_boot` not been: a run inside a run is in the same one."""
    if FOLDER not in environ:
        return environ
    rest = {name: value for name, value in environ.items() if name not in (FOLDER, PATH)}
    old = [entry for entry in environ.get(PATH, "").split(":") if not entry.endswith(SITE)]
    return {**rest, PATH: ":".join(old)} if any(old) else rest
