"""Hydra, and seeds that code sets, in unmodified programs under `whence run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace

PYTHON = sys.executable

HYDRA = """\
import hydra
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    cfg.optim.lr = cfg.optim.lr * 2
main()
"""


def hydra_project(workplace: Workplace, program: str = HYDRA) -> None:
    workplace.script("train.py", program)
    workplace.write("conf/config.yaml", "defaults:\n  - model: small\n  - _self_\nseed: 7\nhost: ${oc.env:LAB}\n"
                    "optim:\n  lr: 0.1\n  decay: ${optim.lr}\n")  # fmt: skip
    workplace.write("conf/model/small.yaml", "layers: 2\n")
    workplace.write("conf/model/large.yaml", "layers: 20\n")


@pytest.mark.scenario("S5", "S6", "F3")
def test_what_hydra_composed_is_recorded_with_choices_overrides_and_its_files(workplace: Workplace) -> None:
    hydra_project(workplace)
    arguments = ["model=large", "optim.lr=0.5", "hydra.run.dir=out"]
    config = workplace.record(PYTHON, "train.py", *arguments, env={"LAB": "lab3"})["config"]
    assert config["values"] == {
        "seed": 7,
        "host": "lab3",
        "optim": {"lr": 1.0, "decay": 1.0},
        "model": {"layers": 20},
    }
    assert config["origins"] == {
        "seed": "file",
        "host": "environment",
        "optim.lr": "generated",
        "optim.decay": "generated",
        "model.layers": "file",
    }
    assert config["choices"]["model"] == "large"
    assert config["overrides"] == ["model=large", "optim.lr=0.5"]
    assert [Path(file["path"]).name for file in config["files"]] == ["config.yaml", "overrides.yaml", "hydra.yaml"]
    for file in config["files"]:
        workplace.whence("get", file["digest"], "kept").ok()
        assert (workplace.path / "kept").read_text() == Path(file["path"]).read_text()
        (workplace.path / "kept").unlink()
    assert [(seed["name"], seed["value"]) for seed in config["seeds"]] == [("seed", 7)]


def test_what_hydra_resolved_first_stays_in_the_journal(workplace: Workplace) -> None:
    hydra_project(workplace)
    workplace.record(PYTHON, "train.py", "optim.lr=0.5", env={"LAB": "lab3"})
    (folder,) = workplace.run_folders()
    lines = (folder / "main.jsonl").read_text().splitlines()
    first = next(line for line in lines if '"config.resolved"' in line and '"when":"during"' in line)
    assert '"optim":{"lr":0.5,"decay":0.5}' in first
    assert '"optim.lr":"command_line"' in first


def test_each_job_of_a_sweep_is_listed(workplace: Workplace) -> None:
    hydra_project(workplace)
    arguments = ["--multirun", "optim.lr=1,2,3", "hydra.sweep.dir=out"]
    config = workplace.record(PYTHON, "train.py", *arguments, env={"LAB": "lab3"})["config"]
    assert config["values"]["optim"]["lr"] == 2.0
    assert [(other["job"], other["values"]["optim"]["lr"]) for other in config["others"]] == [(1, 2), (2, 3)]
    assert [other["overrides"] for other in config["others"]] == [["optim.lr=2"], ["optim.lr=3"]]


def test_an_error_in_a_hydra_program_is_shown_as_without_us(workplace: Workplace) -> None:
    hydra_project(workplace, HYDRA.replace("cfg.optim.lr = cfg.optim.lr * 2", "raise ValueError('mine')"))
    bare = workplace.python("train.py", "hydra.run.dir=out", env={"LAB": "lab3"})
    recorded = workplace.whence("run", "--", PYTHON, "train.py", "hydra.run.dir=out", env={"LAB": "lab3"})
    assert "ValueError: mine" in bare.err
    assert recorded.err.partition("\n")[2] == bare.err


HF = """\
from argparse import ArgumentParser, Namespace
import json
from dataclasses import fields
class HfArgumentParser(ArgumentParser):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        for field in fields(kind):
            self.add_argument("--" + field.name, type=type(field.default), default=field.default)
    def parse_args_into_dataclasses(self):
        namespace, rest = self.parse_known_args()
        return (self.kind(**vars(namespace)),)
    def parse_json_file(self, json_file):
        return (self.kind(**json.load(open(json_file))),)
