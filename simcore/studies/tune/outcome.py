"""What tuning comes to: what was tried, what is best, and how many cells that took."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simcore.results import Result

if TYPE_CHECKING:
    from simcore.models.training.parallel.stack import Stack
    from simcore.models.training.tuning.cells import Cell
    from simcore.models.training.tuning.space import Space
    from simcore.studies.tune.certificate import Certificate
    from simcore.studies.tune.predicted import Predictions


@dataclass(frozen=True, kw_only=True)
class TuneOutcome(Result, ABC):
    """A space that was searched.

    Attributes
    ----------
    name, device, network : str
        Of the model, the GPU and the network.
    gpus, sequence : int
        GPUs, and tokens of a sequence.
    parameters : float
        Of the model, with its output layer.
    space : Space
        What could be chosen.
    strategy, source : str
        How it was searched, and where measurements come from: ``table``, ``function`` or ``model``.
    predictions : Predictions
        What is predicted of all cells.
    rates : dict of Cell to float or None
        What was measured, in order: sequences per second [1/s], None where memory ran out.
    capacity : float
        What programs may use of a GPU's memory [B].
    certificate : Certificate or None
        The best plan and its bound, of the strategy certified.
    stack : Stack or None
        What software is taken to reach.
    """

    name: str
    device: str
    network: str
    gpus: int
    sequence: int
    parameters: float
    space: Space
    strategy: str
    source: str
    predictions: Predictions
    rates: dict[Cell, float | None]
    capacity: float
    certificate: Certificate | None = None
    stack: Stack | None = None

    @property
    def cells(self) -> int:
        """Cells of the space that can be run."""
        return len(self.predictions.evaluations)

    @property
    def best(self) -> Cell:
        """The cell with the highest rate, the first of equals."""
        if self.certificate is not None:
            return self.certificate.cell
        return max(self.rates, key=lambda cell: self.rates[cell] or 0.0)

    @property
    def rate(self) -> float:
        """Its sequences per second [1/s]."""
        return self.certificate.rate if self.certificate is not None else self.rates[self.best] or 0.0

    @property
    def error(self) -> float | None:
        """Mean relative error of the predictions, uncorrected, of cells that were measured; None where none was."""
        ran = [
            (rate, cell.batch / self.predictions.evaluations[cell].time) for cell, rate in self.rates.items() if rate
        ]
        if self.source == "model" or not ran:
            return None
        return sum(abs(measured / predicted - 1) for measured, predicted in ran) / len(ran)
