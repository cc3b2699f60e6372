"""Tiresias: discretised two-dimensional least attained service."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from simcore.errors import InputError
from simcore.models.cluster.policies.ranked import REACHED, Ranked
from simcore.models.cluster.policy import Decision
from simcore.models.cluster.view import View
from simcore.numerals import as_real

ORDERS = ("submission", "entry")
MOST_PROMOTE = 1e9


@dataclass
class Tiresias(Ranked):
    """Queues by attained service; the first queue goes first, and within a queue the order is that of submission.

    A job moves to the next queue when its GPUs times seconds reach a threshold, and then gives way to those of earlier
    queues. With `promote` a job that waits long goes back to the first queue, and its service counts from 0 again.
    Source: Gu et al., NSDI 2019 (2D-LAS); one threshold of 18,000 GPU s as in Lucid's simulator (Hu et al., ASPLOS
    2023). ``thresholds=57600,within=entry`` are the rules of Pollux's artifact.

    Attributes
    ----------
    thresholds : str
        Attained service at which a job leaves each queue, with ``/`` between [GPU s].
    within : str
        Order in a queue: by ``submission``, or by ``entry`` into it; those that enter at once go by row.
    promote : float
        A job goes back when it has waited so many times as long as it ran, both since it was started first or promoted
        last; 0: never.
    """

    thresholds: str = "18000"
    within: str = "submission"
    promote: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = [as_real(text) for text in self.thresholds.split("/")]
        limits = [number for number in numbers if number is not None and number > 0.0]
        if len(limits) < len(numbers) or limits != sorted(set(limits)):
            raise InputError("thresholds", f"'{self.thresholds}'", "growing numbers above 0 with / between")
        if self.within not in ORDERS:
            raise InputError("within", f"'{self.within}'", f"one of {', '.join(ORDERS)}")
        if not 0.0 <= self.promote <= MOST_PROMOTE:
            raise InputError("promote", f"{self.promote:g}", f"a number from 0 to {MOST_PROMOTE:g}")
        self._limits = limits
        self.watches = self.within == "entry"

    def prepare(self, view: View) -> None:
        """Begin with no job."""
        super().prepare(view)
        # of running jobs: when they leave their queue, and their rank until then
        self._leaves: dict[int, tuple[float, tuple[int, float]]] = {}
        self._entries: dict[int, tuple[int, float]] = {}  # queue of a job, and since when
        self._before: dict[int, float] = {}  # service at the last promotion
        self._first: dict[int, float] = {}  # first start after the last promotion
        self._promotions: list[tuple[float, int, float]] = []  # heap of (when, row, waiting since)

    def decide(self, view: View) -> Decision:
        """Promote who has waited long, and give the jobs of the best rank their gangs."""
        self._promote_due(view)
        return super().decide(view)

    def rank(self, view: View, row: int) -> tuple[int, float]:
        """Return the queue, and the submission or the entry."""
        known = self._leaves.get(row)
        if known is not None and view.now < known[0]:
            return known[1]
        return self._placed(view, row, self._service(row))

    def _service(self, row: int) -> float:
        return self._attained[row] - self._before.get(row, 0.0)

    def _placed(self, view: View, row: int, service: float) -> tuple[int, float]:
        """Return the queue of a service, and what orders the job within it."""
        queue = bisect_right(self._limits, service * (1.0 + REACHED))
        if self.within == "submission":
            return queue, self._time[row]
        if self._entries.get(row, (-1, 0.0))[0] != queue:
            self._entries[row] = queue, view.now
        return self._entries[row]

    def again_at(self, view: View, running: Collection[int]) -> float | None:
        """Look again when the first running job reaches a threshold, or a waiting one is promoted."""
        leaves, now, first = self._leaves, view.now, math.inf
        for row in running:
            known = leaves.get(row)
            if known is None or known[0] <= now:
                known = leaves[row] = self._leave(view, row)
            first = min(first, known[0])
        if self._promotions:
            first = min(first, self._promotions[0][0])
        return first if first < math.inf else None

    def _leave(self, view: View, row: int) -> tuple[float, tuple[int, float]]:
        """Return when a running job leaves its queue, and its rank until then."""
        service = self._service(row)
        rank = self._placed(view, row, service)
        when = math.inf
        if rank[0] < len(self._limits):
            when = view.now + (self._limits[rank[0]] - service) / self._sizes[row]
        return when, rank

    def _wait(self, view: View, row: int, size: float) -> None:
        self._leaves.pop(row, None)
        super()._wait(view, row, size)
        ran = self._service(row) / size
        if self.promote and ran > 0.0 and self.rank(view, row)[0]:
            first = self._first.setdefault(row, view.now - ran)
            heappush(self._promotions, (first + (1.0 + self.promote) * ran, row, view.now))

    def _promote_due(self, view: View) -> None:
        """Move jobs whose waiting has become long to the first queue."""
        due = view.now * (1.0 + REACHED)
        while self._promotions and self._promotions[0][0] <= due:
            _, row, since = heappop(self._promotions)
            if view.placement[row] is not None or view.waiting_since[row] != since:
                continue  # it has run since then
            size = self._sizes[row]
            queue = self._waiting[self._pool[row]][size]
            queue.remove((self.rank(view, row), row))
            heapify(queue)
            self._before[row] = self._attained[row]
            self._first.pop(row, None)
            super()._wait(view, row, size)
