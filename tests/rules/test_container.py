"""The gate of declared image values, and the marks by which container runtimes are known."""

from __future__ import annotations

import pytest

from whence.records.code import Code, Entry
from whence.records.environment import Container
from whence.rules.container import (
    declared_container,
    declared_values,
    disagreement,
    from_kernel_text,
    identity,
    malformed,
    of_image,
)

ID = "ab" * 32
DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64
BAKED = {"WHENCE_IMAGE_NAME": "lab/train:1", "WHENCE_IMAGE_DIGEST": DIGEST, "WHENCE_GIT_COMMIT": "c0ffee"}
SEEN = Container(runtime="docker", evidence="/.dockerenv")


@pytest.mark.scenario("M1", "S20")
def test_outside_a_container_the_image_variables_are_ignored() -> None:
    assert declared_container(None, BAKED) is None
    assert declared_values(None, BAKED) == []


@pytest.mark.scenario("M1", "M5")
@pytest.mark.parametrize("observed, environ", [(SEEN, BAKED), (None, {**BAKED, "WHENCE_IN_CONTAINER": "true"})])
def test_inside_one_they_are_read_and_labelled_declared(observed: Container | None, environ: dict[str, str]) -> None:
    declared = declared_container(observed, environ)
    assert declared is not None
    assert (declared.how, declared.image, declared.digest) == ("declared", "lab/train:1", DIGEST)
    assert [value.checked for value in declared_values(observed, environ)] == ["unchecked"] * 3


@pytest.mark.scenario("M2", "M6", "S21")
def test_the_observed_digest_wins_and_a_contradiction_is_said() -> None:
    observed = Container(runtime="podman", digest=OTHER)
    declared = declared_container(observed, BAKED)
    assert identity(observed, declared) == OTHER
    assert disagreement(observed, declared) == f"WHENCE_IMAGE_DIGEST declares {DIGEST}, the runtime says {OTHER}"
    assert {v.name: v.checked for v in declared_values(observed, BAKED)}["WHENCE_IMAGE_DIGEST"] == "differs"


@pytest.mark.scenario("S20")
def test_a_name_without_a_digest_identifies_nothing() -> None:
    assert identity(SEEN, declared_container(SEEN, {"WHENCE_IMAGE_NAME": "lab/train:latest"})) is None


NO_CHECKOUT = {
    "the digest wins over the commit": (Code(id="git-tree:1"), BAKED, DIGEST, "image"),
    "the commit stands in": (Code(id="git-tree:1"), {"WHENCE_GIT_COMMIT": "c0ffee"}, "commit:c0ffee", "image"),
    "neither is unknown": (Code(id="git-tree:1", entry=Entry(kind="command", path="/bin/true")), {}, None, "none"),
    "a mounted script is its folder": (
        Code(id="git-tree:1", entry=Entry(kind="file", path="a.py")),
        {},
        "git-tree:1",
        "none",
    ),
    "a checkout stays itself": (Code(vcs="git", id="git-tree:1"), BAKED, "git-tree:1", "git"),
}


@pytest.mark.scenario("M3", "M7", "M8", "S20")
@pytest.mark.parametrize("case", NO_CHECKOUT)
def test_without_a_checkout_the_image_is_the_code(case: str) -> None:
    code, environ, identifier, vcs = NO_CHECKOUT[case]
    found = of_image(code, SEEN, environ)
    assert (found.id, found.vcs) == (identifier, vcs)
    assert {value.name for value in found.declared} == environ.keys()


KERNEL = {
    "docker with cgroup v1": (f"12:cpu:/docker/{ID}\n", "docker"),
    "docker below systemd": (f"0::/system.slice/docker-{ID}.scope\n", "docker"),
    "docker by its mounts": (f"1 2 0:1 /var/lib/docker/containers/{ID}/hosts /etc/hosts rw - ext4 d rw\n", "docker"),
    "podman": (f"0::/machine.slice/libpod-{ID}.scope\n", "podman"),
    "containerd of Kubernetes": (f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope\n", "containerd"),
    "CRI-O": (f"0::/kubepods.slice/crio-{ID}.scope\n", "cri-o"),
    "Kubernetes with cgroupfs": (f"0::/kubepods/besteffort/pod1/{ID}\n", "kubernetes"),
}


@pytest.mark.scenario("G8")
@pytest.mark.parametrize("case", KERNEL)
def test_a_containers_id_is_read_from_the_kernels_words(case: str) -> None:
    text, runtime = KERNEL[case]
    found = from_kernel_text(text, "/proc/self/cgroup")
    assert found == Container(runtime=runtime, id=ID, evidence="/proc/self/cgroup")


def test_a_host_is_no_container() -> None:
    assert from_kernel_text("0::/user.slice/user-1000.slice/session-1.scope\n", "/proc/self/cgroup") is None


def test_a_declared_commit_is_held_against_that_of_the_checkout() -> None:
    environ = {"WHENCE_GIT_COMMIT": "f" * 40, "WHENCE_IN_CONTAINER": "true"}
    checked = [of_image(Code(vcs="git", commit=commit), None, environ).declared for commit in ("f" * 40, "a" * 40)]
    assert [[(one.checked, one.observed) for one in found] for found in checked] == [
        [("agrees", "f" * 40)],
        [("differs", "a" * 40)],
    ]


def test_a_declared_value_that_cannot_be_one_is_said_and_identifies_nothing() -> None:
    environ = {"WHENCE_IMAGE_DIGEST": "bad", "WHENCE_GIT_COMMIT": "zzz", "WHENCE_IN_CONTAINER": "true"}
    assert list(malformed(None, environ)) == [
        "WHENCE_IMAGE_DIGEST: found 'bad', expected sha256: and 64 hexadecimal digits",
        "WHENCE_GIT_COMMIT: found 'zzz', expected the hexadecimal digits of a commit",
    ]
    assert identity(None, declared_container(None, environ)) is None
    assert of_image(Code(), None, environ).id is None
    assert list(malformed(SEEN, BAKED)) == []
