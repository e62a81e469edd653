"""The container around this process, from files that runtimes leave and from what the kernel shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..records.environment import Container
from ..rules.container import digest_in, from_kernel_text, from_podman, from_variables, merge
from .hostfiles import HostFiles

SIDECAR = "/run/whence/image"
"""A file that the launcher mounts: one line, `name@sha256:…`, taken from the runtime or the registry."""

_KUBERNETES = "/var/run/secrets/kubernetes.io"


def observe_container(environ: Mapping[str, str], files: HostFiles) -> Container | None:
    """The container, or nothing where no trace of one is found."""
    return merge(list(_traces(environ, files)))


def _traces(environ: Mapping[str, str], files: HostFiles) -> Iterator[Container]:
    mounts = files.whole("/proc/self/mountinfo") or ""
    if sidecar := _sidecar(mounts, files):
        yield sidecar
    if (podman := files.text("/run/.containerenv")) is not None:
        yield from_podman(podman, "/run/.containerenv")
    if variables := from_variables(environ):
        yield variables
    for name, text in (("/proc/self/cgroup", files.whole("/proc/self/cgroup") or ""), ("/proc/self/mountinfo", mounts)):
        if found := from_kernel_text(text, name):
            yield found
    if files.exists("/.dockerenv"):
        yield Container(runtime="docker", evidence="/.dockerenv")
    if systemd := (files.text("/run/systemd/container") or "").strip():
        yield Container(runtime=systemd, evidence="/run/systemd/container")
    if environ.get("KUBERNETES_SERVICE_HOST") and files.exists(_KUBERNETES):
        yield Container(runtime="kubernetes", evidence=_KUBERNETES)


def _sidecar(mounts: str, files: HostFiles) -> Container | None:
    """Only where it is a mount of its own: a file inside the image would be baked in, and so declared at best."""
    points = {line.split(" ")[4] for line in mounts.splitlines() if line.count(" ") > 4}
    text = (files.text(SIDECAR) or "").strip()
    if not text or not points & {SIDECAR, SIDECAR.rpartition("/")[0]}:
        return None
    name, _, _ = text.partition("@")
    return Container(image=name or None, digest=digest_in(text), evidence=SIDECAR)
