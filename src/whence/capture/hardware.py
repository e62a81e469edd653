"""The machine and its operating system."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..records.environment import Hardware, System
from ..rules.hardware import cpu_flags, cpu_model
from ..system.processes import run
from .attempts import Attempts
from .hostfiles import HostFiles


def read_hardware(files: HostFiles, environ: Mapping[str, str], attempts: Attempts) -> Hardware:
    """Processor and memory; cores are those that this process may use."""
    cpuinfo = files.text("/proc/cpuinfo", 16384) or ""
    model = cpu_model(cpuinfo)
    if model is None and os.uname().sysname == "Darwin":
        model = attempts.attempt("environment.hardware.cpu", lambda: _macos_cpu(environ, attempts), None)
    return Hardware(
        architecture=os.uname().machine,
        cpu=model,
        cores=_cores(),
        memory=_memory(),
        cpu_flags=cpu_flags(cpuinfo),
    )


def _macos_cpu(environ: Mapping[str, str], attempts: Attempts) -> str | None:
    done = run(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], seconds=attempts.seconds(2), environ=environ)
    return done.out.decode("utf-8", "replace").strip() or None


def _cores() -> int | None:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def read_system(files: HostFiles) -> System:
    """Kernel, distribution and C library."""
    uname = os.uname()
    return System(
        kernel=uname.sysname,
        release=uname.release,
        distribution=_distribution(files),
        libc=_libc(files),
    )


def _distribution(files: HostFiles) -> str | None:
    text = files.text("/etc/os-release") or files.text("/usr/lib/os-release")
    if text is not None:
        facts = dict(re.findall(r"^(\w+)=[\"']?([^\"'\n]*)[\"']?$", text, re.MULTILINE))
        return facts.get("PRETTY_NAME") or facts.get("NAME")
    macos = files.text("/System/Library/CoreServices/SystemVersion.plist") or ""
    version = re.search(r"<key>ProductVersion</key>\s*<string>([^<]+)</string>", macos)
    return f"macOS {version[1]}" if version else None


def _libc(files: HostFiles) -> str | None:
    """`glibc 2.36` by the C library's own word; musl says nothing, but its loader has a name."""
    try:
        stated = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError, AttributeError):
        stated = None
    if stated:
        return stated
    return "musl" if any(name.startswith("ld-musl-") for name in files.names("/lib")) else None
