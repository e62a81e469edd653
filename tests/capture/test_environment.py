"""The environment of a command: a real virtual environment, fake trees of hosts, and programs that misbehave."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from whence.capture.environment import Captured, capture_environment
from whence.capture.hostfiles import HostFiles
from whence.capture.running import Running
from whence.digests import digest_of
from whence.records.encoding import decode
from whence.records.environment import Package, Software

Capture = Callable[..., Captured]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": str(tmp_path)}


@pytest.fixture
def capture(tmp_path: Path, environ: dict[str, str]) -> Capture:
    """Captures a command below `tmp_path`; the host's files are those of the folder `host`."""
    (tmp_path / "host").mkdir()

    def do(program: str | None, *argv: str, cwd: Path = tmp_path, deadline: float = 5.0, **more: str) -> Captured:
        return capture_environment(
            program=program,
            argv=[program or "", *argv],
            cwd=cwd,
            root=tmp_path,
            environ={**environ, **more},
            mask=lambda name, value: "***" if "hunter2" in value else value,
            deadline=deadline,
            files=HostFiles(tmp_path / "host"),
        )

    return do


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A virtual environment as `python -m venv` makes it, without pip."""
    folder = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


def _install(venv: Path, name: str, version: str, direct_url: object = None, *, metadata: bool = True) -> None:
    folder = _site(venv) / f"{name}-{version}.dist-info"
    folder.mkdir()
    if metadata:
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if direct_url is not None:
        (folder / "direct_url.json").write_text(json.dumps(direct_url))


def _site(venv: Path) -> Path:
    return next(venv.glob("lib/python*/site-packages"))


def _packages(captured: Captured) -> list[Package]:
    return decode(captured.software, Software).packages


def _because(captured: Captured, what: str) -> list[str]:
    return [missing.because for missing in captured.missing if missing.what == what]


def _program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.mark.scenario("G2")
def test_the_packages_are_those_that_the_interpreter_itself_lists(capture: Capture, venv: Path) -> None:
    for name, version in (("Ruamel.yaml", "0.18.6"), ("numpy", "2.1.0"), ("torch", "2.1.0+cu121")):
        _install(venv, name, version)
    question = (
        "import re,importlib.metadata as m;"
        "print(sorted((re.sub('[-_.]+','-',d.name).lower(),d.version) for d in m.distributions()))"
    )
    said = subprocess.run([venv / "bin/python", "-c", question], check=True, capture_output=True, text=True).stdout
    captured = capture(str(venv / "bin/python"), "x.py")
    assert str([(p.name, p.version) for p in _packages(captured)]) == said.strip()


def test_the_environment_is_the_commands_and_not_ours(capture: Capture, venv: Path) -> None:
    python = capture(str(venv / "bin/python"), "x.py").environment.python
    assert python is not None
    assert (python.prefix, python.version) == (str(venv), sys.version.split()[0])
    assert "whence" not in {p.name for p in _packages(capture(str(venv / "bin/python")))}


@pytest.mark.scenario("G2")
def test_every_source_of_a_package_is_told(capture: Capture, venv: Path, tmp_path: Path) -> None:
    _install(venv, "a", "1", {"url": "file:///src/a", "dir_info": {"editable": True}})
    _install(venv, "b", "1", {"url": "https://ada:tok@git.example/b", "vcs_info": {"vcs": "git", "commit_id": "c0f"}})
    _install(venv, "c", "1", metadata=False)
    _install(venv, "d", "1")
    (_site(venv) / "d-1.dist-info" / "direct_url.json").write_text("{torn")
    project = tmp_path / "old"
    (project / "e.egg-info").mkdir(parents=True)
    (project / "e.egg-info" / "PKG-INFO").write_text("Name: e\nVersion: 3\n")
    (_site(venv) / "e.egg-link").write_text(f"{project}\n.\n")
    captured = capture(str(venv / "bin/python"))
    assert [(p.name, p.version, p.source, p.url, p.commit) for p in _packages(captured)] == [
        ("a", "1", "editable", None, None),
        ("b", "1", "vcs", "https://git.example/b", "c0f"),
        ("c", "1", "index", None, None),
        ("d", "1", "unknown", None, None),
        ("e", "3", "editable", None, None),
    ]
    assert captured.environment.local_packages == {"a": "file:///src/a", "e": f"file://{project}"}
    assert "d-1.dist-info/direct_url.json" in _because(captured, "environment.packages")[0]


COMMANDS = {
    "a script by its first line": (["bin/tool"], "#! of tool"),
    "env": (["/usr/bin/env", "A=1", "bin/python", "x.py"], "the program"),
    "nohup": (["/usr/bin/nohup", "bin/python", "x.py"], "the program"),
    "a shell, by the active environment": (["/bin/sh", "train.sh"], "VIRTUAL_ENV"),
    "uv run": (["uv", "run", "x.py"], "uv run"),
}


@pytest.mark.scenario("A10")
@pytest.mark.parametrize("case", COMMANDS)
def test_launchers_and_scripts_lead_to_the_interpreter(case: str, capture: Capture, venv: Path, tmp_path: Path) -> None:
    words, evidence = COMMANDS[case]
    (venv / "bin/tool").write_text(f"#!{venv}/bin/python\n")
    (venv / "bin/tool").chmod(0o755)
    _program(tmp_path / "bin/uv", "exit 1")
    here = [str(venv / word) if word.startswith("bin/") else word for word in words]
    program = str(tmp_path / "bin/uv") if here[0] == "uv" else here[0]
    captured = capture(program, *here[1:], VIRTUAL_ENV=str(venv), UV_PROJECT_ENVIRONMENT=str(venv))
    python = captured.environment.python
    assert python is not None
    assert (python.prefix, python.evidence) == (str(venv), evidence)


def test_an_interpreter_of_a_strange_layout_is_asked(capture: Capture, tmp_path: Path) -> None:
    (tmp_path / "shim").mkdir()
    _program(tmp_path / "shim/python3", f'exec {sys.executable} "$@"')
    python = capture(str(tmp_path / "shim/python3"), "x.py").environment.python
    assert python is not None
    assert (python.version, python.prefix) == (sys.version.split()[0], sys.prefix)


@pytest.mark.scenario("G10")
def test_an_interpreter_that_hangs_is_given_up(capture: Capture, tmp_path: Path) -> None:
    (tmp_path / "shim").mkdir()
    _program(tmp_path / "shim/python3", "sleep 60")
    captured = capture(str(tmp_path / "shim/python3"), "x.py", deadline=0.2)
    assert captured.environment.python is None
    assert "did not end within" in _because(captured, "environment.python")[0]
    assert captured.environment.os is not None


@pytest.mark.scenario("G1")
def test_a_command_that_is_no_python_still_gets_host_container_and_hardware(capture: Capture, tmp_path: Path) -> None:
    (tmp_path / "host" / ".dockerenv").touch()
    environment = capture("/bin/true").environment
    assert environment.python is None
    assert environment.hardware is not None
    assert environment.hardware.cores
    assert environment.container is not None
    assert environment.container.evidence == "/.dockerenv"
    assert environment.hardware_class == os.uname().machine


def test_a_block_of_our_own_process_describes_this_interpreter(capture: Capture, tmp_path: Path) -> None:
    running = Running(
        version=sys.version,
        implementation="CPython",
        executable=sys.executable,
        prefix=sys.prefix,
        base_prefix=sys.base_prefix,
        path=sys.path,
    )
    captured = capture_environment(
        program=None,
        argv=[],
        cwd=tmp_path,
        root=tmp_path,
        environ={},
        mask=lambda name, value: value,
        running=running,
        files=HostFiles(tmp_path),
    )
    assert "msgspec" in {p.name for p in _packages(captured)}


@pytest.mark.scenario("M10")
def test_the_fingerprint_is_of_the_software_and_not_of_the_place(capture: Capture, venv: Path, tmp_path: Path) -> None:
    _install(venv, "numpy", "2.1.0")
    _install(venv, "mine", "1", {"url": "file:///home/ada/mine", "dir_info": {"editable": True}})
    first = capture(str(venv / "bin/python")).environment
    other = tmp_path / "elsewhere"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(other)], check=True)
    _install(other, "numpy", "2.1.0")
    _install(other, "mine", "1", {"url": "file:///home/bob/mine", "dir_info": {"editable": True}})
    again = capture(str(other / "bin/python")).environment
    assert first.fingerprint == again.fingerprint
    _install(other, "extra", "1")
    assert capture(str(other / "bin/python")).environment.fingerprint != first.fingerprint


def test_the_fingerprint_is_the_digest_of_the_kept_document(capture: Capture) -> None:
    captured = capture("/bin/true")
    assert captured.environment.fingerprint == digest_of(captured.software)


@pytest.mark.scenario("S23", "G4")
def test_variables_are_listed_ones_and_masked(capture: Capture) -> None:
    captured = capture("/bin/true", AWS_SECRET_ACCESS_KEY="abc", OMP_NUM_THREADS="4", LD_LIBRARY_PATH="hunter2")
    assert "AWS_SECRET_ACCESS_KEY" not in captured.environment.variables
    assert captured.environment.variables["LD_LIBRARY_PATH"] == "***"
    assert captured.environment.settings["loader"] == {"LD_LIBRARY_PATH": "***"}
    assert captured.environment.settings["threads"] == {"OMP_NUM_THREADS": "4"}


# --- lock files

LOCK = """[[package]]
name = "demo"
version = "0"
source = { editable = "." }
dependencies = [
    { name = "numpy" },
]

