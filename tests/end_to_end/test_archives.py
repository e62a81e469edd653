"""A version that was archived is used by runs on another machine, when the store that it was made in is gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import bags
import pytest
from bags import contents, data, make_odd
from workplace import Workplace


@pytest.mark.scenario("S12")
@pytest.mark.parametrize("form", ["bag", "bag.tar.gz"])
def test_a_run_pins_what_was_imported_when_the_first_store_is_gone(
    form: str, workplace: Workplace, tmp_path: Path
) -> None:
    make_odd(workplace.path / "cifar")
    data(workplace, "create", "cifar", "cifar")
    workplace.write("cifar/more.csv", "more\n")
    data(workplace, "add", "cifar", "cifar")
    version = data(workplace, "release", "minor", "cifar")
    archive = tmp_path / form
    data(workplace, "export", "cifar@0.2.0", archive)
    before = contents(workplace.path / "cifar")
    shutil.rmtree(workplace.path)

    there = Workplace(tmp_path / "there", tmp_path / "home there")
    done = data(there, "import", archive)
    assert (done["id"], done["manifest"]) == (version["id"], version["manifest"])
    shutil.rmtree(archive) if archive.is_dir() else archive.unlink()
    record = there.record("cat", "{data.x}/more.csv", options=("--data", "x=cifar@0.2.0"))
    assert there.whence("cat", "@:output").ok().out == "more\n"
    (item,) = [item for item in record["inputs"] if item["how"] == "pinned"]
    assert (item["dataset_id"], item["version"], item["digest"]) == (version["id"], "0.2.0", version["manifest"])
    assert (item["changed"], item["files"]) == ("no", version["files"])
    assert contents(Path(item["path"])) == before
    assert there.whence("verify").ok().code == 0
    older = there.whence("run", "--data", "cifar@0.1.0", "--", "true")
    assert older.code == 125 and "cifar@0.1.0" in older.err


@pytest.mark.scenario("S12")
def test_the_story_of_the_rows_travels_and_says_where_it_comes_from(workplace: Workplace, tmp_path: Path) -> None:
    workplace.write(
        "cohort.py",
        """
import pathlib, whence
with whence.start() as run:
    pathlib.Path("o").mkdir()
    pathlib.Path("o/rows.csv").write_text("id\\n1\\n")
    run.transform("filter", source="raw", rows_in=10, rows_out=7, criteria="age >= 18")
    run.output_dataset("cohort", "o")
""",
    )
    workplace.python("cohort.py").ok()
    run = workplace.show()["id"]
    data(workplace, "export", "cohort@0.0.0.post1.dev1", "cohort.tar")
    there = Workplace(tmp_path / "there", tmp_path / "home there")
    data(there, "import", workplace.path / "cohort.tar")
    (version,) = there.whence("data", "log", "cohort", "--json").ok().json_lines()
    (here,) = workplace.whence("data", "log", "cohort", "--json").ok().json_lines()
    assert version["transforms"] == here["transforms"] and version["transforms"][0]["rows_out"] == 7
    assert (here["transforms_from"], version["transforms_from"]) == (None, "cohort.tar")
    assert "(3 out), age >= 18  (as cohort.tar says)" in there.whence("data", "log", "cohort").ok().out
    assert (
        f"run       {run}, which is not in this store"
        in there.whence("data", "show", "cohort@0.0.0.post1.dev1").ok().out
    )
    assert f"run       {run}\n" in workplace.whence("data", "show", "cohort@0.0.0.post1.dev1").ok().out
    data(there, "export", "cohort@0.0.0.post1.dev1", "again.tar")
    root = bags.unpacked(there.path / "again.tar", tmp_path / "unpacked")
    bags.check_bag(root)
    assert list(json.loads((root / "whence/stories.json").read_text())) == [run]
