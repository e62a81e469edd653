"""Inputs and outputs: found, refused, digested within a budget, checked at the end."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from accounts import folder_of_nobody

from whence.capture.folder_stats import folder_stats
from whence.capture.hashing import never
from whence.capture.inputs import TOUCHED, InputDigest, declare, digest_all
from whence.capture.outputs import Expected
from whence.capture.places import Mounts, statements
from whence.errors import RefusedError, UsageError
from whence.rules.secrets import Secrets


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def write(path: Path, content: bytes = b"1,2\n", *, age: float = 3600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    past = time.time() - age
    os.utime(path, (past, past))
    return path


def digested(tmp_path: Path, spec: str) -> InputDigest:
    (found,) = declare(spec, cwd=str(tmp_path), mounts=Mounts("lab3"))
    one = InputDigest(found)
    assert one.advance()
    return one


@pytest.mark.scenario("C12")
def test_a_file_is_known_by_its_bytes_wherever_it_lies(tmp_path: Path) -> None:
    write(tmp_path / "data/a.csv")
    known = digested(tmp_path, "data/a.csv").input
    assert (known.name, known.path, known.kind, known.digest, known.size) == (
        "data/a.csv",
        "data/a.csv",
        "file",
        sha256(b"1,2\n"),
        4,
    )
    assert known.location is not None
    assert known.location.host == "lab3"
    assert known.location.mount is not None
    assert digested(tmp_path, str(tmp_path / "data/a.csv")).input.path == "data/a.csv"


@pytest.mark.scenario("C13")
@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("data/b.csv", "input data/b.csv: no such file or folder in {}", "did you mean data/a.csv?"),
        ("x=data/b.csv", "input x=data/b.csv: no such file or folder in {}", "did you mean data/a.csv?"),
        ("data/*.txt", "input data/*.txt: matches nothing in {}", "paths are relative to the working directory"),
        ("nowhere/a.csv", "input nowhere/a.csv: no such file or folder in {}", "there is no folder nowhere"),
        ("", "input : no such file or folder in {}", "paths are relative to the working directory"),
        ("a\0b", "input a\0b: no such file or folder in {}", "paths are relative to the working directory"),
    ],
)
def test_what_is_not_there_is_refused_with_a_hint(tmp_path: Path, spec: str, message: str, hint: str) -> None:
    write(tmp_path / "data/a.csv")
    with pytest.raises(RefusedError) as refused:
        declare(spec, cwd=str(tmp_path))
    assert refused.value.message == message.format(tmp_path)
    assert refused.value.hint == hint


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("gone")
    with pytest.raises(RefusedError, match="input l: the link leads nowhere"):
        declare("l", cwd=str(tmp_path))


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("*.csv", ["a.csv", "b.csv"]),
        ("**/*.csv", ["a.csv", "b.csv", "sub/a.csv"]),
        ("train=a.csv", ["train"]),
        ("all=*.csv", ["all/a.csv", "all/b.csv"]),
        ("x=1.csv", ["x=1.csv"]),
        ("odd[1].csv", ["odd[1].csv"]),
        ("./sub//a.csv", ["sub/a.csv"]),
    ],
)
def test_a_statement_names_one_thing_or_many(tmp_path: Path, spec: str, names: list[str]) -> None:
    for name in ("a.csv", "b.csv", "sub/a.csv"):
        write(tmp_path / name)
    if "odd" in spec or spec.startswith("x="):
        write(tmp_path / spec)
    assert [found.name for found in declare(spec, cwd=str(tmp_path))] == names


@pytest.mark.scenario("C15", "J1")
def test_two_files_of_one_name_do_not_collide(tmp_path: Path) -> None:
    write(tmp_path / "a/m.pt", b"a")
    write(tmp_path / "b/m.pt", b"b")
    known = [digested(tmp_path, spec).input for spec in ("a/m.pt", "b/m.pt")]
    assert [(one.name, one.digest) for one in known] == [("a/m.pt", sha256(b"a")), ("b/m.pt", sha256(b"b"))]


def test_a_link_keeps_its_target_and_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    write(tmp_path / "real.csv")
    (tmp_path / "link.csv").symlink_to("real.csv")
    known = digested(tmp_path, "link.csv").input
    assert (known.kind, known.digest) == ("link", sha256(b"1,2\n"))
    assert known.location is not None
    assert known.location.target == str(tmp_path.resolve() / "real.csv")


@pytest.mark.scenario("J4")
@pytest.mark.parametrize("name", ["line\nbreak.csv", os.fsdecode(b"latin\xe9.csv"), "spaced out.csv", "ünï.csv"])
def test_odd_names_are_kept(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    assert digested(tmp_path, name).input.path == name


@pytest.mark.scenario("J4")
def test_a_pipe_a_socket_and_a_device_are_named_and_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(tmp_path)
        listening.bind("s")
        os.chdir(here)
        for spec, what in (("pipe", "a pipe"), ("s", "a socket"), ("/dev/zero", "a device")):
            known = digested(tmp_path, spec).input
            assert (known.kind, known.digest) == ("special", None)
            assert known.because == f"{what} has no bytes that could be digested without taking them"


def test_a_url_is_kept_as_declared_with_its_credentials_masked(tmp_path: Path) -> None:
    secrets = Secrets(b"k")
    (found,) = declare("https://u:p@h/x.csv#sha256=abc", cwd=str(tmp_path), mask_url=secrets.mask_url)
    known = InputDigest(found).input
    assert (known.kind, known.digest, known.pending) == ("url", None, False)
    assert known.path == f"https://{secrets.mask('u:p')}@h/x.csv#sha256=abc"
    assert known.identifier is not None
    assert (known.identifier.scheme, known.identifier.value, known.identifier.checked) == ("sha256", "abc", False)


def test_a_file_url_is_a_file(tmp_path: Path) -> None:
    write(tmp_path / "a b.csv")
    known = digested(tmp_path, f"file://{tmp_path}/a%20b.csv").input
    assert (known.kind, known.digest) == ("file", sha256(b"1,2\n"))


def test_things_said_in_python_are_paths_mappings_and_lists() -> None:
    assert statements(["a", Path("b"), {"c": "d"}]) == [(None, "a"), (None, "b"), ("c", "d")]
    with pytest.raises(UsageError, match="3: expected a path"):
        statements(3)


def after(count: int) -> Callable[[], bool]:
    """Enough, after so many pieces of work."""
    left = iter(range(count))
    return lambda: next(left, None) is None


def test_a_digest_that_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    content = os.urandom(5 << 20)
    write(tmp_path / "big", content)
    (found,) = declare("big", cwd=str(tmp_path))
    one = InputDigest(found)
    assert not one.advance(after(1))
    assert one.input.pending
    assert one.input.size == len(content)
    steps = 0
    while not one.advance(after(0)):
        steps += 1
    assert steps in (3, 4)
    assert one.digested("during").digest == sha256(content)


def test_pinned_inputs_come_first_then_the_smaller(tmp_path: Path) -> None:
    for name, size in (("large", 300), ("small", 3), ("pinned", 3 << 20)):
        write(tmp_path / name, b"x" * size)
    inputs = [
        InputDigest(declare(name, cwd=str(tmp_path))[0], how="pinned" if name == "pinned" else "declared")
        for name in ("large", "small", "pinned")
    ]
    pending = digest_all(inputs, after(4))
    assert [one.found.name for one in pending] == ["large"]
    assert digest_all(pending, never) == []


CHANGES: dict[str, Callable[[Path], None]] = {
    "edited": lambda path: path.write_bytes(b"3,4,5\n") and None,
    "edited in place, size and mtime restored": lambda path: _edit_quietly(path),
    "replaced by rename": lambda path: write(path.with_name("new"), b"9,9\n").rename(path) and None,
}


def _edit_quietly(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"9")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.scenario("X1", "J11")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_under_the_run_is_seen_at_the_end(tmp_path: Path, change: str) -> None:
    path = write(tmp_path / "a.csv")
    one = digested(tmp_path, "a.csv")
    CHANGES[change](path)
    checked = one.check("end")
    assert (checked.changed, checked.digest_after) == ("yes", sha256(path.read_bytes()))


def test_a_rewrite_with_the_same_bytes_is_none_that_is_certain(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    one = digested(tmp_path, "a.csv")
    path.write_bytes(b"1,2\n")
    checked = one.check("end")
    assert (checked.changed, checked.because) == ("unknown", TOUCHED)
    assert checked.digest_after == sha256(path.read_bytes())


def test_a_file_that_is_gone_has_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    one = digested(tmp_path, "a.csv")
    path.unlink()
    checked = one.check("end")
    assert (checked.changed, checked.because) == ("yes", "it is gone")


@pytest.mark.scenario("X8")
def test_two_edits_within_one_tick_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for _ in range(50):
        path.write_bytes(b"1")
        one = digested(tmp_path, "a.csv")
        path.write_bytes(b"2")
        assert one.check("end").changed == "yes"


def test_an_edit_between_start_and_digest_is_a_change(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    (found,) = declare("a.csv", cwd=str(tmp_path))
    one = InputDigest(found)
    path.write_bytes(b"other")
    one.advance()
    checked = one.check("end")
    assert (checked.changed, checked.because) == ("yes", "it changed after the start, before it was digested")


def test_a_change_in_a_folder_is_seen(tmp_path: Path) -> None:
    write(tmp_path / "d/x/a.csv")
    one = digested(tmp_path, "d")
    assert (one.input.files, one.check("end").changed) == (1, "no")
    write(tmp_path / "d/x/b.csv")
    assert one.check("end").changed == "yes"


def test_a_file_that_may_not_be_read_says_so() -> None:
    with folder_of_nobody() as folder:
        write(folder / "a.csv").chmod(0)
        known = digested(folder, "a.csv").input
    assert (known.digest, known.because) == (None, "it could not be read: Permission denied")


@pytest.mark.scenario("J2")
def test_a_declared_output_that_is_never_written_is_missing(tmp_path: Path) -> None:
    (one,) = Expected("model=out/m.pt", cwd=str(tmp_path)).produced()
    artifact = one.artifact()
    assert (artifact.name, artifact.path, artifact.missing, artifact.digest) == ("model", "out/m.pt", True, None)
    assert artifact.because == "it was never written"


@pytest.mark.scenario("J2")
def test_what_was_there_before_and_was_not_touched_is_no_output(tmp_path: Path) -> None:
    write(tmp_path / "m.pt")
    expected = Expected("m.pt", cwd=str(tmp_path))
    (one,) = expected.produced()
    one.advance()
    assert one.artifact().missing
    assert one.artifact().because == "it was there before the run and was not written"
    (tmp_path / "m.pt").write_bytes(b"1,2\n")
    (one,) = expected.produced()
    one.advance()
    assert not one.artifact().missing


@pytest.mark.scenario("J2")
def test_a_folder_in_which_nothing_was_written_is_no_output_and_one_in_which_anything_was_is(tmp_path: Path) -> None:
    write(tmp_path / "o/deep/a.csv", b"1\n")
    write(tmp_path / "o/b.csv", b"2\n")
    expected = Expected("o", cwd=str(tmp_path))
    (one,) = expected.produced()
    assert (expected.untouched, one.missing) == (True, True)
    assert one.artifact().because == "it was there before the run and was not written"
    for change in (
        lambda: (tmp_path / "o/deep/a.csv").write_bytes(b"1\n"),  # The same bytes are written, too.
        lambda: (tmp_path / "o/deep/a.csv").rename(tmp_path / "o/deep/c.csv"),
        lambda: (tmp_path / "o/deep/c.csv").unlink(),
        lambda: (tmp_path / "o/b.csv").chmod(0o755),
    ):
        time.sleep(0.01)
        expected = Expected("o", cwd=str(tmp_path))
        change()
        assert (expected.untouched, expected.produced()[0].missing) == (False, False)


def test_a_folder_that_cannot_be_looked_at_in_time_counts_as_written(tmp_path: Path) -> None:
    write(tmp_path / "o/a.csv")
    assert folder_stats(str(tmp_path / "o")) == folder_stats(str(tmp_path / "o"))
    assert folder_stats(str(tmp_path / "o"), until=0) is None
    assert folder_stats(str(tmp_path / "nothing")) is None


@pytest.mark.scenario("J4")
def test_outputs_are_files_folders_and_links(tmp_path: Path) -> None:
    expected = Expected("out/*", cwd=str(tmp_path))
    write(tmp_path / "out/empty.png", b"")
    write(tmp_path / "out/plots/a.png", b"x")
    (tmp_path / "out/link.csv").symlink_to("empty.png")
    artifacts = []
    for one in expected.produced():
        assert one.advance()
        artifacts.append(one.artifact(succeeded=False))
    assert [(a.name, a.form, a.kind, a.size, a.files) for a in artifacts] == [
        ("out/empty.png", "file", "plot", 0, None),
        ("out/link.csv", "link", "table", 0, None),
        ("out/plots", "folder", "other", 1, 1),
    ]
    assert all(artifact.unfinished for artifact in artifacts)


@pytest.mark.parametrize(("name", "content"), [(".netrc", b"x"), ("key.txt", b"-----BEGIN PRIVATE" + b" KEY-----\n")])
def test_of_a_declared_file_of_secrets_there_is_no_digest_as_of_an_observed_one(
    tmp_path: Path, name: str, content: bytes
) -> None:
    write(tmp_path / name, content)
    one = digested(tmp_path, name)
    assert (one.input.digest, one.pending) == (None, False)
    assert (one.input.because or "").startswith("not digested: ")
    assert one.check("end").changed == "unknown"