"""
"""Of the same API as far as it is used: the true one needs torch."""

HF_PROGRAM = """\
import sys
from dataclasses import dataclass
from transformers.hf_argparser import HfArgumentParser
@dataclass
class Options:
    lr: float = 0.1
    depth: int = 2
parser = HfArgumentParser(Options)
if sys.argv[1].endswith(".json"):
    parser.parse_json_file(json_file=sys.argv[1])
else:
    parser.parse_args_into_dataclasses()
"""


@pytest.mark.parametrize(
    ("arguments", "origins"),
    [
        (["--lr", "0.5"], {"lr": "command_line", "depth": "default"}),
        (["options.json"], {"lr": "file", "depth": "file"}),
    ],
)
def test_dataclasses_that_a_parser_of_transformers_fills(
    arguments: list[str], origins: dict[str, str], workplace: Workplace
) -> None:
    workplace.write("lib/site-packages/transformers/hf_argparser.py", HF)
    workplace.write("options.json", '{"lr": 0.5, "depth": 2}')
    workplace.script("program.py", HF_PROGRAM)
    env = {"PYTHONPATH": str(workplace.path / "lib/site-packages")}
    config = workplace.record(PYTHON, "-W", "ignore", "program.py", *arguments, env=env)["config"]
    assert (config["values"], config["origins"]) == ({"lr": 0.5, "depth": 2}, origins)


SEEDS = """\
import argparse, random
import numpy as np
import torch
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=3)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(11)
generator = np.random.default_rng([1, 2])
own = random.Random("text")
for epoch in range(3):
    torch.manual_seed(epoch)
torch.use_deterministic_algorithms(True)
torch.backends.cudnn.deterministic = True
unseeded = np.random.default_rng()
"""

TORCH = """\
from types import SimpleNamespace
class random:
    manual_seed = None
def manual_seed(seed):
    return seed
def use_deterministic_algorithms(mode, *, warn_only=False):
    pass
backends = SimpleNamespace(cudnn=SimpleNamespace(deterministic=False, benchmark=False))
"""
"""Of the same API as far as it is used: the true one is too large for a test."""


@pytest.mark.scenario("F8")
def test_seeds_that_code_sets_are_recorded_with_value_and_place(workplace: Workplace) -> None:
    workplace.script("seeds.py", SEEDS)
    workplace.write("lib/site-packages/torch.py", TORCH)
    env = {"PYTHONHASHSEED": "12", "PYTHONPATH": str(workplace.path / "lib/site-packages")}
    seeds = workplace.record(PYTHON, "seeds.py", env=env)["config"]["seeds"]
    found = {seed["name"]: (seed["value"], seed["origin"], seed["place"]) for seed in seeds}
    assert found == {
        "seed": (3, "default", None),
        "PYTHONHASHSEED": ("12", "environment", None),
        "random.seed": (3, "declared", "seeds.py:7"),
        "numpy.random.seed": (11, "declared", "seeds.py:8"),
        "numpy.random.default_rng": ([1, 2], "declared", "seeds.py:9"),
        "random.Random": ("text", "declared", "seeds.py:10"),
        "torch.manual_seed": (2, "declared", "seeds.py:12"),
        "torch.use_deterministic_algorithms": (True, "declared", "seeds.py:13"),
        "torch.backends.cudnn.deterministic": (True, "declared", None),
    }


JAX = """\
class Traced:
    dtype, shape = "int32", ()
