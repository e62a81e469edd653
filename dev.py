"""Try whence and work on it: `python3 dev.py demo`, `python3 dev.py test`.

Needs Python >= 3.11 with pip and venv, and git. Everything is installed into `.venv` beside this file, with the
versions of `requirements/`; nothing else is touched. Only the standard library is used: this runs before anything
is installed.
"""

import argparse
import hashlib
import importlib.util
import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / "bin"
PYTHON = SCRIPTS / "python"
LEAST = (3, 11)

EXAMPLE = "examples/co2"
DEMO = (
    (
        f"whence run --name untouched --input {EXAMPLE}/co2_monthly.csv --output {EXAMPLE}/out/model.json"
        f" --config {EXAMPLE}/fit.toml --param lr=0.3 -- python {EXAMPLE}/fit.py --lr 0.3"
    ),
    f"whence run --name co2 --purpose 'How fast does CO2 rise?' -- python {EXAMPLE}/fit_logged.py --lr 0.3",
    "whence log",
    "whence show @",
)
"""A program that knows nothing of whence; then the same with a few lines that say more."""
CHECKS = ("ruff check .", "ruff format --check .", "pyright", "lint-imports")
TESTS = ("pytest -m 'not slow'", "pytest -m slow")


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py", description=(__doc__ or "").partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    verbs.add_parser("demo", help="install whence into .venv, record a run of the example, show its record")
    verbs.add_parser("check", help="linter, formatter, types and layers")
    verbs.add_parser("test", help="the tests: all of them, or what you name for pytest", usage="dev.py test [ARG ...]")
    # What follows `test` is pytest's, options too.
    ours, handed = (sys.argv[1:2], sys.argv[2:]) if sys.argv[1:2] == ["test"] else (sys.argv[1:], [])
    asked = parser.parse_args(ours)
    if asked.verb is None:
        parser.print_help()
        return 0
    if asked.verb == "demo":
        install("run.txt")
        return say_and_run(DEMO)
    install("dev.txt")
    if asked.verb == "check":
        return say_and_run(CHECKS)
    return say_and_run((f"pytest {shlex.join(handed)}",) if handed else TESTS)


def install(requirements: str) -> None:
    """Bring `.venv` up to date with a file of requirements and with this checkout; does nothing when it is."""
    if not PYTHON.exists():
        make_environment()
    wanted = fingerprint(requirements)
    stamp = VENV / f"installed-{requirements}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    pip("install", "--require-hashes", "-r", str(ROOT / "requirements" / requirements))
    pip("install", "--no-deps", "--editable", str(ROOT))
    stamp.write_text(wanted)


def make_environment() -> None:
    if sys.version_info < LEAST:
        found = ".".join(map(str, sys.version_info[:3]))
        raise SystemExit(f"whence needs Python {LEAST[0]}.{LEAST[1]} or later; this is {found} ({sys.executable})")
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise SystemExit("This Python comes without venv or pip; on Debian and Ubuntu: apt install python3-venv")
    command([sys.executable, "-m", "venv", str(VENV)])


def fingerprint(requirements: str) -> str:
    """Changes when what is to be installed changes, or when the checkout was moved."""
    read = [ROOT / "pyproject.toml", ROOT / "requirements" / requirements]
    return hashlib.sha256(b"\0".join([bytes(ROOT), *(path.read_bytes() for path in read)])).hexdigest()


def pip(*words: str) -> None:
    if subprocess.run([PYTHON, "-c", "import pip"], capture_output=True, check=False).returncode:
        command([str(PYTHON), "-m", "ensurepip"])
    command([str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", *words])


def command(words: list[str]) -> None:
    done = subprocess.run(words, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"dev.py: code {done.returncode} from: {shlex.join(words)}")


def say_and_run(lines: tuple[str, ...]) -> int:
    """Run each line, as in a shell whose PATH begins with `.venv/bin`; the first code that is not 0, after all ran."""
    environ = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    codes: list[int] = []
    for line in lines:
        print(f"\n$ {line}", flush=True)
        codes.append(subprocess.run(_resolved(line), cwd=ROOT, env=environ, check=False).returncode)
    failed = [f"{line} (code {code})" for line, code in zip(lines, codes, strict=True) if code]
    if len(lines) > 1 and failed:
        print(f"\ndev.py: failed: {'; '.join(failed)}", flush=True)
    return next((code for code in codes if code), 0)


def _resolved(line: str) -> list[str]:
    program, *words = shlex.split(line)
    return [str(SCRIPTS / program), *words]


if __name__ == "__main__":
    sys.exit(main())
