"""The version that a project states of itself: pyproject.toml (PEP 621, or poetry's table), else setup.cfg.

Read line by line: a TOML parser costs the launch more than everything else here, and these two tables are plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..system.files import read_regular

_VERSION = r"""version\s*=\s*(?P<quote>["'])(?P<value>[^"'\\]+)(?P=quote)\s*(#.*)?"""
_PLAIN = r"version\s*=\s*(?P<value>[^\s#;]+)\s*"
_SECTION = r"\[\s*(?P<name>[^\[\]]+?)\s*\]\s*(#.*)?"


def project_version(start: Path, root: Path) -> tuple[str, str] | None:
    """The version and the file (relative to root) that states it: of the project nearest to `start`, up to `root`."""
    for folder in _upwards(start, root):
        for name, sections in (("pyproject.toml", ("project", "tool.poetry")), ("setup.cfg", ("metadata",))):
            version = _stated(folder / name, sections)
            if version is not None:
                return version, (folder / name).relative_to(root).as_posix()
    return None


def _upwards(start: Path, root: Path) -> Iterator[Path]:
    for folder in (start, *start.parents):
        if folder != root and root not in folder.parents:
            break
        yield folder


def _stated(file: Path, sections: tuple[str, ...]) -> str | None:
    try:
        text = read_regular(file).decode("utf-8", "replace")
    except OSError:
        return None
    form = _VERSION if file.suffix == ".toml" else _PLAIN
    section = ""
    for line in text.splitlines():
        heading = re.fullmatch(_SECTION, line.strip())
        if heading:
            section = heading["name"]
        elif section in sections and (found := re.fullmatch(form, line.strip())) and "attr:" not in line:
            return found["value"]
    return None
