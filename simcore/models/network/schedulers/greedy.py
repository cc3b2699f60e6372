"""The greedy schedules `themis` and `flex`: each chunk takes the least loaded dimension first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simcore.models.network.collectives import Collective
from simcore.models.network.schedulers.schedules import ChunkPlan, Schedule

_MEBIBYTE = 1048576


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
