"""YARN-CS as published with EasyScale: one job at a time on the whole cluster."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass
from simcore.models.cluster.placement import gang
from simcore.models.cluster.policies import Changes
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes


class YarnCs:
    """The first active job in row order gets its gang of the preferred type, and nobody else gets anything.

    This is the serial baseline of the published figure, not a capacity scheduler: there is no packing. A job that
    arrives with an earlier row than the running one takes over, as in the published code; what was done is kept.
    """

    settles = True

    def __init__(self, classes: Sequence[JobClass], cluster: Cluster, rates: StepTimes, rules: Rules) -> None:
        self._gangs = [gang(job, cluster, rates) for job in classes]
        self._active: list[tuple[int, int]] = []  # heap of (row, kind), the running job among them
        self._running: int | None = None

    def submit(self, row: int, kind: int) -> None:
        """Queue a job."""
        heappush(self._active, (row, kind))

    def finish(self, row: int) -> None:
        """Forget the running job, which heads the heap: every earlier row would have taken over."""
        finished, _ = heappop(self._active)
        assert finished == row == self._running
        self._running = None

    def decide(self, free: Sequence[int]) -> Changes:
        """Run the first active job."""
        if not self._active or self._active[0][0] == self._running:
            return []
        row, kind = self._active[0]
        changes: Changes = [] if self._running is None else [(self._running, None)]
        self._running = row
        return [*changes, (row, self._gangs[kind])]
