"""What a run's log says: job completion times, queueing, GPU-seconds and the allocation over time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.log import PlacementLog
from simcore.models.cluster.pools import DIGITS
from simcore.models.cluster.rules import Rules

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Gpus = NDArray[np.number[Any]]


@dataclass(frozen=True)
class Segments:
    """Stretches of time in which a job's placement did not change, sorted by row, then time.

    Attributes
    ----------
    row : array of int, shape (S,)
        Whose.
    start, end : array of float, shape (S,)
        From, and to the next change or the completion [s].
    release : array of float, shape (S,)
        When the GPUs were free again [s]: the decision after `end`.
    gpus : array, shape (S, G)
        GPUs held, whole numbers where no job shares one; all 0 where the job waits again after a preemption.
    """

    row: Ints
    start: Floats
    end: Floats
    release: Floats
    gpus: Gpus


@dataclass(frozen=True)
class JobTimes:
    """Per-job outcomes, in the trace's row order.

    Attributes
    ----------
    start, end : array of float, shape (J,)
        First GPU and completion [s].
    jct : array of float, shape (J,)
        Completion minus submission [s].
    queueing, running : array of float, shape (J,)
        Seconds without and with a GPU between submission and completion, start-up included in running [s].
    gpu_seconds : array of float, shape (J, G)
        GPUs held times running, by type [GPU s].
    rescales : array of int, shape (J,)
        Changes of the placement after the first.
    """

    start: Floats
    end: Floats
    jct: Floats
    queueing: Floats
    running: Floats
    gpu_seconds: Floats
    rescales: Ints


def cut_segments(log: PlacementLog, types: int) -> Segments:
    """Cut a log into segments.

    Decisions that are repeated at one time leave one segment, the last: nothing happened in the others.

    Parameters
    ----------
    log : PlacementLog
        A finished run.
    types : int
        G, the number of GPU types.
    """
    time, rows = np.frombuffer(log.time, dtype=np.float64), np.frombuffer(log.row, dtype=np.int64)
    placed = np.frombuffer(log.placement, dtype=np.int64)
    order = np.argsort(rows, kind="stable")
    row, start, index = rows[order], time[order], placed[order]
    table: Gpus = np.array([*(p.gpus for p in log.placements), (0,) * types])  # the last row serves index -1
    last = np.append(row[1:] != row[:-1], True)
    following = np.append(start[1:], 0.0)
    end = np.where(last, np.asarray(log.end)[row], following)
    release = np.where(last, np.asarray(log.release)[row], following)
    lasts = last | (end > start)
    return Segments(row[lasts], start[lasts], end[lasts], release[lasts], table[index[lasts]])


def job_times(trace: Trace, segments: Segments) -> JobTimes:
    """Add up the segments of every job."""
    jobs = len(trace)
    length = segments.end - segments.start
    holds = segments.gpus.any(axis=1)
    first = np.append(True, segments.row[1:] != segments.row[:-1])
    last = np.append(first[1:], True)
    # a tick may lie before a submission at the same instant, by rounding alone
    start, end = np.maximum(segments.start[first], trace.submit), segments.end[last]
    waited_again = _sum_by_row(segments.row, np.where(holds, 0.0, length), jobs)
    gpu_seconds = np.stack([_sum_by_row(segments.row, gpus * length, jobs) for gpus in segments.gpus.T], axis=1)
    return JobTimes(
        start=start,
        end=end,
        jct=end - trace.submit,
        queueing=start - trace.submit + waited_again,
        running=_sum_by_row(segments.row, np.where(holds, length, 0.0), jobs),
        gpu_seconds=gpu_seconds,
        rescales=np.bincount(segments.row, minlength=jobs) - 1,
    )


def _sum_by_row(row: Ints, values: Floats, jobs: int) -> Floats:
    return np.bincount(row, weights=values, minlength=jobs).astype(np.float64, copy=False)


def makespan(trace: Trace, log: PlacementLog, rules: Rules, interval: float | None) -> float:
    """Return the makespan [s].

    As published, the last tick's clock minus the interval: the start of the tick in which the last job finished,
    counted from 0. Otherwise last completion minus first submission.
    """
    if rules.makespan == "published":
        return log.clock - (interval or 0.0)
    return float(max(log.end) - trace.submit.min())


def delayed(log: PlacementLog, segments: Segments) -> Floats:
    """Return what each job's start-up and restart delays took: GPUs held that did no work [GPU s], shape (J,).

    A job's work is kept when it loses its GPUs, so nothing else is lost.
    """
    spent = np.zeros(len(log.end))
    spent[list(log.paused)] = list(log.paused.values())
    last = np.append(segments.row[1:] != segments.row[:-1], True)
    rows, length = segments.row[last], (segments.end - segments.start)[last]
    spent[rows] += np.minimum(np.asarray(log.delay)[rows], length) * segments.gpus[last].sum(axis=1)
    return spent


def mean_allocated(segments: Segments, start: float, end: float) -> Floats:
    """Return the time average of allocated GPUs by type from `start` to `end` [s]; a GPU is held until its release."""
    length = np.clip(np.minimum(segments.release, end) - np.maximum(segments.start, start), 0.0, None)
    held: Floats = (length @ segments.gpus) / (end - start)
    return held


def allocation(
    log: PlacementLog, segments: Segments, interval: float | None, rules: Rules, origin: float = 0.0
) -> tuple[Floats, Gpus]:
    """Return the GPUs allocated by each decision.

    With an interval there is a row for every tick after `origin` [s], else one for every decision that changed GPUs.
    Under published counting a tick at which nobody holds a GPU repeats the last value, as the artifact's log does.

    Returns
    -------
    clock : array of float, shape (T,)
        Time of the decision [s].
    gpus : array, shape (T, G)
        Allocated from then on; whole numbers where no job shares a GPU.
    """
    if interval is not None:
        first, last = math.ceil(origin / interval - 1e-9), round(log.clock / interval)
        clock: Floats = np.arange(max(first, 1.0), last + 1.0) * interval
        before = max(first, 1)
        at, back = (np.rint(t / interval).astype(np.int64) - before for t in (segments.start, segments.release))
    else:
        clock = np.unique(np.concatenate((segments.start, segments.release)))
        at, back = (np.searchsorted(clock, t) for t in (segments.start, segments.release))
    change = np.zeros((len(clock), segments.gpus.shape[1]), dtype=segments.gpus.dtype)
    np.add.at(change, at, segments.gpus)
    np.subtract.at(change, back, segments.gpus)
    gpus = np.cumsum(change, axis=0).round(DIGITS)
    if rules.makespan == "published":
        busy = gpus.any(axis=1)
        latest = np.maximum.accumulate(np.where(busy, np.arange(len(gpus)), -1))
        gpus = np.where((latest >= 0)[:, None], gpus[latest], 0)
    return clock, gpus


def queue_length(trace: Trace, segments: Segments) -> tuple[Floats, Ints]:
    """Return how many jobs are submitted and hold no GPU.

    Returns
    -------
    time : array of float, shape (T,)
        When the number changes [s], ascending; `Trace.origin` is the first.
    jobs : array of int, shape (T,)
        That wait from then on.
    """
    holds = segments.gpus.sum(axis=1) > 0
    held_before = np.append(False, (segments.row[1:] == segments.row[:-1]) & holds[:-1])
    joins = np.concatenate((trace.submit, segments.start[~holds & held_before]))
    leaves = segments.start[holds & ~held_before]
    time, at = np.unique(np.concatenate(([trace.origin], joins, leaves)), return_inverse=True)
    weights = np.concatenate(([0.0], np.ones(len(joins)), -np.ones(len(leaves))))
    return time, np.cumsum(np.bincount(at, weights=weights)).astype(np.int64)
