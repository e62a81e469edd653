"""The code of a run, seen from outside: without a network, without a checkout, without results, in notebooks."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace

PYTHON = sys.executable

OFFLINE = """
import os, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        os._exit(99)
sys.addaudithook(refuse)
from whence.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""whence with an interpreter that ends at the first attempt to reach a network."""


@pytest.mark.scenario("S14")
def test_the_identity_of_the_code_needs_no_network_and_no_store_that_can_be_written(repository: Workplace) -> None:
    repository.git("remote", "add", "origin", "ssh://git@unreachable.invalid/group/project.git")
    call = repository.write("call.sh", "#!/bin/sh\ntouch ../called\nexit 1\n")
    call.chmod(0o755)
    away = {"GIT_SSH_COMMAND": str(call)}
    code = repository.record("true", env=away)["code"]
    before = _bytes_of(repository.store)
    repository.run(["chmod", "-R", "a-w", repository.store]).ok()
    try:
        seen = repository.python("-c", OFFLINE, "status", "--json", env=away).ok().json()["code"]
    finally:
        repository.run(["chmod", "-R", "u+w", repository.store]).ok()
    for fact in ("id", "tree", "git_tree", "commit", "branch", "describe", "remotes", "dirty"):
        assert seen[fact] == code[fact], fact
    assert code["commit"] == repository.git("rev-parse", "HEAD")
    assert not (repository.path.parent / "called").exists()
    assert _bytes_of(repository.store) == before


def test_a_run_is_recorded_without_a_network(repository: Workplace) -> None:
    repository.python("-c", OFFLINE, "run", "--", "true").ok()
    assert repository.show()["status"] == "succeeded"


def _bytes_of(folder: Path) -> dict[str, bytes]:
    """But for the cache, which may always be deleted."""
    files = (path for path in folder.rglob("*") if path.is_file() and "cache" not in path.relative_to(folder).parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# Installed as a wheel.


def wheel(folder: Path, body: str, version: str = "1.2") -> Path:
    """A wheel of one module with a console script, as a build back-end writes it."""
    info = f"mytool-{version}.dist-info"
    files = {
        "mytool/__init__.py": body,
        "mytool/__main__.py": "import mytool\nmytool.main()\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: mytool\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nmytool = mytool:main\n",
    }
    rows = "".join(f"{name},{_record_digest(text)},{len(text)}\n" for name, text in files.items())
    path = folder / f"mytool-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": rows + f"{info}/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return path


def _record_digest(text: str) -> str:
    from base64 import urlsafe_b64encode
    from hashlib import sha256

    return "sha256=" + urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip("=")


def installed(workplace: Workplace, name: str, body: str, version: str = "1.2") -> Path:
    """An environment with that wheel, outside the workplace; the folder of its programs."""
    place = workplace.path.parent / name
    workplace.python("-m", "venv", place).ok()
    install = [place / "bin" / "python", "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check"]
    workplace.run([*install, wheel(workplace.path.parent, body, version)]).ok()
    return place / "bin"


@pytest.mark.scenario("A16")
@pytest.mark.slow
def test_of_an_installed_program_name_version_and_files_are_the_identity(workplace: Workplace) -> None:
    first = installed(workplace, "one", "def main(): print('one')\n")
    second = installed(workplace, "two", "def main(): print('two')\n")
    again = installed(workplace, "three", "def main(): print('one')\n")
    workplace.write("data.csv", "1\n")
    script = workplace.record(first / "mytool")["code"]
    module = workplace.record(first / "python", "-m", "mytool")["code"]
    assert (script["vcs"], script["version"], script["entry"]["kind"]) == ("package", "1.2", "console_script")
    assert script["id"].startswith("package:mytool==1.2#sha256:")
    assert module["id"] == script["id"], "however it is started"
    assert workplace.record(again / "mytool")["code"]["id"] == script["id"], "wherever it is installed"
    assert workplace.record(second / "mytool")["code"]["id"] != script["id"], "other files of one version"
    (path,) = (first.parent / "lib").glob("python*/site-packages/mytool/__init__.py")
    path.write_text("def main(): print('edited')\n")
    edited = workplace.record(first / "mytool")
    assert edited["code"]["id"] != script["id"]
    assert [m["because"] for m in edited["missing"] if m["what"] == "code.version"] == [
        "files of mytool 1.2 were changed after it: mytool/__init__.py"
    ]
    workplace.write("data.csv", "2\n")
    assert workplace.record(second / "mytool")["code"]["id"] not in (script["id"], edited["code"]["id"])


def test_in_a_checkout_an_installed_program_leaves_the_identity_to_git(repository: Workplace) -> None:
    code = repository.record("python", "-m", "pip", "--version")["code"]
    assert (code["vcs"], code["id"]) == ("git", f"git-tree:{code['tree']}")


# What the code id leaves out.


def ids(workplace: Workplace, **how: Any) -> tuple[str, bool]:
    code = workplace.record("true", **how)["code"]
    return code["id"], code["dirty"]


@pytest.mark.scenario("B12")
def test_what_is_excluded_changes_neither_the_code_id_nor_the_dirty_flag_and_is_in_the_snapshot(
    repository: Workplace,
) -> None:
    repository.write("whence.toml", 'code_exclude = ["notes/"]\n')
    repository.commit()
    clean = ids(repository)
    repository.write("notes/idea.md", "an idea\n")
    assert ids(repository) == clean
    restored = repository.path.parent / "restored"
    repository.whence("restore", "@", restored).ok()
    assert (restored / "notes" / "idea.md").read_text() == "an idea\n"
    assert [d["role"] for d in repository.show()["code"]["dirty_paths"]] == ["result"]
    other = ids(repository, env={"WHENCE_POLICY_CODE_EXCLUDE": "elsewhere/"})
    assert other != clean and other[1], "the variable replaces the file's patterns"
    empty = ids(repository, env={"WHENCE_POLICY_CODE_EXCLUDE": ""})
    assert empty == other, "an empty variable excludes nothing"
    flag = ids(repository, options=("--policy", "code_exclude=notes/"), env={"WHENCE_POLICY_CODE_EXCLUDE": ""})
    assert flag == clean


MAKES = """\
import pathlib
for name in ("outputs/.hydra/config.yaml", "done.ipynb", "made.py"):
    pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(name).write_text("{}")
