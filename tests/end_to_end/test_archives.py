"""A version that was archived is used by runs on another machine, when the store that it was made in is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

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
