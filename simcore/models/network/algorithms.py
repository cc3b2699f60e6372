"""Algorithms of one dimension: the steps in which a group of NPUs there runs one phase of a chunk.

A phase is a reduce-scatter, all-gather, all-reduce or all-to-all of one chunk in one dimension. An algorithm turns it
into steps. In a step every NPU sends one message to each of some peers. `byte_cost` is what they take on links that
carry what they can. Conventions say what a simulator makes of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from simcore.models.network.collectives import Collective
from simcore.models.network.distances import circulation, exchange, farthest
from simcore.models.network.graph import exchange_load
from simcore.models.network.topology import Block, Dimension, peer_bandwidth


class Algorithm(StrEnum):
    """How the NPUs of one dimension run a phase.

    Among NPUs that are no power of two `FOLDING` is halving-doubling with a fold-in step. On a switch, by physics,
    `HALVING_DOUBLING` is the faster of that and a ring.
    """

    RING = "ring"
    DIRECT = "direct"
    HALVING_DOUBLING = "halving-doubling"
    FOLDING = "folding"


DEFAULT_ALGORITHM = {
    Block.RING: Algorithm.RING,
    Block.FULLY_CONNECTED: Algorithm.DIRECT,
    Block.SWITCH: Algorithm.HALVING_DOUBLING,
}


class PhaseCost(NamedTuple):
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


@dataclass(frozen=True, slots=True)
class Step:
    """Equal steps of a phase.

    Attributes
    ----------
    parts, of : int
        A message is ``parts / of`` of the chunk.
    peers : int
        Messages that an NPU sends at once, each to another peer.
    distance : int
        NPUs along the dimension to the farthest peer.
    times : int
        How often the step is repeated, one after the other.
    reduces : bool
        Whether what arrives is added to what is there.
    """

    parts: int
    of: int
    peers: int = 1
    distance: int = 1
    times: int = 1
    reduces: bool = False


@lru_cache(maxsize=1024)
def steps(algorithm: Algorithm, operation: Collective, n: int) -> tuple[Step, ...]:
    """Return the steps of one phase among `n` NPUs.

    Parameters
    ----------
    algorithm : Algorithm
        An all-to-all is always sent directly.
    operation : Collective
        Sizes are fractions of the phase's input: the full buffer, for an all-gather the shard.
    n : int
        NPUs of the group in this dimension, at least 2.

    Notes
    -----
    Halving-doubling among ``n = 2**k + r`` NPUs folds r of them into partners first. That costs a message of the whole
    buffer. It then runs among the ``2**k``, and unfolds at the end. Where each NPU shall own one shard of n, a partner
    carries two. So the largest message of the i-th halving is ``ceil(n / 2**i)`` shards.

    References
    ----------
    Thakur, Rabenseifner, Gropp: Optimization of Collective Communication Operations in MPICH, 2005.

    Examples
    --------
    >>> [step.parts / step.of for step in steps(Algorithm.HALVING_DOUBLING, Collective.REDUCE_SCATTER, 8)]
    [0.5, 0.25, 0.125]
    >>> [step.parts / step.of for step in steps(Algorithm.HALVING_DOUBLING, Collective.ALL_REDUCE, 3)]
    [1.0, 0.5, 0.5, 1.0]
    """
    if operation is Collective.ALL_TO_ALL:
        return (Step(1, n, n - 1, n // 2),)
    if operation is Collective.ALL_REDUCE:
        if algorithm in (Algorithm.HALVING_DOUBLING, Algorithm.FOLDING):
            return _halving_doubling(n)
        gathered = (
            Step(step.parts, n, step.peers, step.distance, step.times)
            for step in steps(algorithm, Collective.ALL_GATHER, n)
        )
        return steps(algorithm, Collective.REDUCE_SCATTER, n) + tuple(gathered)
    scatter = operation is Collective.REDUCE_SCATTER
    of = n if scatter else 1
    if algorithm is Algorithm.RING:
        return (Step(1, of, times=n - 1, reduces=scatter),)
    if algorithm is Algorithm.DIRECT:
        return (Step(1, of, n - 1, n // 2, reduces=scatter),)
    k, folded = n.bit_length() - 1, n & (n - 1) != 0
    halving = [Step(-(-n // 2**i), of, distance=2 ** (i - 1), reduces=scatter) for i in range(1, k + 1)]
    if folded:
        halving = [Step(n, of, reduces=scatter), *halving, Step(1, of)]
    return tuple(halving if scatter else halving[::-1])


def that_runs(algorithm: Algorithm, operation: Collective) -> Algorithm:
    """Return what runs where an algorithm is settled: an all-to-all is always sent directly.

    Examples
    --------
    >>> that_runs(Algorithm.RING, Collective.ALL_TO_ALL).value, that_runs(Algorithm.RING, Collective.ALL_REDUCE).value
    ('direct', 'ring')
    """
    return Algorithm.DIRECT if operation is Collective.ALL_TO_ALL else algorithm


def is_exchange(algorithm: Algorithm, operation: Collective) -> bool:
    """Say whether each NPU of a group sends to each other at once."""
    return that_runs(algorithm, operation) is Algorithm.DIRECT


def byte_cost(
    dimension: Dimension, bandwidth: float, algorithm: Algorithm, operation: Collective, members: Sequence[int]
) -> PhaseCost:
    """Return what one byte of a phase costs on links that carry what they can.

    A ring all-reduce of n NPUs takes ``2 (n - 1) / n`` of its bytes over the bandwidth, and ``2 (n - 1)`` hops.

    Parameters
    ----------
    dimension : Dimension
        Block, size and link latency.
    bandwidth : float
        Bandwidth of one NPU into the dimension [B/s].
    algorithm : Algorithm
        How the group runs the phase.
    operation : Collective
        The phase.
    members : sequence of int
        Positions of the group along the dimension.

    Returns
    -------
    PhaseCost
        Seconds and bytes per byte of input; the latency is that of the whole phase.

    Examples
    --------
    >>> ring = Dimension(Block.RING, 8, latency=500e-9)
    >>> cost = byte_cost(ring, 1.0, Algorithm.RING, Collective.ALL_REDUCE, range(8))
    >>> cost.work, round(cost.latency / 500e-9), cost.sent
    (1.75, 14, 1.75)
    """
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
    return PhaseCost(work, latency, sent)


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


def _halving_doubling(n: int) -> tuple[Step, ...]:
    k = n.bit_length() - 1
    halving = [Step(1, 2**i, distance=2 ** (i - 1), reduces=True) for i in range(1, k + 1)]
    doubling = [Step(1, 2**i, distance=2 ** (i - 1)) for i in range(k, 0, -1)]
    if n == 2**k:
        return (*halving, *doubling)
    return (Step(1, 1, reduces=True), *halving, *doubling, Step(1, 1))
