"""How well a run served its jobs: slowdown, fairness, preemptions, and GPUs that were free while jobs waited."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.metrics import JobTimes, Segments, queue_length

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BOUND = 10.0
"""Running time below which a job's slowdown counts as if it ran so long [s] (Feitelson, JSSPP 2001)."""


def bounded_slowdown(times: JobTimes) -> Floats:
    """Return ``max(1, JCT / max(running, 10 s))`` of each job [1]."""
    return np.maximum(1.0, times.jct / np.maximum(times.running, BOUND))


def jain(values: Floats) -> float:
    """Return Jain's index, ``(sum x)^2 / (n sum x^2)``: 1 where all are equal, 1/n where one has all.

    Examples
    --------
    >>> jain(np.array([2.0, 2.0])), jain(np.array([1.0, 0.0]))
    (1.0, 0.5)
    """
    squares = float((values**2).sum())
    return float(values.sum()) ** 2 / (len(values) * squares) if squares else 1.0


def finish_time_fairness(trace: Trace, cluster: Cluster, times: JobTimes) -> Floats:
    """Return each job's JCT over its time alone on 1/n of the GPUs of its type, n the mean active jobs of its life [1].

    Above 1 a job is served worse than by an equal part of the cluster (Mahajan et al., NSDI 2020).
    """
    sizes = trace.gpus
    there = [cluster.gpus_of(job.gpu_type) or 1 for job in trace.classes]
    gpus = np.array(there, dtype=np.float64)[trace.class_index]
    instants = np.unique(np.concatenate((trace.submit, times.end)))
    came = np.searchsorted(np.sort(trace.submit), instants, side="right")
    went = np.searchsorted(np.sort(times.end), instants, side="right")
    active = np.concatenate(([0.0], np.cumsum((came - went)[:-1] * np.diff(instants))))
    first, last = (active[np.searchsorted(instants, when)] for when in (trace.submit, times.end))
    mean = np.divide(last - first, times.jct, out=np.ones_like(times.jct), where=times.jct > 0.0)
    alone = times.running * np.maximum(1.0, sizes * mean / gpus)
    rho: Floats = np.divide(times.jct, alone, out=np.ones_like(alone), where=alone > 0.0)
    return rho


def preemptions(segments: Segments, jobs: int) -> Ints:
    """Return how often each job lost its GPUs before it was done; it started again as often."""
    lost = ~segments.gpus.any(axis=1)
    return np.bincount(segments.row[lost], minlength=jobs)


def idle_while_waiting(trace: Trace, segments: Segments, gpus: int) -> float:
    """Return the mean of GPUs that are free while jobs wait: none of them could or was let use them [GPUs]."""
    time, waiting = queue_length(trace, segments)
    held = segments.gpus.sum(axis=1)
    instants = np.unique(np.concatenate((time, segments.start, segments.release)))
    change = np.zeros(len(instants))
    np.add.at(change, np.searchsorted(instants, segments.start), held)
    np.subtract.at(change, np.searchsorted(instants, segments.release), held)
    lengths = np.diff(instants)
    queued = waiting[np.searchsorted(time, instants[:-1], side="right") - 1] > 0
    spent = float(lengths[queued].sum())
    return float((lengths * (gpus - np.cumsum(change)[:-1]))[queued].sum() / spent) if spent else 0.0


def deadlines_met(trace: Trace, times: JobTimes, rows: Ints) -> float | None:
    """Return the share of jobs that are done by their deadline, among those that have one; None where none has [1]."""
    deadlines = trace.numbers.get("deadline_s")
    if deadlines is None:
        return None
    said = rows[~np.isnan(deadlines[rows])]
    return float((times.end[said] <= deadlines[said]).mean()) if len(said) else None


QUALITY = (
    "p90_jct_s",
    "median_queueing_s",
    "p90_queueing_s",
    "p95_queueing_s",
    "p99_queueing_s",
    "mean_bounded_slowdown",
    "p99_bounded_slowdown",
    "mean_finish_time_fairness",
    "worst_finish_time_fairness",
    "jain_slowdown",
    "preemptions",
    "starts",
    "restarts",
    "rescales",
    "idle_while_waiting_gpus",
    "deadlines_met",
)
"""Columns of `quality`, in order."""


def quality(
    trace: Trace, cluster: Cluster, times: JobTimes, segments: Segments, rows: Ints
) -> tuple[float | int | None, ...]:
    """Return the values of `QUALITY` over some jobs."""
    queueing, slowdown = times.queueing[rows], bounded_slowdown(times)[rows]
    fairness = finish_time_fairness(trace, cluster, times)[rows]
    lost = preemptions(segments, len(trace))[rows]
    return (
        float(np.percentile(times.jct[rows], 90)),
        *(float(each) for each in np.percentile(queueing, [50, 90, 95, 99])),
        float(slowdown.mean()),
        float(np.percentile(slowdown, 99)),
        float(fairness.mean()),
        float(fairness.max(initial=-math.inf)),
        jain(1.0 / slowdown),
        int(lost.sum()),
        len(rows),
        int(lost.sum()),
        int(times.rescales[rows].sum() - 2 * lost.sum()),
        idle_while_waiting(trace, segments, cluster.gpus),
        deadlines_met(trace, times, rows),
    )
