"""The rules of Muri's simulator, by themselves: a literal loop over events that shares no line with simcore.

Each rule in which it differs from simcore can be left out, so that what it makes can be measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SLOWER = 1.015
"""Times as long as the trace says that an iteration takes."""
LOST = {
    "vgg16": (7, 7, 8, 9, 9, 10), "vgg19": (7, 7, 8, 9, 10, 10), "resnet18": (4, 5, 5, 7, 7, 7),
    "shufflenet_v2_x1_0": (4, 4, 5, 5, 7, 8), "bert": (10,) * 6, "gpt2": (10,) * 6,
    "a2c": (38, 39, 39, 46, 46, 46), "dqn": (5, 5, 6, 6, 8, 8),
}  # fmt: skip
"""Seconds that a running job loses at each event, on 1, 2, 4, ... 32 GPUs; 10 for other models."""
LIMITS = (3250.0, 7200.0)
"""GPU-seconds at which a job leaves each queue of dlas-gpu [GPU s]."""
GPUS = 64


@dataclass(eq=False)
class Job:
    """A job of the trace, and how it stands."""

    gpus: int
    submit: float
    iteration: float
    left: float
    lost: float
    executed: float = 0.0
    checked: float = 0.0
    queue: int = 0
    running: bool = False
    end: float = math.nan


def read_jobs(rows: Iterable[Mapping[str, str]], *, slower: float, losing: bool) -> list[Job]:
    """Return the jobs of a trace in the order of submission."""
    jobs = []
    for row in rows:
        gpus = int(row["num_gpu"])
        lost = LOST.get(row["model_name"], (10,) * 6)[gpus.bit_length() - 1] if losing else 0
        iteration = float(row["iteration_time"]) * slower / 1000
        jobs.append(Job(gpus, float(row["submit_time"]) / 1000, iteration, float(row["iterations"]), lost))
    return sorted(jobs, key=lambda job: job.submit)


def mean_jct(jobs: list[Job], *, dlas: bool, behind: bool = True) -> float:
    """Return the mean JCT under dlas-gpu or shortest first [s]; jobs of equal submission arrive one instant.

    `behind` says whether waiting jobs of a queue move behind its running ones after each decision.
    """
    queues: list[list[Job]] = [[], [], []]
    coming, active, ending = list(jobs), list[Job](), list[Job]()
    ends_at = jumps_at = math.inf
    while coming or active:
        now = min(coming[0].submit if coming else math.inf, ends_at, jumps_at)
        if now == ends_at:
            for job in ending:
                job.end = now
                active.remove(job)
                queues[job.queue].remove(job)
        while coming and coming[0].submit == now:
            active.append(coming.pop(0))
            queues[0].append(active[-1])
            active[-1].checked = now
        for job in active:
            _work(job, now, queues, dlas=dlas)
        if not dlas:
            queues[0].sort(key=lambda job: job.left * job.iteration)
        _decide(queues, behind=dlas and behind)
        ends = [(now + job.left * job.iteration, job) for job in active if job.running]
        ends_at = min((end for end, _ in ends), default=math.inf)
        ending = [job for end, job in ends if end == ends_at]
        jumps_at = min((_jump(job, now) for job in active if job.running), default=math.inf) if dlas else math.inf
    return sum(job.end - job.submit for job in jobs) / len(jobs)


def _work(job: Job, now: float, queues: list[list[Job]], *, dlas: bool) -> None:
    elapsed, job.checked = now - job.checked, now
    if not job.running:
        return
    job.left -= max(elapsed - job.lost, 0.0) / job.iteration
    job.executed += elapsed
    if dlas and job.queue < len(LIMITS) and job.executed * job.gpus >= LIMITS[job.queue]:
        queues[job.queue].remove(job)
        job.queue += 1
        queues[job.queue].append(job)


def _decide(queues: list[list[Job]], *, behind: bool) -> None:
    free = GPUS
    for queue in queues:
        for job in queue:
            job.running = job.gpus <= free
            free -= job.gpus if job.running else 0
        if behind:
            queue.sort(key=lambda job: not job.running)


def _jump(job: Job, now: float) -> float:
    if job.queue == len(LIMITS):
        return math.inf
    return math.ceil(LIMITS[job.queue] / job.gpus) - job.executed + now
