"""The schedule `latency-aware`: simulate candidates, keep the best.

Latency is paid for every chunk and every phase, and no load in bytes shows it. This schedule counts it: it balances
seconds instead of bytes, tries fewer and larger chunks, and compares with every other schedule by simulation, so that
it is never slower than any of them for a collective that has the network for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from simcore.engine import Clock
from simcore.models.network.distances import Positions
from simcore.models.network.simulation.schedules import (
    ChunkPlan,
    GreedyLoads,
    Optimization,
    Schedule,
    chunk_sizes,
    default_order,
    fixed_plans,
    phases,
)
from simcore.models.workload import Collective

if TYPE_CHECKING:
    from simcore.models.network.simulation.network import Network

_MOST_ORDERED = 6
"""Dimensions up to which all orders are tried: 720 of them."""


def best_plans(
    network: Network,
    collective: Collective,
    size: float,
    groups: tuple[int, ...],
    chunks: int,
    at: Positions | None = None,
) -> list[ChunkPlan]:
    """Return the fastest plan found for a collective that runs alone.

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
        The most chunks to use; halves of it are tried too.
    at : Positions, optional
        Where the group's NPUs sit, as of `spread`.
    """
    best: list[ChunkPlan] = []
    shortest = float("inf")
    tried: set[tuple[ChunkPlan, ...]] = set()
    for plans in _candidates(network, collective, size, groups, chunks, at):
        if tuple(plans) not in tried:
            tried.add(tuple(plans))
            time = _alone(network, collective, size, groups, plans, at)
            if time < shortest:
                best, shortest = plans, time
    return best


def _alone(
    network: Network,
    collective: Collective,
    size: float,
    groups: tuple[int, ...],
    plans: list[ChunkPlan],
    at: Positions | None,
) -> float:
    """Return the time of a plan on an idle network [s]."""
    clock = Clock()
    trial = network.idle_copy(clock)
    clock.run(until=trial.issue(collective, size, groups, plans=plans, positions=at))
    return float(clock.now)


def _candidates(
    network: Network,
    collective: Collective,
    size: float,
    groups: tuple[int, ...],
    chunks: int,
    at: Positions | None,
) -> Iterator[list[ChunkPlan]]:
    whole = network.convention.whole_nanoseconds
    local = network.optimization is Optimization.LOCAL and collective is not Collective.ALL_TO_ALL
    count = chunks
    while count >= 1:
        sizes = chunk_sizes(size, count, whole)
        yield fixed_plans(Schedule.ASCENDING, collective, sizes, groups)
        yield fixed_plans(Schedule.ROUND_ROBIN, collective, sizes, groups)
        if local:
            for schedule in (Schedule.THEMIS, Schedule.FLEX):
                yield GreedyLoads(network.bandwidths).plans(schedule, collective, size, count, groups, whole)
        if len(default_order(collective, groups)) <= _MOST_ORDERED:
            yield _balanced(network, collective, sizes, groups, at, fused=True)
            if local and collective is Collective.ALL_REDUCE:
                yield _balanced(network, collective, sizes, groups, at, fused=False)
        count //= 2


def _balanced(
    network: Network,
    collective: Collective,
    sizes: Sequence[float],
    groups: tuple[int, ...],
    at: Positions | None,
    fused: bool,
) -> list[ChunkPlan]:
    """Give each chunk the order after which the most loaded dimension has the least load, in seconds."""
    orders = list(permutations(default_order(collective, groups)))
    added: dict[float, np.ndarray[tuple[int, int], np.dtype[np.float64]]] = {}
    load = np.zeros(len(groups))
    plans = []
    for size in sizes:
        if size not in added:
            table = [_seconds(network, collective, ChunkPlan(size, order, fused), groups, at) for order in orders]
            added[size] = np.array(table)
        after = load + added[size]
        # of the orders that are as good, the one that adds the least in all. Rounding keeps ties what they are, and
        # relative to the load it does so alike on networks that differ by a factor
        after_sum, after_max = after.sum(axis=1), after.max(axis=1)
        keys = (after_sum / after_sum.max()).round(12), (after_max / after_max.max()).round(12)
        chosen = int(np.lexsort(keys)[0])
        load = after[chosen]
        plans.append(ChunkPlan(size, orders[chosen], fused))
    return plans


def _seconds(
    network: Network,
    collective: Collective,
    plan: ChunkPlan,
    groups: tuple[int, ...],
    at: Positions | None,
) -> list[float]:
    """Return how long a chunk occupies each dimension, latency included [s]."""
    load = [0.0] * len(groups)
    whole = network.convention.whole_nanoseconds
    for d, operation, size in phases(plan, collective, groups, network.optimization, whole):
        cost = network.cost(d, operation, groups[d], size, at[d] if at else None)
        # a chunk's latency is hidden behind the others in flight
        load[d] += max(cost.work, (cost.work + cost.latency) / network.in_flight)
    return load