def PRNGKey(seed, *, impl=None): return seed
def key(seed, *, impl=None): return seed
"""

OTHERS = {
    "jax": ("jax__random", JAX, "import jax.random as r\nr.PRNGKey(5)\nr.key(r.Traced())\n", "jax.random.PRNGKey"),
    "TensorFlow": (
        "tensorflow__python__framework__random_seed",
        "def set_seed(seed): pass\ndef set_random_seed(seed): pass\n",
        "from tensorflow.python.framework.random_seed import set_seed\nset_seed(5)\n",
        "tensorflow.random.set_seed",
    ),
    "Keras": (
        "keras__src__utils__rng_utils",
        "def set_random_seed(seed): pass\n",
        "from keras.src.utils.rng_utils import set_random_seed\nset_random_seed(5)\n",
        "keras.utils.set_random_seed",
    ),
    "Lightning": (
        "lightning__fabric__utilities__seed",
        "def seed_everything(seed=None, workers=False, verbose=True): return 5\n",
        "from lightning.fabric.utilities.seed import seed_everything\nseed_everything()\n",
        "lightning.seed_everything",
    ),
}
"""Of the same API as far as it is used: the true ones are too large for a test."""


@pytest.mark.parametrize("framework", OTHERS)
def test_seeds_of_a_framework_are_recorded_with_value_and_place(framework: str, workplace: Workplace) -> None:
    module, body, program, name = OTHERS[framework]
    parts = module.split("__")
    for count in range(1, len(parts)):
        workplace.write("/".join(["lib/site-packages", *parts[:count], "__init__.py"]))
    workplace.write("/".join(["lib/site-packages", *parts]) + ".py", body)
    workplace.script("seeds.py", program)
    env = {"PYTHONPATH": str(workplace.path / "lib/site-packages")}
    seeds: list[Any] = workplace.record(PYTHON, "seeds.py", env=env)["config"]["seeds"]
    assert [(seed["name"], seed["value"], seed["place"]) for seed in seeds] == [(name, 5, "seeds.py:2")]


MIXIN = """\
import inspect
def save_hyperparameters(obj, *args, ignore=None, frame=None, given_hparams=None):
    given = {name: value for name, value in frame.f_locals.items() if name not in ("self", "__class__")}
    obj._hparams = given
class HyperparametersMixin:
    def save_hyperparameters(self, *args, ignore=None, frame=None, logger=True):
        save_hyperparameters(self, *args, ignore=ignore, frame=frame or inspect.currentframe().f_back)
    @property
    def hparams(self): return self._hparams
"""
"""Of the same API as far as it is used: the true one needs torch."""


def test_hyperparameters_that_an_object_saves_are_configuration_and_keep_the_origin_of_what_was_parsed(
    workplace: Workplace,
) -> None:
    folder = "lib/site-packages/lightning/pytorch/core/mixins"
    for name in ("lightning", "lightning/pytorch", "lightning/pytorch/core", "lightning/pytorch/core/mixins"):
        workplace.write(f"lib/site-packages/{name}/__init__.py")
    workplace.write(f"{folder}/hparams_mixin.py", MIXIN)
    workplace.script(
        "train.py",
        "import argparse\nfrom lightning.pytorch.core.mixins.hparams_mixin import HyperparametersMixin\n"
        "class Model(HyperparametersMixin):\n"
        "    def __init__(self, lr, depth):\n        self.save_hyperparameters()\n"
        "parser = argparse.ArgumentParser()\nparser.add_argument('--lr', type=float)\n"
        "model = Model(parser.parse_args().lr, depth=3)\nmodel.hparams['depth'] = 4\n",
    )
    env = {"PYTHONPATH": str(workplace.path / "lib/site-packages")}
    config = workplace.record(PYTHON, "train.py", "--lr", "0.5", env=env)["config"]
    assert (config["values"], config["origins"]) == (
        {"lr": 0.5, "depth": 4},
        {"lr": "command_line", "depth": "generated"},
    )


def test_a_generator_that_a_dependency_seeds_for_itself_is_not_the_programs(workplace: Workplace) -> None:
    workplace.write("lib/site-packages/helper.py", "import random\ndef make(): return random.Random(5)\n"
                    "def everything(seed): random.seed(seed)\n")  # fmt: skip
    workplace.script("seeds.py", "import helper\nhelper.make()\nhelper.everything(9)\n")
    env = {"PYTHONPATH": str(workplace.path / "lib/site-packages")}
    seeds: list[Any] = workplace.record(PYTHON, "seeds.py", env=env)["config"]["seeds"]
    assert [(seed["name"], seed["value"], seed["place"]) for seed in seeds] == [("random.seed", 9, "seeds.py:3")]
