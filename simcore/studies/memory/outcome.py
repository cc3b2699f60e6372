"""What was found of a model's memory on GPUs."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass

from simcore.models.training.parallel.evaluation import Evaluation
from simcore.results import Result
from simcore.studies.deployment.layouts import Deployed


@dataclass(frozen=True)
class Remedy:
    """What makes a model fit.

    Attributes
    ----------
    what : str
        For example ``recompute full``.
    result : Evaluation
        The iteration with it.
    """

    what: str
    result: Evaluation


@dataclass(frozen=True, kw_only=True)
class MemoryOutcome(Result, ABC):
    """What every GPU of a layout holds.

    Attributes
    ----------
    deployment : Deployed
        The model on its machine.
    evaluation : Evaluation
        Time and memory of the layout.
    tried : int or None
        Layouts that were tried to settle what was left open; None where nothing was.
    capacity : float
        Memory of a GPU that programs may use [B].
    remedy : Remedy or None
        The cheapest change that makes it fit; None where it fits, or nothing does.
    """

    deployment: Deployed
    evaluation: Evaluation
    tried: int | None
    capacity: float
    remedy: Remedy | None

    @property
    def fits(self) -> bool:
        """Whether every rank has the memory that it needs."""
        return self.evaluation.worst.reserved <= self.capacity
