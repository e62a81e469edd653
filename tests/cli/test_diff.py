"""`whence diff`, seen from outside: what runs have otherwise, in words, as JSON and as a page."""

from __future__ import annotations

import html.parser
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from workplace import WHENCE, Workplace


def differing(compared: dict[str, Any], part: str) -> dict[str, Any]:
    """Dotted name -> the values of the runs."""
    return {one["what"]: one["values"] for one in compared["parts"][part]["differs"]}


def compared(place: Workplace, *words: str) -> dict[str, Any]:
    return place.whence("diff", *words, "--json").ok().json()


@pytest.mark.scenario("A2", "R5")
def test_an_edited_file_is_shown_with_its_lines(lab) -> None:
    page = lab.place.whence("diff", lab.good, lab.dirty).ok().out
    assert re.search(r"  files +~ train.py  \+2 -0\n", page)
    assert "\n--- a/train.py\n+++ b/train.py\n" in page
    assert "\n+# changed\n" in page
    assert re.search(r"dirty +false -> true\n", page)
    assert re.search(r"dirty_paths train.py +only in B: modified\n", page)


def test_the_json_is_of_the_published_schema_and_only_of_what_differs(lab) -> None:
    found = compared(lab.place, "good", lab.dirty, "--explain")
    schema = lab.place.whence("schema", "comparison").ok().json()
    jsonschema.Draft202012Validator(schema).validate(found)
    assert found["same"] is False
    assert [run["id"] for run in found["runs"]] == [lab.good, lab.dirty]
    assert "code.id" in differing(found, "code")
    assert found["parts"]["data"] == {"state": "same", "same": 1, "differs": [], "unknown": []}
    assert [(file["path"], file["change"], file["role"]) for file in found["code"]["files"]] == [
        ("model.json", "added", "result"),
        ("train.py", "changed", "code"),
    ]
    assert found["code"]["patch"].endswith("+\n+# changed\n")
    assert found["explanation"]["results"] == "same"


def test_the_parts_come_in_the_order_of_a_reviewer_and_the_same_ones_last(lab) -> None:
    page = lab.place.whence("diff", "good", "bad").ok().out
    titles = [line for line in page.splitlines() if line in TITLES]
    assert [title for title in titles if title != "environment"] == ["command", "results"]
    assert re.search(r"the same +code \(\d+ facts\), ", page)
    assert re.search(r"status +succeeded -> failed\n", page)
    assert "purpose  only in B: bad\\npurpose\n" in page


TITLES = ["code", "configuration", "data", "environment", "command", "seeds", "results"]


def test_only_the_parts_that_are_asked_for_are_told(lab) -> None:
    found = compared(lab.place, "good", "bad", "--only", "code", "--only", "results")
    assert list(found["parts"]) == ["code", "results"]
    assert {file["role"] for file in found["code"]["files"]} == {"result"}
    assert found["code"]["patch"] == ""
    done = lab.place.whence("diff", "good", "bad", "--only", "colour")
    assert done.code == 2
    assert "invalid choice: 'colour'" in done.err


@pytest.mark.scenario("P4")
def test_the_exit_code_is_0_unless_it_is_asked_for(lab) -> None:
    for words, code in (
        (("good", "bad"), 0),
        (("good", "bad", "--exit-code"), 1),
        (("good", "bad", "--only", "code", "--exit-code"), 0),
        (("good", lab.dirty, "--only", "code", "--exit-code"), 1),
        (("good", lab.good, "--exit-code"), 0),
    ):
        assert lab.place.whence("diff", *words).code == code


@pytest.mark.scenario("O6", "S31")
def test_of_several_runs_what_varies_has_a_column_for_each(lab) -> None:
    found = compared(lab.place, "good", "bad", lab.dirty)
    assert differing(found, "results")["status"] == ["succeeded", "failed", "succeeded"]
    varies = next(one for one in found["parts"]["command"]["differs"] if one["what"] == "purpose")
    assert (varies["change"], varies["values"], varies["absent"]) == ("varies", [None, "bad\npurpose", None], [0, 2])
    page = lab.place.whence("diff", "good", "bad", lab.dirty).ok().out
    assert re.search(r"  status +succeeded +failed +succeeded\n", page)
    done = lab.place.whence("diff", "good", "bad", lab.dirty, "--explain")
    assert (done.code, done.out) == (2, "")
    assert "causes: found 3 runs, expected two" in done.err


