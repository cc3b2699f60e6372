"""Shortest remaining service first, with preemption."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.cluster.policies.srtf import Srtf
from simcore.models.cluster.view import View


@dataclass
class Srsf(Srtf):
    """The jobs of the least estimated remaining time times GPUs run, each if its gang fits; others are stopped.

    Source: the baseline SRSF of Tiresias (Gu et al., NSDI 2019).
    """

    def rank(self, view: View, row: int) -> float:
        """Return the estimated remaining service [GPU s]."""
        return super().rank(view, row) * view.job(row).gpus

    def ranks(self, view: View, rows: list[int]) -> list[float]:
        """Return the estimated remaining services of some jobs [GPU s]."""
        return [each * self._sizes[row] for row, each in zip(rows, super().ranks(view, rows), strict=True)]
