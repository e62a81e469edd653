"""The batch system's job, from the variables that it sets. Only names listed here are read: some carry secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from ..records.environment import Scheduler

Name = Literal["slurm", "pbs", "lsf", "kubernetes", "sge", "htcondor"]

_JOBS: tuple[tuple[Name, str, str], ...] = (
    (
        "slurm",
        "SLURM_JOB_ID",
        (
            r"SLURM_(?:JOB_(?:ID|NAME|PARTITION|NODELIST|NUM_NODES|ACCOUNT|QOS|RESERVATION|CPUS_PER_NODE|GPUS|START_TIME"
            r"|END_TIME|DEPENDENCY|HET_.*)|STEP_ID|ARRAY_(?:JOB_ID|TASK_ID|TASK_COUNT)|CLUSTER_NAME|NTASKS|NPROCS|NNODES"
            r"|CPUS_PER_TASK|CPUS_ON_NODE|MEM_PER_(?:NODE|CPU|GPU)|GPUS(?:_ON_NODE|_PER_.*)?|RESTART_COUNT|PROCID|LOCALID"
            r"|NODEID|SUBMIT_DIR|SUBMIT_HOST|NODELIST|TASKS_PER_NODE|CONF)"
        ),
    ),
    (
        "pbs",
        "PBS_JOBID",
        (r"PBS_(?:JOBID|JOBNAME|QUEUE|O_WORKDIR|O_HOST|O_QUEUE|ARRAY_ID|ARRAYID|ARRAY_INDEX|NODENUM|TASKNUM|NP)|NCPUS"),
    ),
    (
        "lsf",
        "LSB_JOBID",
        (
            r"LSB_(?:JOBID|JOBNAME|JOBINDEX|QUEUE|HOSTS|MCPU_HOSTS|DJOB_NUMPROC|PROJECT_NAME|SUB_HOST|MAX_NUM_PROCESSORS)"
            r"|LS_SUBCWD"
        ),
    ),
    (
        "sge",
        "JOB_ID",
        (
            r"JOB_ID|JOB_NAME|QUEUE|NSLOTS|NHOSTS|PE|SGE_(?:TASK_ID|CELL|ROOT|O_HOST|O_WORKDIR|CLUSTER_NAME|JOB_SPOOL_DIR)"
        ),
    ),
    (
        "htcondor",
        "_CONDOR_SLOT",
        (r"_CONDOR_(?:SLOT|JOB_AD|MACHINE_AD|SCRATCH_DIR|JOB_IWD)|CLUSTER(?:ID)?|PROCID"),
    ),
    (
        "kubernetes",
        "KUBERNETES_SERVICE_HOST",
        (
            r"(?:POD|NODE|JOB|KUBERNETES|K8S|MY_POD|MY_NODE)_(?:NAME|NAMESPACE|UID|POD_NAME|NODE_NAME|IP)|HOSTNAME|JOB_COMPLETION_INDEX"
        ),
    ),
)
"""Name, the variable that says this system started the process, and the names of its facts; the innermost first."""

_SGE_OWN = ("SGE_ROOT", "SGE_TASK_ID", "SGE_CELL")
"""`JOB_ID` alone is too common a name to mean Grid Engine."""


def scheduler(environ: Mapping[str, str]) -> Scheduler | None:
    """The job that this process belongs to, or nothing outside any."""
    for name, mark, facts in _JOBS:
        if environ.get(mark) and (name != "sge" or any(key in environ for key in _SGE_OWN)):
            chosen = {key: environ[key] for key in sorted(environ) if re.fullmatch(facts, key)}
            return Scheduler(name=name, job=_job(name, mark, environ), facts=chosen)
    return None


def _job(name: Name, mark: str, environ: Mapping[str, str]) -> str | None:
    """The job's own id: an array's task with its index, a pod by its name."""
    if name == "kubernetes":
        return environ.get("POD_NAME") or environ.get("MY_POD_NAME") or environ.get("HOSTNAME")
    if name == "slurm" and environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{environ['SLURM_ARRAY_JOB_ID']}_{environ.get('SLURM_ARRAY_TASK_ID', '')}"
    if name == "htcondor":
        return environ.get("CLUSTER") or environ.get("CLUSTERID")
    return environ[mark]
