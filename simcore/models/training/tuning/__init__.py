"""Tuning: the cell of a space of batches, recomputation and kernels that trains fastest, from few measurements."""

from simcore.models.training.tuning.cells import Asked, Cell, Guess, Measure
from simcore.models.training.tuning.certified import BatchChoice, BlockKind, Plan, certified, enumerated
from simcore.models.training.tuning.strategies import STRATEGIES

__all__ = [
    "STRATEGIES", "Asked", "BatchChoice", "BlockKind", "Cell", "Guess", "Measure", "Plan", "certified", "enumerated",
]  # fmt: skip
