"""What is free in a pool, on paper: for policies that plan what starts and ends later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simcore.models.cluster.pools import DIGITS, Held


class OnPaper(Protocol):
    """Nodes of which a sketch keeps a copy."""

    def fits(self, row: int) -> Held | None:
        """Return what a job's gang would get, None if it does not fit."""

    def move(self, row: int, held: Held, sign: int) -> None:
        """Take what a job holds, or with a sign of 1 give it back."""


@dataclass
class Sketch:
    """What is free in a pool, on paper: a policy takes and gives here what will start and end later.

    Attributes
    ----------
    left : float
        Free GPUs that the quota allows.
    free : float
        Free GPUs.
    size : callable
        From a row to the GPUs of its gang.
    nodes : OnPaper or None
        The nodes, where there are some.

    Examples
    --------
    Row 0 is a gang of 3, row 1 one of 2:

    >>> sketch = Sketch(4, 4, [3, 2].__getitem__)
    >>> held = sketch.fits(0)
    >>> sketch.take(0, held)
    >>> sketch.fits(1) is None
    True
    """

    left: float
    free: float
    size: Callable[[int], float]
    nodes: OnPaper | None = None

    def fits(self, row: int) -> Held | None:
        """Return what a job's gang would get, None if it does not fit."""
        size = self.size(row)
        if size > min(self.left, self.free):
            return None
        return ((0, size, 0),) if self.nodes is None else self.nodes.fits(row)

    def take(self, row: int, held: Held) -> None:
        """Take what a job holds."""
        self._move(row, held, -1)

    def give(self, row: int, held: Held) -> None:
        """Give back what a job held."""
        self._move(row, held, 1)

    def _move(self, row: int, held: Held, sign: int) -> None:
        gpus = sign * sum(count for _, count, _ in held)
        self.left = round(self.left + gpus, DIGITS)
        self.free = round(self.free + gpus, DIGITS)
        if self.nodes is not None:
            self.nodes.move(row, held, sign)
