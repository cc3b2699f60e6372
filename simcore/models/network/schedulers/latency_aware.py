"""The schedule `latency-aware`: the fastest of a fixed family of mixtures of orders.

Latency is paid for every chunk and every phase, and no load in bytes shows it. This schedule counts it: of all
`mixtures`, from one chunk on, it takes the one that ends first. Which mixtures there are depends on the network's
shape alone, and each one's time grows with bytes, latencies and 1/bandwidths; so does the least of them.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from simcore.models.network.collectives import Collective
from simcore.models.network.distances import Positions
from simcore.models.network.schedulers.mixture_times import Batch, batches, ways
from simcore.models.network.schedulers.mixtures import LAGS, LAGS_IN_FLIGHT, Integers, mixtures
from simcore.models.network.schedulers.schedules import ChunkPlan

if TYPE_CHECKING:
    from simcore.models.network.simulation.network import Network

_AT_ONCE = 64
"""Mixtures that are timed together: numpy's overhead is shared, and few are timed in vain."""
_MANY = 50_000
"""Numbers in a kind of mixtures that is looked at after the others: of four dimensions, three orders of any kind."""


def best_plans(
    network: Network,
    collective: Collective,
    size: float,
    groups: tuple[int, ...],
    chunks: int,
    at: Positions | None = None,
) -> list[ChunkPlan]:
    """Return the fastest mixture for a collective that runs alone.

    Parameters
    ----------
    network : Network
        Whose dimensions, convention and number of chunks in flight hold; its state is not touched.
    collective : Collective
        The operation.
    size : float
        Bytes [B].
    groups : tuple of int
        NPUs of the group along each dimension.
    chunks : int
        The most chunks to use.
    at : Positions, optional
        Where the group's NPUs sit, as of `spread`.

    Notes
    -----
    Exact: every mixture is timed whose bound is less than the best time. By ASTRA-sim's conventions sizes and times
    are rounded only after the choice.
    """
    found = ways(network, collective, size, groups, at)
    family = mixtures(found.used, found.even)
    search = _Search()
    few = [each for each in family if each.parts.size < _MANY]
    many = [each for each in family if each.parts.size >= _MANY]  # most of them cannot beat what the few have found
    # with several chunks in flight latency hides, no bound rules the many out, and they are no part of the family
    for some in (few,) if network.in_flight > 1 else (few, many):
        for batch in batches(found, size, chunks, some, search.shortest):
            search.look_at(batch)
    assert search.batch is not None
    return _cut(search.batch, search.mixture, search.lag, network.convention.whole_nanoseconds)


class _Search:
    """The fastest mixture so far."""

    def __init__(self) -> None:
        self.shortest, self.mixture, self.lag = inf, 0, LAGS[0]
        self.batch: Batch | None = None

    def look_at(self, batch: Batch) -> None:
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

    def _time(self, batch: Batch, some: Integers) -> None:
        lags = LAGS if batch.ways.in_flight == 1 else LAGS_IN_FLIGHT
        for lag in lags if batch.rounds * batch.chunks_in_round > 1 else lags[:1]:
            times = batch.times(some, lag)
            if times.min() < self.shortest:
                self.shortest, self.lag = float(times.min()), lag
                self.batch, self.mixture = batch, int(some[times.argmin()])


def _cut(batch: Batch, mixture: int, lag: float, whole: bool) -> list[ChunkPlan]:
    """Cut the bytes into the chunks of a mixture; where bytes are whole, the last chunk takes what is left."""
    part = batch.size / (batch.whole * batch.rounds)
    each = [
        replace(batch.ways.plans[row], size=float(parts // chunks * part), lag=lag * batch.chunks_in_round)
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
