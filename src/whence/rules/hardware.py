"""Processors and accelerators, from the words of the kernel and of the vendors' programs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..records.environment import Accelerator

NVIDIA_QUERY = "name,memory.total,uuid,driver_version"
"""The columns that `from_nvidia_smi` expects, in this order."""

_ARM = {"0x41": "ARM", "0x48": "HiSilicon", "0x4e": "NVIDIA", "0x51": "Qualcomm", "0x61": "Apple", "0xc0": "Ampere"}


def cpu_model(cpuinfo: str) -> str | None:
    """The processor's name in `/proc/cpuinfo`; on ARM implementer and part, which have no name there."""
    for key in ("model name", "cpu model", "cpu", "Model", "Hardware"):
        if found := re.search(rf"^{key}\s*:\s*(\S.*?)\s*$", cpuinfo, re.MULTILINE):
            return found[1]
    maker = re.search(r"^CPU implementer\s*:\s*(\S+)", cpuinfo, re.MULTILINE)
    part = re.search(r"^CPU part\s*:\s*(\S+)", cpuinfo, re.MULTILINE)
    return f"{_ARM.get(maker[1], maker[1])} part {part[1]}" if maker and part else None


def cpu_flags(cpuinfo: str) -> list[str]:
    """The instruction set extensions of the first processor, sorted."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return sorted(found[1].split()) if found else []


def hardware_class(architecture: str, accelerators: Iterable[Accelerator]) -> str:
    """Architecture, accelerator model and count, driver major: `x86_64/NVIDIA H200 x1/driver 570`."""
    models = Counter(a.model for a in accelerators)
    drivers = sorted({a.driver.partition(".")[0] for a in accelerators if a.driver})
    named = [f"{model} x{count}" for model, count in sorted(models.items())]
    return "/".join([architecture, *named, *(f"driver {driver}" for driver in drivers)])


def from_nvidia_smi(text: str) -> list[Accelerator]:
    """The devices of `nvidia-smi --query-gpu=… --format=csv,noheader,nounits`. Raises ValueError for anything else."""
    return [_nvidia_row(line) for line in text.splitlines() if line.strip()]


def _nvidia_row(line: str) -> Accelerator:
    columns = [column.strip() for column in line.split(",")]
    if len(columns) != 4:
        raise ValueError(f"nvidia-smi printed {line[:80]!r}")
    model, memory, uuid, driver = columns
    return Accelerator(
        vendor="NVIDIA",
        model=model,
        memory=int(memory) << 20 if memory.isdigit() else None,
        uuid=uuid or None,
        driver=driver or None,
    )


def from_nvml(text: bytes) -> tuple[list[Accelerator], dict[str, str]]:
    """Devices and driver versions as the probe in `capture/nvml.py` prints them. Raises ValueError or KeyError."""
    answer: dict[str, Any] = json.loads(text)
    driver, cuda = str(answer["driver"]), str(answer["cuda"])
    devices = [
        Accelerator(
            vendor="NVIDIA",
            model=str(d["model"]),
            memory=d["memory"],
            uuid=d["uuid"],
            driver=driver,
            runtime=f"CUDA {cuda}",
        )
        for d in answer["devices"]
    ]
    return devices, {"nvidia": driver, "cuda": cuda}


def from_driver_files(information: Iterable[str], version: str) -> list[Accelerator]:
    """What `/proc/driver/nvidia` says without asking the device: no memory, no CUDA version."""
    driver = driver_version(version)
    return [
        Accelerator(
            vendor="NVIDIA",
            model=model[1] if (model := re.search(r"^Model:\s*(\S.*?)\s*$", text, re.MULTILINE)) else "unknown",
            uuid=uuid[1] if (uuid := re.search(r"^GPU UUID:\s*(GPU-[0-9a-f-]+)", text, re.MULTILINE)) else None,
            driver=driver,
        )
        for text in information
    ]


def driver_version(text: str) -> str | None:
    """The version in `/proc/driver/nvidia/version`."""
    found = re.search(r"Kernel Module[^\n]*?\s(\d+\.\d[\d.]*)\s", text)
    return found[1] if found else None


def from_rocm_smi(text: bytes) -> list[Accelerator]:
    """The devices of `rocm-smi --showproductname --showuniqueid --showmeminfo vram --showdriverversion --json`."""
    answer: dict[str, dict[str, Any]] = json.loads(text)
    driver = answer.get("system", {}).get("Driver version")
    return [_rocm_card(facts, driver) for name, facts in sorted(answer.items()) if name.startswith("card")]


def _rocm_card(facts: dict[str, Any], driver: str | None) -> Accelerator:
    memory = str(facts.get("VRAM Total Memory (B)", ""))
    model = facts.get("Card Series") or facts.get("Card series") or facts.get("Card model") or "unknown"
    return Accelerator(
        vendor="AMD",
        model=str(model),
        memory=int(memory) if memory.isdigit() else None,
        uuid=facts.get("Unique ID"),
        driver=driver,
    )