@pytest.mark.scenario("P4")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("good", "nothing-of-the-kind"), 3, "no such run"),
        (("good",), 2, "the following arguments are required: B"),
        (("good", "bad", "--json", "--html"), 2, "not allowed with argument --json"),
    ],
    ids=["an unknown run", "one run", "two forms at once"],
)
def test_what_cannot_be_compared_is_said(words: tuple[str, ...], code: int, said: str, lab) -> None:
    done = lab.place.whence("diff", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


@pytest.mark.scenario("J5")
def test_files_stand_for_the_runs_that_made_them(workplace: Workplace) -> None:
    for name in ("one", "two"):
        workplace.record("sh", "-c", f"echo {name} > {name}.txt; echo alike > alike.txt", options=("--name", name))
    found = compared(workplace, "./one.txt", "./two.txt")
    assert [run["name"] for run in found["runs"]] == ["one", "two"]
    done = workplace.whence("diff", "./alike.txt", "two")
    assert done.code == 3
    assert "2 runs made these bytes, expected one" in done.err


def test_versions_of_a_dataset_lead_to_the_command_for_them(workplace: Workplace) -> None:
    workplace.write("letters/a.txt", "a\n")
    workplace.whence("data", "create", "letters", "letters").ok()
    done = workplace.whence("diff", "letters@0.1.0", "letters@0.1.0")
    assert (done.code, done.out) == (2, "")
    assert "hint: whence data diff letters@0.1.0 letters@0.1.0" in done.err


# --- hostile and huge


@dataclass(frozen=True)
class Hostile:
    place: Workplace
    first: str
    second: str


MARKUP = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>&amp;"
BYTES = b"caf\xe9.txt"
LINES = 20_000


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    """Two runs: the second has more files, of odd names and much content, and a notebook with another cell."""
    folder = tmp_path_factory.mktemp("hostile")
    place = Workplace(folder / "work", folder / "home")
    place.write("s.py", "print(1)\n")
    place.write("cells.ipynb", notebook("x = 1", output="1"))
    place.write("outputs.ipynb", notebook("y = 1", output="1"))
    place.write("old name.py", "def kept():\n    return 1\n" * 5)
    place.repository()
    config = {f"key{number}": number for number in range(2000)}
    place.write("settings.json", json.dumps(config | {"long": "x" * 100_000}))
    first = place.record("true", options=("--config", "settings.json"))
    place.write(f"{MARKUP.replace('/', '|')}.py", f"# {MARKUP}\n")
    (Path(str(place.path)) / BYTES.decode("utf-8", "surrogateescape")).write_bytes(b"\xff\xfe latin\n")
    place.write("escape.txt", "\x1b[31mred\x1b[0m\ttab\n")
    place.write("huge.txt", "".join(f"line {number}\n" for number in range(LINES)))
    place.write("picture.bin", bytes(range(256)) * 10)
    place.write("cells.ipynb", notebook("x = 2", output="2"))
    place.write("outputs.ipynb", notebook("y = 1", output="other"))
    (place.path / "old name.py").rename(place.path / "new name.py")
    place.write(
        "settings.json", json.dumps({f"key{number}": -number for number in range(2000)} | {"long": "y" * 100_000})
    )
    second = place.record("true", options=("--config", "settings.json", "--purpose", MARKUP))
    return Hostile(place, first["id"], second["id"])


def notebook(source: str, *, output: str) -> str:
    cell = {
        "cell_type": "code", "id": output, "source": [source], "metadata": {}, "execution_count": len(output),
        "outputs": [{"output_type": "stream", "name": "stdout", "text": [output]}],
    }  # fmt: skip
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


class Page(html.parser.HTMLParser):
    """What is on a page: elements, their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "table", "thead", "tr", "th", "td", "p", "pre",
    "ins", "del", "b",
}  # fmt: skip


def test_the_page_for_a_browser_needs_nothing_and_runs_nothing(hostile: Hostile) -> None:
    done = hostile.place.whence("diff", hostile.first, hostile.second, "--html", "--explain").ok()
    page = Page(done.out)
    assert page.open == []
    assert page.tags <= ELEMENTS
    assert page.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class"}
    assert "url(" not in done.out
    assert "://" not in page.text.partition("</style>")[0]
    assert "purpose" in page.text and MARKUP in page.text
    assert "caf\\xe9.txt" in page.text
    assert "more (--full)" in page.text


def test_the_page_of_several_runs_is_as_safe(hostile: Hostile) -> None:
    done = hostile.place.whence("diff", hostile.first, hostile.second, hostile.first, "--html").ok()
    page = Page(done.out)
    assert page.open == [] and "script" not in page.tags
    assert MARKUP in page.text


@pytest.mark.scenario("X11")
def test_what_is_huge_is_bounded_in_print_and_whole_in_json(hostile: Hostile) -> None:
    short = hostile.place.whence("diff", hostile.first, hostile.second).ok().out
    assert len(short) < 100_000
    assert re.search(r"… \d+ more lines \(--full\)\n", short)
    assert re.search(r"… \d+ more rows \(--full\)\n", short)
    full = hostile.place.whence("diff", hostile.first, hostile.second, "--full").ok().out
    assert f"\n+line {LINES - 1}\n" in full and "y" * 100_000 in full
    assert "(--full)" not in full
    found = compared(hostile.place, hostile.first, hostile.second)
    assert len(differing(found, "config")) >= 2000
    assert f"\n+line {LINES - 1}\n" in found["code"]["patch"]


def test_a_hostile_name_or_line_never_reaches_the_terminal_as_it_is(hostile: Hostile) -> None:
    page = hostile.place.whence("diff", hostile.first, hostile.second, "--full").ok().out
    assert "\x1b" not in page
    assert "+\\x1b[31mred\\x1b[0m\ttab\n" in page
    assert "caf\\xe9.txt" in page


@pytest.mark.scenario("S17")
def test_notebooks_are_compared_by_their_cells(hostile: Hostile) -> None:
    code = compared(hostile.place, hostile.first, hostile.second)["code"]
    files = {file["path"]: file for file in code["files"]}
    assert (files["cells.ipynb"]["kind"], files["cells.ipynb"]["outputs_only"]) == ("notebook", False)
    assert (files["outputs.ipynb"]["kind"], files["outputs.ipynb"]["outputs_only"]) == ("notebook", True)
    assert "--- a/cells.ipynb (cells)\n+++ b/cells.ipynb (cells)\n" in code["patch"]
    assert " # %% [code]\n-x = 1\n+x = 2\n" in code["patch"]
    assert "execution_count" not in code["patch"]


def test_files_are_told_by_kind_change_and_old_name(hostile: Hostile) -> None:
    code = compared(hostile.place, hostile.first, hostile.second)["code"]
    files = {file["path"]: file for file in code["files"]}
    assert (files["new name.py"]["change"], files["new name.py"]["before"]) == ("renamed", "old name.py")
    assert (files["picture.bin"]["change"], files["picture.bin"]["kind"]) == ("added", "binary")
    assert files[BYTES.decode("utf-8", "surrogateescape")]["change"] == "added"
    assert "Binary files" in code["patch"]


def test_on_a_terminal_of_80_columns_rows_fit(lab) -> None:
    printed = subprocess.run(
        ["script", "-qec", f"{WHENCE[0]} diff good bad --only command --only results", "/dev/null"],
        cwd=lab.place.path, env={**lab.place.environ, "COLUMNS": "80"}, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    rows = [line for line in printed.splitlines() if "sha256" not in line and lab.place.path.name not in line]
    assert max(map(len, rows)) <= 80


# --- from Python


def test_python_gives_what_the_command_prints(lab) -> None:
    code = f"""
import whence, msgspec
store = whence.open()
found = store.diff("good", {lab.dirty!r}, explain=True)
print(msgspec.json.encode(found).decode())
try:
    store.diff("good")
except whence.WhenceError as error:
    print(error)
try:
    store.diff("good", "bad", only=["colour"])
except whence.WhenceError as error:
    print(error)
"""
    said, one, other = lab.place.python("-c", code).ok().out.splitlines()
    assert json.loads(said) == compared(lab.place, "good", lab.dirty, "--explain")
    assert one == "diff: found 1 runs, expected two or more"
    assert other.startswith("diff: found the part 'colour', expected one of code, config, ")
