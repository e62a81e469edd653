"""Real programs: what the record says they read and wrote is what strace saw, and what the folder shows afterwards."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import sys
from collections.abc import Iterator
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

CLASSIFIER = """
import csv
import joblib, matplotlib
matplotlib.use("agg")
from matplotlib import pyplot
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_iris(return_X_y=True)
train, test, y_train, y_test = train_test_split(X, y, random_state=0)
depths = [int(row[0]) for row in csv.reader(open("depths.csv"))]
forest = make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=5, random_state=0))
search = GridSearchCV(forest, {"randomforestclassifier__max_depth": depths}, cv=2, n_jobs=2)
search.fit(train, y_train)
joblib.dump(search.best_estimator_, "model.joblib")
ConfusionMatrixDisplay.from_estimator(joblib.load("model.joblib"), test, y_test)
pyplot.savefig("confusion.png")
"""
FIGURES = """
import matplotlib
matplotlib.use("agg")
import numpy
from matplotlib import animation, cbook, pyplot
from matplotlib.backends.backend_pdf import PdfPages

pyplot.style.use("./own.mplstyle")
x = numpy.genfromtxt("a.csv", delimiter=",", usecols=0)
figure, axes = pyplot.subplots()
axes.imshow(pyplot.imread("in.png"), extent=(0, 1, 0, 1))
(line,) = axes.plot(x[:50] / 1000)
animation.FuncAnimation(figure, lambda at: line.set_xdata(numpy.arange(50) + at), frames=3).save(
    "waves.gif", writer="pillow"
)
with PdfPages("pages.pdf") as pages:
    pages.savefig(figure)
    pages.savefig(figure)
pyplot.savefig("figure.svg")
"""
SNAKEFILE = """
configfile: "config.yaml"

rule all:
    input: "report.txt"

rule column:
    input: "{sample}.csv"
    output: temp("parts/{sample}.txt")
    shell: "cut -d, -f{config[column]} {input} | sort -u > {output}"

rule report:
    input: expand("parts/{sample}.txt", sample=config["samples"])
    output: "report.txt"
    script: "join.py"
"""
JOIN = """
with open(snakemake.output[0], "w") as report:
    for name in snakemake.input:
        report.write(open(name).read())
"""
REGRESSION = """
source("helper.R")
rows <- read.csv("a.csv", header = FALSE)
fit <- lm(V1 ~ index, data = numbered(rows))
saveRDS(fit, "fit.rds")
write.csv(coef(summary(readRDS("fit.rds"))), "coefficients.csv")
pdf("residuals.pdf")
plot(resid(fit))
invisible(dev.off())
"""
HELPER = "numbered <- function(rows) { rows$index <- seq_len(nrow(rows)); rows }\n"
PICTURE = "P3\n4 4\n255\n" + "".join(f"{n * 15} {255 - n * 15} {n}\n" for n in range(16))
HEAT = """
program heat
  use grid, only: step
  implicit none
  real :: field(8)
  integer :: steps
  namelist /run/ steps
  open (10, file="run.nml", status="old"); read (10, nml=run); close (10)
  open (11, file="field.dat", form="unformatted", access="stream"); read (11) field; rewind (11)
  call step(field, steps)
  write (11) field; close (11)
  open (12, file="field.txt", status="replace"); write (12, *) field; close (12)
  open (13, status="scratch"); write (13, *) field; close (13)
end program
"""
GRID = """
module grid
contains
  subroutine step(field, steps)
    real, intent(inout) :: field(:)
    integer, intent(in) :: steps
    integer :: at
    do at = 1, steps
      field(2:7) = (field(1:6) + 2 * field(3:8)) / 2
    end do
  end subroutine
