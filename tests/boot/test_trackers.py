"""What a program logs to a tracker of its own is in the record as metrics, and the tracker works as without us."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from workplace import LIMIT, Workplace, wait_until

PYTHON = sys.executable

TENSORBOARD = """\
import numpy as np
from tensorboardX import SummaryWriter
writer = SummaryWriter("logs")
for step in range(3):
    writer.add_scalar("loss/train", np.float32(1 / 2**step), step)
writer.add_scalar("loss/val", float("nan"), global_step=2, walltime=1700000000.5)
writer.add_scalars("both", {"a": 1, "b": 2.5}, 7)
writer.add_hparams({"lr": 0.1}, {"score": 0.75})
writer.add_text("note", "no number", 1)
writer.close()
"""


def packages(workplace: Workplace, **modules: str) -> dict[str, str]:
    """A folder of packages for a program: trackers of the same API as far as it is used, where the true are large."""
    for name, body in modules.items():
        parts = name.split("__")
        for count in range(1, len(parts)):
            workplace.write("/".join(["lib/site-packages", *parts[:count], "__init__.py"]))
        workplace.write("/".join(["lib/site-packages", *parts]) + ".py", body)
    return {"PYTHONPATH": str(workplace.path / "lib/site-packages")}


def points(record: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """First value, last value, how many, last step."""
    return {name: (m["first"], m["last"], m["count"], m["step"]) for name, m in record["metrics"].items()}


@pytest.mark.filterwarnings("ignore")
def test_scalars_that_go_to_tensorboard_go_into_the_record(workplace: Workplace) -> None:
    workplace.script("train.py", TENSORBOARD)
    bare = workplace.python("train.py").ok()
    record = workplace.record(PYTHON, "train.py")
    assert points(record) == {
        "loss/train": (1.0, 0.25, 3, 2),
        "loss/val": ("NaN", "NaN", 1, 2),
        "both/a": (1.0, 1.0, 1, 7),
        "both/b": (2.5, 2.5, 1, 7),
        "score": (0.75, 0.75, 1, None),
    }
    printed = (workplace.run_folders()[-1] / "output.log").read_text()
    assert printed == bare.out + bare.err
    (told,) = workplace.run_folders()[-1].glob("told-*.points.jsonl")
    assert '[2,1700000000.5,{"loss/val":"NaN"}]\n' in told.read_text()
    workplace.whence("verify").ok()


WANDB = """\
class Run:
    id, starting_step = "abc", 0
    def log(self, data, step=None, commit=None):
        if not isinstance(data, dict):
            raise TypeError("wandb.log must be passed a dictionary")
"""

MLFLOW = """\
from types import SimpleNamespace
def metric(key, value, step): return SimpleNamespace(key=key, value=value, timestamp=1700000000000, step=step)
class MlflowClient:
    def log_metric(self, run_id, key, value, timestamp=None, step=None, synchronous=None): pass
    def log_batch(self, run_id, metrics=(), params=(), tags=(), synchronous=None): pass
"""

TRACKIO = """\
class Run:
    _next_step = 0
    def log(self, metrics, step=None):
        self._next_step = max(self._next_step, (self._next_step if step is None else step) + 1)
