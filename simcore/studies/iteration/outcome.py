"""What was predicted of a training iteration on GPUs."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass

from simcore.models.training.parallel.simulate import Simulated
from simcore.studies.deployment.outcome import LayoutOutcome


@dataclass(frozen=True, kw_only=True)
class IterationOutcome(LayoutOutcome, ABC):
    """Time and memory of a training iteration.

    Attributes
    ----------
    simulated : Simulated or None
        The iteration chunk by chunk, where that was asked for.
    training_tokens : float or None
        Tokens of a whole training, where they were given.
    """

    simulated: Simulated | None
    training_tokens: float | None

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
    def peak(self) -> float:
        """Peak of a GPU in the number format of its products [FLOP/s]."""
        device = self.deployment.evaluator.machine.profile.device
        return device.peak(self.evaluation.layout.number_format.products)

    @property
    def training_seconds(self) -> float | None:
        """Time of the whole training [s]."""
        return None if self.training_tokens is None else self.training_tokens / self.tokens_per_second