[[package]]
name = "numpy"
version = "2.1.0"
"""


@pytest.mark.scenario("G3", "S22")
def test_the_nearest_lock_is_kept_and_held_against_the_environment(
    capture: Capture, venv: Path, tmp_path: Path
) -> None:
    (tmp_path / "poetry.lock").write_text('[[package]]\nname = "x"\nversion = "1"\n')
    nested = tmp_path / "sub" / "deep"
    nested.mkdir(parents=True)
    (tmp_path / "sub" / "uv.lock").write_text(LOCK)
    (tmp_path / "sub" / "requirements.txt").write_text("numpy==2.1.0 --hash=sha256:aa\n")
    _install(venv, "numpy", "2.0.2")
    captured = capture(str(venv / "bin/python"), cwd=nested)
    lock = captured.environment.lock
    assert lock is not None
    assert (lock.path, lock.agrees, lock.mismatches) == ("sub/uv.lock", False, ["numpy: locked 2.1.0, installed 2.0.2"])
    assert captured.lock_bytes[lock.digest] == LOCK.encode()
    assert [other.path for other in captured.environment.locks] == ["sub/requirements.txt"]


PINNED = {
    "one that differs": ("numpy==1.0.0\n", False, ["numpy: locked 1.0.0, installed 2.4.6"], None),
    "one that is not there": ("lightning==2.0\n", False, ["lightning: locked 2.0, not installed"], None),
    "all agree": ("# by hand\nnumpy==2.4.6  # for the fit\ncolorama==0.4; sys_platform == 'win32'\n", True, [], None),
    "some are ranges": (
        "-c more.txt\nnumpy==2.4.6\npandas>=2  # tables\ntorch==2.*\nscipy==1.1,<2\nflask\n",
        None,
        [],
        (
            "what it pins agrees with what is installed;"
            " not pinned to a version: pandas>=2, torch==2.*, scipy==1.1,<2 and 1 more"
        ),
    ),
}


@pytest.mark.scenario("S22")
@pytest.mark.parametrize("case", PINNED)
def test_pins_without_hashes_are_kept_and_held_against_the_environment(
    case: str, capture: Capture, venv: Path, tmp_path: Path
) -> None:
    text, agrees, mismatches, because = PINNED[case]
    (tmp_path / "requirements.txt").write_text(text)
    (tmp_path / "requirements-dev.txt").write_text("pytest==1.0\n")
    (tmp_path / "requirements-docs.txt").write_text("sphinx\n")
    _install(venv, "numpy", "2.4.6")
    captured = capture(str(venv / "bin/python"))
    [lock, other] = [captured.environment.lock, *captured.environment.locks]
    assert lock is not None and other is not None
    assert (lock.path, lock.agrees, lock.mismatches, lock.because) == ("requirements.txt", agrees, mismatches, because)
    assert captured.lock_bytes[lock.digest] == text.encode()
    assert (other.path, other.agrees) == ("requirements-dev.txt", True)


@pytest.mark.scenario("S22")
def test_no_lock_is_no_fault_and_a_broken_one_says_why(capture: Capture, venv: Path, tmp_path: Path) -> None:
    assert capture(str(venv / "bin/python")).environment.lock is None
    (tmp_path / "Pipfile.lock").write_text("{torn")
    os.mkfifo(tmp_path / "uv.lock")
    captured = capture(str(venv / "bin/python"))
    assert captured.environment.lock is not None
    assert captured.environment.lock.because == f"{tmp_path}/uv.lock: it is a pipe, not a regular file"
    assert (captured.environment.locks[0].because or "").startswith("it could not be read: ")


def test_a_lock_with_credentials_is_kept_without_them(capture: Capture, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-i https://ada:hunter2@h.example/\nnumpy==1 --hash=sha256:aa\n")
    captured = capture("/bin/true")
    lock = captured.environment.lock
    assert lock is not None and lock.kept is not None and lock.kept != lock.digest
    assert b"hunter2" not in captured.lock_bytes[lock.kept]


# --- accelerators

SMI = {
    "it hangs": ("sleep 60", "nvidia-smi: nvidia-smi did not end within 0.3 s"),
    "it crashes": ("kill -SEGV $$", "nvidia-smi: ended with -11"),
    "it prints garbage": (
        "echo 'Failed to initialize NVML'",
        "nvidia-smi: nvidia-smi printed 'Failed to initialize NVML'",
    ),
    "it fails": ("echo 'No devices were found' >&2; exit 6", "nvidia-smi: No devices were found"),
}


@pytest.mark.scenario("G1", "G10")
@pytest.mark.parametrize("case", SMI)
def test_a_broken_nvidia_smi_is_stated_and_nothing_else_is_lost(case: str, capture: Capture, tmp_path: Path) -> None:
    body, because = SMI[case]
    _program(tmp_path / "bin/nvidia-smi", body)
    captured = capture("/bin/true", deadline=0.3 if case == "it hangs" else 5.0)
    assert captured.environment.accelerators == []
    assert _because(captured, "environment.accelerators")[0] == because
    assert captured.environment.os is not None


def test_a_working_nvidia_smi_gives_the_devices(capture: Capture, tmp_path: Path) -> None:
    _program(tmp_path / "bin/nvidia-smi", "echo 'NVIDIA H200, 143771, GPU-11, 570.86.15'")
    environment = capture("/bin/true").environment
    assert environment.hardware_class == f"{os.uname().machine}/NVIDIA H200 x1/driver 570"
    assert environment.drivers == {"nvidia": "570.86.15"}


def test_a_machine_without_accelerators_says_so_once(capture: Capture) -> None:
    captured = capture("/bin/true")
    assert captured.environment.accelerators == []
    assert _because(captured, "environment.accelerators") == [
        "not available: no device, driver, library or program of NVIDIA or AMD was found"
    ]


NVML = r"""
#include <string.h>
#include <stdlib.h>
#include <unistd.h>
static int say(char *b, const char *s) { strcpy(b, s); return 0; }
int nvmlInit_v2(void) {
  const char *mood = getenv("MOOD");
  if (mood && !strcmp(mood, "crash")) abort();
  if (mood && !strcmp(mood, "hang")) sleep(60);
  return mood && !strcmp(mood, "fail") ? 9 : 0;
}
int nvmlSystemGetCudaDriverVersion_v2(int *v) { *v = 12080; return 0; }
int nvmlSystemGetDriverVersion(char *b, unsigned n) { return say(b, "570.86.15"); }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) { *h = (void *)(long)(i + 1); return 0; }
int nvmlDeviceGetName(void *h, char *b, unsigned n) { return say(b, "NVIDIA H200"); }
int nvmlDeviceGetUUID(void *h, char *b, unsigned n) { return say(b, (long)h == 1 ? "GPU-1" : "GPU-2"); }
int nvmlDeviceGetMemoryInfo(void *h, unsigned long long *m) { m[0] = 1024; return 0; }
"""


@pytest.fixture
def nvml(tmp_path: Path) -> str:
    """A folder with a management library of two devices, whose mood is set by a variable."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to make a library with")
    folder = tmp_path / "nvml"
    folder.mkdir()
    (folder / "nvml.c").write_text(NVML)
    command = ["gcc", "-shared", "-fPIC", "-w", "-o", str(folder / "libnvidia-ml.so.1"), str(folder / "nvml.c")]
    subprocess.run(command, check=True)
    return str(folder)


