"""What a job holds: GPUs, threads and the step time they give."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass
from simcore.models.cluster.step_times import StepTimes, step_time


@dataclass(frozen=True, eq=False)
class Placement:
    """GPUs held and threads run by one job; compared by identity, so that many jobs can share one.

    Attributes
    ----------
    gpus : tuple of int
        GPUs held of each type.
    threads : tuple of int
        A_g: threads on each GPU of a type.
    step_time : float
        Seconds per global mini-batch [s].
    speedup : float
        Claimed speed-up over one reference GPU with all threads.
    """

    gpus: tuple[int, ...]
    threads: tuple[int, ...]
    step_time: float
    speedup: float = 1.0


def class_seconds(job: JobClass, cluster: Cluster, rates: StepTimes) -> tuple[float | None, ...]:
    """Return t_g [s] of a job class for every GPU type of a cluster, None where the table has no entry."""
    return tuple(rates.seconds.get((job.model, job.batch_size, gpu)) for gpu in cluster.types)


def gang(job: JobClass, cluster: Cluster, rates: StepTimes) -> Placement:
    """Return the rigid placement: one GPU of the preferred type for each of the maxP threads.

    Examples
    --------
    >>> rates = StepTimes("r", {("bert", 8, "t4"): 0.5})
    >>> gang(JobClass("bert", 8, 4, False, "t4"), Cluster("c", ("v100", "t4"), (4, 4)), rates).gpus
    (0, 4)
    """
    preferred = cluster.types.index(job.gpu_type)
    gpus = tuple(job.max_parallelism if g == preferred else 0 for g in range(len(cluster.types)))
    threads = tuple(1 if g == preferred else 0 for g in range(len(cluster.types)))
    return Placement(gpus, threads, step_time(threads, class_seconds(job, cluster, rates)))
