"""The schedule ``round-robin``: each chunk starts one dimension further than the one before it."""

from __future__ import annotations

from simcore.models.network.chunks import ChunkPlan
from simcore.models.network.schedulers.base import CollectiveView, Scheduler

_LAG = 4
"""Chunks by which each phase of a chunk lags behind the one before it at least, in the settled order."""


class RoundRobin(Scheduler):
    """Turns the order of dimensions by one from chunk to chunk.

    In a settled order a slower phase never makes it faster. Where the convention is `first_come`, as ASTRA-sim is,
    dimensions serve chunks as they come.
    """

    name = "round-robin"

    def plan(self, view: CollectiveView) -> list[ChunkPlan]:
        """Return equal chunks, each of which starts one dimension further."""
        order = view.default_order
        turned = [order[start:] + order[:start] for start in range(len(order))]
        lag = None if view.convention.first_come else float(max(_LAG, 2 * view.in_flight))
        return [ChunkPlan(size, turned[j % len(order)], lag=lag) for j, size in enumerate(view.equal_chunks())]
