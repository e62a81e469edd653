"""What decides numbers and limits and is no package: thread and determinism variables, locale, time zone, limits."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..rules.variables import groups
from ..system.mounts import file_system
from .hostfiles import HostFiles

_LIMITS = ("AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "RSS", "STACK")
_ZONES = "zoneinfo/"


def read_settings(
    cwd: Path, environ: Mapping[str, str], files: HostFiles, mask: Callable[[str, str], str]
) -> dict[str, Any]:
    """The settings by group; a group without any is left out."""
    found: dict[str, Any] = {
        group: {name: mask(name, value) for name, value in values.items()} for group, values in groups(environ).items()
    }
    found["time_zone"] = _time_zone(environ, files)
    found["limits"] = _limits()
    found["cgroup"] = _control_group(files)
    found["file_system"] = file_system(cwd).kind
    return {group: value for group, value in found.items() if value}


def _time_zone(environ: Mapping[str, str], files: HostFiles) -> dict[str, str]:
    local = files.link("/etc/localtime") or ""
    named = local.rpartition(_ZONES)[2] if _ZONES in local else (files.text("/etc/timezone") or "").strip()
    return {key: value for key, value in (("TZ", environ.get("TZ", "")), ("local", named)) if value}


def _limits() -> dict[str, list[int | str]]:
    """Soft and hard limit of each resource, those alone that are set."""
    found: dict[str, list[int | str]] = {}
    for name in _LIMITS:
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is not None:
            pair = resource.getrlimit(number)
            if any(value != resource.RLIM_INFINITY for value in pair):
                found[name.lower()] = ["unlimited" if v == resource.RLIM_INFINITY else v for v in pair]
    return found


def _control_group(files: HostFiles) -> dict[str, float | int]:
    """The tightest processor and memory limits of the process's control groups."""
    text = files.text("/proc/self/cgroup") or ""
    unified = next((line[3:] for line in text.splitlines() if line.startswith("0::")), "/")
    found: dict[str, float | int] = {}
    for folder in _group_folders(unified):
        _tighten(found, "cpu", _processors(files.text(f"{folder}/cpu.max")))
        _tighten(found, "memory", _number(files.text(f"{folder}/memory.max")))
    quota = _number(files.text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"))
    period = _number(files.text("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))
    if quota and quota > 0 and period:
        _tighten(found, "cpu", quota / period)
    memory = _number(files.text("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
    _tighten(found, "memory", memory if memory and memory < 1 << 60 else None)
    return found


def _group_folders(group: str) -> list[str]:
    parts = [part for part in group.split("/") if part and part != ".."]
    return ["/".join(["/sys/fs/cgroup", *parts[:count]]) for count in range(len(parts) + 1)]


def _tighten(found: dict[str, float | int], name: str, value: float | int | None) -> None:
    if value is not None:
        found[name] = min(value, found.get(name, value))


def _processors(text: str | None) -> float | None:
    """`cpu.max` is quota and period in microseconds, or `max`."""
    fields = (text or "").split()
    return int(fields[0]) / int(fields[1]) if len(fields) == 2 and fields[0].isdigit() else None


def _number(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if stripped.lstrip("-").isdigit() else None
