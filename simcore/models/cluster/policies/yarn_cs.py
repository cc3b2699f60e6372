"""YARN-CS as published with EasyScale: one job at a time on the whole cluster."""

from __future__ import annotations

from heapq import heappop, heappush

from simcore.models.cluster.policy import NOTHING, Decision, Policy
from simcore.models.cluster.room import Change
from simcore.models.cluster.view import View


class YarnCs(Policy):
    """The first active job in row order gets its gang of the preferred type, and nobody else gets anything.

    This is the serial baseline of the published figure, not a capacity scheduler: there is no packing. A job that
    arrives with an earlier row than the running one takes over, as in the published code; what was done is kept.
    Source: artifact of EasyScale (SC'23).
    """

    def prepare(self, view: View) -> None:
        """Begin with no job."""
        self._active: list[int] = []  # heap of rows, the running job among them
        self._running: int | None = None

    def decide(self, view: View) -> Decision:
        """Run the first active job."""
        for row in view.finished:  # the running job, which heads the heap: every earlier row would have taken over
            first = heappop(self._active)
            assert first == row == self._running
            self._running = None
        for row in view.arrived:
            heappush(self._active, row)
        if not self._active or self._active[0] == self._running:
            return NOTHING
        row = self._active[0]
        changes: list[Change] = [] if self._running is None else [(self._running, None)]
        self._running = row
        return Decision([*changes, (row, view.gang(row))])