def test_the_management_library_is_asked_first(capture: Capture, nvml: str) -> None:
    captured = capture("/bin/true", LD_LIBRARY_PATH=nvml)
    devices = captured.environment.accelerators
    assert [(d.model, d.memory, d.uuid, d.driver, d.runtime) for d in devices] == [
        ("NVIDIA H200", 1024, "GPU-1", "570.86.15", "CUDA 12.8"),
        ("NVIDIA H200", 1024, "GPU-2", "570.86.15", "CUDA 12.8"),
    ]
    assert captured.environment.drivers == {"nvidia": "570.86.15", "cuda": "12.8"}


@pytest.mark.scenario("G1", "G10")
@pytest.mark.parametrize(
    "mood, because",
    [("crash", "NVML: ended with -6"), ("hang", "did not end within"), ("fail", "NVML: nvmlInit_v2 answered 9")],
)
def test_a_broken_driver_harms_only_its_own_process(mood: str, because: str, capture: Capture, nvml: str) -> None:
    captured = capture("/bin/true", LD_LIBRARY_PATH=nvml, MOOD=mood, deadline=1.0 if mood == "hang" else 5.0)
    assert because in _because(captured, "environment.accelerators")[0]


# --- containers

DIGEST = "sha256:" + "1" * 64


@pytest.mark.scenario("M6", "S21")
def test_a_digest_that_the_launcher_mounts_is_observed_and_one_in_the_image_is_not(
    capture: Capture, tmp_path: Path
) -> None:
    host = tmp_path / "host"
    (host / "run/whence").mkdir(parents=True)
    (host / "run/whence/image").write_text(f"lab/train@{DIGEST}\n")
    assert capture("/bin/true").environment.container is None
    (host / "proc/self").mkdir(parents=True)
    (host / "proc/self/mountinfo").write_text("1 2 0:1 / /run/whence/image ro - tmpfs t ro\n")
    container = capture("/bin/true").environment.container
    assert container is not None
    assert (container.image, container.digest, container.how) == ("lab/train", DIGEST, "observed")


