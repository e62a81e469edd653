"""Launchers, processors, batch jobs and variables, each by the words that they use."""

from __future__ import annotations

import pytest

from whence.records.environment import Accelerator
from whence.rules.hardware import cpu_model, from_driver_files, from_nvidia_smi, from_rocm_smi, hardware_class
from whence.rules.interpreters import launched, pyenv_choice, shebang, tool_run, venv_version
from whence.rules.packages import from_direct_url, from_folder, without_credentials
from whence.rules.schedulers import scheduler
from whence.rules.variables import ALLOWED, chosen

LAUNCHED = {
    "env -u X A=1 python x.py": ("python", "x.py"),
    "nohup python x.py": ("python", "x.py"),
    "nice -n 5 python x.py": ("python", "x.py"),
    "timeout -k 5 60 python x.py": ("python", "x.py"),
    "taskset -c 0-3 python x.py": ("python", "x.py"),
    "mpirun -np 4 python x.py": ("python", "x.py"),
    "srun --ntasks=2 -- python x.py": ("python", "x.py"),
    "python x.py": None,
}


@pytest.mark.parametrize("line", LAUNCHED)
def test_launchers_are_seen_through(line: str) -> None:
    words = line.split()
    assert launched(words[0], words) == LAUNCHED[line]


def test_what_a_project_tool_starts_is_told_with_the_options_that_choose_its_environment() -> None:
    run = tool_run("conda", ["conda", "run", "-n", "lab", "--no-capture-output", "python", "x.py"])
    assert run is not None
    assert (run.options, run.command) == ({"-n": "lab"}, ("python", "x.py"))
    assert tool_run("uv", ["uv", "sync"]) is None


SHEBANGS = {
    "plain": (b"#!/usr/bin/python3 -u\nx", ("/usr/bin/python3", "-u")),
    "env": (b"#!/usr/bin/env python\n", ("/usr/bin/env", "python")),
    "env -S": (b"#!/usr/bin/env -S python -u\n", ("/usr/bin/env", "python", "-u")),
    "a path too long for the kernel": (
        b"#!/bin/sh\n'''exec' '/long path/python' \"$0\" \"$@\"\n",
        ("/long path/python",),
    ),
    "no script": (b"\x7fELF", None),
}


@pytest.mark.parametrize("case", SHEBANGS)
def test_the_first_line_of_a_script_names_its_interpreter(case: str) -> None:
    head, words = SHEBANGS[case]
    assert shebang(head) == words


def test_versions_of_environments_and_of_pyenv() -> None:
    assert venv_version({"version_info": "3.12.1.final.0"}) == "3.12.1"
    assert venv_version({"version": "3.13.0rc2"}) == "3.13.0rc2"
    assert venv_version({"version": "3.13"}) is None
    assert pyenv_choice("3.1", ["3.1.9", "3.11.2", "3.1.10"]) == "3.1.10"


