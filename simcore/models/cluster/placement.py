"""What a job holds: GPUs, threads and the step time that they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simcore.errors import RunError
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, Trace
from simcore.models.cluster.overheads import step_seconds
from simcore.models.cluster.step_times import StepTimes, global_step_time


@dataclass(frozen=True, eq=False)
class Placement:
    """GPUs held and threads run by one job; compared by identity, so that many jobs can share one.

    Attributes
    ----------
    gpus : tuple of float
        GPUs held of each type; below 1 where a job shares one.
    threads : tuple of int
        A_g: threads on each GPU of a type.
    step_time : float
        Seconds per global mini-batch [s].
    speedup : float
        Claimed speed-up over one reference GPU with all threads.
    """

    gpus: tuple[float, ...]
    threads: tuple[int, ...]
    step_time: float
    speedup: float = 1.0


def class_seconds(job: JobClass, cluster: Cluster, step_times: StepTimes) -> tuple[float | None, ...]:
    """Return t_g [s] of a job class for every GPU type of a cluster, None where the step times have no entry.

    Overheads make a heterogeneous job as slow as D2 is beside D1: step times of EasyScale hold under D1.
    """
    times = [step_times.seconds.get((job.model, job.batch_size, gpu)) for gpu in cluster.types]
    if step_times.overheads is None or not job.heterogeneous:
        return tuple(times)
    factors = [step_times.overheads.heterogeneous(job.model, gpu) for gpu in cluster.types]
    return tuple(None if t is None else t * factor for t, factor in zip(times, factors, strict=True))


def class_last(job: JobClass, cluster: Cluster, step_times: StepTimes) -> tuple[float, ...]:
    """Return t_last / t_first of a job class for every GPU type of a cluster [1], 1 where it is not known."""
    return tuple(step_times.last(job.model, gpu) for gpu in cluster.types)


def gang(job: JobClass, cluster: Cluster, step_times: StepTimes) -> Placement:
    """Return the rigid placement: one GPU of the preferred type for each of the maxP threads.

    Of a job that may run on several types it is the placement on the first of them.

    Examples
    --------
    >>> step_times = StepTimes("mine", {("bert", 8, "t4"): 0.5})
    >>> gang(JobClass("bert", 8, 4, False, "t4"), Cluster("c", ("v100", "t4"), (4, 4)), step_times).gpus
    (0, 4)
    """
    return place(job, only(job.gpus, cluster.types_of(job.gpu_type, job.vc)[0], cluster), cluster, step_times)


def only(gpus: float, gpu_type: str, cluster: Cluster) -> tuple[float, ...]:
    """Return so many GPUs of one type, and none of the others.

    Examples
    --------
    >>> only(2, "t4", Cluster("c", ("v100", "t4"), (4, 4)))
    (0, 2)
    """
    return tuple(gpus if name == gpu_type else 0 for name in cluster.types)


def place(job: JobClass, gpus: Sequence[float], cluster: Cluster, step_times: StepTimes) -> Placement:
    """Return the placement of a job on any GPUs, its maxP threads spread so that the step is the shortest.

    Parameters
    ----------
    job : JobClass
        Whose.
    gpus : sequence of float
        GPUs of each type, at least one in all, or the job's share of one.
    cluster, step_times : Cluster, StepTimes
        The GPU types, and the seconds per mini-batch on each that is used.

    Raises
    ------
    RunError
        If there is no step time for one of the types.

    Notes
    -----
    Every GPU of a type runs the same number of threads, A_g: as many as it finishes within the step. A type too slow to
    run one thread within the shortest step stays idle.

    Examples
    --------
    >>> cluster = Cluster("c", ("v100", "t4"), (4, 4))
    >>> step_times = StepTimes("mine", {("bert", 8, "v100"): 0.5, ("bert", 8, "t4"): 1.0})
    >>> placement = place(JobClass("bert", 8, 6, True, "v100"), (2, 2), cluster, step_times)
    >>> placement.threads, placement.step_time
    ((2, 1), 1.0)
    """
    seconds, last = class_seconds(job, cluster, step_times), class_last(job, cluster, step_times)
    times: dict[int, float] = {}
    for g, (number, t) in enumerate(zip(gpus, seconds, strict=True)):
        if number and t is None:
            raise RunError(
                f"{step_times.name} has no step time of {job.model}, batch size {job.batch_size}, on "
                f"{cluster.types[g]}: a policy that uses types other than the preferred one sets all_types = True"
            )
        if number and t is not None:
            times[g] = t
    # the step lasts a whole number of mini-batches of the type that is the last to finish; threads go to no other
    counts = range(1, job.max_parallelism + 1)
    ends = sorted((step_seconds(k, 1.0, last[g]) * t, k, g) for g, t in times.items() for k in counts)
    threads = dict.fromkeys(times, 0)
    for _, k, g in ends:
        threads[g] = k
        if sum(gpus[h] * a for h, a in threads.items()) >= job.gpus:
            break
    spread = tuple(threads.get(g, 0) for g in range(len(gpus)))
    return Placement(tuple(gpus), spread, global_step_time(spread, seconds, last))


def class_gangs(trace: Trace, cluster: Cluster, step_times: StepTimes) -> list[Placement]:
    """Return the gang of each class of a trace; for a class that no job has, a placement without GPUs."""
    used = np.bincount(trace.class_index, minlength=len(trace.classes)) > 0
    nothing = (0,) * len(cluster.types)
    gangs: dict[JobClass, Placement] = {}  # cores and memory change no speed
    found = []
    for job, some in zip(trace.classes, used.tolist(), strict=True):
        kind = replace(job, cpus=0.0, memory=0.0)
        if some and kind not in gangs:
            gangs[kind] = gang(kind, cluster, step_times)
        found.append(gangs[kind] if some else Placement(nothing, nothing, math.nan))
    return found
