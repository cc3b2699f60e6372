"""The schedule ``round-robin``: each chunk starts one dimension further than the one before it."""

from __future__ import annotations

from simcore.models.network.chunks import ChunkPlan
from simcore.models.network.collectives import Collective
from simcore.models.network.schedulers.base import CollectiveView, Scheduler
from simcore.models.network.schedulers.seen import Seen

_LAG = 4
"""Chunks by which each phase of a chunk lags behind the one before it at least, in the settled order."""


class RoundRobin(Scheduler):
    """Turns the order of dimensions by one from chunk to chunk.

    In a settled order a slower phase never makes it faster. Where the convention is `first_come`, as ASTRA-sim is,
    dimensions serve chunks as they come. There it goes on turning from one collective to the next, over dimensions that
    the group does not use too.
    """

    name = "round-robin"

    def __init__(self) -> None:
        self._turned = 0

    def plan(self, view: CollectiveView) -> list[ChunkPlan]:
        """Return equal chunks, each of which starts one dimension further."""
        if view.convention.first_come:
            return [ChunkPlan(size, self._next(view)) for size in view.equal_chunks()]
        order = view.default_order
        turned = [order[start:] + order[:start] for start in range(len(order))]
        lag = float(max(_LAG, 2 * view.in_flight))
        return [ChunkPlan(size, turned[j % len(order)], lag=lag) for j, size in enumerate(view.equal_chunks())]

    def _next(self, view: CollectiveView) -> tuple[int, ...]:
        """Return the order of the next chunk of all, and turn on."""
        seen = Seen.by(view)
        dimensions = list(range(len(seen.real)))
        if view.collective is Collective.ALL_GATHER:
            dimensions.reverse()
        turned = dimensions[self._turned :] + dimensions[: self._turned]
        self._turned = (self._turned + 1) % len(dimensions)
        return tuple(seen.real[d] for d in turned if seen.groups[d] > 1)
