"""Runs that a notebook's kernel begins: what it executed is in the store, whatever the file holds."""

from __future__ import annotations

import json

import pytest
from workplace import Workplace

EXECUTE = """
import json, sys
import nbformat
from nbclient import NotebookClient
cells = [nbformat.v4.new_code_cell(source) for source in json.loads(sys.argv[1])]
NotebookClient(nbformat.v4.new_notebook(cells=cells), kernel_name="python3").execute()
"""

START = "import whence\nrun = whence.start(name='saved')"
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2


@pytest.fixture
def notebook(workplace: Workplace) -> Workplace:
    """A repository whose committed notebook sets another learning rate than the kernel does."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    saved = {"cells": [{"cell_type": "code", "source": "lr = 0.1", "metadata": {}, "outputs": []}], "metadata": {},
             "nbformat": 4, "nbformat_minor": 4}  # fmt: skip
    return workplace.repository(**{"analysis.ipynb": json.dumps(saved)})


def execute(workplace: Workplace, *cells: str, named: bool = True) -> None:
    env = {"JPY_SESSION_NAME": "analysis.ipynb"} if named else {}
    workplace.python("-c", EXECUTE, json.dumps(cells), env=env).ok()


@pytest.mark.parametrize("named", [True, False], ids=["the front end names the notebook", "nobody names it"])
def test_what_the_kernel_executed_is_kept_and_not_only_the_file(notebook: Workplace, named: bool) -> None:
    execute(notebook, "lr = 0.2", START, "run.log({'loss': lr})", "run.finish()", named=named)
    record = notebook.show()
    assert record["code"]["entry"]["kind"] == "notebook"
    before = "# In [1]\nlr = 0.2\n\n# In [2]\n" + START + "\n"
    after = before + "\n# In [3]\nrun.log({'loss': lr})\n\n# In [4]\nrun.finish()\n"
    assert notebook.whence("get", "@:<cells at the launch>", "-").ok().out == before
    assert notebook.whence("get", "@:<cells>", "-").ok().out == after
    assert record["code"]["id"].startswith("git-tree:")
    audit = notebook.whence("audit", "@", "--all").out
    assert "code.cells: the kernel may have executed other code than the notebook holds" in audit
    notebook.whence("verify", "@").ok()


def test_cells_with_a_secret_are_not_kept_and_that_is_said(notebook: Workplace) -> None:
    execute(notebook, f"token = '{TOKEN}'", START, "run.finish()")
    assert "missing  code.cells: what the kernel executed was not kept: " in notebook.whence("audit", "@").out
    assert all(TOKEN.encode() not in path.read_bytes() for path in notebook.store.rglob("*") if path.is_file())


FORGET = "get_ipython().history_manager.reset(); get_ipython().user_ns['In'] = None"


def test_cells_that_the_kernel_forgot_are_missing(notebook: Workplace) -> None:
    execute(notebook, f"{FORGET}; {START}".replace("; import", "\nimport"), f"{FORGET}; run.finish()")
    page = notebook.whence("audit", "@").out
    because = "what the kernel executed was not kept: IPython has no history of what it executed"
    assert page.count("code.cells") == page.count(f"missing  code.cells: {because}") == 1
