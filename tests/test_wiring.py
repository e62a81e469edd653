"""What surrounds a command: where its spools lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from whence import wiring
from whence.system.mounts import FileSystem
from whence.wiring import Setting, find_spools


@pytest.fixture
def home_on_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    def file_system(path: Path) -> FileSystem:
        return FileSystem(kind="nfs4", network=path.is_relative_to(tmp_path / "home"), mount=str(tmp_path))

    shared = tmp_path / "var"
    shared.mkdir()
    monkeypatch.setattr(wiring, "file_system", file_system)
    monkeypatch.setattr(wiring, "SHARED_FOLDERS", (shared,))
    return Setting(cwd=tmp_path, environ={}, home=tmp_path / "home")


def roots(where: Setting) -> Path | None:
    found = find_spools(where)
    return found and found.root


def test_spools_lie_in_the_users_cache_folder(tmp_path: Path) -> None:
    assert roots(Setting(cwd=tmp_path, environ={}, home=tmp_path)) == tmp_path / ".cache" / "whence" / "spool"
    cache = {"XDG_CACHE_HOME": str(tmp_path / "scratch")}
    assert roots(Setting(cwd=tmp_path, environ=cache, home=tmp_path)) == tmp_path / "scratch" / "whence" / "spool"


@pytest.mark.scenario("V2")
def test_where_the_home_is_on_the_network_spools_lie_on_a_local_disk(
    home_on_the_network: Setting, tmp_path: Path
) -> None:
    own = tmp_path / "var" / f"whence-{os.getuid()}"
    assert roots(home_on_the_network) == own / "spool"
    assert own.stat().st_mode & 0o777 == 0o700
    assert roots(home_on_the_network) == own / "spool"


def test_a_folder_that_others_may_write_to_takes_no_spools(home_on_the_network: Setting, tmp_path: Path) -> None:
    own = tmp_path / "var" / f"whence-{os.getuid()}"
    own.mkdir()
    own.chmod(0o777)
    assert roots(home_on_the_network) is None
    own.rmdir()
    own.symlink_to(tmp_path / "home")
    assert roots(home_on_the_network) is None
