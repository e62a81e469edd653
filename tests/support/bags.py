"""What RFC 8493 asks of a bag, held against a folder without any code of ours; and bags of other people, made here."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from workplace import Workplace

FORMS = ["bag", "bag.tar", "bag.tar.gz", "bag.tgz", "bag.zip"]

ODD = {
    b"plain.csv": b"1\n",
    b"two words \xc3\xbc.csv": b"2\n",
    b"new\nline": b"3\n",
    b"return\r": b"4\n",
    b"100%25 %0A": b"5\n",
    b"not utf-8 \xff": b"6\n",
    b"blank at the end ": b"7\n",
    b"deep/er/empty file": b"",
    b"back\\slash": b"8\n",
}
"""Files by names that programs for bags do not agree on."""


def contents(folder: Path) -> dict[bytes, object]:
    """What lies there: bytes and whether they are a program, where links lead, which folders are empty."""
    found: dict[bytes, object] = {}
    for root, folders, names in os.walk(os.fsencode(folder)):
        for name in [*names, *(one for one in folders if os.path.islink(os.path.join(root, one)))]:
            path = os.path.join(root, name)
            shown = os.path.relpath(path, os.fsencode(folder))
            if os.path.islink(path):
                found[shown] = os.readlink(path)
            else:
                found[shown] = (Path(os.fsdecode(path)).read_bytes(), os.stat(path).st_mode & 0o100)
        if not names and not folders:
            found[os.path.relpath(root, os.fsencode(folder))] = "empty"
    return found


def make_odd(folder: Path) -> None:
    for name, content in ODD.items():
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "plain.csv").chmod(0o755)
    (folder / "link").symlink_to("plain.csv")
    (folder / "to nowhere").symlink_to(os.fsdecode(b"../\xfe"))
    (folder / "nothing in it").mkdir()


def data(place: Workplace, *words: str | Path) -> Any:
    """What a verb of `whence data` answers."""
    return place.whence("data", *words, "--json").ok().json()


LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def unpacked(bag: Path, into: Path) -> Path:
    """The folder of a bag that is one file: the only thing that is in it."""
    into.mkdir()
    if bag.suffix == ".zip":
        with zipfile.ZipFile(bag) as archive:
            assert archive.testzip() is None
            archive.extractall(into)
    else:
        subprocess.run(["tar", "-C", into, "-xf", bag], check=True)
    (root,) = into.iterdir()
    return root


def check_bag(root: Path) -> dict[str, str]:
    """Path in the payload -> digest, of a bag that is complete and valid (RFC 8493, section 3)."""
    assert (root / "bagit.txt").read_bytes() == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    payload, tags = (_manifest(root, name) for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"))
    there = {os.fsdecode(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert {path for path in there if path.startswith("data/")} == set(payload)
    assert there - set(payload) - {"tagmanifest-sha256.txt"} == set(tags)
    size = sum((root / path).stat().st_size for path in payload)
    assert f"Payload-Oxum: {size}.{len(payload)}\n" in (root / "bag-info.txt").read_text("utf-8")
    for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        if (root / name).read_bytes():
            subprocess.run(["sha256sum", "--quiet", "--strict", "-c", name], cwd=root, check=True)
    return payload


def _manifest(root: Path, name: str) -> dict[str, str]:
    lines = [LINE.fullmatch(line) for line in (root / name).read_text("utf-8").splitlines()]
    assert all(lines), "no line that any program could read otherwise"
    found = {match[2]: match[1] for match in lines if match}
    assert len(found) == len(lines) and not any("%" in path for path in found)
    for path, digest in found.items():
        file = root / path
        assert file.is_file() and not file.is_symlink()
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    return found


def sealed(root: Path) -> Path:
    """The folder with the manifests that its files need now: as by somebody who made it say something else."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and "manifest-" not in path.name)
    lines = {path: f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files}
    payload = [line for path, line in lines.items() if path.is_relative_to(root / "data")]
    (root / "manifest-sha256.txt").write_text("".join(payload))
    tags = [line for path, line in lines.items() if not path.is_relative_to(root / "data")]
    digest = hashlib.sha256((root / "manifest-sha256.txt").read_bytes()).hexdigest()
    (root / "tagmanifest-sha256.txt").write_text("".join([*tags, f"{digest}  manifest-sha256.txt\n"]))
    return root


def made(root: Path, **files: str) -> Path:
    """A bag of somebody else: the payload by names, without anything of ours."""
    for name, content in files.items():
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (root / "bagit.txt").write_text("BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n")
    return sealed(root)


def tarred(root: Path, into: Path) -> Path:
    with tarfile.open(into, "w") as archive:
        archive.add(root, root.name)
    return into


def copied(root: Path, into: Path) -> Path:
    shutil.copytree(root, into, symlinks=True)
    return into
