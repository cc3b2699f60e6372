"""The schedule `latency-aware`: the fastest of a fixed family of mixtures of orders.

Latency is paid for every chunk and every phase, and no load in bytes shows it. This schedule counts it. Of all
`mixtures`, from one chunk on, it takes the one that ends first. The number of dimensions alone says which mixtures
there are. The time of each grows with bytes, latencies and 1/bandwidths, and so does the least of these times.

The search asks what phases cost, and runs no simulator.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from simcore.models.network.chunks import ChunkPlan
from simcore.models.network.collectives import Collective
from simcore.models.network.distances import Positions
from simcore.models.network.schedulers.base import CollectiveView, Scheduler
from simcore.models.network.schedulers.latency_aware.batches import MixtureBatch, batches
from simcore.models.network.schedulers.latency_aware.mixtures import LAGS, LAGS_IN_FLIGHT, Integers, mixtures
from simcore.models.network.schedulers.latency_aware.phase_table import phase_table

_AT_ONCE = 64
"""Mixtures that are timed together: numpy's overhead is shared, and few are timed in vain."""
_MANY = 50_000
"""Numbers in a kind of mixtures that is looked at after the others: of four dimensions, three orders of any kind."""


class LatencyAware(Scheduler):
    """Takes the fastest mixture for a collective that runs alone.

    Notes
    -----
    Exact: every mixture is timed whose bound is less than the best time. By ASTRA-sim's conventions sizes and times
    are rounded only after the choice.
    """

    name = "latency-aware"

    def __init__(self) -> None:
        self._best: dict[tuple[Collective, float, tuple[int, ...], int, Positions | None], list[ChunkPlan]] = {}

    def plan(self, view: CollectiveView) -> list[ChunkPlan]:
        """Return the fastest mixture; a collective like one before it is planned once."""
        key = view.collective, view.size, view.groups, view.chunks, view.positions
        if key not in self._best:
            self._best[key] = best_plans(view)
        return self._best[key]


def best_plans(view: CollectiveView) -> list[ChunkPlan]:
    """Return the chunks of the fastest mixture."""
    table = phase_table(view)
    family = mixtures(table.used, table.even)
    search = _Search()
    few = [each for each in family if each.parts.size < _MANY]
    many = [each for each in family if each.parts.size >= _MANY]  # most of them cannot beat what the few have found
    # with several chunks in flight latency hides, no bound rules the many out, and they are no part of the family
    for some in (few,) if view.in_flight > 1 else (few, many):
        for batch in batches(table, view.size, view.chunks, some, search.shortest):
            search.look_at(batch)
    assert search.batch is not None
    return _cut(search.batch, search.mixture, search.lag, view.convention.whole_bytes)


class _Search:
    """The fastest mixture so far."""

    def __init__(self) -> None:
        self.shortest, self.mixture, self.lag = inf, 0, LAGS[0]
        self.batch: MixtureBatch | None = None

    def look_at(self, batch: MixtureBatch) -> None:
        """Time the mixtures of a batch that may be faster."""
        some = np.flatnonzero(batch.least < self.shortest)
        if len(some):
            bounds = batch.bounds(some)
            order = bounds.argsort(kind="stable")
            for start in range(0, len(some), _AT_ONCE):
                slice_ = order[start : start + _AT_ONCE]
                if bounds[slice_[0]] >= self.shortest:
                    break
                self._time(batch, some[slice_])

    def _time(self, batch: MixtureBatch, some: Integers) -> None:
        lags = LAGS if batch.table.in_flight == 1 else LAGS_IN_FLIGHT
        for lag in lags if batch.rounds * batch.chunks_in_round > 1 else lags[:1]:
            times = batch.times(some, lag)
            if times.min() < self.shortest:
                self.shortest, self.lag = float(times.min()), lag
                self.batch, self.mixture = batch, int(some[times.argmin()])


def _cut(batch: MixtureBatch, mixture: int, lag: float, whole: bool) -> list[ChunkPlan]:
    """Cut the bytes into the chunks of a mixture; where bytes are whole, the last chunk takes what is left."""
    part = batch.size / (batch.whole * batch.rounds)
    each = [
        replace(batch.table.plans[row], size=float(parts // chunks * part), lag=lag * batch.chunks_in_round)
        for row, parts, chunks in zip(
            *(the[:, mixture] for the in (batch.rows, batch.parts, batch.chunks)), strict=True
        )
    ]
    plans = [each[order] for order in batch.sequence(np.array([mixture]))[:, 0]] * batch.rounds
    if not whole:
        return plans
    plans = [replace(plan, size=int(plan.size)) for plan in plans]
    last = plans.pop()
    return [*plans, replace(last, size=int(batch.size) - sum(plan.size for plan in plans))]
