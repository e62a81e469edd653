"""Which container a run is in, from what the kernel and the runtimes leave to read; and what was declared about it.

*Observed* is what a runtime wrote (`/run/.containerenv`, cgroup paths, mount sources, Apptainer's variables).
*Declared* are the four `WHENCE_*` variables that somebody bakes into an image: they are read only where a container is
observed or `WHENCE_IN_CONTAINER=true`, and never become observed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from ..records.code import Code, Declared
from ..records.environment import Container
from .declared import expectation, is_commit, looks_like_commit
from .secrets import Mask

IMAGE_NAME = "WHENCE_IMAGE_NAME"
IMAGE_DIGEST = "WHENCE_IMAGE_DIGEST"
GIT_COMMIT = "WHENCE_GIT_COMMIT"
VERSION = "WHENCE_VERSION"
IN_CONTAINER = "WHENCE_IN_CONTAINER"

DECLARED = (IMAGE_NAME, IMAGE_DIGEST, GIT_COMMIT, VERSION)
_IMAGES = ("APPTAINER_CONTAINER", "APPTAINER_NAME", "SINGULARITY_CONTAINER", "SINGULARITY_NAME")

_RUNTIMES: tuple[tuple[str, str, str], ...] = (
    ("cri-o", "crio-", r"crio-(ID)"),
    ("containerd", "cri-containerd", r"cri-containerd[-:](ID)"),
    ("podman", "libpod-", r"libpod-(ID)"),
    ("podman", "/overlay-containers/", r"/overlay-containers/(ID)/"),
    ("docker", "/docker", r"/docker(?:/containers/|/|-)(ID)"),
    ("kubernetes", "/kubepods", r"/kubepods\S*/(ID)"),
    ("containerd", "/io.containerd.", r"/io\.containerd\.\S*/(ID)"),
    ("containerd", "/sandboxes/", r"/sandboxes/(ID)"),
    ("lxc", "/lxc", r"/lxc(?:\.payload)?[/.]([^/\s]+)"),
)
"""Runtime, mark and pattern in cgroup paths and mount sources, the most telling first."""

_DIGEST = r"sha256:[0-9a-f]{64}"


def from_kernel_text(text: str, evidence: str) -> Container | None:
    """The container whose id stands in `/proc/self/cgroup` or `/proc/self/mountinfo`."""
    for runtime, mark, pattern in _RUNTIMES:
        if mark in text and (found := re.search(pattern.replace("ID", "[0-9a-f]{64}"), text)):
            return Container(runtime=runtime, id=found[1], evidence=evidence)
    return None


def from_podman(text: str, evidence: str) -> Container:
    """What `/run/.containerenv` says: `key="value"` lines, empty for containers with a private view."""
    facts = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return Container(
        runtime=facts.get("engine", "podman").partition("-")[0],
        id=facts.get("id"),
        image=facts.get("image"),
        digest=digest_in(facts.get("image", "")),
        evidence=evidence,
    )


def from_variables(environ: Mapping[str, str]) -> Container | None:
    """Apptainer's and Singularity's own variables; the image is a path or a reference, perhaps with a digest."""
    for runtime in ("APPTAINER", "SINGULARITY"):
        image = environ.get(f"{runtime}_CONTAINER")
        if image or environ.get(f"{runtime}_NAME"):
            return Container(
                runtime=runtime.lower(),
                image=image or environ[f"{runtime}_NAME"],
                digest=digest_in(image or ""),
                evidence=f"{runtime}_CONTAINER" if image else f"{runtime}_NAME",
            )
    return None


def merge(found: list[Container]) -> Container | None:
    """One container out of what several places said; the first that knows a fact wins, all evidence is named."""
    if not found:
        return None

    def first(field: str) -> str | None:
        return next((value for c in found if (value := getattr(c, field))), None)

    return Container(
        runtime=first("runtime"),
        id=first("id"),
        image=first("image"),
        digest=first("digest"),
        evidence=", ".join(dict.fromkeys(c.evidence for c in found if c.evidence)),
    )


def digest_in(reference: str) -> str | None:
    """The digest that an image reference carries: `registry/name@sha256:…`."""
    found = re.search(_DIGEST, reference) if "sha256:" in reference else None
    return found[0] if found else None


def masked(environ: Mapping[str, str], mask: Mask) -> dict[str, str]:
    """The environment with what names an image masked: a registry's address may hold a login."""
    named = {name: mask(name, environ[name]) for name in (*DECLARED, *_IMAGES) if name in environ}
    return {**environ, **named}


