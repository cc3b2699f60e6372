"""What a tuner chooses among: cells of a space, what is predicted of each, and what came out where it was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simcore.models.training.parallel.evaluation import Evaluation


@dataclass(frozen=True, order=True)
class Cell:
    """One way to train.

    Attributes
    ----------
    parallel, steps : str
        How the model is spread, such as ``zero3``, and the kernels' steps of its schedule, such as ``sdpa``.
    batch : int
        Sequences of an iteration.
    ratio : float
        Share of blocks that are recomputed.
    """

    parallel: str
    steps: str
    batch: int
    ratio: float

    @property
    def group(self) -> tuple[str, str]:
        """What it shares with all cells that differ in batch and ratio alone."""
        return self.parallel, self.steps

    def lighter(self, other: Cell) -> bool:
        """Say whether it surely needs no more memory: the same but for a smaller batch, or more recomputation."""
        return self.group == other.group and self.batch <= other.batch and self.ratio >= other.ratio

    def __str__(self) -> str:
        kernels = f", {self.steps}" if self.steps else ""
        return f"{self.parallel}{kernels}, batch {self.batch}, ratio {self.ratio:g}"


@dataclass(frozen=True)
class Guess:
    """What the model predicts of a cell.

    Attributes
    ----------
    cell : Cell
        Of the space.
    seconds, recompute : float
        Time of an iteration, and the part of it that recomputation takes [s].
    held : float
        What a GPU holds beside the loss [B].
    loss, block : float
        What the loss holds, and the backward pass of a block; the larger one is beside `held` [B].
    """

    cell: Cell
    seconds: float
    recompute: float
    held: float
    loss: float = 0.0
    block: float = 0.0

    @classmethod
    def of(cls, cell: Cell, evaluation: Evaluation) -> Guess:
        """Return what an evaluation says of a cell."""
        worst = evaluation.worst
        held = worst.allocated - max(worst.loss, worst.block)
        return cls(cell, evaluation.time, evaluation.parts["recompute"], held, worst.loss, worst.block)

    @property
    def rate(self) -> float:
        """Sequences per second [1/s]."""
        return self.cell.batch / self.seconds

    def memory(self, loss: float = 1.0) -> float:
        """Return what a GPU holds [B], where the loss takes so many times what is usual."""
        return self.held + max(loss * self.loss, self.block)


Measure = Callable[[Cell], float | None]
"""Gives sequences per second of a cell [1/s], or None where memory runs out."""


@dataclass
class Asked:
    """What was measured, in order; a cell is measured once.

    Attributes
    ----------
    measure : callable
        Measures a cell.
    rates : dict of Cell to float or None
        What came out: sequences per second [1/s], None where memory ran out.
    most : int or None
        How many cells may be measured; None for any number.
    """

    measure: Measure
    rates: dict[Cell, float | None] = field(default_factory=dict)
    most: int | None = None

    def __call__(self, cell: Cell) -> float | None:
        """Measure a cell, unless that was done before."""
        if cell not in self.rates:
            self.rates[cell] = self.measure(cell)
        return self.rates[cell]

    @property
    def spent(self) -> bool:
        """Whether no more may be measured."""
        return self.most is not None and len(self.rates) >= self.most

    @property
    def best(self) -> Cell | None:
        """The cell with the highest rate, the first of equals; None where none ran."""
        ran = [cell for cell, rate in self.rates.items() if rate]
        return max(ran, key=lambda cell: self.rates[cell] or 0.0) if ran else None

    @property
    def rate(self) -> float:
        """The highest rate [1/s]; 0 where nothing ran."""
        return max((rate for rate in self.rates.values() if rate), default=0.0)

    def known(self, cell: Cell) -> bool | None:
        """Say whether a cell fits, as it follows from what was measured of lighter and heavier ones; None if open."""
        for other, rate in self.rates.items():
            if rate and cell.lighter(other):
                return True
            if not rate and other.lighter(cell):
                return False
        return None


def groups(guesses: Sequence[Guess]) -> dict[tuple[str, str], list[Guess]]:
    """Return guesses by what their cells share, in order."""
    found: dict[tuple[str, str], list[Guess]] = {}
    for each in guesses:
        found.setdefault(each.cell.group, []).append(each)
    return found
