"""Schedules: in which order of dimensions each chunk of a collective runs, and how large it is.

``ascending`` is the usual hierarchy, ``round-robin`` starts each chunk one dimension further, ``themis`` and ``flex``
balance the load of the dimensions greedily. ``latency-aware`` chooses from a family of mixtures, see `latency_aware`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from simcore.models.workload import Collective

_MEBIBYTE = 1048576
_LAG = 4.0
"""Chunks by which each phase of a round-robin chunk lags behind the one before it, in the settled order."""


class Schedule(StrEnum):
    """Who decides the order of dimensions for each chunk."""

    ASCENDING = "ascending"
    ROUND_ROBIN = "round-robin"
    THEMIS = "themis"
    FLEX = "flex"
    LATENCY_AWARE = "latency-aware"


class Optimization(StrEnum):
    """What an all-reduce does in each dimension.

    ``LOCAL`` reduce-scatters on the way up and all-gathers on the way down, so that outer dimensions see little;
    ``FULL_PER_DIMENSION`` all-reduces the whole buffer in each.
    """

    LOCAL = "local"
    FULL_PER_DIMENSION = "full-per-dimension"


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """A chunk and its way through the network.

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
        If given, the dimensions serve the phases of this collective in the order of `settled`, not in that of arrival;
        alike in all chunks of a collective.
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


