"""Gang FIFO: the honest rigid baseline."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass
from simcore.models.cluster.placement import gang
from simcore.models.cluster.policies import Changes
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes


class Fifo:
    """One strict queue per GPU type: the head starts when its full gang fits, and blocks the rest until then.

    The order is row order. No back-fill, no preemption; a started job keeps its gang to its end.
    """

    settles = True

    def __init__(self, classes: Sequence[JobClass], cluster: Cluster, rates: StepTimes, rules: Rules) -> None:
        self._gangs = [gang(job, cluster, rates) for job in classes]
        self._types = [cluster.types.index(job.gpu_type) for job in classes]
        self._need = [job.max_parallelism for job in classes]
        self._queues: list[list[tuple[int, int]]] = [[] for _ in cluster.types]  # heaps of (row, kind)

    def submit(self, row: int, kind: int) -> None:
        """Queue a job at its type."""
        heappush(self._queues[self._types[kind]], (row, kind))

    def finish(self, row: int) -> None:
        """Nothing to forget: a job leaves the queue when it starts."""

    def decide(self, free: Sequence[int]) -> Changes:
        """Start the heads that fit."""
        changes: Changes = []
        for queue, number in zip(self._queues, free, strict=True):
            left = number
            while queue and self._need[queue[0][1]] <= left:
                row, kind = heappop(queue)
                left -= self._need[kind]
                changes.append((row, self._gangs[kind]))
        return changes
