"""Shortest remaining time first, with preemption."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.cluster.policies.estimates import Estimates
from simcore.models.cluster.policies.ranked import Ranked
from simcore.models.cluster.view import View


@dataclass
class Srtf(Ranked, Estimates):
    """The jobs of the least estimated remaining time run, each if its gang fits; others are stopped.

    On one GPU, with exact estimates and free preemption, no policy has a smaller mean completion time. Source: Schrage,
    Operations Research 16 (1968).
    """

    def __post_init__(self) -> None:
        Estimates.__post_init__(self)
        Ranked.__post_init__(self)

    def prepare(self, view: View) -> None:
        """Take estimates."""
        super().prepare(view)
        self._factors, self._remaining = self.factors(view), view.remaining

    def rank(self, view: View, row: int) -> float:
        """Return the estimated remaining time [s]."""
        return self._factors[row] * self._remaining[row]

    def ranks(self, view: View, rows: list[int]) -> list[float]:
        """Return the estimated remaining times of some jobs [s]."""
        left = self._remaining.of(rows)
        if self.estimate == "exact":
            return left
        return [self._factors[row] * each for row, each in zip(rows, left, strict=True)]
