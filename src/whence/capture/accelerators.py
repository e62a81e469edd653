"""GPUs: NVIDIA's through NVML, else `nvidia-smi`, else the driver's files; AMD's through `rocm-smi`.

Nothing is started on a machine that shows no trace of a device. What is started has a time limit, and NVML is asked
from a process of its own (`nvml.py`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from ..records.environment import Accelerator
from ..rules.hardware import (
    NVIDIA_QUERY,
    driver_version,
    from_driver_files,
    from_nvidia_smi,
    from_nvml,
    from_rocm_smi,
)
from ..system.processes import find_program, run
from .attempts import FAULTS, Attempts, reason
from .hostfiles import HostFiles

LIMIT = 2.0
"""Seconds for each program."""

WHAT = "environment.accelerators"

_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/lib/libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
)


class Devices(msgspec.Struct, kw_only=True):
    """The accelerators and the versions of their drivers."""

    accelerators: list[Accelerator] = []
    drivers: dict[str, str] = {}


def read_accelerators(environ: Mapping[str, str], files: HostFiles, attempts: Attempts) -> Devices:
    """The accelerators that this process can see. What was tried and failed stands in `attempts.missing`."""
    devices = _toolkit(files)
    found = False
    if _nvidia_traces(environ, files):
        found = True
        _add(devices, _first_answer(_nvidia_ways(environ, files, attempts), attempts))
    if files.exists("/dev/kfd") or find_program("rocm-smi", environ):
        found = True
        _add(devices, _first_answer([("rocm-smi", lambda: _ask_rocm_smi(environ, attempts))], attempts))
    if not found:
        attempts.failed(WHAT, "not available: no device, driver, library or program of NVIDIA or AMD was found")
    return devices


def _add(devices: Devices, more: Devices | None) -> None:
    if more:
        devices.accelerators += more.accelerators
        devices.drivers.update(more.drivers)


def _toolkit(files: HostFiles) -> Devices:
    """The CUDA toolkit of the machine, which wheels that carry their own do not use."""
    text = files.text("/usr/local/cuda/version.json")
    version = re.search(r'"cuda"\s*:\s*\{[^}]*"version"\s*:\s*"([^"]+)"', text) if text else None
    return Devices(drivers={"cuda_toolkit": version[1]} if version else {})


def _nvidia_traces(environ: Mapping[str, str], files: HostFiles) -> bool:
    return (
        files.exists("/proc/driver/nvidia/version")
        or any(name.startswith("nvidia") and name[6:].isdigit() for name in files.names("/dev"))
        or files.exists("/dev/dxg")
        or _has_library(environ, files)
        or find_program("nvidia-smi", environ) is not None
    )


def _has_library(environ: Mapping[str, str], files: HostFiles) -> bool:
    named = [Path(folder) / "libnvidia-ml.so.1" for folder in environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    return any(files.exists(name) for name in _LIBRARIES) or any(path.exists() for path in named)


Way = tuple[str, Callable[[], Devices]]


def _nvidia_ways(environ: Mapping[str, str], files: HostFiles, attempts: Attempts) -> list[Way]:
    """From the fullest answer to the safest."""
    ways: list[Way] = []
    if _has_library(environ, files):
        ways.append(("NVML", lambda: _ask_nvml(environ, attempts)))
    if find_program("nvidia-smi", environ):
        ways.append(("nvidia-smi", lambda: _ask_nvidia_smi(environ, attempts)))
    ways.append(("/proc/driver/nvidia", lambda: _read_driver_files(files)))
    return ways


def _first_answer(ways: list[Way], attempts: Attempts) -> Devices | None:
    """The first way that works; the failures before it are stated, since they are faults of the machine."""
    for name, ask in ways:
        try:
            return ask()
        except FAULTS as error:
            attempts.failed(WHAT, f"{name}: {reason(error)}")
    return None


def _ask_nvml(environ: Mapping[str, str], attempts: Attempts) -> Devices:
    probe = str(Path(__file__).with_name("nvml.py"))
    done = run([sys.executable, "-I", "-S", probe], seconds=attempts.seconds(LIMIT), environ=environ)
    if not done.ok:
        raise ValueError(_last_line(done.err) or f"ended with {done.code}")
    accelerators, drivers = from_nvml(done.out)
    return Devices(accelerators=accelerators, drivers=drivers)


def _ask_nvidia_smi(environ: Mapping[str, str], attempts: Attempts) -> Devices:
    command = ["nvidia-smi", f"--query-gpu={NVIDIA_QUERY}", "--format=csv,noheader,nounits"]
    done = run(command, seconds=attempts.seconds(LIMIT), environ=environ)
    if not done.ok:
        raise ValueError(_last_line(done.err) or _last_line(done.out) or f"ended with {done.code}")
    accelerators = from_nvidia_smi(done.out.decode("utf-8", "replace"))
    driver = next((a.driver for a in accelerators if a.driver), None)
    return Devices(accelerators=accelerators, drivers={"nvidia": driver} if driver else {})


def _read_driver_files(files: HostFiles) -> Devices:
    folder = "/proc/driver/nvidia/gpus"
    texts = [text for name in files.names(folder) if (text := files.text(f"{folder}/{name}/information"))]
    version = files.text("/proc/driver/nvidia/version") or ""
    if not texts:
        raise LookupError("it lists no device")
    driver = driver_version(version)
    return Devices(accelerators=from_driver_files(texts, version), drivers={"nvidia": driver} if driver else {})


def _ask_rocm_smi(environ: Mapping[str, str], attempts: Attempts) -> Devices:
    options = ["--showproductname", "--showuniqueid", "--showmeminfo", "vram", "--showdriverversion", "--json"]
    done = run(["rocm-smi", *options], seconds=attempts.seconds(LIMIT), environ=environ)
    if not done.ok:
        raise ValueError(_last_line(done.err) or f"ended with {done.code}")
    accelerators = from_rocm_smi(done.out)
    driver = next((a.driver for a in accelerators if a.driver), None)
    return Devices(accelerators=accelerators, drivers={"amdgpu": driver} if driver else {})


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else ""
