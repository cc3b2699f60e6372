"""The convention ``physical``: links carry what they can, and chunks in flight share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simcore.models.network.algorithms import Algorithm, Step, is_exchange, steps
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions.base import Convention, Cost
from simcore.models.network.distances import circulation, exchange, farthest
from simcore.models.network.graph import exchange_load
from simcore.models.network.topology import Block, Dimension, peer_bandwidth


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
    ) -> Cost:
        """Return the cost of one phase of a chunk, see `Convention.phase_cost`."""
        each_byte = self.byte_costs(dimension, bandwidth, algorithm, operation, group, size, members)
        costs = [Cost(each.work * size, each.latency, each.sent * size) for each in each_byte]
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
    ) -> list[Cost]:
        """Return the cost of one byte by each algorithm that may run, see `Convention.byte_costs`."""
        at = range(group) if members is None else members
        options = self.candidates(dimension, algorithm, operation, len(at))
        return [_byte_cost(dimension, bandwidth, each, operation, at) for each in options]

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

    def serve(self, now: float, links_free: float, cost: Cost) -> tuple[float, float, float]:
        """Let one chunk send at a time: those under way share the links instead of multiplying them."""
        start = now if now >= links_free else links_free
        sent = start + cost.work
        return start, sent + cost.latency, sent


PHYSICAL = Physics("physical")


def _byte_cost(
    dimension: Dimension, bandwidth: float, algorithm: Algorithm, operation: Collective, members: Sequence[int]
) -> Cost:
    n = len(members)
    work = latency = sent = 0.0
    for step in steps(algorithm, operation, n):
        message = step.parts / step.of
        most, mean = _crossings(dimension, step, algorithm, operation, members)
        rate = bandwidth
        if dimension.block is Block.FULLY_CONNECTED:  # one link for each peer; a link that has no message is idle
            rate = step.peers * peer_bandwidth(dimension, bandwidth)
        work += step.times * message * most / rate
        sent += step.times * message * mean
        latency += _hops(dimension, algorithm, step, members) * dimension.latency
    return Cost(work, latency, sent)


def _hops(dimension: Dimension, algorithm: Algorithm, step: Step, members: Sequence[int]) -> int:
    """Return the links that the messages of a step and its repetitions cross one after the other."""
    if step.peers > 1:
        return step.times * farthest(dimension, members)
    if algorithm is Algorithm.RING and step.times > 1:
        return circulation(dimension, members)
    return step.times * exchange(dimension, members, step.distance)


def _crossings(
    dimension: Dimension, step: Step, algorithm: Algorithm, operation: Collective, members: Sequence[int]
) -> tuple[float, float]:
    """Return the messages that share the bandwidth of one NPU in a step, what it forwards included: most and mean."""
    if dimension.block is not Block.RING:
        return float(step.peers), float(step.peers)
    if is_exchange(algorithm, operation):
        return exchange_load(dimension, members)
    if algorithm is Algorithm.RING or len(members) == 2:
        return 1.0, 1.0  # two logical rings, one in each direction
    # pairs that exchange at this distance load their middle link, in one direction; opposite NPUs use both directions
    load = float(step.distance if 2 * step.distance == len(members) else 2 * step.distance)
    return load, load
