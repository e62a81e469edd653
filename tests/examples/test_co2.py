"""The example: a real analysis that knows nothing of whence, recorded from outside and from inside."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from fences import ROOT
from workplace import Workplace

FIT = "examples/co2/fit.py"
DATA = "examples/co2/co2_monthly.csv"
CONFIG = "examples/co2/fit.toml"
MODEL = "examples/co2/out/model.json"
PLOT = "examples/co2/out/fit.svg"

OPTIONS = ("--input", DATA, "--config", CONFIG, "--output", MODEL, "--output", PLOT)


@pytest.fixture
def clone(workplace: Workplace) -> Workplace:
    """A repository with the example in it."""
    shutil.copytree(ROOT / "examples", workplace.path / "examples", ignore=shutil.ignore_patterns("out", "__pycache__"))
    shutil.copy(ROOT / ".gitignore", workplace.path / ".gitignore")
    return workplace.repository()


def model(place: Workplace) -> dict[str, float]:
    return json.loads((place.path / MODEL).read_bytes())


def test_the_fit_finds_what_is_known_of_carbon_dioxide(clone: Workplace) -> None:
    clone.python(FIT).ok()
    found = model(clone)
    assert math.isclose(found["rise_last_year"], 2.5, abs_tol=0.2)
    assert math.isclose(found["cycle_peak_to_peak"], 6.5, abs_tol=0.5)
    assert found["rmse_held_out"] < 1
    assert (clone.path / PLOT).read_text().startswith("<svg")


def test_the_example_does_not_know_whence(clone: Workplace) -> None:
    assert "import whence" not in (clone.path / FIT).read_text()
    clone.python("-I", "-S", FIT).ok()


def test_the_same_seed_gives_the_same_bytes_and_another_another_model(clone: Workplace) -> None:
    written: list[bytes] = []
    for seed in ("1", "1", "2"):
        clone.python(FIT, "--seed", seed).ok()
        written.append((clone.path / MODEL).read_bytes())
    assert written[0] == written[1] != written[2]


@pytest.mark.scenario("Y2", "J1")
def test_its_record_names_code_configuration_data_environment_and_results(clone: Workplace) -> None:
    record = clone.record("python", FIT, "--config", CONFIG, "--lr", "0.3", options=OPTIONS)
    assert record["status"] == "succeeded"
    assert record["code"]["commit"] == clone.git("rev-parse", "HEAD")
    assert record["code"]["git_tree"] == clone.git("rev-parse", "HEAD^{tree}")
    assert record["code"]["entry"]["path"] == FIT
    assert record["config"]["values"]["degree"] == 2
    assert [Path(i["path"]).name for i in record["inputs"]] == ["co2_monthly.csv", "fit.toml"]
    assert {a["kind"] for a in record["artifacts"]} >= {"plot"}
    assert record["environment"]["python"]["version"]
    assert record["environment"]["fingerprint"].startswith("sha256:")


@pytest.mark.scenario("S15", "B13")
@pytest.mark.slow
def test_ten_runs_have_one_code_id(clone: Workplace) -> None:
    records = [clone.record("python", FIT, "--seed", str(n), options=OPTIONS) for n in range(10)]
    assert len({record["id"] for record in records}) == 10
    assert len({record["code"]["id"] for record in records}) == 1
    assert records[0]["code"]["id"].startswith("git-tree:")


@pytest.mark.scenario("H3", "H7")
def test_a_fit_that_diverges_is_a_failed_run_with_what_it_printed(clone: Workplace) -> None:
    record = clone.record("python", FIT, "--lr", "3", options=OPTIONS)
    assert (record["status"], record["exit_code"]) == ("failed", 1)
    assert [Path(i["path"]).name for i in record["inputs"]] == ["co2_monthly.csv", "fit.toml"]
    assert "the learning rate 3.0 is too large" in clone.whence("cat", "@:output").ok().out


@pytest.mark.scenario("J9", "F1")
def test_the_variant_with_whence_inside_records_settings_and_every_step(clone: Workplace) -> None:
    clone.python("examples/co2/fit_logged.py", "--lr", "0.3", "--steps", "25").ok()
    record = clone.show()
    assert record["config"]["values"]["lr"] == 0.3
    assert [(seed["name"], seed["value"]) for seed in record["config"]["seeds"]] == [("seed", 1)]
    metric = record["metrics"]["rmse_held_out"]
    assert (metric["count"], metric["step"]) == (26, None)
    assert metric["last"] == model(clone)["rmse_held_out"]
    assert {Path(a["path"]).name for a in record["artifacts"]} == {"model.json", "fit.svg"}
