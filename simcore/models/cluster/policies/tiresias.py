"""Tiresias: discretised two-dimensional least attained service."""

from __future__ import annotations

from bisect import bisect_right
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

    def rank(self, view: View, row: int) -> tuple[int, float]:
        """Return the queue and the submission."""
        return bisect_right(self._limits, self._attained[row] * (1.0 + REACHED)), self._time[row]

    def again_at(self, view: View, running: list[int]) -> float | None:
        """Look again when the first running job reaches a threshold."""
        times = []
        for row in running:
            service = self._attained[row]
            queue = bisect_right(self._limits, service * (1.0 + REACHED))
            if queue < len(self._limits):
                times.append(view.now + (self._limits[queue] - service) / view.job(row).max_parallelism)
        return min(times, default=None)
