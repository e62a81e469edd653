"""What a run executed and connected to, and what of it could not be followed."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from fnmatch import fnmatchcase

import msgspec

from .seen import Identity, Seen

EXECUTABLE = 0o111

GAINS = stat.S_ISUID | stat.S_ISGID
"""The program's file gives it another user or group."""

WITHOUT_PRIVILEGES = (
    "ran without the privileges that its file gives, because it was watched: if it failed for that, record it with"
    " `--observe off` or as root, or do that step outside of the run"
)

MOST_HIDDEN = 20
"""Programs that are named of those that could not be looked at."""

LEAVES: Mapping[str, str] = {
    **dict.fromkeys(
        ("srun", "mpirun", "mpiexec", "mpiexec.hydra", "orterun", "prterun", "jsrun", "aprun", "pdsh"),
        "what it started on other nodes was not seen",
    ),
    **dict.fromkeys(
        ("sbatch", "qsub", "bsub", "condor_submit", "oarsub", "msub"), "the job that it submitted was not seen"
    ),
    **dict.fromkeys(("ssh", "rsh", "mosh"), "what it ran on the other host was not seen"),
    **dict.fromkeys(
        ("docker", "podman", "nerdctl", "apptainer", "singularity", "enroot", "sarus", "ch-run"),
        "what ran in the container was not seen",
    ),
    **dict.fromkeys(("kubectl", "oc", "helm"), "what it ran in the cluster was not seen"),
    "systemd-run": "what it had started by systemd was not seen",
    "machinectl": "what it had started by systemd was not seen",
    "at": "what it had started later was not seen",
    "batch": "what it had started later was not seen",
    "crontab": "what it had started later was not seen",
}
"""Programs that hand work to where it is not watched."""

_SERVERS: tuple[tuple[str, str], ...] = (
    ("unix:*/docker.sock", "docker"),
    ("unix:*/podman.sock", "podman"),
    ("unix:*/containerd.sock", "containerd"),
    ("unix:*/plasma_store", "a ray server that was running already"),
    ("unix:*/raylet", "a ray server that was running already"),
)
"""Sockets of servers that do work for others: what they read is not seen."""

NOTABLE = (
    "libcudart", "libcublas.", "libcudnn.", "libnccl", "libcufft.", "libcurand.", "libcusolver.",
    "libcusparse.", "libnvrtc.", "libcuda.", "libmpi.", "libmpich", "libopenblas", "libscipy_openblas",
    "libmkl_rt", "libblas.", "liblapack.", "libblis", "libgomp", "libomp.", "libiomp", "libamdhip",
    "librocblas", "libhdf5.", "libnetcdf.",
)  # fmt: skip
"""How libraries are called that change a result: they are named also where they belong to an installed package."""

_UNFOLLOWED: Mapping[str, str] = {
    "io_uring": "a program used io_uring: what it opened through it was not seen",
    "foreign": "a 32-bit program ran: what it opened was not seen",
    "handle": "{} opened files by their handles: which they are was not seen",
    "namespace": "{} ran with mounts of its own: what its paths lead to may not be what lies there for others",
    "mount": "{} mounted a file system: files that were used below may lie elsewhere by another path",
    "unmount": "{} unmounted a file system: what was written below, and lies elsewhere, is not in the record",
    "listener": "{} asked to answer the calls of others (seccomp), which it cannot in a command that is watched",
}
"""Calls that say that something cannot be followed, by their op."""

_SHARED = r"\.(so|dylib)(\.[0-9.]+)?$"
_VERSION = r"(?:\.so\.|-)(\d+(?:\.\d+)*)(?:\.so|\.dylib|$)"


class Executed(msgspec.Struct):
    """A program, by its path."""

    identity: Identity
    times: int = 1


class Connected(msgspec.Struct):
    """An address, and how often it was asked for."""

    at: float
    times: int = 1


class Programs:
    """What the stream says of programs and hosts. `held_down`: watching keeps programs from gaining privileges."""

    def __init__(self, most: int = 10_000, *, held_down: bool = False) -> None:
        self._held_down = held_down
        self.executed: dict[bytes, Executed] = {}
        self.connected: dict[bytes, Connected] = {}
        self.gaps: dict[str, None] = {}
        """What could not be followed, in the order in which it was met."""
        self._most = most
        self._hidden: dict[str, int] = {}
        self._unfollowed: set[str] = set()

    def all_gaps(self) -> list[str]:
        """With those whose number is known at the end."""
        return [*self.gaps, *(_hidden(because, times) for because, times in self._hidden.items())]

    def take(self, seen: Seen) -> None:
        if seen.op in _UNFOLLOWED:
            self._leave(seen.op, seen.because)
        elif not seen.path and seen.because:
            self._hide(seen.because)
        elif seen.op == "execute":
            self._execute(seen)
        elif seen.op == "connect":
            self._connect(seen)

    def _leave(self, op: str, because: str) -> None:
        """Told once, with the program that was the first to do so."""
        if op not in self._unfollowed:
            self._unfollowed.add(op)
            self._gap(_UNFOLLOWED[op].format(because or "a program"))

    def _hide(self, because: str) -> None:
        """A call of a process that may not be looked at."""
        if because not in self._hidden and len(self._hidden) >= MOST_HIDDEN:
            because = "others"
        self._hidden[because] = self._hidden.get(because, 0) + 1

    def _execute(self, seen: Seen) -> None:
        there = seen.identity
        if there is None or not there.is_file or not there.mode & EXECUTABLE:
            return  # A shell tries the folders of PATH in turn.
        name = text(seen.path.rpartition(b"/")[2])
        if name in LEAVES:
            self._gap(f"{name} ran: {LEAVES[name]}")
        if self._held_down and there.mode & GAINS:
            self._gap(f"{name} (setuid) {WITHOUT_PRIVILEGES}")
        known = self.executed.get(seen.path)
        if known is not None:
            known.times += 1
        elif len(self.executed) < self._most:
            self.executed[seen.path] = Executed(there)
        else:
            self._gap(f"more than {self._most} programs were executed: the rest is not listed")

    def _connect(self, seen: Seen) -> None:
        address = text(seen.path)
        for pattern, server in _SERVERS:
            if fnmatchcase(address, pattern):
                self._gap(f"work was handed to {server}: what it read was not seen")
        if address.startswith("unix:"):
            return
        known = self.connected.get(seen.path)
        if known is not None:
            known.times += 1
        elif len(self.connected) < self._most:
            self.connected[seen.path] = Connected(seen.at)
        else:
            self._gap(f"more than {self._most} addresses were connected to: the rest is not listed")

    def _gap(self, what: str) -> None:
        self.gaps[what] = None


def _hidden(because: str, times: int) -> str:
    return f"calls of a process that could not be looked at ({because}): {times}"


def text(path: bytes) -> str:
    """As the format writes what is not UTF-8."""
    return path.decode("utf-8", "surrogateescape")


def host_and_port(address: bytes) -> tuple[str, int | None]:
    """`inet:192.0.2.1:443` and `inet6:[2001:db8::1]:443` as host and port."""
    _, _, rest = text(address).partition(":")
    host, _, port = rest.rpartition(":")
    return host.strip("[]"), int(port) if port.isdigit() else None


def is_shared_library(name: str) -> bool:
    return re.search(_SHARED, name) is not None


def is_notable(name: str) -> bool:
    return name.startswith(NOTABLE)


def version_of(file: str) -> str | None:
    """The version in the name of a shared library: `12.4.127` of `libcudart.so.12.4.127`."""
    found = re.search(_VERSION, file)
    return found[1] if found else None