"""

TRACKERS: dict[str, tuple[str, str, str, dict[str, tuple[Any, ...]]]] = {
    "W&B": (
        "wandb__sdk__wandb_run",
        WANDB,
        (
            "from wandb.sdk.wandb_run import Run\nrun = Run()\n"
            "for n in range(3): run.log({'loss': 1 / 2**n, 'deep': {'acc': n}, 'picture': object(), 'text': 'no'})\n"
            "run.log({'dropped': 1}, step=1)\n"
            "run.log({'jump': 1}, step=10)\nrun.log({'jump': 2})\nrun.log({'then': 3})\n"
        ),
        {"loss": (1.0, 0.25, 3, 2), "deep.acc": (0.0, 2.0, 3, 2), "jump": (1.0, 2.0, 2, 10), "then": (3.0, 3.0, 1, 11)},
    ),
    "W&B, disabled": (
        "wandb__sdk__lib__noop_run",
        WANDB.replace("Run", "NoopRun"),
        "from wandb.sdk.lib.noop_run import NoopRun\nNoopRun().log({'loss': 1})\n",
        {"loss": (1.0, 1.0, 1, 0)},
    ),
    "MLflow": (
        "mlflow__tracking__client",
        MLFLOW,
        (
            "from mlflow.tracking.client import MlflowClient, metric\nclient = MlflowClient()\n"
            "client.log_metric('r', 'loss', 0.5, step=3)\nclient.log_metric('r', 'loss', 0.25, 1700000000000)\n"
            "client.log_batch('r', [metric('acc', 0.5, 4), metric('f1', 0.125, 4)])\nclient.log_batch('r')\n"
        ),
        {"loss": (0.5, 0.25, 2, 0), "acc": (0.5, 0.5, 1, 4), "f1": (0.125, 0.125, 1, 4)},
    ),
    "Trackio": (
        "trackio__run",
        TRACKIO,
        (
            "from trackio.run import Run\nrun = Run()\nrun.log({'loss': 0.5})\nrun.log({'loss': 0.25}, step=4)\n"
            "run.log({'acc': 1})\n"
        ),
        {"loss": (0.5, 0.25, 2, 4), "acc": (1.0, 1.0, 1, 5)},
    ),
    "Aim": (
        "aim__sdk__run",
        "class Run:\n    def track(self, value, name=None, step=None, epoch=None, *, context=None): pass\n",
        (
            "from aim.sdk.run import Run\nrun = Run()\n"
            "run.track(0.5, name='loss', step=1, context={'subset': 'train'})\n"
            "run.track({'acc': 0.75}, step=2)\n"
        ),
        {"train.loss": (0.5, 0.5, 1, 1), "acc": (0.75, 0.75, 1, 2)},
    ),
    "Lightning": (
        "lightning__pytorch__loggers__csv_logs",
        "class CSVLogger:\n    def log_metrics(self, metrics, step=None): pass\n",
        "from lightning.pytorch.loggers.csv_logs import CSVLogger\nCSVLogger().log_metrics({'loss': 0.5}, step=3)\n",
        {"loss": (0.5, 0.5, 1, 3)},
    ),
    "Keras": (
        "keras__src__callbacks__history",
        "class History:\n    def on_epoch_end(self, epoch, logs=None): pass\n",
        "from keras.src.callbacks.history import History\nHistory().on_epoch_end(0, {'loss': 0.5, 'val_loss': 0.75})\n",
        {"loss": (0.5, 0.5, 1, 0), "val_loss": (0.75, 0.75, 1, 0)},
    ),
}


@pytest.mark.parametrize("tracker", TRACKERS)
def test_points_that_go_to_a_tracker_go_into_the_record(tracker: str, workplace: Workplace) -> None:
    module, body, program, expected = TRACKERS[tracker]
    workplace.script("train.py", program)
    record = workplace.record(PYTHON, "train.py", env=packages(workplace, **{module: body}))
    assert (record["status"], points(record)) == ("succeeded", expected)


def wandb(workplace: Workplace) -> dict[str, str]:
    return packages(workplace, wandb__sdk__wandb_run=WANDB)


def test_what_a_tracker_refuses_is_no_point_and_the_error_is_the_trackers(workplace: Workplace) -> None:
    workplace.script("train.py", "from wandb.sdk.wandb_run import Run\nRun().log([1])\n")
    record = workplace.record(PYTHON, "train.py", env=wandb(workplace))
    assert (record["metrics"], record["error"]["type"]) == ({}, "TypeError")


def test_a_metric_that_goes_to_two_trackers_counts_once(workplace: Workplace) -> None:
    workplace.script(
        "train.py",
        "from wandb.sdk.wandb_run import Run\nfrom trackio.run import Run as Other\n"
        "for n in range(3):\n    Run().log({'loss': n})\n    Other().log({'loss': n, 'own': n})\n",
    )
    env = packages(workplace, wandb__sdk__wandb_run=WANDB, trackio__run=TRACKIO)
    record = workplace.record(PYTHON, "train.py", env=env)
    assert {name: metric["count"] for name, metric in record["metrics"].items()} == {"loss": 3, "own": 3}


def test_points_of_a_program_that_is_killed_are_in_the_record_and_so_are_those_of_its_children(
    workplace: Workplace,
) -> None:
    workplace.script(
        "train.py",
        "import os\nfrom wandb.sdk.wandb_run import Run\nrun = Run()\nrun.log({'loss': 1})\n"
        "if os.fork() == 0:\n    run.log({'loss': 2, 'child': 3})\n    os._exit(0)\n"
        "os.wait()\nrun.log({'loss': 4})\nos.kill(os.getpid(), 9)\n",
    )
    record = workplace.record(PYTHON, "train.py", env=wandb(workplace))
    counts = {name: (metric["count"], metric["max"]) for name, metric in record["metrics"].items()}
    assert (record["status"], counts) == ("killed", {"loss": (3, 4.0), "child": (1, 3.0)})
    assert len(list(workplace.run_folders()[-1].glob("told-*.points.jsonl"))) == 2


def test_a_program_that_closes_or_reuses_every_descriptor_meets_none_of_ours_and_its_points_are_whole(
    workplace: Workplace,
) -> None:
    workplace.script(
        "train.py",
        "import os\nfrom wandb.sdk.wandb_run import Run\nrun = Run()\nrun.log({'loss': 1})\n"
        "os.closerange(3, 1024)\nrun.log({'loss': 2})\n"
        "numbers = sorted(int(name) for name in os.listdir('/proc/self/fd'))\n"
        "for number in range(3, 1024):\n"
        "    own = os.open('own', os.O_WRONLY | os.O_CREAT)\n    os.dup2(own, number), os.close(own)\n"
        "os.closerange(3, 100)\nrun.log({'loss': 3})\n"
        "assert os.stat('own').st_size == 0 and [n for n in numbers if n > 2] != []\n",
    )
    record = workplace.record(PYTHON, "train.py", env=wandb(workplace))
    metric = record["metrics"]["loss"]
    assert (record["status"], metric["count"], metric["last"]) == ("succeeded", 3, 3.0)


def test_a_program_that_outlives_its_run_goes_on_logging_to_its_tracker_alone(workplace: Workplace) -> None:
    workplace.script(
        "train.py",
        "import os, time\nfrom wandb.sdk.wandb_run import Run\nrun = Run()\nrun.log({'loss': 1})\n"
        "if os.fork() == 0:\n    os.setsid()\n    null = os.open(os.devnull, os.O_RDWR)\n"
        "    for fd in range(3): os.dup2(null, fd)\n    while not os.path.exists('go'): time.sleep(0.02)\n"
        "    run.log({'loss': 2})\n    open('done', 'w').close()\n    os._exit(0)\n",
    )
    record = workplace.record(PYTHON, "train.py", env=wandb(workplace))
    workplace.write("go")
    wait_until((workplace.path / "done").exists, what="the process that is left", limit=LIMIT)
    assert record["metrics"]["loss"]["count"] == workplace.show()["metrics"]["loss"]["count"] == 1
    workplace.whence("verify").ok()


def test_configuration_is_looked_at_again_at_the_first_point(workplace: Workplace) -> None:
    workplace.script(
        "train.py",
        "import argparse, os\nfrom wandb.sdk.wandb_run import Run\nargs = argparse.ArgumentParser().parse_args()\n"
        "args.steps = 30\nRun().log({'loss': 1})\nargs.steps = 40\nos.kill(os.getpid(), 9)\n",
    )
    config = workplace.record(PYTHON, "train.py", env=wandb(workplace))["config"]
    assert (config["values"], config["origins"]) == ({"steps": 30}, {"steps": "generated"})
