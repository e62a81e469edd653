"""Every code block of the documentation is run, and every link leads somewhere.

The blocks of a page are run in their order as one shell would that begins in a folder that looks like a clone: a block
begins in the folder and with the variables that the one before ended with. `bash` and `python` are executed and must
end with code 0, `json` is parsed, `toml` is read as policy, the rest is left alone. A comment
`<!-- test: … -->` in front of a block says why it is not run here.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fences import ROOT
from workplace import Done, Workplace

from whence.rules.fields import read_fields
from whence.rules.policy import resolve

PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("bench/*.md")]
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

CARRIED = ("examples", "pyproject.toml", "uv.lock")
"""What the folder has of the checkout."""

AFTER_A_RUN = ("docs/query.md",)
"""Pages that presuppose a store with a run."""

BLOCK = re.compile(
    r"(?:<!-- test: (?P<why>[^\n]*?) -->\n)?^(?P<indent> *)```(?P<kind>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.M | re.S
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    kind: str
    body: str
    why: str | None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("kind")) + 1
        body = re.sub(rf"^{found['indent']}", "", found["body"], flags=re.M)
        yield Block(str(page.relative_to(ROOT)), line, found["kind"], body, found["why"])


@pytest.mark.scenario("S32")
@pytest.mark.parametrize("name", NAMES)
def test_the_code_blocks_of_a_page_do_what_they_show(name: str, workplace: Workplace) -> None:
    shown = list(blocks(ROOT / name))
    if any(block.kind in ("bash", "python") and not block.why for block in shown):
        make_clone(workplace)
    if name in AFTER_A_RUN:
        workplace.whence("run", "--", "true").ok()
    for block in shown:
        if not block.why:
            check(block, workplace)


def make_clone(workplace: Workplace) -> None:
    for name in CARRIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, workplace.path / name, ignore=shutil.ignore_patterns("out", "__pycache__"))
        else:
            shutil.copy(source, workplace.path / name)
    shutil.copy(ROOT / ".gitignore", workplace.path / ".gitignore")
    workplace.repository(**{"train.py": "print('trained')\n"})


SHELL = """\
if [ -f "$0" ]; then . "$0"; cd "$PWD"; fi
trap 'export -p > "$0"' EXIT
"""
"""What makes one shell of several: `$0` is the file that says what the block before ended with."""


def as_one_shell(workplace: Workplace, body: str, *words: str) -> Done:
    """Run the body where and with what the one before left off."""
    state = str(workplace.path.parent / "shell-state")
    return workplace.run(["bash", "-euo", "pipefail", "-c", SHELL + body, state, *words])


def check(block: Block, workplace: Workplace) -> None:
    where = f"{block.page}:{block.line}"
    match block.kind:
        case "bash":
            done = as_one_shell(workplace, block.body)
        case "python":
            done = as_one_shell(workplace, '"$@"', sys.executable, "-W", "error", "-c", block.body)
        case "json":
            json.loads(block.body)
            return
        case "toml":
            table = tomllib.loads(block.body)
            policy = resolve(environ={}, file=table.get("tool", {}).get("whence", table), where=where)
            read_fields(policy.fields)
            return
        case "text" | "dockerfile" | "yaml":
            return
        case other:
            raise AssertionError(f"{where}: a block of kind {other!r}")
    assert done.code == 0, f"{where}: code {done.code}\n{block.body}\n--- stdout\n{done.out}\n--- stderr\n{done.err}"


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    links = {(target, anchor) for target, anchor in LINK.findall(page.read_text("utf-8"))}
    assert [target for target, _ in links if not (page.parent / target).exists()] == []
    dead = [f"{t}{a}" for t, a in links if a and a[1:] not in anchors((page.parent / t).read_text("utf-8"))]
    assert dead == []


def anchors(text: str) -> set[str]:
    """The anchors that hosting sites give headings."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
