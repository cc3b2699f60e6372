"""The convention ``physical``: links carry what they can, and chunks in flight share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simcore.models.network.algorithms import Algorithm, PhaseCost, byte_cost
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions.base import Convention
from simcore.models.network.topology import Block, Dimension


@dataclass(frozen=True)
class Physics(Convention):
    """Counts what links carry.

    Halving-doubling on a switch among NPUs that are no power of two folds, which sends whole buffers. A ring over the
    switch is faster where bandwidth counts, so the faster of the two runs.

    Examples
    --------
    >>> ring = Dimension(Block.RING, 8, latency=500e-9)
    >>> cost = PHYSICAL.phase_cost(ring, 100e9, Algorithm.RING, Collective.ALL_REDUCE, 8, 8e6)
    >>> round(cost.work * 1e6, 9), round(cost.latency * 1e6, 9), cost.sent
    (140.0, 7.0, 14000000.0)
    """

    def phase_cost(
        self,
        dimension: Dimension,
        bandwidth: float,
        algorithm: Algorithm,
        operation: Collective,
        group: int,
        size: float,
        members: Sequence[int] | None = None,
    ) -> PhaseCost:
        """Return the cost of one phase of a chunk, see `Convention.phase_cost`."""
        each_byte = self.byte_costs(dimension, bandwidth, algorithm, operation, group, size, members)
        costs = [PhaseCost(each.work * size, each.latency, each.sent * size) for each in each_byte]
        return min(costs, key=lambda each: each.work + each.latency)

    def byte_costs(
        self,
        dimension: Dimension,
        bandwidth: float,
        algorithm: Algorithm,
        operation: Collective,
        group: int,
        size: float,
        members: Sequence[int] | None = None,
    ) -> list[PhaseCost]:
        """Return the cost of one byte by each algorithm that may run, see `Convention.byte_costs`."""
        at = range(group) if members is None else members
        options = self.candidates(dimension, algorithm, operation, len(at))
        return [byte_cost(dimension, bandwidth, each, operation, at) for each in options]

    def candidates(
        self, dimension: Dimension, algorithm: Algorithm, operation: Collective, group: int
    ) -> tuple[Algorithm, ...]:
        """Return folding and a ring where halving-doubling folds on a switch; otherwise the algorithm itself."""
        folds = dimension.block is Block.SWITCH and group & (group - 1) and operation is not Collective.ALL_TO_ALL
        if algorithm is Algorithm.HALVING_DOUBLING and folds:
            return Algorithm.FOLDING, Algorithm.RING
        return (algorithm,)

    def bytes(self, size: float) -> float:
        """Return the size itself."""
        return size

    def share(self, size: float, parts: int) -> float:
        """Return one of so many equal parts."""
        return size / parts

    def cut(self, size: float, chunks: int) -> Sequence[float]:
        """Return equal chunks.

        Examples
        --------
        >>> PHYSICAL.cut(10, 4)
        [2.5, 2.5, 2.5, 2.5]
        """
        return [size / chunks] * chunks

    def after(self, start: float, duration: float) -> float:
        """Return ``start + duration``."""
        return start + duration

    def serve(self, now: float, links_free: float, cost: PhaseCost) -> tuple[float, float, float]:
        """Let one chunk send at a time: those under way share the links instead of multiplying them."""
        start = now if now >= links_free else links_free
        sent = start + cost.work
        return start, sent + cost.latency, sent


PHYSICAL = Physics("physical")
