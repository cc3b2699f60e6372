"""Tiresias: discretised two-dimensional least attained service."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass

from simcore.errors import InputError
from simcore.models.cluster.policies.ranked import REACHED, Ranked
from simcore.models.cluster.view import View
from simcore.numerals import as_real


@dataclass
class Tiresias(Ranked):
    """Queues by attained service; the first queue goes first, and within a queue the order is that of submission.

    A job moves to the next queue when its GPUs times seconds reach a threshold, and then gives way to those of earlier
    queues. A job that waits is not promoted. Source: Gu et al., NSDI 2019 (2D-LAS); one threshold of 18,000 GPU s as
    in Lucid's simulator (Hu et al., ASPLOS 2023).

    Attributes
    ----------
    thresholds : str
        Attained service at which a job leaves each queue, with ``/`` between [GPU s].
    """

    thresholds: str = "18000"

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = [as_real(text) for text in self.thresholds.split("/")]
        limits = [number for number in numbers if number is not None and number > 0.0]
        if len(limits) < len(numbers) or limits != sorted(set(limits)):
            raise InputError("thresholds", f"'{self.thresholds}'", "growing numbers above 0 with / between")
        self._limits = limits

    def prepare(self, view: View) -> None:
        """Begin with no job."""
        super().prepare(view)
        # of running jobs: when they leave their queue, and their rank until then
        self._leaves: dict[int, tuple[float, tuple[int, float]]] = {}

    def rank(self, view: View, row: int) -> tuple[int, float]:
        """Return the queue and the submission."""
        known = self._leaves.get(row)
        if known is not None and view.now < known[0]:
            return known[1]
        return bisect_right(self._limits, self._attained[row] * (1.0 + REACHED)), self._time[row]

    def again_at(self, view: View, running: Collection[int]) -> float | None:
        """Look again when the first running job reaches a threshold."""
        leaves, now, first = self._leaves, view.now, math.inf
        for row in running:
            known = leaves.get(row)
            if known is None or known[0] <= now:
                known = leaves[row] = self._leave(view, row)
            first = min(first, known[0])
        return first if first < math.inf else None

    def _leave(self, view: View, row: int) -> tuple[float, tuple[int, float]]:
        """Return when a running job leaves its queue, and its rank until then."""
        service = self._attained[row]
        queue = bisect_right(self._limits, service * (1.0 + REACHED))
        when = math.inf
        if queue < len(self._limits):
            when = view.now + (self._limits[queue] - service) / self._sizes[row]
        return when, (queue, self._time[row])

    def _wait(self, view: View, row: int, size: int) -> None:
        self._leaves.pop(row, None)
        super()._wait(view, row, size)
