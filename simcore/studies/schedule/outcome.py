"""What each step of a training schedule comes to."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simcore.results import Result

if TYPE_CHECKING:
    from simcore.models.training.parallel.evaluation import Evaluation
    from simcore.models.training.parallel.stack import Stack
    from simcore.models.training.schedule import Schedule


@dataclass(frozen=True)
class Stepped:
    """A training iteration after some steps.

    Attributes
    ----------
    step : str
        The last step; ``unscheduled`` before the first one.
    evaluation : Evaluation
        Time and memory.
    fits : bool
        Whether every GPU has the memory that it needs.
    """

    step: str
    evaluation: Evaluation
    fits: bool

    @property
    def rate(self) -> float:
        """Sequences of all GPUs together [1/s]."""
        return self.evaluation.layout.global_batch / self.evaluation.time


@dataclass(frozen=True, kw_only=True)
class ScheduleOutcome(Result, ABC):
    """A training schedule, step by step.

    Attributes
    ----------
    name, device, network : str
        Of the model, the GPU and the network.
    sequence : int
        Tokens of a sequence.
    parameters : float
        Of the model, with its output layer.
    schedule : Schedule
        All steps.
    rows : tuple of Stepped
        Before the first step, and after each one.
    largest : bool
        Whether the batch of each row is the largest that fits.
    capacity : float
        What programs may use of a GPU's memory [B].
    peak : float or None
        Peak of the device in the number format of products [FLOP/s]; None where nobody says.
    stack : Stack or None
        What software is taken to reach.
    """

    name: str
    device: str
    network: str
    sequence: int
    parameters: float
    schedule: Schedule
    rows: tuple[Stepped, ...]
    largest: bool
    capacity: float
    peak: float | None
    stack: Stack | None = None

    @property
    def last(self) -> Stepped:
        """After all steps."""
        return self.rows[-1]

    @property
    def speedup(self) -> float:
        """Sequences per second after all steps, over those before the first."""
        return self.last.rate / self.rows[0].rate
