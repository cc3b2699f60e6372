"""The greedy schedules ``themis`` and ``flex``: each chunk takes the least loaded dimension first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from simcore.models.network.chunks import ChunkPlan, Optimization
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention
from simcore.models.network.schedulers.ascending import Ascending
from simcore.models.network.schedulers.base import CollectiveView, Scheduler
from simcore.models.network.schedulers.seen import Seen

_MEBIBYTE = 1048576


@dataclass(slots=True)
class Load:
    """What the chunks planned so far put on a dimension, in MiB over the first one's bandwidth."""

    dimension: int
    amount: float = 0.0


class Greedy(Scheduler):
    """The greedy scheduler of Themis: load per dimension, and the order that evens it out.

    Collectives that are issued at the same time add to the same loads. An all-to-all, and an all-reduce of the whole
    buffer in each dimension, load all dimensions alike in any order, and run as ``ascending``.

    Attributes
    ----------
    loads : list of Load
        One per dimension as `Seen`, in the order the last chunk left them: a sort keeps ties as they were.

    References
    ----------
    Rashidi et al.: Themis, ISCA 2022. Latency is no part of its load.
    """

    def __init__(self) -> None:
        self.loads: list[Load] = []
        self._relative: list[float] = []  # bandwidths over that of the first dimension
        self._planned_at = -1.0
        self._seen = Seen((), ())

    @abstractmethod
    def least_gap(self, equal: float, convention: Convention) -> float:
        """Return the chunk that closes the gap between loads [B], below which they count as even."""

    @abstractmethod
    def chunk(self, left: float, equal: float, gap: float, convention: Convention) -> float:
        """Return the size of the next chunk [B], where `gap` would even the loads."""

    def plan(self, view: CollectiveView) -> Sequence[ChunkPlan]:
        """Plan all chunks of a collective, adding to the loads."""
        if view.collective is Collective.ALL_TO_ALL or view.optimization is not Optimization.LOCAL:
            return Ascending().plan(view)
        self._seen = Seen.by(view)
        # ASTRA-sim's NPU 0 alone forgets loads: where another one comes first, it finds what the last collective left
        found = view.waited and not view.convention.shares_links
        if len(self.loads) != len(self._seen.real) or (view.now != self._planned_at and not found):
            self._forget(view)
        self._planned_at = view.now
        plans = self._plans(view)
        if found:
            self._forget(view)
        return plans

    def _forget(self, view: CollectiveView) -> None:
        self.loads = [Load(d) for d in range(len(self._seen.real))]
        self._relative = [view.bandwidths[d] / view.bandwidths[0] for d in self._seen.real]

    def _plans(self, view: CollectiveView) -> list[ChunkPlan]:
        convention, equal = view.convention, view.equal_chunks()[0]
        left = convention.bytes(view.size)
        plans: list[ChunkPlan] = []
        while left > 0 and (convention.whole_bytes or len(plans) < view.chunks):
            plans.append(self._next(view, left, equal))
            left -= plans[-1].size
            if not convention.whole_bytes and left < equal * 1e-6:
                break
        return plans

    def _next(self, view: CollectiveView, left: float, equal: float) -> ChunkPlan:
        """Plan one chunk; `equal` is the size of one of equal chunks [B]."""
        convention, gather = view.convention, view.collective is Collective.ALL_GATHER
        self.loads.sort(key=lambda load: load.amount)
        if gather:
            self.loads.reverse()
        used = [load for load in self.loads if self._seen.groups[load.dimension] > 1]
        gap = self._gap(view, used)
        if gap < self.least_gap(equal, convention):
            return self._even(view, min(left, equal))
        size = self.chunk(left, equal, gap, convention)
        order = [load.dimension for load in used]
        self._charge(view, used, order, size)
        return self._plan(size, order)

    def _gap(self, view: CollectiveView, used: Sequence[Load]) -> float:
        """Return the chunk [B] that would lift the first dimension's load to the last one's."""
        first, last = used[0], used[-1]
        if view.collective is not Collective.ALL_GATHER:
            last = self.loads[-1]
            d = first.dimension
            n = self._seen.groups[d]
            difference = abs(last.amount - first.amount)
            return difference * self._relative[d] / ((n - 1) / n) * _MEBIBYTE
        d = last.dimension
        gap = abs(last.amount - first.amount) * self._relative[d] / (self._seen.groups[d] - 1) * _MEBIBYTE
        for load in used[:-1]:
            gap /= self._seen.groups[load.dimension]
        return gap

    def _even(self, view: CollectiveView, size: float) -> ChunkPlan:
        """Plan a chunk in the default order, because the loads are even.

        ASTRA-sim runs an all-gather outwards too then, and charges each dimension with the load of its mirror image.
        Only where its counting is reproduced, so is this.
        """
        gather = view.collective is Collective.ALL_GATHER
        mirrored = gather and view.convention.mirrors_gathers
        self.loads.sort(key=lambda load: load.dimension, reverse=mirrored)
        order = [d for d, p in enumerate(self._seen.groups) if p > 1]
        if gather and not mirrored:
            order.reverse()
        self._charge(view, [self.loads[d] for d in order], order, size)
        return self._plan(size, order)

    def _plan(self, size: float, order: Sequence[int]) -> ChunkPlan:
        """Return a chunk that takes dimensions, as they are seen, in this order."""
        return ChunkPlan(size, tuple(self._seen.real[d] for d in order), fused=False)

    def _charge(self, view: CollectiveView, loads: Sequence[Load], dimensions: Sequence[int], size: float) -> None:
        """Add the load of a chunk; the order of the operations decides ties, so it is the original's."""
        gather, share, relative = view.collective is Collective.ALL_GATHER, view.convention.share, self._relative
        for load, d in zip(loads, dimensions, strict=True):
            n = self._seen.groups[d]
            if gather:
                load.amount += ((size / _MEBIBYTE) * (n - 1)) / relative[d]
                size *= n
            else:
                load.amount += ((size / _MEBIBYTE) * ((n - 1) / n)) / relative[d]
                size = share(size, n)
