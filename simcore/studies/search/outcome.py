"""What a search of layouts came to."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass

from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.pipelining import PARTS
from simcore.models.training.parallel.search import Found
from simcore.results import Result
from simcore.studies.deployment.layouts import Deployed


@dataclass(frozen=True)
class Neighbour:
    """The best layout with one thing changed.

    Attributes
    ----------
    what : str
        The change, such as ``TP 4``.
    result : Evaluation or None
        What it comes to; None where it cannot be run.
    reason : str
        Why it cannot be run; empty where it can.
    """

    what: str
    result: Evaluation | None
    reason: str = ""

    def grown(self, best: Evaluation) -> tuple[str, float]:
        """Return the part of the iteration that grows most against the best layout, and by how much [s]."""
        assert self.result is not None
        growth = {name: self.result.parts[name] - best.parts[name] for name in PARTS}
        most = max(PARTS, key=growth.__getitem__)
        return most, growth[most]


@dataclass(frozen=True, kw_only=True)
class SearchOutcome(Result, ABC):
    """What a search of layouts came to.

    Attributes
    ----------
    deployment : Deployed
        The model on its machine.
    found : Found
        All layouts that fit, the fastest first, and how many do not.
    listed : tuple of Evaluation
        Those that are listed.
    capacity : float
        Memory of a GPU that programs may use [B].
    neighbours : tuple of Neighbour
        The best layout with one thing changed.
    """

    deployment: Deployed
    found: Found
    listed: tuple[Evaluation, ...]
    capacity: float
    neighbours: Sequence[Neighbour] = ()

    @property
    def best(self) -> Evaluation | None:
        """The fastest layout that fits; None where none does."""
        return self.found.best[0] if self.found.best else None

    @property
    def peak(self) -> float:
        """Peak of a GPU in the number format of its products [FLOP/s]."""
        machine, base = self.deployment.evaluator.machine, self.deployment.base
        return machine.profile.device.peak(base.number_format.products)
