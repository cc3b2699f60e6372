"""Priorities with preemption."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simcore.models.cluster.policies.ranked import Ranked
from simcore.models.cluster.view import View


@dataclass
class Priority(Ranked):
    """The jobs of the highest priority run, then those submitted first; others are stopped.

    The column ``priority`` of the trace says it; a larger number goes first, and a job without one has 0. Source:
    preemptive priority queueing, Kleinrock, Queueing Systems II, 1976, section 3.4.
    """

    def prepare(self, view: View) -> None:
        """Read priorities."""
        super().prepare(view)
        self._priority = [0.0 if math.isnan(each) else each for each in view.numbers("priority")]

    def rank(self, view: View, row: int) -> tuple[float, float]:
        """Return the priority, the highest first, and the submission."""
        return -self._priority[row], self._time[row]
