"""The schedule ``ascending``: equal chunks go from dimension to dimension outwards, the usual hierarchy."""

from __future__ import annotations

from simcore.models.network.chunks import ChunkPlan
from simcore.models.network.schedulers.base import CollectiveView, Scheduler


class Ascending(Scheduler):
    """Sends every chunk outwards, those of an all-gather inwards."""

    name = "ascending"

    def plan(self, view: CollectiveView) -> list[ChunkPlan]:
        """Return equal chunks in the same order of dimensions."""
        order = view.default_order
        sizes = view.equal_chunks()
        plans = {size: ChunkPlan(size, order) for size in set(sizes)}
        return [plans[size] for size in sizes]