FOLDERS = {
    "ruamel.yaml-0.18.6.dist-info": ("ruamel-yaml", "0.18.6"),
    "torch-2.1.0+cu121.dist-info": ("torch", "2.1.0+cu121"),
    "My_Package-1.0-py3.11.egg-info": ("my-package", "1.0"),
    "old-1.0-py3.11-linux-x86_64.egg": ("old", "1.0"),
    "~umpy-2.0.dist-info": None,
    "nover.dist-info": None,
    "numpy.libs": None,
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folders_name_says_name_and_version(folder: str) -> None:
    assert from_folder(folder) == FOLDERS[folder]


def test_where_a_package_came_from() -> None:
    def read(text: bytes) -> object:
        p = from_direct_url("p", "1", text, lambda name, value: value)
        return (p.source, p.url, p.commit, p.digest)

    vcs = b'{"url":"https://ada:tok@git.example/p.git","vcs_info":{"vcs":"git","commit_id":"c0ffee"}}'
    assert read(vcs) == ("vcs", "https://git.example/p.git", "c0ffee", None)
    archive = b'{"url":"https://h.example/p.whl","archive_info":{"hash":"sha256=aa"}}'
    assert read(archive) == ("archive", "https://h.example/p.whl", None, "sha256:aa")
    assert read(b'{"url":"file:///p","dir_info":{"editable":true}}') == ("editable", "file:///p", None, None)
    assert read(b'{"url":"file:///p","dir_info":{}}') == ("local", "file:///p", None, None)
    with pytest.raises(ValueError, match="holds no object"):
        read(b"[]")


def test_an_ssh_user_is_no_secret_and_a_password_is() -> None:
    assert without_credentials("git+ssh://git@h.example/r.git") == "git+ssh://git@h.example/r.git"
    assert without_credentials("https://tok@h.example/r") == "https://h.example/r"


SMI = "NVIDIA H200, 143771, GPU-11, 570.86.15\nNVIDIA H200, [N/A], GPU-22, 570.86.15\n"


def test_the_hardware_class_is_architecture_models_and_driver() -> None:
    devices = from_nvidia_smi(SMI)
    assert [d.memory for d in devices] == [143771 << 20, None]
    assert hardware_class("x86_64", devices) == "x86_64/NVIDIA H200 x2/driver 570"
    assert hardware_class("aarch64", []) == "aarch64"


def test_garbage_from_a_vendors_program_is_refused() -> None:
    with pytest.raises(ValueError, match="nvidia-smi printed 'Segmentation fault'"):
        from_nvidia_smi("Segmentation fault\n")
    with pytest.raises(ValueError):
        from_rocm_smi(b"WARNING: no devices")


def test_drivers_files_and_rocm_give_devices() -> None:
    version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu\n"
    info = "Model: \t\t NVIDIA H200\nIRQ: 1\nGPU UUID: \t GPU-11aa\n"
    assert from_driver_files([info], version) == [
        Accelerator(vendor="NVIDIA", model="NVIDIA H200", uuid="GPU-11aa", driver="570.86.15")
    ]
    card = b'{"card0":{"Card Series":"MI300X","Unique ID":"0x1","VRAM Total Memory (B)":"8"}'
    assert from_rocm_smi(card + b',"system":{"Driver version":"6.8"}}') == [
        Accelerator(vendor="AMD", model="MI300X", memory=8, uuid="0x1", driver="6.8")
    ]


def test_processors_have_a_name_on_every_architecture() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: Xeon\nflags\t: fpu\n") == "Xeon"
    assert cpu_model("CPU implementer\t: 0x41\nCPU part\t: 0xd40\n") == "ARM part 0xd40"
    assert cpu_model("") is None


JOBS = {
    "slurm array": ({"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}, ("slurm", "5_2")),
    "pbs": ({"PBS_JOBID": "7.head"}, ("pbs", "7.head")),
    "lsf": ({"LSB_JOBID": "7"}, ("lsf", "7")),
    "sge": ({"JOB_ID": "7", "SGE_ROOT": "/sge"}, ("sge", "7")),
    "htcondor": ({"_CONDOR_SLOT": "slot1", "CLUSTERID": "9"}, ("htcondor", "9")),
    "kubernetes": ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "pod-1"}, ("kubernetes", "pod-1")),
    "a variable of that name without Grid Engine": ({"JOB_ID": "7"}, None),
}


@pytest.mark.scenario("G9")
@pytest.mark.parametrize("case", JOBS)
def test_the_batch_job_is_known_by_its_variables(case: str) -> None:
    environ, expected = JOBS[case]
    found = scheduler({**environ, "SLURM_JWT": "secret", "PATH": "/bin"})
    assert ((found.name, found.job) if found else None) == expected
    assert found is None or not {"SLURM_JWT", "PATH"} & found.facts.keys()


def test_only_listed_variables_are_read() -> None:
    environ = {"OMP_NUM_THREADS": "4", "AWS_SECRET_ACCESS_KEY": "s", "PATH": "/bin", "TF_VAR_password": "p"}
    assert list(chosen(environ, ALLOWED)) == ["OMP_NUM_THREADS", "PATH"]
    assert list(chosen({"AB": "", "AXC": "", "D": ""}, ["A?", "A*C"])) == ["AB", "AXC"]
