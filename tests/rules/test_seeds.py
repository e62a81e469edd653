"""Seeds in configurations."""

from __future__ import annotations

import pytest

from whence.records.configuration import Seed
from whence.rules.seeds import find_seeds, is_seed


@pytest.mark.parametrize(
    "name", ["seed", "random_seed", "data.seed", "randomSeed", "seed_everything", "rng_key", "seeds"]
)
def test_a_name_says_seed(name: str) -> None:
    assert is_seed(name)


@pytest.mark.parametrize("name", ["seedling", "n_seeds", "num_seeds", "seed_dir", "string", "superseded"])
def test_other_names_do_not(name: str) -> None:
    assert not is_seed(name)


@pytest.mark.scenario("F8")
def test_seeds_are_found_at_every_depth_with_their_origin() -> None:
    values = {"seed": 3, "model": {"init_seed": "7", "x": 1}, "seeds": [1, 2], "use_seed": True, "seed_name": "a"}
    assert find_seeds(values, {"seed": "command_line", "model": "file"}) == [
        Seed(name="seed", value=3, origin="command_line"),
        Seed(name="model.init_seed", value="7", origin="file"),
        Seed(name="seeds", value=[1, 2], origin="declared"),
    ]
