"""Real programs: what the record says they read and wrote is what strace saw, and what the folder shows afterwards."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import straced
from workplace import Workplace

MAIN = '#include "part.h"\nint main(void) { return part(); }\n'
PART = '#include "part.h"\nint part(void) { return 0; }\n'
MAKE = "prog: main.o part.o\n\tgcc -o prog main.o part.o\n%.o: %.c part.h\n\tgcc -c $<\nclean:\n\trm -f *.o\n"
ROWS = "".join(f"{number * 7919 % 1000:04d},x\n" for number in range(3000))
SQLITE = "import sqlite3; d = sqlite3.connect('a.db'); d.execute('insert into t values (2)'); d.commit(); d.close()"
TABLE = "import sqlite3; sqlite3.connect('a.db').execute('create table t (x)')"
BACKUP = "import shutil; shutil.copy('a.csv', 'b.csv'); shutil.move('b.csv', 'c.csv'); open('c.csv').read()"

PROGRAMS: dict[str, tuple[dict[str, str], list[str]]] = {
    "a script that reads a table": (
        {"a.csv": ROWS, "s.py": "import csv, json; json.dump(list(csv.reader(open('a.csv'))), open('o.json', 'w'))"},
        ["python", "s.py"],
    ),
    "a compiler": (
        {"main.c": MAIN, "part.c": PART, "part.h": "int part(void);\n"},
        ["gcc", "-o", "p", "main.c", "part.c"],
    ),
    "make with two jobs": (
        {"main.c": MAIN, "part.c": PART, "part.h": "int part(void);\n", "Makefile": MAKE},
        ["make", "-s", "-j2"],
    ),
    "make that cleans up": (
        {"main.c": MAIN, "part.c": PART, "part.h": "int part(void);\n", "Makefile": MAKE},
        ["make", "-s", "prog", "clean"],
    ),
    "a sort with temporary files": ({"a.csv": ROWS}, ["sort", "-S", "8k", "-T", ".", "-o", "b.csv", "a.csv"]),
    "a sort in place": ({"a.csv": ROWS}, ["sort", "-o", "a.csv", "a.csv"]),
    "an editor of streams, in place": ({"a.csv": ROWS}, ["sed", "-i", "s/x/y/", "a.csv"]),
    "an archive": ({"a.csv": ROWS, "b.csv": "1\n"}, ["tar", "czf", "all.tgz", "a.csv", "b.csv"]),
    "a way back from an archive": (
        {"a.csv": ROWS},
        ["sh", "-c", "tar cf - a.csv > a.tar && mkdir d && tar xf a.tar -C d && rm a.tar"],
    ),
    "version control": ({"a.csv": ROWS}, ["sh", "-c", "git init -q . && git add a.csv && git commit -qm x"]),
    "a database": ({"s.py": SQLITE, "t.py": TABLE}, ["sh", "-c", "python t.py && python s.py"]),
    "copies and moves": ({"a.csv": ROWS}, ["python", "-c", BACKUP]),
    "hard links": ({"a.csv": ROWS}, ["sh", "-c", "ln a.csv b.csv; cat a.csv > c.csv"]),
    "a log that grows": ({"a.log": "1\n"}, ["sh", "-c", "echo 2 >> a.log; wc -l a.log"]),
    "pipes and redirections": ({"a.csv": ROWS}, ["sh", "-c", "cut -d, -f1 < a.csv | sort -u > b.csv"]),
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_the_record_agrees_with_strace_and_with_the_folder(what: str, workplace: Workplace, tmp_path: Path) -> None:
    files, command = PROGRAMS[what]
    twin = Workplace(tmp_path / "twin", tmp_path / "home")
    for name, content in files.items():
        workplace.write(name, content)
        twin.write(name, content)
    log = tmp_path / "log"
    before = contents(twin.path)
    twin.run(straced.argv(log, *command)).ok()
    read, after = read_first(straced.calls(log, twin.path), twin.path), contents(twin.path)

    record = workplace.record(*command)
    assert record["observation"]["gaps"] == []
    assert seen(record, "inputs") == {name for name in read & set(before) if not is_code(name)}
    assert seen(record, "artifacts") == {name for name in after if after[name] != before.get(name)}
    assert contents(workplace.path).keys() == after.keys()


def packaged(package: str, name: str) -> str:
    """A file that came with an installed package; its characters are its bytes."""
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / name).read_bytes().decode("latin-1")


CELL = """
import csv, matplotlib
matplotlib.use("agg")
from matplotlib import pyplot
pyplot.plot([float(row[0]) for row in csv.reader(open("a.csv"))])
pyplot.savefig("figure.png")
"""
NOTEBOOK = {
    "cells": [{"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": [], "source": CELL}],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
SIMULATION = r"""
#include <stdio.h>
int main(void) {
    double sum = 0, x;
    FILE *in = fopen("a.csv", "r"), *out = fopen("sum.txt", "w"), *log = fopen("log.txt", "a");
    while (fscanf(in, "%lf%*[^\n]", &x) == 1) sum += x;
    fprintf(log, "done\n");
    return fprintf(out, "%g\n", sum) < 0 || fclose(out);
}
"""
FORTRAN = "subroutine add(a, b, c)\nreal, intent(in) :: a, b\nreal, intent(out) :: c\nc = a + b\nend subroutine\n"

UNMODIFIED: dict[str, tuple[dict[str, str], list[str]]] = {
    "a notebook with a figure, through nbconvert": (
        {"a.csv": ROWS, "n.ipynb": json.dumps(NOTEBOOK)},
        ["jupyter", "nbconvert", "--to", "notebook", "--execute", "--output", "out.ipynb", "n.ipynb"],
    ),
    "the application that comes with Hydra": (
        {
            "app.py": packaged("hydra", "test_utils/example_app.py"),
            "configs/db_conf.yaml": packaged("hydra", "test_utils/configs/db_conf.yaml"),
            "configs/db/mysql.yaml": packaged("hydra", "test_utils/configs/db/mysql.yaml"),
            "configs/db/postgresql.yaml": packaged("hydra", "test_utils/configs/db/postgresql.yaml"),
        },
        ["python", "app.py", "db=postgresql"],
    ),
    "fontTools, which makes a font smaller": (
        {"in.ttf": packaged("matplotlib", "mpl-data/fonts/ttf/DejaVuSans.ttf"), "words.txt": "whence"},
        ["pyftsubset", "in.ttf", "--text-file=words.txt", "--output-file=out.ttf"],
    ),
    "f2py, which wraps Fortran": ({"add.f90": FORTRAN}, ["f2py", "-m", "add", "add.f90"]),
    "a simulation in C, built by make and run": (
        {"a.csv": ROWS, "sim.c": SIMULATION, "log.txt": "begun\n", "Makefile": "CC = gcc\nall: sim\n\t./sim\n"},
        ["make", "-s"],
    ),
}
"""Programs as they are installed: what each has in its folder, and how it is run."""


@pytest.mark.slow
@pytest.mark.parametrize("what", UNMODIFIED)
def test_an_unmodified_program_is_recorded_as_strace_sees_it(what: str, workplace: Workplace, tmp_path: Path) -> None:
    files, command = UNMODIFIED[what]
    for name, content in files.items():
        workplace.write(name, content.encode("latin-1"))
    before, log = contents(workplace.path), tmp_path / "log"
    record = workplace.record(*straced.argv(log, *command))
    calls, after = straced.calls(log, workplace.path), contents(workplace.path)

    assert (record["status"], record["observation"]["complete"]) == ("succeeded", True)
    read = {name for name in read_first(calls, workplace.path) & set(before) if not is_code(name)}
    assert read or what.startswith("f2py")  # Which reads source code alone.
    assert seen(record, "inputs") == read | elsewhere(calls, workplace)
    assert seen(record, "artifacts") - {str(log)} == {name for name in after if after[name] != before.get(name)}
    assert {one["path"]: one["role"] for one in record["artifacts"] if one["role"] == "intermediate"} == {}


def elsewhere(calls: list[straced.Call], workplace: Workplace) -> set[str]:
    """Files that were read, that are still there, and that are neither software nor the account's or machine's own."""
    own = (
        "/usr/",
        "/lib",
        "/bin/",
        "/etc/",
        "/proc/",
        "/sys/",
        "/dev/",
        "/var/",
        "/run/",
        "/opt/",
        f"{workplace.home}/",
    )
    own += (str(workplace.path), sys.prefix, sys.base_prefix, str(Path(__file__).parents[2] / "src"))
    opened = {call.paths[0].decode() for call in calls if call.kind == "open" and call.done and call.told}
    return {path for path in opened if not path.startswith(own) and Path(path).is_file()}


def seen(record: dict[str, Any], part: str) -> set[str]:
    assert {item["how"] for item in record[part]} <= {"observed"}
    return {item["path"] for item in record[part]}


def is_code(name: str) -> bool:
    return name.endswith((".py", ".c", ".h", ".f90", ".ipynb")) or name == "Makefile"


def read_first(calls: list[straced.Call], folder: Path) -> set[str]:
    """Files of the folder that were opened for reading, by name, and had not been emptied or replaced before."""
    read: set[str] = set()
    own: set[str] = set()
    for call in (call for call in calls if call.done and call.told):
        names = [str(Path(path.decode()).relative_to(folder)) for path in call.paths if is_below(path, folder)]
        if call.kind == "open" and names:
            written = bool(call.flags & {"O_WRONLY", "O_RDWR"})
            if not call.flags & {"O_WRONLY", "O_TRUNC"} and names[0] not in own:
                read.add(names[0])
            if written and "O_TRUNC" in call.flags:
                own.add(names[0])
        elif call.kind in ("rename", "link") and len(names) == 2:
            own.add(names[1])
    return read


def is_below(path: bytes, folder: Path) -> bool:
    return path.startswith(bytes(folder) + b"/") and b"/.git/" not in path


def contents(folder: Path) -> dict[str, str]:
    """Path -> digest of every file, without what version control and the store have for themselves."""
    files = [p for p in folder.rglob("*") if p.is_file() and not {".git", ".whence"} & set(p.parts)]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