@pytest.mark.scenario("M10")
def test_one_image_is_one_fingerprint_whatever_the_container(capture: Capture, tmp_path: Path) -> None:
    fingerprints: set[str | None] = set()
    (tmp_path / "host/run").mkdir()
    for identifier in ("a" * 64, "b" * 64):
        text = f'engine="podman-5.0"\nid="{identifier}"\nimage="lab/train@{DIGEST}"\n'
        (tmp_path / "host/run/.containerenv").write_text(text)
        environment = capture("/bin/true").environment
        assert environment.container is not None
        assert environment.container.id == identifier
        fingerprints.add(environment.fingerprint)
    assert len(fingerprints) == 1


@pytest.mark.scenario("M1", "M7")
def test_declared_values_are_ignored_without_a_container_and_contradictions_are_stated(
    capture: Capture, tmp_path: Path
) -> None:
    assert capture("/bin/true", WHENCE_IMAGE_DIGEST=DIGEST).environment.container_declared is None
    captured = capture("/bin/true", WHENCE_IMAGE_DIGEST=DIGEST, APPTAINER_CONTAINER=f"lab@sha256:{'2' * 64}")
    assert captured.environment.container_declared is not None
    assert "WHENCE_IMAGE_DIGEST declares" in _because(captured, "environment.container_declared")[0]


