"""The host and the account, from local files first."""

from __future__ import annotations

import os
from pathlib import Path

from whence.capture.host import capture_host, capture_user
from whence.capture.hostfiles import HostFiles


def test_the_machines_id_is_only_recorded_keyed(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("0123\n")
    host = capture_host(lambda value: f"keyed:{len(value)}", HostFiles(tmp_path))
    assert (host.name, host.machine_id, host.boot_id) == (os.uname().nodename, "keyed:4", None)


def test_a_host_without_an_id_still_has_a_name(tmp_path: Path) -> None:
    assert capture_host(lambda value: "x", HostFiles(tmp_path)).machine_id is None


def test_the_account_is_found_in_the_local_file_before_the_environment(tmp_path: Path) -> None:
    assert capture_user({"USER": "ada"}, HostFiles(tmp_path)).name == "ada"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(f"grace:x:{os.getuid()}:0::/:/bin/sh\n")
    assert capture_user({"USER": "ada"}, HostFiles(tmp_path)).name == "grace"