pathlib.Path("own.yaml").write_text("a: 2")
"""


def test_settings_and_notebooks_that_a_run_made_are_results_until_they_are_under_version_control(
    repository: Workplace,
) -> None:
    repository.write("make.py", MAKES)
    repository.commit()
    clean = ids(repository)
    repository.write("own.yaml", "a: 1")
    repository.record(PYTHON, "make.py")
    ids(repository)
    roles = {one["path"]: one["role"] for one in repository.show()["code"]["dirty_paths"]}
    results = {"outputs/.hydra/config.yaml": "result", "done.ipynb": "result"}
    assert roles == {**results, "made.py": "code", "own.yaml": "code"}
    (repository.path / "made.py").unlink()
    (repository.path / "own.yaml").unlink()
    assert ids(repository) == clean
    shutil.rmtree(repository.store / "cache" / "results")
    assert ids(repository) == clean, "the records say it again"
    repository.git("add", "outputs/.hydra/config.yaml")
    code, dirty = ids(repository)
    assert code != clean[0] and dirty, "what is tracked is code"


@pytest.mark.scenario("B12")
def test_a_file_that_is_renamed_out_of_an_excluded_folder_counts(repository: Workplace) -> None:
    repository.write("whence.toml", 'code_exclude = ["notes/"]\n')
    repository.write("notes/helper.py", "x = 1\n")
    repository.commit()
    clean = ids(repository)
    repository.git("mv", "notes/helper.py", "helper.py")
    moved = ids(repository)
    assert moved[0] != clean[0] and moved[1]


@pytest.mark.scenario("B12", "B13")
def test_results_of_earlier_runs_are_left_out_and_code_in_the_same_folder_counts(repository: Workplace) -> None:
    command = ("sh", "-c", "mkdir -p out; date +%N > out/report.txt")
    first = repository.record(*command, options=("--output", "out/report.txt"))["code"]
    second = repository.record(*command, options=("--output", "out/report.txt"))["code"]
    assert (second["id"], second["dirty"]) == (first["id"], False)
    repository.write("out/helper.py", "x = 1\n")
    third = repository.record(*command, options=("--output", "out/report.txt"))["code"]
    assert (third["id"] == first["id"], third["dirty"]) == (False, True)


# Notebooks.


def notebook(*cells: str, outputs: bool = False, count: int | None = None, ids: str = "a") -> str:
    made = [
        {
            "cell_type": "code",
            "id": f"{ids}{number}",
            "execution_count": count,
            "metadata": {"execution": {"started": str(count)}} if outputs else {},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["42\n"]}] if outputs else [],
            "source": [source],
        }
        for number, source in enumerate(cells)
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


CELLS = ("lr = 0.1", "import math", "print(math.pi * lr)")

CHANGES: dict[str, Callable[[], str]] = {
    "a changed cell": lambda: notebook("lr = 0.1", "import math", "print(math.e * lr)"),
    "another order": lambda: notebook("import math", "lr = 0.1", "print(math.pi * lr)"),
    "a changed parameter": lambda: notebook("lr = 0.2", "import math", "print(math.pi * lr)"),
    "a cell more": lambda: notebook(*CELLS, "print(1)"),
}


@pytest.mark.scenario("N1", "S17")
@pytest.mark.parametrize("change", CHANGES)
def test_a_notebook_is_known_by_its_cells_and_not_by_what_they_printed(repository: Workplace, change: str) -> None:
    repository.write("study.ipynb", notebook(*CELLS))
    repository.commit()
    first = repository.record("true")["code"]
    repository.write("study.ipynb", notebook(*CELLS, outputs=True, count=7, ids="b"))
    executed = repository.record("true")["code"]
    assert executed["id"] == first["id"]
    assert executed["tree"] != first["tree"], "the snapshot has the executed notebook"
    repository.write("study.ipynb", CHANGES[change]())
    assert repository.record("true")["code"]["id"] != first["id"]


# Containers.


@pytest.mark.scenario("M4")
def test_an_image_with_nothing_but_an_interpreter_records_a_complete_run(workplace: Workplace) -> None:
    """No home, no user, no git, no PATH, one variable: what a scratch image gives."""
    bare: dict[str, str | None] = dict.fromkeys(workplace.environ)
    digest = "sha256:" + "ab" * 32
    image = {"WHENCE_IN_CONTAINER": "true", "WHENCE_IMAGE_DIGEST": digest}
    workplace.script("train.py", "print('trained')\n")
    done = workplace.whence("run", "--", PYTHON, "train.py", env=bare | image)
    assert (done.code, done.out) == (0, "trained\n")
    record = workplace.show()
    assert record["status"] == "succeeded"
    assert (record["code"]["vcs"], record["code"]["id"]) == ("image", digest)
    assert (record["environment"]["container_declared"]["digest"]) == digest
    assert record["environment"]["fingerprint"] and record["environment"]["python"]["executable"] == PYTHON
    workplace.whence("verify").ok()


@pytest.mark.scenario("M7")
def test_a_run_has_a_code_id_or_the_reason_why_not(workplace: Workplace) -> None:
    workplace.write("a.py", "print(1)\n")
    for command in (("sh", "-c", "python a.py"), ("ls",), ("python", "a.py")):
        record = workplace.record(*command, env={"WHENCE_IN_CONTAINER": "true"})
        reasons = [gap["because"] for gap in record["missing"] if gap["what"] == "code.id"]
        assert record["code"]["tree"] is not None
        assert (record["code"]["id"] is None) == (len(reasons) == 1) == (command != ("python", "a.py")), reasons
        shown = (record["code"]["id"] or "-").rpartition(":")[2][:7]
        assert f" {shown} " in workplace.whence("log").ok().out.splitlines()[1]


@pytest.mark.scenario("M4", "M7")
def test_without_any_variable_a_run_is_recorded_with_what_there_is(workplace: Workplace) -> None:
    bare: dict[str, str | None] = dict.fromkeys(workplace.environ)
    workplace.script("train.py", "print('trained')\n")
    assert workplace.whence("run", "--", PYTHON, "train.py", env=bare).ok().out == "trained\n"
    record = workplace.show()
    assert (record["status"], record["code"]["vcs"], record["losses"]) == ("succeeded", "none", [])
    assert os.path.basename(record["code"]["entry"]["path"]) == "train.py"


@pytest.mark.scenario("A6")
def test_whether_a_broken_repository_differs_is_unknown_and_counts_as_dirty_for_policy(repository: Workplace) -> None:
    repository.write(".git/index", "garbage")
    record = repository.record("true")
    assert record["code"]["dirty"] is None
    assert [gap["what"] for gap in record["missing"] if gap["what"] == "code.dirty"] == ["code.dirty"]
    for query in ("code.dirty = true", "code.dirty = false"):
        assert repository.whence("log", query, "--json").ok().out == ""
    assert record["code"]["commit"][:7] + "?" in repository.whence("log").ok().out
    assert "dirty or clean, which is not known" in repository.whence("show", "@").ok().out
    assert "git cannot compare the folder with its commit" in repository.whence("status").ok().out
    done = repository.whence("run", "--policy", "dirty=refuse", "--", "true")
    assert done.code == 125
    assert (
        "policy dirty = refuse: git cannot compare the working folder with its commit, so it counts as dirty"
        in done.err
    )
