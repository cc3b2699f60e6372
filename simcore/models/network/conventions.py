"""Conventions: what the phase of a chunk costs in one dimension, by physics or as ASTRA-sim counts it.

``physical`` keeps what links carry. The other three reproduce programs: ``astra-sim`` is ASTRA-sim 1.0 with its
analytical network, ``astra-sim-2`` and ``astra-sim-2-aware`` are ASTRA-sim 2 without and with its congestion model.
These count whole nanoseconds, let messages sent at once use a link at its full bandwidth each, and let several chunks
in flight multiply it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import floor
from typing import NamedTuple

from simcore.models.network.collectives import Collective
from simcore.models.network.distances import circulation, exchange, farthest
from simcore.models.network.graph import exchange_load
from simcore.models.network.simulation.algorithms import Algorithm, Step, steps
from simcore.models.network.topology import Block, Dimension, hops_between, peer_bandwidth

NANOSECOND = 1e-9
# rate of local memory in a reduction [B/ns]
_MEMORY_1 = 500_000
MEMORY_2 = 1600
ENDPOINT_2 = 10


class Convention(StrEnum):
    """What a chunk phase costs."""

    PHYSICAL = "physical"
    ASTRA_SIM = "astra-sim"
    ASTRA_SIM_2 = "astra-sim-2"
    ASTRA_SIM_2_AWARE = "astra-sim-2-aware"

    @property
    def whole_nanoseconds(self) -> bool:
        """Whether times and sizes are whole numbers, as in the programs that are reproduced."""
        return self is not Convention.PHYSICAL

    @property
    def always_ascending(self) -> bool:
        """Whether the schedule is ascending whatever its user asks for: ASTRA-sim 2 never reads which."""
        return self in (Convention.ASTRA_SIM_2, Convention.ASTRA_SIM_2_AWARE)

    @property
    def startup(self) -> float:
        """What a run takes before its first phase [s]."""
        return 5 * NANOSECOND if self is Convention.ASTRA_SIM else 0.0


class Cost(NamedTuple):
    """What a phase costs.

    Attributes
    ----------
    work : float
        How long it occupies the links of its dimension [s].
    latency : float
        How long its last message is under way after that [s]; another chunk may use the links meanwhile.
    sent : float
        Bytes that cross the links of one NPU [B], what it forwards for others included.
    """

    work: float
    latency: float
    sent: float


def phase_cost(
    convention: Convention,
    dimension: Dimension,
    bandwidth: float,
    algorithm: Algorithm,
    operation: Collective,
    group: int,
    size: float,
    members: Sequence[int] | None = None,
) -> Cost:
    """Return the cost of one phase of a chunk in one dimension.

    Parameters
    ----------
    convention : Convention
        Whose rules.
    dimension : Dimension
        Block, size and link latency.
    bandwidth : float
        Bandwidth of one NPU into the dimension [B/s].
    algorithm : Algorithm
        How the group runs the phase.
    operation : Collective
        The phase.
    group : int
        NPUs of the group in this dimension. A group that covers part of a fully connected dimension keeps the
        bandwidth per peer of the whole.
    size : float
        Input of the phase [B].
    members : sequence of int, optional
        Positions of the group along the dimension, by default neighbours: by physics a message crosses the hops
        between them on the real ring. ASTRA-sim's conventions take a group for a ring of its own.

    Examples
    --------
    >>> ring = Dimension(Block.RING, 8, latency=500e-9)
    >>> cost = phase_cost(Convention.PHYSICAL, ring, 100e9, Algorithm.RING, Collective.ALL_REDUCE, 8, 8e6)
    >>> round(cost.work * 1e6, 9), round(cost.latency * 1e6, 9), cost.sent
    (140.0, 7.0, 14000000.0)
    """
    if convention is Convention.PHYSICAL:
        at = range(group) if members is None else members
        each_byte = byte_costs(dimension, bandwidth, algorithm, operation, at)
        costs = [Cost(each.work * size, each.latency, each.sent * size) for each in each_byte]
        return min(costs, key=lambda each: each.work + each.latency)
    return _whole_nanoseconds(convention, dimension, bandwidth, algorithm, operation, group, int(size))


def byte_costs(
    dimension: Dimension, bandwidth: float, algorithm: Algorithm, operation: Collective, members: Sequence[int]
) -> list[Cost]:
    """Return by physics the cost of a phase of one byte for each algorithm that may run it.

    Work and bytes sent grow with the size of the phase, latency does not. Folding sends whole buffers: among NPUs that
    are no power of two, a ring over the switch is faster where bandwidth counts.
    """
    ways = candidates(dimension, algorithm, operation, len(members))
    return [_physical(dimension, bandwidth, way, operation, members) for way in ways]


def candidates(dimension: Dimension, algorithm: Algorithm, operation: Collective, group: int) -> tuple[Algorithm, ...]:
    """Return the algorithms of which by physics the faster may run a phase of an operation in a group of NPUs."""
    open_ = dimension.block is Block.SWITCH and group & (group - 1) and operation is not Collective.ALL_TO_ALL
    if algorithm is Algorithm.HALVING_DOUBLING and open_:
        return Algorithm.FOLDING, Algorithm.RING
    return (algorithm,)


def _physical(
    dimension: Dimension,
    bandwidth: float,
    algorithm: Algorithm,
    operation: Collective,
    members: Sequence[int],
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


def is_exchange(algorithm: Algorithm, operation: Collective) -> bool:
    """Say whether each NPU of a group sends to each other at once."""
    return algorithm is Algorithm.DIRECT or operation is Collective.ALL_TO_ALL


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
    # pairs that exchange at this distance load their middle link, in one direction; opposite NPUs use both ways
    load = float(step.distance if 2 * step.distance == len(members) else 2 * step.distance)
    return load, load


def link_latency(dimension: Dimension) -> float:
    """Return the latency of a link as ASTRA-sim is told it [ns]: 7e-9 s are 7 ns, not a rounding less."""
    return round(dimension.latency / NANOSECOND, 6)


def link_bandwidth(convention: Convention, dimension: Dimension, bandwidth: float) -> float:
    """Return what one message sees in ASTRA-sim [B/ns]; in ASTRA-sim 2 a ring message uses one direction."""
    per_nanosecond = bandwidth / 1e9
    if dimension.block is Block.FULLY_CONNECTED:
        return peer_bandwidth(dimension, per_nanosecond)
    if dimension.block is Block.RING and convention is not Convention.ASTRA_SIM:
        return per_nanosecond / 2
    return per_nanosecond


def _whole_nanoseconds(
    convention: Convention,
    dimension: Dimension,
    bandwidth: float,
    algorithm: Algorithm,
    operation: Collective,
    n: int,
    size: int,
) -> Cost:
    """Count a phase as ASTRA-sim does: each message truncated, no two messages share a link.

    ASTRA-sim 1.0 adds 1 ns to a message and to a phase; ASTRA-sim 2 adds 10 ns to a step and to a phase.
    """
    rate = link_bandwidth(convention, dimension, bandwidth)
    latency = link_latency(dimension)
    first = convention is Convention.ASTRA_SIM
    # two operands read and one written, each truncated
    reduction = 3 * (size // n // (_MEMORY_1 if first else MEMORY_2))
    total, sent = 1 if first else ENDPOINT_2, 0
    for step in steps(algorithm, operation, n):
        message = size * step.parts // step.of
        time = floor(hops_between(dimension.block, step.distance, n) * latency + message / rate)
        time += 1 if first else ENDPOINT_2
        total += step.times * (time + (reduction if step.reduces else 0))
        sent += step.times * step.peers * message
    return Cost(total * NANOSECOND, 0.0, float(sent))
