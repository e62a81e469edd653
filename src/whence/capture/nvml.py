"""Asks NVIDIA's management library about the devices and prints JSON: a program of its own, standard library only.

A broken driver hangs or crashes inside the library; in a process of its own it can do neither to a launch.
"""

from __future__ import annotations

import ctypes
import json
import sys

_NAMES = ("libnvidia-ml.so.1", "libnvidia-ml.so")
_TEXT = 96


class _Memory(ctypes.Structure):
    """`nvmlMemory_t`."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def main() -> int:
    """Print `{driver, cuda, devices: [{model, memory, uuid}]}`, or one line on stderr and 1."""
    try:
        print(json.dumps(_ask(_library())))
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _library() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(_NAMES[0])
    except OSError:
        return ctypes.CDLL(_NAMES[1])


def _ask(nvml: ctypes.CDLL) -> dict[str, object]:
    _call(nvml, "nvmlInit_v2")
    cuda, count = ctypes.c_int(), ctypes.c_uint()
    _call(nvml, "nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(cuda))
    _call(nvml, "nvmlDeviceGetCount_v2", ctypes.byref(count))
    return {
        "driver": _text(nvml, "nvmlSystemGetDriverVersion"),
        "cuda": f"{cuda.value // 1000}.{cuda.value % 1000 // 10}",
        "devices": [_device(nvml, index) for index in range(count.value)],
    }


def _device(nvml: ctypes.CDLL, index: int) -> dict[str, object]:
    handle, memory = ctypes.c_void_p(), _Memory()
    _call(nvml, "nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
    _call(nvml, "nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
    return {
        "model": _text(nvml, "nvmlDeviceGetName", handle),
        "memory": memory.total,
        "uuid": _text(nvml, "nvmlDeviceGetUUID", handle),
    }


def _text(nvml: ctypes.CDLL, function: str, *before: object) -> str:
    buffer = ctypes.create_string_buffer(_TEXT)
    _call(nvml, function, *before, buffer, ctypes.c_uint(_TEXT))
    return buffer.value.decode("utf-8", "replace")


def _call(nvml: ctypes.CDLL, function: str, *arguments: object) -> None:
    try:
        code = getattr(nvml, function)(*arguments)
    except AttributeError:
        raise OSError(f"the library has no {function}") from None
    if code:
        raise OSError(f"{function} answered {code}")


if __name__ == "__main__":
    sys.exit(main())