def chunk_sizes(size: float, chunks: int, whole: bool) -> Sequence[float]:
    """Cut a buffer into chunks.

    Whole bytes as ASTRA-sim cuts them: ``floor(size / chunks)`` each, and what is left becomes further chunks.

    Examples
    --------
    >>> chunk_sizes(10, 4, whole=True)
    [2, 2, 2, 2, 2]
    >>> chunk_sizes(10, 4, whole=False)
    [2.5, 2.5, 2.5, 2.5]
    """
    if not whole:
        return [size / chunks] * chunks
    chunk = max(1, int(size) // chunks)
    count, rest = divmod(int(size), chunk)
    return [chunk] * count + ([rest] if rest else [])


def phases(
    plan: ChunkPlan, collective: Collective, groups: Sequence[int], optimization: Optimization, whole: bool
) -> list[tuple[int, Collective, float]]:
    """Return the phases of a chunk: dimension, operation and input [B].

    Examples
    --------
    >>> for phase in phases(ChunkPlan(64.0, (0, 1)), Collective.ALL_REDUCE, (2, 4), Optimization.LOCAL, False):
    ...     print(*phase)
    0 reduce-scatter 64.0
    1 all-reduce 32.0
    0 all-gather 32.0
    """
    size, order = plan.size, plan.order
    if collective is Collective.ALL_TO_ALL:
        return [(d, collective, size) for d in order]
    if collective is Collective.ALL_REDUCE and optimization is Optimization.FULL_PER_DIMENSION:
        return [(d, collective, size) for d in order]
    found: list[tuple[int, Collective, float]] = []
    if collective is Collective.ALL_GATHER:
        for d in order:
            found.append((d, collective, size))
            size *= groups[d]
        return found
    up = order if collective is Collective.REDUCE_SCATTER or not plan.fused else order[:-1]
    for d in up:
        found.append((d, Collective.REDUCE_SCATTER, size))
        size = size // groups[d] if whole else size / groups[d]
    if collective is Collective.REDUCE_SCATTER:
        return found
    if plan.fused:
        found.append((order[-1], Collective.ALL_REDUCE, size))
    for d in reversed(up):
        found.append((d, Collective.ALL_GATHER, size))
        size *= groups[d]
    return found


def turns(lag: float, dimensions: Sequence[Sequence[int]]) -> dict[int, list[tuple[int, int]]]:
    """Return per dimension the chunks and phases that it serves, in their settled order.

    Parameters
    ----------
    lag : float
        Of the chunks' plans.
    dimensions : sequence of sequence of int
        Dimensions of each chunk's phases.

    Examples
    --------
    >>> turns(2.0, [(0, 1), (1, 0)])
    {0: [(0, 0), (1, 1)], 1: [(1, 0), (0, 1)]}
    """
    found: dict[int, list[tuple[int, int]]] = {}
    for chunk, phase in settled(len(dimensions), max(map(len, dimensions)), lag):
        if phase < len(dimensions[chunk]):
            found.setdefault(dimensions[chunk][phase], []).append((chunk, phase))
    return found


def default_order(collective: Collective, groups: Sequence[int]) -> tuple[int, ...]:
    """Return the dimensions that a group uses: outwards, for an all-gather inwards."""
    used = tuple(d for d, p in enumerate(groups) if p > 1)
    return used[::-1] if collective is Collective.ALL_GATHER else used


def fixed_plans(
    schedule: Schedule, collective: Collective, sizes: Sequence[float], groups: Sequence[int], whole: bool
) -> list[ChunkPlan]:
    """Plan the chunks of the schedules that look at no load: ``ascending`` and ``round-robin``.

    In ASTRA-sim, whose bytes are whole, dimensions serve chunks as they come. In a settled order ``round-robin`` is no
    slower in the mean, and a slower phase never makes it faster; ``ascending`` chunks come in order anyway.
    """
    order = default_order(collective, groups)
    if schedule is Schedule.ASCENDING:
        return [ChunkPlan(size, order) for size in sizes]
    turned = [order[start:] + order[:start] for start in range(len(order))]
    lag = None if whole else _LAG
    return [ChunkPlan(size, turned[j % len(order)], lag=lag) for j, size in enumerate(sizes)]


@dataclass(slots=True)
class _Load:
    """What the chunks planned so far put on a dimension, in MiB over the first one's bandwidth."""

    dimension: int
    amount: float = 0.0


class GreedyLoads:
    """The greedy scheduler of Themis: load per dimension, and the order that evens it out.

    Attributes
    ----------
    loads : list of _Load
        One per dimension, in the order the last chunk left them: a sort keeps ties as they were.

    References
    ----------
    Rashidi et al.: Themis, ISCA 2022. Latency is no part of its load.
    """

    def __init__(self, bandwidths: Sequence[float]) -> None:
        self._bandwidths = bandwidths
        self.reset()

    def reset(self) -> None:
        """Forget all load: a collective is issued at a new time."""
        self.loads = [_Load(d) for d in range(len(self._bandwidths))]

    def plans(
        self, schedule: Schedule, collective: Collective, size: float, chunks: int, groups: Sequence[int], whole: bool
    ) -> list[ChunkPlan]:
        """Plan all chunks of a collective, adding to the loads.

        ``themis`` cuts equal chunks. ``flex`` makes a chunk as large as closes the gap between the most and the least
        loaded dimension, but not smaller than an equal one.
        """
        recommended = max(1, int(size) // chunks) if whole else size / chunks
        plans: list[ChunkPlan] = []
        left = int(size) if whole else size
        while left > 0 and (whole or len(plans) < chunks):
            plan = self._next(schedule, collective, left, recommended, groups, whole)
            plans.append(plan)
            left -= plan.size
            if not whole and left < recommended * 1e-6:
                break
        return plans

    def _next(
        self,
        schedule: Schedule,
        collective: Collective,
        left: float,
        recommended: float,
        groups: Sequence[int],
        whole: bool,
    ) -> ChunkPlan:
        gather = collective is Collective.ALL_GATHER
        self.loads.sort(key=lambda load: load.amount)
        if gather:
            self.loads.reverse()
        used = [load for load in self.loads if groups[load.dimension] > 1]
        size = min(left, recommended)
        gap = self._gap(used, groups, gather)
        # below this gap the loads count as even: flex does not make a chunk smaller than an equal one to close it
        if gap < (recommended if schedule is Schedule.FLEX else recommended // 16 if whole else recommended / 16):
            return self._unbalanced(size, groups, gather, whole)
        if schedule is Schedule.FLEX:
            size = min(left, int(gap) if whole else gap)
        order = tuple(load.dimension for load in used)
        self._charge(used, order, size, groups, gather, whole)
        return ChunkPlan(size, order, fused=False)

    def _gap(self, used: Sequence[_Load], groups: Sequence[int], gather: bool) -> float:
        """Return the chunk [B] that would lift the first dimension's load to the last one's."""
        first, last = used[0], used[-1]
        if not gather:
            last = self.loads[-1]
            d = first.dimension
            n = groups[d]
            difference = abs(last.amount - first.amount)
            return difference * self._relative(d) / ((n - 1) / n) * _MEBIBYTE
        d = last.dimension
        gap = abs(last.amount - first.amount) * self._relative(d) / (groups[d] - 1) * _MEBIBYTE
        for load in used[:-1]:
            gap /= groups[load.dimension]
        return gap

    def _relative(self, d: int) -> float:
        return self._bandwidths[d] / self._bandwidths[0]

    def _unbalanced(self, size: float, groups: Sequence[int], gather: bool, whole: bool) -> ChunkPlan:
        """Plan a chunk in the default order, because the loads are even.

        ASTRA-sim runs an all-gather outwards too then, and charges each dimension with the load of its mirror image;
        only where its counting is reproduced, so is this.
        """
        mirrored = gather and whole
        self.loads.sort(key=lambda load: load.dimension, reverse=mirrored)
        order = [d for d in range(len(groups)) if groups[d] > 1]
        if gather and not mirrored:
            order.reverse()
        self._charge([self.loads[d] for d in order], order, size, groups, gather, whole)
        return ChunkPlan(size, tuple(order), fused=False)

    def _charge(
        self,
        loads: Sequence[_Load],
        dimensions: Sequence[int],
        size: float,
        groups: Sequence[int],
        gather: bool,
        whole: bool,
    ) -> None:
        """Add the load of a chunk; the order of the operations decides ties, so it is the original's."""
        for load, d in zip(loads, dimensions, strict=True):
            n = groups[d]
            if gather:
                load.amount += ((size / _MEBIBYTE) * (n - 1)) / self._relative(d)
                size *= n
            else:
                load.amount += ((size / _MEBIBYTE) * ((n - 1) / n)) / self._relative(d)
                size = size // n if whole else size / n
