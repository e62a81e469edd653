"""What numerical libraries that are loaded say of those below them: CUDA, cuDNN, BLAS, MPI, HDF5.

Attributes that are there already, and the names of the files that are mapped. Nothing is called, loaded or initialised.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ASKED = ("numpy", "scipy", "torch", "tensorflow", "jaxlib", "cupy", "mpi4py", "h5py")
"""Without any of these nothing is looked at."""

MAPPED = (
    "libcudart", "libcudnn.", "libcublas.", "libnccl", "libamdhip", "librocblas", "libmpi.", "libmpich", "libopenblas",
    "libscipy_openblas", "libmkl_rt", "libblas.", "libblis", "libhdf5.", "libhdf5-",
)  # fmt: skip
"""How names of files begin that are told."""


def libraries() -> dict[str, str]:
    """What is loaded, by dotted name (`torch.cuda`, `numpy.blas`), and names of files by what they begin with."""
    if not any(name in sys.modules for name in ASKED):
        return {}
    return dict(_mapped(), **_said())


def _said() -> dict[str, str]:
    torch = _module("torch.version")
    found = {
        "torch.cuda": _attribute(torch, "cuda"),
        "torch.hip": _attribute(torch, "hip"),
        "torch.cudnn": _cudnn(),
        "tensorflow.cuda": _build_of_tensorflow().get("cuda_version"),
        "tensorflow.cudnn": _build_of_tensorflow().get("cudnn_version"),
        "numpy.blas": _blas("numpy.__config__"),
        "scipy.blas": _blas("scipy.__config__"),
        "h5py.hdf5": _attribute(_module("h5py.version"), "hdf5_version"),
    }
    return {name: str(value) for name, value in found.items() if value}


def _module(name: str) -> Any:
    return sys.modules.get(name)


def _attribute(module: Any, name: str) -> Any:
    # Not by getattr: of a lazy module that would load it.
    held: Any = getattr(module, "__dict__", None)
    return held.get(name) if held else None


def _cudnn() -> Any:
    """Known to torch once it has asked for it; we do not ask."""
    module = _module("torch.backends.cudnn")
    return _attribute(_attribute(module, "m") or module, "__cudnn_version")


def _build_of_tensorflow() -> Any:
    return _attribute(_module("tensorflow.python.platform.build_info"), "build_info") or {}


def _blas(module: str) -> str | None:
    """As `show_config` of numpy and scipy says it."""
    built: Any = _attribute(_module(module), "CONFIG")
    needs: Any = built and built.get("Build Dependencies")
    blas: Any = needs and needs.get("blas")
    return "{} {}".format(blas["name"], blas.get("version")) if blas and blas.get("name") else None


def _maps() -> bytes:
    parts: list[bytes] = []
    try:
        fd = os.open("/proc/self/maps", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        while True:
            parts.append(os.read(fd, 1 << 16))
            if not parts[-1]:
                return b"".join(parts)
    finally:
        os.close(fd)


def _mapped() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _maps().splitlines():
        name = line.rpartition(b"/")[2].decode("utf-8", "replace")
        if name.startswith(MAPPED):
            found[name.partition(".")[0].partition("-")[0]] = name
    return found
