"""Adding a folder and filling another, stopped after any single system call: what is there is whole, and the next call
goes on to the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from whence.capture.hashing import NoCache, Work, measure_folder
from whence.digests import digest_of
from whence.store.adding import add
from whence.store.check import check_store
from whence.store.layout import Store, find_store, open_store
from whence.store.materialize import Wish, materialize
from whence.store.objects import has
from whence.store.packs import Pack, is_pack
from whence.system.files import TEMPORARY


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each writer was stopped: `stopped/1`, `stopped/2` …"""
    folder = tmp_path_factory.mktemp("crashes")
    environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath}
    subprocess.run([sys.executable, Path(__file__).parent / "data_steps.py", folder], env=environ, check=True)
    assert len(list((folder / "stopped").iterdir())) > 150, "the writer does more than that"
    return folder


def stopped(place: Path) -> list[Path]:
    return [folder for folder in (place / "stopped").iterdir() if (folder / ".whence" / "store.json").exists()]


def opened(folder: Path) -> Store:
    path = find_store(folder)
    assert path is not None
    return open_store(path)


def manifest_of(folder: Path) -> str:
    work = Work(measure_folder(os.fspath(folder), NoCache()))
    work.advance()
    return work.result.digest


@pytest.mark.scenario("I11")
@pytest.mark.slow
def test_every_object_and_pack_under_its_name_is_whole_wherever_a_writer_was_stopped(place: Path) -> None:
    for folder in stopped(place):
        store = opened(folder)
        assert check_store(store).damage == (), folder
        if store.packs.exists():
            packs = [Pack(path) for path in store.packs.iterdir() if is_pack(path.name)]
            assert all(pack.sound_rows() is not None for pack in packs), folder


@pytest.mark.slow
def test_a_version_that_was_added_has_all_its_objects_wherever_a_writer_was_stopped(place: Path) -> None:
    manifests = {version: manifest_of(place / version) for version in ("one", "two")}
    for folder in stopped(place):
        store = opened(folder)
        for version, manifest in manifests.items():
            files = [path for path in (place / version).rglob("*") if path.is_file() and not path.is_symlink()]
            if has(store, manifest):
                assert all(has(store, digest_of(path.read_bytes())) for path in files), folder
            assert has(store, manifest) or f"added {version}" not in (folder / "log").read_text(), folder


@pytest.mark.slow
def test_a_file_in_the_folder_is_whole_wherever_a_writer_was_stopped(place: Path) -> None:
    known = {path.read_bytes() for version in ("one", "two") for path in (place / version).rglob("*") if path.is_file()}
    for folder in stopped(place):
        for path in (folder / "target").rglob("*"):
            if path.is_file() and not path.name.startswith(TEMPORARY):
                assert path.read_bytes() in known, path


@pytest.mark.slow
def test_the_next_call_goes_on_to_the_end_wherever_a_writer_was_stopped(place: Path) -> None:
    for folder in stopped(place):
        store = opened(folder)
        # Of the first version, too: what a killed process placed of it may have to go.
        for version in ("one", "two"):
            manifest = add(store, place / version).manifest
            materialize(store, manifest, folder / "target", Wish(replace=True))
            assert manifest_of(folder / "target") == manifest == manifest_of(place / version), folder
        assert check_store(store).damage == (), folder
