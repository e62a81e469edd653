"""Which installed package a file belongs to, by lists as dpkg and conda keep them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from whence.capture import owners
from whence.capture.owners import conda_prefix, find_packages, of_conda, of_dpkg
from whence.records.observation import Package

STATUS = """Package: make
Status: install ok installed
Architecture: amd64
Version: 4.3-4.1
Description: utility
 Version: 9 stands in a text

Package: libc6
Architecture: i386
Version: 2.36-1

Package: libc6
Architecture: amd64
Version: 2.36-9
"""


def never() -> bool:
    return False


def always() -> bool:
    return True


SPEC = """
Name: coreutils-of-test
Epoch: 2
Version: 9.1
Release: 3
Summary: two programs
License: none
BuildArch: noarch
%description
Two programs.
%install
mkdir -p %{buildroot}/usr/bin
touch %{buildroot}/usr/bin/env %{buildroot}/usr/bin/sort
%files
/usr/bin/env
/usr/bin/sort
"""


@pytest.fixture
def rpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of rpm in which a package owns two programs that are there, on a machine without dpkg."""
    if not shutil.which("rpmbuild"):
        pytest.skip("no rpmbuild")
    (tmp_path / "spec").write_text(SPEC)
    top, folder = tmp_path / "top", tmp_path / "rpm"
    quiet = {"check": True, "capture_output": True}
    subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", tmp_path / "spec"], **quiet)
    built = next(top.glob("RPMS/*/*.rpm"))
    subprocess.run(["rpm", "--dbpath", folder, "-i", "--justdb", "--nodeps", "--ignoreos", built], **quiet)
    monkeypatch.setattr(owners, "DPKG", tmp_path / "none")
    monkeypatch.setattr(owners, "RPM", (tmp_path / "none", folder))
    return folder


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages; the list of one names its file as it lay before /bin was merged into /usr."""
    folder = tmp_path / "dpkg"
    (folder / "info").mkdir(parents=True)
    (folder / "status").write_text(STATUS)
    (folder / "info" / "make.list").write_text("/.\n/bin\n/bin/make\n/usr/share/doc/make\n")
    (folder / "info" / "libc6:amd64.list").write_text("/.\n/usr/lib/x/libc.so.6\n")
    monkeypatch.setattr(owners, "DPKG", folder)
    return folder


MAKE = Package(name="make", version="4.3-4.1", manager="dpkg")
LIBC = Package(name="libc6", version="2.36-9", manager="dpkg")


def test_a_file_is_found_by_either_of_its_names_with_the_version_of_its_architecture(dpkg: Path) -> None:
    paths = ["/usr/bin/make", "/lib/x/libc.so.6", "/usr/bin/mak", "/opt/own"]
    assert of_dpkg(paths, dpkg, never) == {
        "/usr/bin/make": MAKE, "/lib/x/libc.so.6": LIBC, "/usr/bin/mak": None, "/opt/own": None,
    }  # fmt: skip


def test_where_time_is_up_nothing_is_said(dpkg: Path, tmp_path: Path) -> None:
    assert find_packages(["/usr/bin/make"], tmp_path, always) == {"/usr/bin/make": None}
    assert not (tmp_path / "packages.json").exists()


def test_what_was_found_holds_until_dpkg_changes_something(dpkg: Path, tmp_path: Path) -> None:
    assert find_packages(["/usr/bin/make"], tmp_path, never) == {"/usr/bin/make": MAKE}
    (dpkg / "info" / "make.list").unlink()
    assert find_packages(["/usr/bin/make"], tmp_path, always) == {"/usr/bin/make": MAKE}
    (dpkg / "status").write_text(STATUS + "\n")
    assert find_packages(["/usr/bin/make"], tmp_path, never) == {"/usr/bin/make": None}


def test_a_file_of_an_rpm_is_found_with_epoch_version_and_release(rpm: Path, tmp_path: Path) -> None:
    package = Package(name="coreutils-of-test", version="2:9.1-3", manager="rpm")
    asked = ["/usr/bin/env", "/usr/bin/ls", "/bin/sort"]
    found = {"/usr/bin/env": package, "/usr/bin/ls": None, "/bin/sort": package}
    assert find_packages(asked, tmp_path, never) == found


def test_what_rpm_said_holds_until_it_changes_something(
    rpm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_packages(["/usr/bin/env"], tmp_path, never)
    monkeypatch.setattr(owners, "RPM_SECONDS", 0)
    assert find_packages(["/usr/bin/env"], tmp_path, never) == found != {"/usr/bin/env": None}
    assert find_packages(["/usr/bin/sort"], tmp_path, never) == {"/usr/bin/sort": None}
    os.utime(rpm / "rpmdb.sqlite", ns=(0, 0))
    assert find_packages(["/usr/bin/env"], tmp_path, never) == {"/usr/bin/env": None}


def test_a_cache_that_is_no_cache_is_found_again(dpkg: Path, tmp_path: Path) -> None:
    (tmp_path / "packages.json").write_text("[")
    assert find_packages(["/usr/bin/make"], tmp_path, never)["/usr/bin/make"] == MAKE


def test_a_file_of_a_conda_environment_is_that_of_its_package(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "ripgrep-all-0.9-h7_0.json").write_text('{"files": ["bin/rga", "share/x"]}')
    program = str(tmp_path / "bin" / "rga")
    assert conda_prefix(program) == tmp_path
    assert of_conda(program, tmp_path, never) == Package(name="ripgrep-all", version="0.9", manager="conda")
    assert of_conda(program + "x", tmp_path, never) is None


def test_without_lists_nobody_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(owners, "DPKG", tmp_path / "none")
    monkeypatch.setattr(owners, "RPM", ())
    assert find_packages(["/usr/bin/make"], tmp_path, never) == {"/usr/bin/make": None}
