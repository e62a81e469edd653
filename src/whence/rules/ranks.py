"""Which place a process has among processes that were started together, and what they have in common.

Read from the variables that launchers set; the first of these that fits: torchrun and its kin (RANK, WORLD_SIZE,
MASTER_ADDR, MASTER_PORT, TORCHELASTIC_RUN_ID), Open MPI and PMIx, PMI (MPICH, Intel MPI), a Slurm step (srun).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
"""Addresses that mean another machine on each machine."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a job. `job` is the same text in all of them, and in no other start of the same program."""

    rank: int
    world_size: int
    job: str
    attempt: int = 0
    """How often the batch system or the launcher has started the job again."""

    @property
    def group(self) -> str:
        """What the ranks of this attempt have in common."""
        return f"{self.job}, attempt {self.attempt}" if self.attempt else self.job


def find_place(environ: Mapping[str, str], *, host: str) -> Place | None:
    """The place of this process; nothing when it was started alone, or when nothing tells its job from another."""
    for launcher in (_torch, _open_mpi, _pmi, _slurm_step):
        place = launcher(environ, host)
        if place is not None and place.world_size > 1 and 0 <= place.rank < place.world_size:
            return place
    return None


def find_batch_job(environ: Mapping[str, str]) -> tuple[str, int] | None:
    """The batch job and how often it was requeued; nothing outside of one. Slurm alone tells the count."""
    job = _slurm_job(environ)
    return (job, _attempt(environ)) if job else None


def _torch(environ: Mapping[str, str], host: str) -> Place | None:
    rank, size = _number(environ, "RANK"), _number(environ, "WORLD_SIZE")
    address, port = environ.get("MASTER_ADDR"), environ.get("MASTER_PORT")
    if rank is None or size is None or not (address or environ.get("TORCHELASTIC_RUN_ID")):
        return None
    where = f"{host}/" if (address or "") in LOOPBACK else ""
    words = [_slurm_job(environ), "torch", environ.get("TORCHELASTIC_RUN_ID"), f"{where}{address}:{port}"]
    return Place(
        rank=rank,
        world_size=size,
        job=" ".join(word for word in words if word),
        attempt=_attempt(environ) + (_number(environ, "TORCHELASTIC_RESTART_COUNT") or 0),
    )


def _open_mpi(environ: Mapping[str, str], host: str) -> Place | None:
    rank, size = _number(environ, "OMPI_COMM_WORLD_RANK"), _number(environ, "OMPI_COMM_WORLD_SIZE")
    job = environ.get("PMIX_NAMESPACE") or environ.get("OMPI_MCA_ess_base_jobid")
    if rank is None or size is None or not job:
        return None
    # A namespace carries the launcher's host and process; older numbers are only unique on a host.
    where = "" if environ.get("PMIX_NAMESPACE") else environ.get("OMPI_MCA_orte_hnp_uri", host)
    return Place(rank=rank, world_size=size, job=f"mpi {where}{job}", attempt=_attempt(environ))


def _pmi(environ: Mapping[str, str], host: str) -> Place | None:
    rank, size = _number(environ, "PMI_RANK"), _number(environ, "PMI_SIZE")
    job = environ.get("PMI_JOBID") or environ.get("PMI_KVSNAME")
    if rank is None or size is None or not job:
        return None
    return Place(rank=rank, world_size=size, job=f"pmi {job}", attempt=_attempt(environ))


def _slurm_step(environ: Mapping[str, str], host: str) -> Place | None:
    """A process of `srun`. The batch script itself has SLURM_PROCID too, and no step."""
    rank, size = _number(environ, "SLURM_PROCID"), _number(environ, "SLURM_STEP_NUM_TASKS")
    job, step = _slurm_job(environ), environ.get("SLURM_STEP_ID") or environ.get("SLURM_STEPID")
    if rank is None or size is None or not job or not step:
        return None
    return Place(rank=rank, world_size=size, job=f"{job}.{step}", attempt=_attempt(environ))


def _slurm_job(environ: Mapping[str, str]) -> str | None:
    job = environ.get("SLURM_JOB_ID") or environ.get("SLURM_JOBID")
    if not job:
        return None
    cluster = environ.get("SLURM_CLUSTER_NAME")
    return f"slurm {cluster}/{job}" if cluster else f"slurm {job}"


def _attempt(environ: Mapping[str, str]) -> int:
    return _number(environ, "SLURM_RESTART_COUNT") or 0


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None
