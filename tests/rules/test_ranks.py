"""The variables that launchers set, and which of them make processes one job."""

from __future__ import annotations

import pytest

from whence.rules.ranks import Place, find_batch_job, find_place

TORCH = {"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "node7", "MASTER_PORT": "29500", "TORCHELASTIC_RUN_ID": "abc"}
SLURM = {"SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0", "SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "3"}

CASES: dict[str, tuple[dict[str, str], Place | None]] = {
    "nothing": ({}, None),
    "torchrun": (TORCH, Place(rank=1, world_size=4, job="torch abc node7:29500")),
    "torchrun on one machine: another machine's is another job": (
        TORCH | {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "none"},
        Place(rank=1, world_size=4, job="torch none lab3/127.0.0.1:29500"),
    ),
    "torchrun that restarted its workers": (
        TORCH | {"TORCHELASTIC_RESTART_COUNT": "2"},
        Place(rank=1, world_size=4, job="torch abc node7:29500", attempt=2),
    ),
    "torchrun under Slurm: its own rank, Slurm's job": (
        SLURM | TORCH,
        Place(rank=1, world_size=4, job="slurm 77 torch abc node7:29500"),
    ),
    "RANK alone says nothing about which job": ({"RANK": "1", "WORLD_SIZE": "4"}, None),
    "a world of one is no group": (TORCH | {"RANK": "0", "WORLD_SIZE": "1"}, None),
    "a rank outside of its world": (TORCH | {"RANK": "4"}, None),
    "not numbers": (TORCH | {"RANK": "x"}, None),
    "srun": (SLURM, Place(rank=2, world_size=3, job="slurm 77.0")),
    "srun of a requeued job": (
        SLURM | {"SLURM_RESTART_COUNT": "1"},
        Place(rank=2, world_size=3, job="slurm 77.0", attempt=1),
    ),
    "the batch script itself is no rank": ({"SLURM_JOB_ID": "77", "SLURM_PROCID": "0", "SLURM_NTASKS": "3"}, None),
    "Open MPI": (
        {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_NAMESPACE": "prterun-lab3-12@1"},
        Place(rank=0, world_size=2, job="mpi prterun-lab3-12@1"),
    ),
    "MPICH": (
        {"PMI_RANK": "1", "PMI_SIZE": "2", "PMI_JOBID": "9.lab3"},
        Place(rank=1, world_size=2, job="pmi 9.lab3"),
    ),
    "MPICH without a job's name": ({"PMI_RANK": "1", "PMI_SIZE": "2"}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_place_is_found(case: str) -> None:
    environ, expected = CASES[case]
    assert find_place(environ, host="lab3") == expected


def test_attempts_of_a_job_are_different_groups() -> None:
    first, second = (
        Place(rank=0, world_size=2, job="slurm 77.0"),
        Place(rank=0, world_size=2, job="slurm 77.0", attempt=1),
    )
    assert first.group != second.group


def test_the_batch_job_tells_how_often_it_was_requeued() -> None:
    assert find_batch_job({"SLURM_JOB_ID": "77", "SLURM_RESTART_COUNT": "2"}) == ("slurm 77", 2)
    assert find_batch_job({"SLURM_JOB_ID": "77", "SLURM_CLUSTER_NAME": "alps"}) == ("slurm alps/77", 0)
    assert find_batch_job({}) is None
