"""What is free in a pool, on paper: for policies that plan what starts and ends later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simcore.models.cluster.pools import Held, Pool


@dataclass
class Sketch:
    """What is free in a pool, on paper: a policy takes and gives here what will start and end later.

    Attributes
    ----------
    left : int
        Free GPUs that the quota allows.
    free : int
        Free GPUs.
    nodes : Pool or None
        The nodes, where there are some.
    choose : callable, optional
        The placer's choice among them.

    Examples
    --------
    >>> sketch = Sketch(4, 4)
    >>> held = sketch.fits(3)
    >>> sketch.take(held)
    >>> sketch.fits(2) is None
    True
    """

    left: int
    free: int
    nodes: Pool | None = None
    choose: Callable[[Pool, int], Held | None] | None = None

    def fits(self, size: int) -> Held | None:
        """Return what a gang would get, None if it does not fit."""
        if size > min(self.left, self.free):
            return None
        return ((0, size, 0),) if self.nodes is None or self.choose is None else self.choose(self.nodes, size)

    def take(self, held: Held) -> None:
        """Take a gang."""
        self._move(held, -1)
        if self.nodes is not None:
            self.nodes.take(held)

    def give(self, held: Held) -> None:
        """Give a gang back."""
        self._move(held, 1)
        if self.nodes is not None:
            self.nodes.give(held)

    def _move(self, held: Held, sign: int) -> None:
        gpus = sign * sum(count for _, count, _ in held)
        self.left += gpus
        self.free += gpus
