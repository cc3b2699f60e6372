"""Gang FIFO: the honest rigid baseline."""

from __future__ import annotations

from heapq import heappop, heappush

from simcore.models.cluster.policy import NOTHING, Change, Decision, Policy
from simcore.models.cluster.view import View


class Fifo(Policy):
    """One strict queue per GPU type: the head starts when its full gang fits, and blocks the rest until then.

    The order is row order. No back-fill, no preemption; a started job keeps its gang to its end.
    """

    def prepare(self, view: View) -> None:
        """Open a queue per type."""
        self._types = [view.cluster.types.index(job.gpu_type) for job in view.classes]
        self._sizes = [job.max_parallelism for job in view.classes]
        self._queues: list[list[tuple[int, int]]] = [[] for _ in view.cluster.types]  # heaps of (row, class)

    def decide(self, view: View) -> Decision:
        """Start the heads that fit."""
        for row in view.arrived:
            index = view.class_index[row]
            heappush(self._queues[self._types[index]], (row, index))
        sizes = self._sizes
        changes: list[Change] = []
        for queue, number in zip(self._queues, view.free, strict=True):
            left = number
            while queue and sizes[queue[0][1]] <= left:
                row, index = heappop(queue)
                left -= sizes[index]
                changes.append((row, view.gangs[index]))
        return Decision(changes) if changes else NOTHING
