"""Least attained service first, with preemption."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from simcore.models.cluster.policies.ranked import Ranked, quantum_error
from simcore.models.cluster.view import View


@dataclass
class Las(Ranked):
    """The jobs that have got the least service run, each if its gang fits; looked at anew every quantum.

    Service is GPUs times seconds, or seconds alone with ``two_dimensional=no``. Ties go by row. On one GPU, with a
    short quantum, this is foreground-background scheduling. Source: Gu et al., NSDI 2019.

    Attributes
    ----------
    quantum : float
        Time after which ranks are looked at anew while jobs wait [s].
    two_dimensional : bool
        Whether GPUs count beside time.
    """

    quantum: float = 60.0
    two_dimensional: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if error := quantum_error("quantum", self.quantum):
            raise error

    def rank(self, view: View, row: int) -> float:
        """Return the attained service [GPU s or s]."""
        service = self._attained[row]
        return service if self.two_dimensional else service / view.job(row).gpus

    def again_at(self, view: View, running: Collection[int]) -> float | None:
        """Look again after a quantum."""
        return view.now + self.quantum
