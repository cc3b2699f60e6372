"""The search of Slapo's artifact: the largest batch, then for each smaller one the least recomputation that fits."""

from __future__ import annotations

from collections.abc import Sequence

from simcore.models.training.tuning.cells import Asked, Cell, Guess, groups

PATIENCE = 5
"""Measurements in a row that do not improve, after which the search of a group stops."""


def coordinate(guesses: Sequence[Guess], asked: Asked, capacity: float) -> None:
    """Measure as the tuner of Slapo's artifact does, for one way to spread the model after the other.

    The largest batch is tried with the most recomputation, and halved by bisection while memory runs out. For each
    smaller batch bisection finds the least recomputation that fits; what did not fit a larger batch's bisection is
    where it begins. No prediction is used (`slapo/autotune/tune.py` of github.com/chhzh123/slapo, where the plot of
    Figure 10 stops after five measurements that do not improve).

    Parameters
    ----------
    guesses : sequence of Guess
        The space.
    asked : Asked
        Measures, and keeps what came out.
    capacity : float
        Not used.
    """
    for own in groups(guesses).values():
        _Descent([each.cell for each in own], asked).run()


class _Descent:
    """The search among cells that differ in batch and ratio alone."""

    def __init__(self, cells: Sequence[Cell], asked: Asked) -> None:
        self.cells = {(cell.batch, cell.ratio): cell for cell in cells}
        self.batches = sorted({cell.batch for cell in cells})
        self.ratios = sorted({cell.ratio for cell in cells}, reverse=True)
        self.asked, self.best, self.without = asked, 0.0, 0

    def run(self) -> None:
        """Measure until nothing improves, or no batch is left."""
        least = 0
        for batch in reversed(self.batches[: self._largest() + 1]):
            low, high = least, len(self.ratios) - 1
            while low <= high:
                if self._over():
                    return
                middle = (low + high) // 2
                if self._measured(batch, self.ratios[middle]):
                    least, low = middle, middle + 1
                else:
                    high = middle - 1

    def _largest(self) -> int:
        """Return the place of the largest batch that fits with the most recomputation; -1 where none does."""
        low, high = 0, len(self.batches) - 1
        if self._measured(self.batches[high], self.ratios[0]):
            return high
        while low <= high and not self._over():
            middle = (low + high) // 2
            if self._measured(self.batches[middle], self.ratios[0]):
                low = middle + 1
            else:
                high = middle - 1
        return low - 1

    def _measured(self, batch: int, ratio: float) -> bool:
        """Measure a cell, and say whether it ran; one that is not in the space did not."""
        cell = self.cells.get((batch, ratio))
        rate = None if cell is None else self.asked(cell)
        self.without = 0 if (rate or 0.0) > self.best else self.without + 1
        self.best = max(self.best, rate or 0.0)
        return bool(rate)

    def _over(self) -> bool:
        return self.asked.spent or (self.without >= PATIENCE and self.best > 0)
