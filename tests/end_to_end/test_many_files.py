"""Very many files: what the record says of them, and what each costs us in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from workplace import Workplace, wait_until

MOST_BYTES_A_FILE = 1600

MEASURED = """
import tracemalloc
from whence.cli import main
from whence.recorder import settling

watch, settle = settling.watch, settling.Settling.settle

def begin(*words):
    tracemalloc.start()
    return watch(*words)

def end(self, *words):
    settle(self, *words)
    with open(%r, "w") as file:
        print(tracemalloc.get_traced_memory()[1], file=file)

settling.watch, settling.Settling.settle = begin, end
main.script()
"""
"""`whence`, which leaves in a file how many bytes Python's objects took at most while the command was followed."""


@pytest.mark.slow
def test_a_folder_that_eight_workers_read_is_one_entry_and_costs_little_memory(
    tmp_path: Path, workplace: Workplace
) -> None:
    few, many = 1000, 6000
    for number in range(many):
        workplace.write(f"data/{number // 1000}/{number:06}.bin", f"{number}")
    (workplace.path / "data" / "0").rename(workplace.path / "less")
    peak = {}
    for folder, count in (("less", few), ("data", many - few)):
        told = tmp_path / f"peak-{folder}"
        workplace.write("measured.py", MEASURED % str(told))
        readers = f"find {folder} -type f -print0 | xargs -0 -P8 -n100 cat > /dev/null"
        workplace.python("measured.py", "run", "--", "sh", "-c", readers).ok()
        (found,) = (one for one in workplace.show()["inputs"] if one["path"] == folder)
        assert (found["kind"], found["files"], found["whole"], found["changed"]) == ("folder", count, True, "no")
        peak[count] = int(wait_until(told.read_text, what="the keeper said what memory it took"))
    assert peak[many - few] - peak[few] < MOST_BYTES_A_FILE * (many - 2 * few), peak


def test_very_many_files_that_are_read_and_removed_are_one_entry_with_what_was_known(workplace: Workplace) -> None:
    for number in range(150):
        workplace.write(f"parts/{number:03}.py", f"{number}")
        workplace.write(f"parts/{number:03}.csv", f"{number}")
    script = "cat parts/*.csv > /dev/null; sleep 1; rm parts/*"
    record = workplace.record("sh", "-c", script)
    (found,) = record["inputs"]
    assert (found["path"], found["kind"], found["files"], found["changed"]) == ("parts", "folder", 150, "yes")
    digest = found["digest"].removeprefix("sha256:")
    manifest = (workplace.store / "objects" / "sha256" / digest[:2] / digest[2:]).read_text()
    assert [line.count(".csv") for line in manifest.splitlines()[1:-1]] == [1] * 150
    details = {anomaly["what"]: anomaly["detail"] for anomaly in record["anomalies"]}
    (changed,) = (detail for what, detail in details.items() if what.startswith("source files changed"))
    assert (len(changed), changed[-1]) == (101, "50 more")