def reads_declared(observed: Container | None, environ: Mapping[str, str]) -> bool:
    """The gate: outside a container the `WHENCE_*` image variables are somebody's leftovers."""
    return observed is not None or environ.get(IN_CONTAINER, "").strip().lower() == "true"


def declared_container(observed: Container | None, environ: Mapping[str, str]) -> Container | None:
    """What the environment declares about the image, behind the gate; nothing when it declares nothing."""
    if not reads_declared(observed, environ):
        return None
    image, digest = environ.get(IMAGE_NAME) or None, environ.get(IMAGE_DIGEST) or None
    if image is None and digest is None:
        return None
    named = ", ".join(name for name in (IMAGE_NAME, IMAGE_DIGEST) if environ.get(name))
    return Container(image=image, digest=digest, how="declared", evidence=named)


def declared_values(
    observed: Container | None, environ: Mapping[str, str], *, commit: str | None = None
) -> list[Declared]:
    """The four declared values, each held against what was observed, the commit against that of the checkout; for
    `code.declared`."""
    if not reads_declared(observed, environ):
        return []
    known = {GIT_COMMIT: commit}
    if observed:
        known |= {IMAGE_NAME: observed.image, IMAGE_DIGEST: observed.digest}
    return [_held_against(name, environ[name], known.get(name)) for name in DECLARED if environ.get(name)]


def _held_against(name: str, value: str, observed: str | None) -> Declared:
    if name == GIT_COMMIT:
        return expectation(name, value, observed, agrees=is_commit(value, observed))
    return expectation(name, value, observed, agrees=(digest_in(value) or value) == observed)


def malformed(observed: Container | None, environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence about each declared value that cannot be what it is called: it identifies nothing."""
    if reads_declared(observed, environ):
        if (digest := environ.get(IMAGE_DIGEST)) and not digest_in(digest):
            yield f"{IMAGE_DIGEST}: found {digest!r}, expected sha256: and 64 hexadecimal digits"
        if (commit := environ.get(GIT_COMMIT)) and not looks_like_commit(commit):
            yield f"{GIT_COMMIT}: found {commit!r}, expected the hexadecimal digits of a commit"


def disagreement(observed: Container | None, declared: Container | None) -> str | None:
    """The sentence about a declared digest that is not the observed one."""
    if not (observed and declared and observed.digest and declared.digest):
        return None
    if (digest_in(declared.digest) or declared.digest) == observed.digest:
        return None
    return f"{IMAGE_DIGEST} declares {declared.digest}, the runtime says {observed.digest}"


def identity(observed: Container | None, declared: Container | None) -> str | None:
    """What says that two containers are of one image: a digest, observed before declared; never a mere name."""
    for container in (observed, declared):
        if container and container.digest and (digest := digest_in(container.digest)):
            return digest
    return None


NOT_IDENTIFIED = (
    "it runs in a container that no digest or commit identifies, and what was started is no file of the folder: the"
    " code of any two such runs would count as the same"
)
"""Why `code.id` is null there."""


def of_image(code: Code, observed: Container | None, environ: Mapping[str, str]) -> Code:
    """The code with what the image declares, and, without a checkout, with the image in the place of the folder.

    The identity is then the image's digest, else the declared commit. With neither it stays that of the folder only
    where the folder holds what was started; else it is unknown, since any two runs in such images would be the same.
    """
    declared = [*code.declared, *declared_values(observed, environ, commit=code.commit)]
    if code.vcs == "git" or not reads_declared(observed, environ):
        return replace(code, declared=declared)
    digest = identity(observed, declared_container(observed, environ))
    commit = environ.get(GIT_COMMIT, "")
    inside = code.entry is not None and code.entry.path is not None and not code.entry.path.startswith("/")
    known = digest or (f"commit:{commit}" if looks_like_commit(commit) else None)
    return replace(
        code,
        declared=declared,
        vcs="image" if known else code.vcs,
        id=known or (code.id if inside or code.vcs == "package" else None),
    )
