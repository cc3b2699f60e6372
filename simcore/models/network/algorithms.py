"""Algorithms of one dimension: the steps in which a group of NPUs there runs one phase of a chunk.

A phase is a reduce-scatter, all-gather, all-reduce or all-to-all of one chunk in one dimension. An algorithm turns it
into steps. In a step every NPU sends one message to each of some peers. Conventions say what a step costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from simcore.models.network.collectives import Collective
from simcore.models.network.topology import Block


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


def is_exchange(algorithm: Algorithm, operation: Collective) -> bool:
    """Say whether each NPU of a group sends to each other at once."""
    return algorithm is Algorithm.DIRECT or operation is Collective.ALL_TO_ALL


def _halving_doubling(n: int) -> tuple[Step, ...]:
    k = n.bit_length() - 1
    halving = [Step(1, 2**i, distance=2 ** (i - 1), reduces=True) for i in range(1, k + 1)]
    doubling = [Step(1, 2**i, distance=2 ** (i - 1)) for i in range(k, 0, -1)]
    if n == 2**k:
        return (*halving, *doubling)
    return (Step(1, 1, reduces=True), *halving, *doubling, Step(1, 1))
