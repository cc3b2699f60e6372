"""What was predicted of a training iteration on GPUs."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass

from simcore.models.training.parallel.changes import Change
from simcore.models.training.parallel.evaluation import Evaluation
from simcore.models.training.parallel.simulate import Simulated
from simcore.studies.deployment.intervals import Predicted
from simcore.studies.deployment.layouts import Deployed


@dataclass(frozen=True, kw_only=True)
class IterationOutcome(Predicted, ABC):
    """Time and memory of a training iteration.

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
    change : Change or None
        The change that helps most: what makes it fit, or the single one that makes it fastest; None where none does.
    simulated : Simulated or None
        The iteration chunk by chunk, where that was asked for.
    chunks : int
        Into how many each collective is cut there.
    training_tokens : float or None
        Tokens of a whole training, where they were given.
    """

    deployment: Deployed
    evaluation: Evaluation
    tried: int | None
    capacity: float
    change: Change | None
    simulated: Simulated | None
    chunks: int
    training_tokens: float | None

    @property
    def fits(self) -> bool:
        """Whether every rank has the memory that it needs."""
        return self.evaluation.worst.reserved <= self.capacity

    @property
    def time(self) -> float:
        """The iteration [s]."""
        return self.evaluation.time

    @property
    def difference(self) -> float | None:
        """What the simulated iteration takes more than the closed form, as a share of that."""
        return None if self.simulated is None else self.simulated.time / self.time - 1

    @property
    def tokens_per_second(self) -> float:
        """Tokens of all GPUs together [1/s]."""
        return self.evaluation.tokens / self.time

    @property
    def peak(self) -> float | None:
        """Peak of a GPU in the number format of its products [FLOP/s]; None where its profile does not say."""
        peaks = self.deployment.evaluator.machine.profile.device.peaks
        return peaks.get(self.evaluation.layout.number_format.products)

    @property
    def training_seconds(self) -> float | None:
        """Time of the whole training [s]."""
        return None if self.training_tokens is None else self.training_tokens / self.tokens_per_second
