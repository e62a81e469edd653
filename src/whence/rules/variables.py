"""Which environment variables are read: those of policy's allow-list, and groups that explain numerical results.

A name on no list is never read, so a secret that hides under any other name cannot be written. The values of listed
names are masked as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

ALLOWED: tuple[str, ...] = (
    *("PATH", "SHELL", "TERM", "LANG", "LC_*", "TZ", "TMPDIR", "HOSTTYPE"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_SHLVL", "PIXI_PROJECT_NAME", "PIXI_ENVIRONMENT_NAME"),
    *("UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "PYENV_VERSION", "POETRY_ACTIVE", "PIPENV_ACTIVE"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONUTF8", "PYTHONMALLOC"),
    *("PYTHONNOUSERSITE", "PYTHONSAFEPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES"),
    *("OMP_*", "GOMP_*", "KMP_*", "MKL_*", "OPENBLAS_*", "BLIS_*", "GOTO_*", "VECLIB_*", "NUMEXPR_*", "NUMBA_*"),
    *(
        "CUDA_*",
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES",
        "CUBLAS_*",
        "CUDNN_*",
        "NCCL_*",
        "NVIDIA_TF32_*",
    ),
    *("ROCR_*", "HIP_*", "HSA_*", "MIOPEN_*", "ONEAPI_*", "SYCL_*", "ZE_*", "XLA_*", "JAX_*", "TORCH_*"),
    *(
        "TF_CONFIG",
        "TF_CPP_*",
        "TF_CUDNN_*",
        "TF_DETERMINISTIC*",
        "TF_ENABLE_*",
        "TF_FORCE_*",
        "TF_GPU_*",
        "TF_NUM_*",
        "TF_XLA_*",
    ),
    *("PYTORCH_*", "TORCHINDUCTOR_*", "ATEN_*", "TOKENIZERS_PARALLELISM", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
    *(
        "OMPI_COMM_WORLD_*",
        "PMI_RANK",
        "PMI_SIZE",
        "RANK",
        "LOCAL_RANK",
        "WORLD_SIZE",
        "LOCAL_WORLD_SIZE",
        "GROUP_RANK",
    ),
    *("MASTER_ADDR", "MASTER_PORT", "R_LIBS", "R_LIBS_USER", "R_HOME", "JULIA_*", "MATLABPATH", "MPLBACKEND"),
    *("LOADEDMODULES", "MODULEPATH", "LMOD_FAMILY_*", "HDF5_USE_FILE_LOCKING", "MALLOC_*", "GLIBC_TUNABLES"),
    *("WHENCE_IMAGE_NAME", "WHENCE_IMAGE_DIGEST", "WHENCE_GIT_COMMIT", "WHENCE_VERSION", "WHENCE_IN_CONTAINER"),
)
"""The default allow-list, with the wildcards of the shell."""

GROUPS: dict[str, tuple[str, ...]] = {
    "threads": (
        *("OMP_*", "GOMP_*", "KMP_*", "MKL_*", "OPENBLAS_*", "BLIS_*", "GOTO_*", "VECLIB_*", "NUMEXPR_*", "NUMBA_*"),
        "TOKENIZERS_PARALLELISM",
    ),
    "determinism": (
        *("PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG", "TF_DETERMINISTIC*", "TF_CUDNN_*", "TF_ENABLE_ONEDNN_OPTS"),
        *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32*", "XLA_FLAGS", "CUDNN_*", "JAX_ENABLE_X64", "JAX_DEFAULT_*"),
        *("MKL_CBWR", "MKL_DYNAMIC", "CUDA_LAUNCH_BLOCKING", "NCCL_ALGO", "NCCL_PROTO"),
    ),
    "devices": (
        *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
        *("CUDA_DEVICE_ORDER", "ZE_AFFINITY_MASK", "JAX_PLATFORMS", "CUDA_HOME", "CUDA_PATH", "HSA_OVERRIDE_*"),
    ),
    "python": ("PYTHON*",),
    "loader": ("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_*"),
    "locale": ("LANG", "LANGUAGE", "LC_*"),
}
"""The groups of `settings` and the variables that belong to each."""


def chosen(environ: Mapping[str, str], patterns: Sequence[str]) -> dict[str, str]:
    """The variables that a list of shell wildcards lets through, sorted by name.

    Nearly all patterns are a name or a beginning: no expression is compiled for those, which would cost 5 ms a launch.
    """
    exact = {pattern for pattern in patterns if not _WILD & set(pattern)}
    begins = {pattern for pattern in patterns if pattern.endswith("*") and not _WILD & set(pattern[:-1])}
    others = set(patterns) - exact - begins
    heads = tuple(pattern[:-1] for pattern in begins)
    return {
        name: environ[name]
        for name in sorted(environ)
        if name in exact or name.startswith(heads) or any(fnmatchcase(name, pattern) for pattern in others)
    }


_WILD = frozenset("*?[")


def groups(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The variables of each group that has any."""
    found = {group: chosen(environ, patterns) for group, patterns in GROUPS.items()}
    return {group: values for group, values in found.items() if values}


def modules(environ: Mapping[str, str]) -> list[str]:
    """The loaded environment modules, in the order of loading."""
    return [name for name in environ.get("LOADEDMODULES", "").split(":") if name]
