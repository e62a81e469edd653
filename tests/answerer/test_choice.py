"""Which mechanism is chosen, and that a command runs all the same where none can be used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from compiling import compiled, needs_compiler
from forbidding import forbidding, without_strace
from observed import SUPERVISE

from whence.answerer.privileged import capable, needs_privileges
from whence.recorder import choosing
from whence.recorder.choosing import Choice, choose, kernel
from whence.recorder.hooked import NOBODY, ONLY_PYTHON

SECCOMP = 317
"""seccomp(2) on x86-64."""

REASONS = {
    "no seccomp at all": (38, "this kernel has no seccomp"),
    "forbidden": (1, "seccomp is forbidden here"),
    "an older filter": (22, "this kernel does not have the filter that is needed"),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="that number")
@pytest.mark.parametrize(("error", "because"), REASONS.values(), ids=REASONS.keys())
class TestWhereTheCallIsRefused:
    """The command runs, and the reason is named."""

    def run(self, observed: Any, error: int) -> None:
        command = observed.argv("sh", "-c", "echo fine > out; echo fine; exit 3")
        argv = forbidding(SECCOMP, error, *command)
        done = subprocess.run(argv, cwd=observed.work, env=observed.environ, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (3, b"fine\n", b"")

    @pytest.mark.skipif(not shutil.which("strace"), reason="this is about strace")
    def test_strace_sees_it(self, observed: Any, error: int, because: str) -> None:
        self.run(observed, error)
        told = observed.observation
        assert (told["mechanism"], told["because"], told["gaps"]) == ("strace", f"seccomp: {because}", [])
        assert observed.ops(observed.work / "out") == ["create"]

    def test_only_python_programs_see_it_where_there_is_no_strace(
        self, observed: Any, error: int, because: str, tmp_path: Path
    ) -> None:
        observed.environ["PATH"] = without_strace(tmp_path / "bin")
        self.run(observed, error)
        told = observed.observation
        said = f"seccomp: {because}; strace: there is no strace on PATH"
        assert (told["mechanism"], told["because"], told["gaps"]) == ("python", said, [ONLY_PYTHON, NOBODY])


def test_under_an_observed_run_another_one_runs_without_stopping_every_call(observed: Any, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    command = [sys.executable, str(SUPERVISE), str(inner), "sh", "-c", "echo fine > out"]
    done = observed.run("env", "OBSERVE=auto", *command)
    assert (done.returncode, done.stderr) == (0, b"")
    assert observed.ops(observed.work / "out") == ["create"]
    told = (inner / "events.jsonl").read_text()
    assert "seccomp: another program watches this one already" in told
    assert "strace: " in told


@pytest.mark.scenario("X4")
def test_a_self_test_that_fails_starts_the_command_afresh_and_unobserved(observed: Any) -> None:
    patch = "from whence.answerer import answer\nanswer.KNOWN = b'/something else'"
    done = observed.run_patched(patch, "sh", "-c", "echo fine; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"fine\n", b"")
    assert (observed.observation["mechanism"], observed.observation["because"]) == ("none", "a known call was not seen")


def test_without_ctypes_the_command_runs_unobserved(observed: Any) -> None:
    done = observed.run_patched("sys.modules['ctypes'] = None", "sh", "-c", "echo fine; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"fine\n", b"")
    assert observed.observation["because"].startswith("it could not be begun: ")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can be somebody else")
class TestWithoutPrivileges:
    """As nobody, who must give up gaining privileges."""

    NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

    @pytest.fixture
    def nobody(self, observed: Any) -> Any:
        for folder in (observed.folder, observed.work):
            os.chown(folder, 65534, 65534)
        for above in observed.work.parents:
            if above != Path("/") and not above.stat().st_mode & 0o1:
                above.chmod(above.stat().st_mode | 0o11)
        reached = subprocess.run([*self.NOBODY, *observed.argv("true")], capture_output=True, check=False)
        if reached.returncode:
            pytest.skip(f"this checkout, or its interpreter, lies where another account may not go: {reached.stderr!r}")
        return observed

    def run(self, observed: Any, *command: str) -> subprocess.CompletedProcess[bytes]:
        argv = [*self.NOBODY, *observed.argv(*command)]
        return subprocess.run(argv, cwd=observed.work, env=observed.environ, capture_output=True, check=False)

    def test_a_command_is_observed(self, nobody: Any) -> None:
        done = self.run(nobody, "sh", "-c", "echo x > out; cat out; grep NoNewPrivs /proc/self/status")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"x\nNoNewPrivs:\t1\n", b"")
        assert nobody.ops(nobody.work / "out") == ["create", "read"]

    @needs_compiler
    def test_a_program_that_may_not_be_looked_at_is_told_by_its_name(self, nobody: Any) -> None:
        (nobody.work / "file").write_text("content")
        source = """
        #include <fcntl.h>
        #include <sys/prctl.h>
        int main(void) {
            prctl(PR_SET_DUMPABLE, 0);
            return open("file", O_RDONLY) < 0 || open("out", O_WRONLY | O_CREAT, 0600) < 0;
        }
        """
        done = self.run(nobody, compiled(nobody.work, source))
        assert (done.returncode, done.stderr) == (0, b"")
        hidden = [(one.op, one.because) for one in nobody.seen if not one.path]
        assert hidden == [("read", "program: Permission denied")] * 2

    def test_what_lies_in_a_folder_that_keeps_it_out_was_not_read(self, nobody: Any) -> None:
        closed = nobody.work / "closed"
        closed.mkdir(mode=0o700)
        (closed / "there.csv").write_text("1\n")
        done = self.run(nobody, "cat", str(closed / "there.csv"), str(closed / "never.csv"))
        assert done.returncode == 1
        seen = [one for name in ("there.csv", "never.csv") for one in nobody.of(closed / name)]
        assert [(one.identity, one.because) for one in seen] == [(None, "")] * 2

    def test_a_program_that_lives_from_privileges_keeps_them(self, nobody: Any) -> None:
        program = nobody.work / "mine"
        shutil.copy("/usr/bin/id", program)
        program.chmod(0o4755)
        done = self.run(nobody, str(program), "-u")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"0\n", b"")
        said = "mine changes its user or group when it starts"
        assert nobody.observation["because"] == f"seccomp: {said}; strace: {said}"


def test_off_is_off_and_auto_says_what_stood_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose("off", None) == Choice("none", "it is switched off")
    monkeypatch.setenv("PATH", "/nowhere")
    assert choose("strace", None) == Choice("none", "strace: there is no strace on PATH")
    monkeypatch.setattr(choosing, "OLDEST", (99, 0))
    assert choose("seccomp", None) == Choice("none", f"seccomp: Linux {os.uname().release} is older than 99.0")
    barred = {"python": "observe_python is off"}
    assert choose("python", None, barred) == Choice("none", "python: observe_python is off")
    assert choose("python", None) == Choice("python")
    monkeypatch.setattr(choosing, "MECHANISMS", {"one": lambda program: "not here", "two": lambda program: ""})
    assert choose("auto", None) == Choice("two", "one: not here")


@pytest.mark.parametrize(
    ("release", "expected"), [("6.1.0-18-amd64", (6, 1)), ("5.15.0", (5, 15)), ("4.4-gvisor", (4, 4)), ("odd", ())]
)
def test_a_kernels_release_is_read(release: str, expected: tuple[int, ...]) -> None:
    assert kernel(release) == expected


PROGRAMS = {
    "set-user-id": (0o4755, b"", "changes its user or group when it starts"),
    "set-group-id": (0o2755, b"", "changes its user or group when it starts"),
    "sudo": (0o755, b"", "must be able to gain privileges"),
    "tool.AppImage": (0o755, b"", "must be able to gain privileges"),
    "plain": (0o755, b"", ""),
    "script": (0o755, b"#!/bin/sh -e\n", ""),
    "script of sudo": (0o755, b"#!/usr/bin/sudo /bin/sh\n", "sudo must be able to gain privileges"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_that_need_privileges_are_known(tmp_path: Path, name: str) -> None:
    mode, content, because = PROGRAMS[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / name).chmod(mode)
    assert needs_privileges(str(tmp_path / name)).endswith(because)
    assert bool(needs_privileges(str(tmp_path / name))) == bool(because)


def test_capabilities_are_read() -> None:
    assert capable(b"CapPrm:\t0\nCapEff:\t0000000000200000\n", 21)
    assert not capable(b"CapEff:\t0000000000200000\n", 19)
    assert not capable(b"", 21)