end module
"""
HEAT_MAKEFILE = """
result: heat
\t./heat
heat: grid.o heat.o
\tgfortran -o $@ $^
%.o: %.f90
\tgfortran -c $<
"""

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
    "a classifier of scikit-learn, fitted by two workers": (
        {"depths.csv": "1\n2\n", "fit.py": CLASSIFIER},
        ["python", "fit.py"],
    ),
    "figures of matplotlib, in four formats": (
        {
            "a.csv": ROWS,
            "in.png": packaged("matplotlib", "mpl-data/images/home.png"),
            "own.mplstyle": "lines.linewidth: 3\n",
            "figures.py": FIGURES,
        },
        ["python", "figures.py"],
    ),
    "a workflow of snakemake": (
        {
            "a.csv": ROWS,
            "b.csv": ROWS,
            "config.yaml": "column: 2\nsamples: [a, b]\n",
            "join.py": JOIN,
            "Snakefile": SNAKEFILE,
        },
        ["snakemake", "--cores", "2", "--quiet"],
    ),
    "a regression in R": (
        {"a.csv": ROWS, "helper.R": HELPER, "fit.R": REGRESSION},
        ["Rscript", "fit.R"],
    ),
    "ImageMagick, in place and side by side": (
        {"a.ppm": PICTURE, "b.ppm": PICTURE},
        ["sh", "-c", "mogrify -negate b.ppm && montage a.ppm b.ppm -geometry +2+2 both.png && identify both.png"],
    ),
    "a simulation in Fortran, built by make and run": (
        {
            "field.dat": struct.pack("8f", *range(8)).decode("latin-1"),
            "run.nml": "&run steps = 3 /\n",
            "grid.f90": GRID,
            "heat.f90": HEAT,
            "Makefile": HEAT_MAKEFILE,
        },
        ["make", "-s"],
    ),
}
"""Programs as they are installed: what each has in its folder, and how it is run."""

TOOLS = {
    "a regression in R": "Rscript",
    "ImageMagick, in place and side by side": "mogrify",
    "a simulation in Fortran, built by make and run": "gfortran",
}
"""Those that a machine may lack."""


@pytest.mark.slow
@pytest.mark.parametrize("what", UNMODIFIED)
def test_an_unmodified_program_is_recorded_as_strace_sees_it(what: str, workplace: Workplace, tmp_path: Path) -> None:
    files, command = UNMODIFIED[what]
    if not shutil.which(TOOLS.get(what, "sh")):
        pytest.skip(f"no {TOOLS[what]}")
    for name, content in files.items():
        workplace.write(name, content.encode("latin-1"))
    before, log = contents(workplace.path), tmp_path / "log"
    record = workplace.record(*straced.argv(log, *command))
    calls, after = straced.calls(log, workplace.path), contents(workplace.path)

    assert (record["status"], record["observation"]["complete"]) == ("succeeded", True)
    read = {name for name in read_first(calls, workplace.path) & set(before) if not is_code(name)}
    assert read or what.startswith("f2py")  # Which reads source code alone.
    written_into = {one["path"] for one in record["artifacts"] if one["role"] == "changed"} - read
    assert seen(record, "inputs") - written_into == read | elsewhere(calls, workplace)
    assert seen(record, "artifacts") - {str(log)} == {name for name in after if after[name] != before.get(name)}
    again = {one["path"] for one in record["artifacts"] if one["role"] == "intermediate"}
    assert again == read_again(calls, workplace.path) & set(after) - set(before)


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
    return name.endswith((".py", ".c", ".h", ".f90", ".ipynb", ".R")) or name in ("Makefile", "Snakefile")


def read_first(calls: list[straced.Call], folder: Path) -> set[str]:
    """Files of the folder that were opened for reading, by name, and had not been emptied or replaced before."""
    return {name for name, made in reads(calls, folder) if not made}


def read_again(calls: list[straced.Call], folder: Path) -> set[str]:
    """Those that the command had made, emptied or replaced when it opened them for reading."""
    return {name for name, made in reads(calls, folder) if made}


def reads(calls: list[straced.Call], folder: Path) -> Iterator[tuple[str, bool]]:
    """Each opening for reading, and whether the file was the command's own by then; not those of what notes for us."""
    own: set[str] = set()
    for call in (call for call in of_the_program(calls) if call.done and call.told):
        names = [str(Path(path.decode()).relative_to(folder)) for path in call.paths if is_below(path, folder)]
        if call.kind == "open" and names:
            if call.flags & {"O_TRUNC", "O_EXCL"}:
                own.add(names[0])
            elif "O_WRONLY" not in call.flags:
                yield names[0], names[0] in own
        elif call.kind in ("rename", "link") and len(names) == 2:
            own.add(names[1])


def of_the_program(calls: list[straced.Call]) -> Iterator[straced.Call]:
    """Without what a thread did for us: it says when that begins, and when it ends."""
    ours: set[int] = set()
    for call in calls:
        if call.paths == (b"/dev/null",) and call.flags >= {"O_SYNC", "O_NOCTTY"}:
            (ours.discard if "O_WRONLY" in call.flags else ours.add)(call.pid)
        elif call.pid not in ours:
            yield call


def is_below(path: bytes, folder: Path) -> bool:
    return path.startswith(bytes(folder) + b"/") and b"/.git/" not in path


def contents(folder: Path) -> dict[str, str]:
    """Path -> digest of every file, without what version control, workflows and the store have for themselves."""
    files = [p for p in folder.rglob("*") if p.is_file() and not {".git", ".whence", ".snakemake"} & set(p.parts)]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
