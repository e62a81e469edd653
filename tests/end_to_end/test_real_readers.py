"""The readers that research code uses, each for itself: what the record says they opened is what strace saw in that
very run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import straced
from workplace import Workplace

MAKE = """
import sqlite3
import duckdb, h5py, numpy, polars, pyarrow, pyarrow.parquet, safetensors.numpy
x = numpy.arange(1000.0)
table = pyarrow.table({"x": x})
for name in ("a", "b/0", "b/1", "c", "d"):
    pyarrow.parquet.write_table(table, f"{name}.parquet")
with pyarrow.OSFile("e.arrow", "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
    writer.write_table(table)
polars.DataFrame({"x": x}).write_csv("f.csv")
duckdb.connect("g.duckdb").sql("create table t as select 1 as x")
for name in ("h", "i"):
    with h5py.File(f"{name}.h5", "w") as file:
        file["x"] = x
numpy.save("j.npy", x)
numpy.savez("k.npz", x=x)
x.tofile("l.raw")
x.tofile("m.raw")
safetensors.numpy.save_file({"x": x}, "n.safetensors")
database = sqlite3.connect("o.db")
database.executescript("create table t (x); insert into t values (1)")
database.close()
"""

READERS: dict[str, tuple[str, set[str], set[str]]] = {
    "pyarrow": (
        (
            "import pyarrow as a, pyarrow.parquet as p, pyarrow.dataset as d\n"
            "p.read_table('a.parquet'); d.dataset('b').to_table()\n"
            "t = a.ipc.open_file(a.memory_map('e.arrow')).read_all(); p.write_table(t, 'out.parquet')"
        ),
        {"a.parquet", "b/0.parquet", "b/1.parquet", "e.arrow"},
        {"out.parquet"},
    ),
    "polars": (
        (
            "import polars as p\n"
            "p.read_parquet('c.parquet'); p.scan_parquet('b/*.parquet').sum().collect()\n"
            "p.scan_csv('f.csv').sum().collect(); p.scan_ipc('e.arrow').collect().write_parquet('out.parquet')"
        ),
        {"c.parquet", "b/0.parquet", "b/1.parquet", "f.csv", "e.arrow"},
        {"out.parquet"},
    ),
    "DuckDB": (
        (
            "import duckdb as d\n"
            "d.sql(\"copy (select sum(x) from 'd.parquet') to 'out.parquet'\")\n"
            "d.sql(\"select * from 'f.csv'\").fetchall()\n"
            "d.connect('g.duckdb', read_only=True).sql('select * from t').fetchall()"
        ),
        {"d.parquet", "f.csv", "g.duckdb"},
        {"out.parquet"},
    ),
    "h5py": (
        (
            "import h5py\n"
            "h5py.File('h.h5')['x'][:]\n"
            "with h5py.File('i.h5', 'r+') as f: f['x'][0] = 7\n"
            "with h5py.File('out.h5', 'w') as f: f['y'] = h5py.ExternalLink('h.h5', '/x')\n"
            "h5py.File('out.h5')['y'][:]"
        ),
        {"h.h5", "i.h5"},
        {"i.h5", "out.h5"},
    ),
    "numpy": (
        (
            "import numpy as n\n"
            "n.load('j.npy', mmap_mode='r').sum(); n.load('k.npz')['x']; n.memmap('l.raw', mode='r').sum()\n"
            "n.memmap('m.raw', mode='r+')[0] = 7; n.memmap('out.raw', mode='w+', shape=8)[:] = 1"
        ),
        {"j.npy", "k.npz", "l.raw", "m.raw"},
        {"m.raw", "out.raw"},
    ),
    "safetensors": (
        (
            "import safetensors as s, safetensors.numpy as n\n"
            "s.safe_open('n.safetensors', 'np').get_tensor('x')\n"
            "n.save_file(n.load_file('n.safetensors'), 'out.safetensors')"
        ),
        {"n.safetensors"},
        {"out.safetensors"},
    ),
    "SQLite": (
        (
            "import sqlite3\n"
            "d = sqlite3.connect('file:o.db?mode=ro', uri=True); d.execute('select * from t').fetchall()\n"
            "e = sqlite3.connect('out.db'); e.execute('pragma journal_mode=wal'); e.execute('create table t (x)')\n"
            "e.commit(); e.execute('select * from t').fetchall(); e.close()"
        ),
        {"o.db"},
        {"out.db"},
    ),
    "mmap": (
        (
            "import mmap, os\n"
            "fd = os.open('l.raw', os.O_RDONLY); m = mmap.mmap(fd, 0, prot=mmap.PROT_READ); os.close(fd); m[:8]\n"
            "with open('m.raw', 'r+b') as f: w = mmap.mmap(f.fileno(), 0)\n"
            "w[:8] = b'changed!'; w.close()"
        ),
        {"l.raw", "m.raw"},
        {"m.raw"},
    ),
}
"""Of each: what it runs, which files it reads, which it writes."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Workplace(tmp_path_factory.mktemp("data") / "d", tmp_path_factory.mktemp("home"))
    (place.path / "b").mkdir()
    place.python("-c", MAKE).ok()
    return place.path


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_what_a_reader_opens_is_in_the_record(reader: str, data: Path, workplace: Workplace, tmp_path: Path) -> None:
    script, read, written = READERS[reader]
    for path in data.rglob("*.*"):
        workplace.write(path.relative_to(data), path.read_bytes())
    before = digests(workplace.path)
    log = tmp_path / "log"
    record = workplace.record(*straced.argv(log, "python", "-c", script))

    assert (record["status"], record["observation"]["gaps"]) == ("succeeded", [])
    calls = straced.calls(log, workplace.path)
    opened = {below(call.paths[0], workplace.path) for call in calls if call.kind == "open" and call.told and call.done}
    assert {name for name in opened if name in before} == read
    inputs = {one["path"]: one for one in record["inputs"]}
    assert inputs.keys() == read
    assert {path: one["digest"] for path, one in inputs.items() if path not in written} == {
        path: before[path] for path in read - written
    }
    assert {one["digest"] for path, one in inputs.items() if path in written} <= {
        before.get(path) for path in written
    } | {None}
    after = digests(workplace.path)
    assert {one["path"]: one["digest"] for one in record["artifacts"] if not one["path"].startswith("/")} == {
        path: after[path] for path in written
    }


def below(path: bytes, folder: Path) -> str:
    """Relative to the folder, if it is in there."""
    return path.decode().removeprefix(f"{folder}/")


def digests(folder: Path) -> dict[str, Any]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".whence" not in path.parts]
    return {str(path.relative_to(folder)): "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
