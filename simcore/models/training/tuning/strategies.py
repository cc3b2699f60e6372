"""Ways to search a space for the cell with the highest rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from simcore.models.training.tuning.cells import Asked, Guess
from simcore.models.training.tuning.coordinate import coordinate
from simcore.models.training.tuning.guided import predict_then_measure


def exhaustive(guesses: Sequence[Guess], asked: Asked, capacity: float) -> None:
    """Measure every cell, in the order of the space."""
    for each in guesses:
        if asked.spent:
            return
        asked(each.cell)


Strategy = Callable[[Sequence[Guess], Asked, float], None]
"""Measures cells of a space; the last argument is what programs may use of a GPU's memory [B]."""

STRATEGIES: Mapping[str, Strategy] = {
    "exhaustive": exhaustive, "coordinate": coordinate, "predict-then-measure": predict_then_measure,
}  # fmt: skip
"""By name."""
