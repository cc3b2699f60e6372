"""A space of ways to train: batches, shares of recomputed blocks, ways to spread the model, and kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simcore.models.training.tuning.cells import Cell

RATIOS = (1.0, 0.92, 0.84, 0.67, 0.5, 0.34, 0.25, 0.0)
"""Shares of recomputed blocks of Slapo's tuner."""


@dataclass(frozen=True)
class Space:
    """What may be chosen.

    Attributes
    ----------
    batches : tuple of int
        Sequences of an iteration.
    ratios : tuple of float
        Shares of recomputed blocks, from 0 to 1.
    parallel, kernels : tuple of str
        Ways to spread the model, such as ``zero3``, and steps of a schedule without checkpoints, such as ``sdpa``.
    rounding : str
        Which blocks a share stands for, ``head`` or ``uniform``.
    cells : tuple of Cell
        The cells themselves, where they are no product of the others; empty otherwise.

    Examples
    --------
    >>> space = Space((8, 16), (1.0, 0.5), ("zero3",), ("", "sdpa"))
    >>> [str(cell) for cell in space.all()][:2], len(list(space.all()))
    (['zero3, batch 8, ratio 1', 'zero3, batch 8, ratio 0.5'], 8)
    """

    batches: tuple[int, ...]
    ratios: tuple[float, ...]
    parallel: tuple[str, ...]
    kernels: tuple[str, ...]
    rounding: str = "head"
    cells: tuple[Cell, ...] = ()

    def all(self) -> Iterator[Cell]:
        """Yield the cells, ways to spread the model first."""
        if self.cells:
            yield from self.cells
            return
        for parallel in self.parallel:
            for steps in self.kernels:
                for batch in self.batches:
                    for ratio in self.ratios:
                        yield Cell(parallel, steps, batch, ratio)
