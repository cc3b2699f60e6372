"""Chunks of a collective: in which order of dimensions each one runs, how large it is, and the phases that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention


class Optimization(StrEnum):
    """What an all-reduce does in each dimension.

    ``LOCAL`` reduce-scatters outwards and all-gathers inwards, so that outer dimensions see little.
    ``FULL_PER_DIMENSION`` all-reduces the whole buffer in each.
    """

    LOCAL = "local"
    FULL_PER_DIMENSION = "full-per-dimension"


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """A chunk and the order of its dimensions.

    Attributes
    ----------
    size : float
        Input of its first phase [B].
    order : tuple of int
        Dimensions in the order of its phases; those of an all-reduce's all-gather follow in reverse.
    fused : bool
        Whether an all-reduce turns around with one all-reduce in the last dimension, or with a reduce-scatter and an
        all-gather that queue there separately.
    lag : float, optional
        If given, the dimensions serve the phases of this collective in the order of `settled`, not in that of arrival.
        It is the same in all chunks of a collective.
    """

    size: float
    order: tuple[int, ...]
    fused: bool = True
    lag: float | None = None


@cache
def settled(chunks: int, phases: int, lag: float) -> list[tuple[int, int]]:
    """Return chunks and phases in an order that looks at no time: phase ``i`` of chunk ``j`` has place ``j + lag i``.

    Of equal places the later phase goes first. A chunk's phases keep their order, so that nothing waits for ever.

    Examples
    --------
    >>> settled(3, 2, 1.0)
    [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    """
    every = ((chunk, phase) for chunk in range(chunks) for phase in range(phases))
    return sorted(every, key=lambda each: (each[0] + lag * each[1], -each[1]))


def settled_by_dimension(lag: float, dimensions: Sequence[Sequence[int]]) -> dict[int, list[tuple[int, int]]]:
    """Return per dimension the chunks and phases that it serves, in their settled order.

    Parameters
    ----------
    lag : float
        Of the chunks' plans.
    dimensions : sequence of sequence of int
        Dimensions of each chunk's phases.

    Examples
    --------
    >>> settled_by_dimension(2.0, [(0, 1), (1, 0)])
    {0: [(0, 0), (1, 1)], 1: [(1, 0), (0, 1)]}
    """
    served: dict[int, list[tuple[int, int]]] = {}
    for chunk, phase in settled(len(dimensions), max(map(len, dimensions)), lag):
        if phase < len(dimensions[chunk]):
            served.setdefault(dimensions[chunk][phase], []).append((chunk, phase))
    return served


def phases(
    plan: ChunkPlan,
    collective: Collective,
    groups: Sequence[int],
    optimization: Optimization,
    convention: Convention,
    exchanged: Sequence[float] = (),
) -> list[tuple[int, Collective, float]]:
    """Return the phases of a chunk: dimension, operation and input [B].

    `exchanged` is the part of an all-to-all that is exchanged along each dimension, by default all of it: see
    `simcore.models.network.ports.exchanged`.

    Examples
    --------
    >>> from simcore.models.network.conventions import PHYSICAL
    >>> for phase in phases(ChunkPlan(64.0, (0, 1)), Collective.ALL_REDUCE, (2, 4), Optimization.LOCAL, PHYSICAL):
    ...     print(*phase)
    0 reduce-scatter 64.0
    1 all-reduce 32.0
    0 all-gather 32.0
    """
    size, order = plan.size, plan.order
    if collective is Collective.ALL_TO_ALL:
        return [(d, collective, size * exchanged[d] if exchanged else size) for d in order]
    if collective is Collective.ALL_REDUCE and optimization is Optimization.FULL_PER_DIMENSION:
        return [(d, collective, size) for d in order]
    listed: list[tuple[int, Collective, float]] = []
    if collective is Collective.ALL_GATHER:
        for d in order:
            listed.append((d, collective, size))
            size *= groups[d]
        return listed
    outwards = order if collective is Collective.REDUCE_SCATTER or not plan.fused else order[:-1]
    for d in outwards:
        listed.append((d, Collective.REDUCE_SCATTER, size))
        size = convention.share(size, groups[d])
    if collective is Collective.REDUCE_SCATTER:
        return listed
    if plan.fused:
        listed.append((order[-1], Collective.ALL_REDUCE, size))
    for d in reversed(outwards):
        listed.append((d, Collective.ALL_GATHER, size))
        size *= groups[d]
    return listed


def default_order(collective: Collective, groups: Sequence[int]) -> tuple[int, ...]:
    """Return the dimensions that a group uses: outwards, for an all-gather inwards."""
    used = tuple(d for d, p in enumerate(groups) if p > 1)
    return used[::-1] if collective is Collective.ALL_GATHER else used
