"""The machine and the account that a run belongs to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from ..records.run import Host, User
from .hostfiles import HostFiles

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def capture_host(keyed: Callable[[bytes], str], files: HostFiles | None = None) -> Host:
    """The host; the machine's id goes through `keyed`, since systemd asks that the bare one is not shown around."""
    files = files or HostFiles()
    return Host(
        name=os.uname().nodename,
        machine_id=keyed(machine.encode()) if (machine := _machine_id(files)) else None,
        boot_id=(files.text("/proc/sys/kernel/random/boot_id") or "").strip() or None,
    )


def _machine_id(files: HostFiles) -> str | None:
    """Nothing in most containers and on macOS, where images or other mechanisms leave the file empty."""
    for name in _MACHINE_IDS:
        text = (files.text(name) or "").strip()
        if text and text != "uninitialized":
            return text
    return None


def capture_user(environ: Mapping[str, str] | None = None, files: HostFiles | None = None) -> User:
    """The account. A directory service is asked last: one that does not answer would stop the launch."""
    uid = os.getuid()
    name = _local_name(uid, files or HostFiles()) or (environ or {}).get("USER") or (environ or {}).get("LOGNAME")
    return User(name=name or _directory_name(uid), uid=uid)


def _local_name(uid: int, files: HostFiles) -> str | None:
    for line in (files.text("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == str(uid):
            return fields[0]
    return None


def _directory_name(uid: int) -> str | None:
    import pwd  # only accounts that are in no local file need it

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
