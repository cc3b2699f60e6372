"""The phases of a chunk of one byte along each order of dimensions, and what they cost, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simcore.models.network.chunks import ChunkPlan, Optimization, phases
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import PHYSICAL, Convention, PhaseCost
from simcore.models.network.ports import exchanged
from simcore.models.network.schedulers.base import CollectiveView
from simcore.models.network.schedulers.latency_aware.mixtures import Integers, orders

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class PhaseTable:
    """The phases of a chunk of one byte, a row for each order of dimensions.

    A phase that a row has not takes no time, in a dimension of its own.

    Attributes
    ----------
    plans : list of ChunkPlan
        Of each row.
    dimension : ndarray of int, shape (rows, phases)
        Which of the used dimensions.
    work, latency : ndarray, shape (rows, phases, algorithms)
        Seconds for each byte of the chunk [s/B] and seconds [s], for each algorithm that the phase may run.
    used : int
        Dimensions that the group uses.
    in_flight : int
        Phases under way in a dimension at once.
    convention : Convention
        Whether phases in flight share the links, and whether bytes are whole.
    even : bool
        Whether phases have the same sizes in every order.
    """

    plans: list[ChunkPlan]
    dimension: Integers
    work: Floats
    latency: Floats
    used: int
    in_flight: int
    convention: Convention
    even: bool

    def seconds(self, sizes: Floats) -> tuple[Floats, Floats]:
        """Return how long phases occupy links, and how long they take in all [s], shape (rows, sizes, phases)."""
        work = self.work[:, None] * sizes[:, None, None]
        total = work + self.latency[:, None]
        chosen = total.argmin(axis=-1)[..., None]  # as phase_cost decides between algorithms
        work, total = (np.take_along_axis(each, chosen, -1)[..., 0] for each in (work, total))
        return work * self.convention.shares_links, total

    def occupied(self, work: Floats, total: Floats) -> Floats:
        """Return how long a dimension is busy at least with phases that take so long in all [s]."""
        least = total / self.in_flight
        return np.maximum(work, least) if self.convention.shares_links and self.in_flight > 1 else least


def phase_table(view: CollectiveView) -> PhaseTable:
    """Return the phases of one byte along each order; an all-reduce turns around in one phase or in two."""
    used = [d for d, p in enumerate(view.groups) if p > 1]
    reduces = view.collective is Collective.ALL_REDUCE
    local = view.optimization is Optimization.LOCAL
    plans = [
        ChunkPlan(1.0, tuple(used[d] for d in order), fused)
        for fused in ((True, False) if reduces and local else (True,))
        for order in orders(len(used))
    ]
    # shares of a byte are no whole bytes
    parts = exchanged(view.costs.topology, view.groups)
    rows = [phases(plan, view.collective, view.groups, view.optimization, PHYSICAL, parts) for plan in plans]
    shape = len(rows), max(map(len, rows))
    dimension = np.full(shape, len(used))
    work, latency = np.zeros((*shape, 2)), np.zeros((*shape, 2))
    costs: dict[tuple[int, Collective], tuple[PhaseCost, PhaseCost]] = {}
    for r, row in enumerate(rows):
        for i, (d, operation, share) in enumerate(row):
            if (d, operation) not in costs:
                members = view.positions[d] if view.positions else None
                each = view.costs.each_byte(d, operation, view.groups[d], view.size, members)
                costs[d, operation] = each[0], each[-1]  # two algorithms at most
            dimension[r, i] = used.index(d)
            work[r, i] = [cost.work * share for cost in costs[d, operation]]
            latency[r, i] = [cost.latency for cost in costs[d, operation]]
    even = view.collective is Collective.ALL_TO_ALL or (reduces and not local)
    return PhaseTable(plans, dimension, work, latency, len(used), view.in_flight, view.convention, even)
