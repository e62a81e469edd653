"""A store with a few real runs, made once for each module that only reads it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from workplace import Workplace

TRAIN = """
import json, sys
print("epoch 1")
print("warning: slow", file=sys.stderr)
json.dump({"acc": 0.9}, open("model.json", "w"))
sys.exit(int(sys.argv[1]))
"""


@dataclass(frozen=True)
class Lab:
    """`good`, `bad` and `dirty` are identifiers of runs, in that order of time."""

    place: Workplace
    good: str
    bad: str
    dirty: str


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Three runs of a small program in a repository; tests of a module share it and must not change it."""
    folder = tmp_path_factory.mktemp("lab")
    place = Workplace(folder / "work", folder / "home")
    place.write("data.csv", "x,y\n1,2\n")
    place.write("train.py", TRAIN)
    place.repository()
    options = ("--input", "data.csv", "--output", "model.json", "--param", "lr=0.1", "--tag", "set=a")
    good = place.record("python", "train.py", "0", options=("--name", "good", *options))
    bad = place.record("python", "train.py", "3\n", options=("--name", "bad", "--purpose", "bad\npurpose", *options))
    place.write("train.py", TRAIN + "\n# changed\n")
    dirty = place.record("python", "train.py", "0", options=options)
    return Lab(place, good["id"], bad["id"], dirty["id"])
