"""Who is measured: the floor, whence, and peers from PyPI, each in a virtual environment of its own under `.bench/`."""

from __future__ import annotations

import os
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".bench"
PROGRAMS = ROOT / "bench/programs"

REQUIREMENTS = {
    "whence": [str(ROOT)],
    "sacred": ["sacred==0.8.7", "setuptools<80"],
    "wandb": ["wandb==0.31.0"],
    "mlflow": ["mlflow==3.17.2"],
    "dvc": ["dvc==3.67.1"],
    "roar": ["roar-cli==0.4.7"],
}
"""The versions of the peers stand in RESULTS.md too; sacred imports pkg_resources, which newer setuptools lack."""

WATCHING = {"science": ["pandas", "pyarrow", "h5py", "numpy"], "reprozip": ["reprozip==1.3.2"]}
"""For the rows on being watched: what a command imports there, and a peer that sees what it opens."""

TABLES = {"tables": [f"{ROOT}[tables,duckdb]"]}
"""whence with what it freezes tables with."""

PEERS = tuple(name for name in REQUIREMENTS if name != "whence")

ENVIRON = {
    "LANG": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.org",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.org",
    "GIT_PYTHON_REFRESH": "quiet",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
    "DO_NOT_TRACK": "1",
    "PYTHONWARNINGS": "ignore",
}
"""Nothing else is passed on, PYTHONDONTWRITEBYTECODE least of all: with it every import compiles again."""


@dataclass(frozen=True)
class Subject:
    """One tool in its environment."""

    name: str

    @property
    def bin(self) -> Path:
        return PLACE / ("whence" if self.name == "floor" else self.name) / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    def program(self, *words: str | int) -> list[str]:
        """The benchmark's program for this tool, in the folder of the row."""
        file = "floor.py" if self.name == "floor" else f"on_{self.name}.py"
        return [str(self.python), file, *map(str, words)]

    def environ(self, home: Path) -> dict[str, str]:
        return {**ENVIRON, "HOME": str(home), "PATH": f"{self.bin}:{os.defpath}"}


FLOOR = Subject("floor")
WHENCE = Subject("whence")
SCIENCE = Subject("science")
REPROZIP = Subject("reprozip")
FREEZING = Subject("tables")


def install(name: str, *, fresh: bool = False) -> Subject:
    """Make sure of the tool; `fresh` installs it again into what is there."""
    subject = Subject(name)
    missing = not subject.python.exists()
    if missing:
        print(f"installing {name} …", flush=True)
        venv.create(PLACE / name, with_pip=True)
    if missing or fresh:
        how = ["--force-reinstall", "--no-deps"] if fresh and not missing else []
        pip = [str(subject.python), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        subprocess.run([*pip, *how, *(REQUIREMENTS | WATCHING | TABLES)[name]], check=True)
    return subject