# --- settings


@pytest.mark.scenario("G7")
def test_limits_zone_and_control_groups_are_settings(capture: Capture, tmp_path: Path) -> None:
    host = tmp_path / "host"
    (host / "etc").mkdir()
    (host / "etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    (host / "proc/self").mkdir(parents=True)
    (host / "proc/self/cgroup").write_text("0::/job/step\n")
    (host / "sys/fs/cgroup/job/step").mkdir(parents=True)
    (host / "sys/fs/cgroup/job/cpu.max").write_text("150000 100000\n")
    (host / "sys/fs/cgroup/job/step/memory.max").write_text("1073741824\n")
    settings = capture("/bin/true", TZ="UTC").environment.settings
    assert settings["time_zone"] == {"TZ": "UTC", "local": "Europe/Berlin"}
    assert settings["cgroup"] == {"cpu": 1.5, "memory": 1 << 30}
    assert "nofile" in settings["limits"]


@pytest.mark.scenario("G7", "G9")
def test_modules_and_the_batch_job_are_recorded(capture: Capture) -> None:
    environment = capture("/bin/true", LOADEDMODULES="gcc/12:cuda/12.4", SLURM_JOB_ID="7").environment
    assert environment.modules == ["gcc/12", "cuda/12.4"]
    assert environment.scheduler is not None
    assert (environment.scheduler.name, environment.scheduler.job) == ("slurm", "7")


def test_conda_packages_come_from_its_own_records(capture: Capture, tmp_path: Path) -> None:
    prefix = tmp_path / "conda"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib/python3.12/site-packages/numpy-2.1.0.dist-info").mkdir(parents=True)
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta/python-3.12.4-h1_0_cpython.json").write_text("{}")
    url = "https://conda.example/linux-64/numpy-2.1.0-py312_0.conda"
    facts = {"files": ["x"] * 2000, "sha256": "a" * 64, "url": url}
    (prefix / "conda-meta/numpy-2.1.0-py312_0.json").write_text(json.dumps(facts, indent=2))
    (prefix / "bin/python3.12").write_bytes(b"\x7fELF")
    (prefix / "bin/python3.12").chmod(0o755)
    captured = capture(str(prefix / "bin/python3.12"))
    assert captured.environment.python is not None
    assert captured.environment.python.version == "3.12.4"
    assert _packages(captured) == [
        Package(name="numpy", version="2.1.0", source="conda", url=url, digest="sha256:" + "a" * 64),
        Package(name="python", version="3.12.4", source="conda"),
    ]
