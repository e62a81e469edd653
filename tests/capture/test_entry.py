"""What was started, for every way of starting something."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from whence.capture.entry import function_entry, resolve_entry

SCRIPT = b"print(1)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("x.py", "pkg/mod.py", "pkg/__main__.py", "src/deep/__init__.py", "src/deep/run.py", "job.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(SCRIPT)
    programs = {"bin/tool": "#!/venv/bin/python3\n", "bin/native": "\x7fELF", "run.py": "#!/usr/bin/env python\n"}
    for name, text in programs.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


ENTRIES = {
    "python x.py --lr 1": ("file", "x.py", None),
    "python3.11 -u -W error x.py": ("file", "x.py", None),
    "/usr/bin/python -X dev x.py": ("file", "x.py", None),
    "python -m pkg.mod": ("module", "pkg/mod.py", "pkg.mod"),
    "python -um pkg": ("module", "pkg/__main__.py", "pkg"),
    "python -m deep.run": ("module", "src/deep/run.py", "deep.run"),
    "python -m json.tool": ("module", None, "json.tool"),
    "python -c print(1)": ("inline", None, None),
    "python -": ("stdin", None, None),
    "python -i": ("interactive", None, None),
    "tool x": ("console_script", "bin/tool", "tool"),
    "bin/tool x": ("console_script", "bin/tool", "tool"),
    "native x": ("command", "bin/native", "native"),
    "./run.py": ("file", "run.py", None),
    "bash job.sh": ("file", "job.sh", None),
    "bash -c ls": ("inline", None, "bash"),
    "uv run x.py": ("file", "x.py", None),
    "uv run --with numpy -- python x.py": ("file", "x.py", None),
    "uv run -m pkg.mod": ("module", "pkg/mod.py", "pkg.mod"),
    "uv run tool": ("console_script", "bin/tool", "tool"),
    "torchrun --nproc_per_node 2 x.py --a": ("file", "x.py", None),
    "torchrun --nproc-per-node=2 -m pkg.mod": ("module", "pkg/mod.py", "pkg.mod"),
    "env A=1 -u B python x.py": ("file", "x.py", None),
    "timeout 5 nice -n 3 python x.py": ("file", "x.py", None),
    "srun -n 4 python x.py": ("file", "x.py", None),
    "conda run -n base python x.py": ("file", "x.py", None),
    "accelerate launch x.py": ("file", "x.py", None),
    "nothing-of-that-name": ("command", None, "nothing-of-that-name"),
    "": ("unknown", None, None),
}


@pytest.mark.scenario("A9", "A10")
@pytest.mark.parametrize("command", ENTRIES)
def test_the_users_file_is_the_entry(folder: Path, command: str) -> None:
    kind, path, name = ENTRIES[command]
    entry = resolve_entry(command.split(), folder, {"PATH": f"{folder}/bin"})
    assert (entry.kind, entry.path, entry.name) == (kind, path and str(folder / path), name)
    if path is not None:
        content = (folder / path).read_bytes()
        assert entry.digest == "sha256:" + hashlib.sha256(content).hexdigest()


def test_inline_source_has_the_digest_of_its_text(folder: Path) -> None:
    entry = resolve_entry(["python", "-c", "print(1)"], folder, {})
    assert entry.digest == "sha256:" + hashlib.sha256(b"print(1)").hexdigest()


@pytest.mark.scenario("A11")
def test_a_function_is_named_with_its_file(folder: Path) -> None:
    entry = function_entry("pkg.mod.train", folder / "pkg/mod.py")
    assert (entry.kind, entry.name, entry.path) == ("function", "pkg.mod.train", str(folder / "pkg/mod.py"))
