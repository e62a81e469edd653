"""The recipe of docs/containers.md, as far as it can be followed without a container runtime."""

from __future__ import annotations

import re

import pytest
from fences import ROOT
from workplace import Workplace

from whence.rules.container import DECLARED, IMAGE_DIGEST, IN_CONTAINER

PAGE = (ROOT / "docs/containers.md").read_text("utf-8")
DOCKERFILE = PAGE.partition("```dockerfile\n")[2].partition("```")[0]
BAKED = dict(re.findall(r"^ENV (\w+)=\$(\w+)$", DOCKERFILE, flags=re.M))
"""Variable -> build argument."""

GIVEN = {
    "IMAGE_NAME": "registry.example.org/lab/model",
    "GIT_COMMIT": "0123456789abcdef0123456789abcdef01234567",
    "VERSION": "1.2.0",
}
DIGEST = f"sha256:{'ab' * 32}"


def test_the_page_names_every_variable() -> None:
    assert [name for name in (*DECLARED, IN_CONTAINER) if f"`{name}" not in PAGE] == []


def test_the_build_gives_every_argument_that_the_image_bakes() -> None:
    assert set(BAKED) == set(DECLARED) - {IMAGE_DIGEST}
    assert set(re.findall(r"^ARG (\w+)$", DOCKERFILE, flags=re.M)) == set(BAKED.values()) == set(GIVEN)
    assert set(re.findall(r"--build-arg (\w+)=", PAGE)) == set(GIVEN)
    assert f"-e {IMAGE_DIGEST}=" in PAGE


@pytest.mark.scenario("S20", "M1", "M2")
def test_what_the_image_bakes_is_declared_in_the_record_and_its_digest_is_the_code(workplace: Workplace) -> None:
    baked: dict[str, str | None] = {name: GIVEN[argument] for name, argument in BAKED.items()}
    env = {**baked, IMAGE_DIGEST: DIGEST, IN_CONTAINER: "true"}
    record = workplace.record("true", env=env)
    declared = {d["name"]: (d["value"], d["checked"]) for d in record["code"]["declared"]}
    assert declared.keys() == set(DECLARED)
    assert declared[IMAGE_DIGEST] == (DIGEST, "unchecked")
    assert DIGEST in record["code"]["id"]


@pytest.mark.scenario("M1", "M7")
def test_they_count_only_where_a_container_is_observed(workplace: Workplace) -> None:
    env: dict[str, str | None] = {IMAGE_DIGEST: DIGEST}
    record = workplace.record("true", env=env)
    observed = (
        record["environment"]["container"] is not None and record["environment"]["container"]["how"] == "observed"
    )
    assert [d["value"] for d in record["code"]["declared"]] == ([DIGEST] if observed else [])
