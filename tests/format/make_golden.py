"""Make golden records with the installed whence: `python tests/format/make_golden.py FOLDER`, in an empty folder.

Run once for each version of the format, by hand; what it made is never made again. Each case is a store of its own,
without caches and without `code.git`, beside `expected.json`, what `whence show --json` printed of its run then.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VOLATILE = ("as_of",)


def whence(*words: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["whence", *words], check=False, capture_output=True, stdin=subprocess.DEVNULL, **how)


def succeeded() -> None:
    Path("data.csv").write_text("x,y\n1,2\n")
    Path("settings.toml").write_text('seed = 7\n[optim]\nlr = 0.1\nname = "sgd"\n')
    program = "echo fitted; mkdir -p out; echo '{\"slope\": 2}' > out/model.json"
    options = ("--name", "fit", "--purpose", "a golden record", "--tag", "kind=golden", "--tag", "first")
    data = ("--input", "data.csv", "--config", "settings.toml", "--param", "optim.lr=0.2", "--output", "out/model.json")
    whence("run", *options, *data, "--", "sh", "-c", program)
    whence("note", "@", "said afterwards")
    whence("tag", "@", "reviewed=yes")


def failed() -> None:
    Path("fail.py").write_text("def f():\n    raise KeyError('warmup')\nf()\n")
    whence("run", "--output", "never.txt", "--", sys.executable, "fail.py")


def refused() -> None:
    whence("run", "--input", "nowhere.csv", "--", "true")


def killed() -> None:
    whence("run", "--", "sh", "-c", "echo before; kill -TERM $$")


def lost() -> None:
    process = subprocess.Popen(["whence", "run", "--", "sleep", "600"], stdin=subprocess.DEVNULL)
    events = started(process)
    for event in events:
        if event["kind"] == "run.started":
            os.kill(event["writer"]["pid"], signal.SIGKILL)
            os.kill(event["process"]["pid"], signal.SIGKILL)
    process.kill()
    process.wait()
    time.sleep(1)
    whence("doctor", "--close")


def started(process: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    while process.poll() is None:
        for journal in Path(".whence").glob("runs/*/*/main.jsonl"):
            lines = [
                json.loads(line) for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
            ]
            if any(line["kind"] == "run.started" for line in lines):
                return lines
        time.sleep(0.05)
    raise SystemExit("the run ended before it was seen to start")


BLOCK = """
import math, os, whence
with whence.start(config={"lr": 0.1, "seed": 1}, tags={"kind": "golden"}) as run:
    for step in range(5):
        run.log({"loss": 1 / (step + 1), "odd": math.nan if step == 2 else step}, step=step)
    run.log({"loss": math.inf}, step=1)
    run.note("halfway")
    run.progress("done", 1.0)
    if os.fork() == 0:
        whence.log({"from_worker": 1.0})
        os._exit(0)
    os.wait()
    open("out.txt", "w").write("out")
    run.output("out.txt", kind="report")
"""


def block() -> None:
    Path("block.py").write_text(BLOCK)
    subprocess.run([sys.executable, "block.py"], check=True)


def odd_names() -> None:
    names = [b"new\nline", b"bad\xffbyte", "\u00fcml\u00e4ut".encode(), b'quo"te']
    for name in names:
        Path(os.fsdecode(name)).write_bytes(name)
    whence("run", *[word for name in names for word in ("--input", "./" + os.fsdecode(name))], "--", "echo", "\udcff\n")


def continued() -> None:
    """A journal that hit the end of its file: the limit lets main.jsonl end in the middle of a line."""
    program = (
        "import resource, whence\n"
        "with whence.start() as run:\n"
        "    size = (run.folder / 'main.jsonl').stat().st_size\n"
        "    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))\n"
        "    run.note('this line is cut short by the limit of the file' * 3)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))\n"
        "    run.note('and this one is whole')\n"
    )
    Path("continued.py").write_text(program)
    subprocess.run([sys.executable, "continued.py"], check=True)


CASES: tuple[Callable[[], None], ...] = (succeeded, failed, refused, killed, lost, block, odd_names, continued)


def make(case: Callable[[], None], folder: Path) -> None:
    work = folder / case.__name__
    work.mkdir()
    os.chdir(work)
    subprocess.run(["git", "init", "-q", "-b", "main"], check=True)
    Path("train.py").write_text("print('trained')\n")
    subprocess.run(["git", "add", "train.py"], check=True)
    subprocess.run(["git", "commit", "-q", "-m", "begin"], check=True)
    case()
    shown = json.loads(whence("show", "@", "--json").stdout)
    shutil.move(".whence", work / "store")
    for name in ("cache", "code.git", ".git", ".gitignore"):
        path = work / "store" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in work.iterdir():
        if path.name != "store":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    expected = {name: value for name, value in shown.items() if name not in VOLATILE}
    (work / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for one in CASES:
        make(one, Path(sys.argv[1]).resolve())
