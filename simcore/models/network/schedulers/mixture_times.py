"""When mixtures of orders end, for many of them at once: bounds by numpy, and what `Server` does, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention, Cost, byte_costs
from simcore.models.network.distances import Positions
from simcore.models.network.schedulers.mixtures import Integers, Mixtures, orders, rounds
from simcore.models.network.schedulers.schedules import ChunkPlan, Optimization, phases, settled

if TYPE_CHECKING:
    from simcore.models.network.simulation.network import Network

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Ways:
    """The phases of a chunk of one byte, a row for each order.

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
    shared : bool
        Whether these share the links. ASTRA-sim's conventions give each the links for itself.
    even : bool
        Whether phases have the same sizes in every order.
    """

    plans: list[ChunkPlan]
    dimension: Integers
    work: Floats
    latency: Floats
    used: int
    in_flight: int
    shared: bool
    even: bool

    def seconds(self, sizes: Floats) -> tuple[Floats, Floats]:
        """Return how long phases occupy links, and how long they take in all [s], shape (rows, sizes, phases)."""
        work = self.work[:, None] * sizes[:, None, None]
        total = work + self.latency[:, None]
        chosen = total.argmin(axis=-1)[..., None]  # as phase_cost decides between algorithms
        work, total = (np.take_along_axis(each, chosen, -1)[..., 0] for each in (work, total))
        return work * self.shared, total

    def occupied(self, work: Floats, total: Floats) -> Floats:
        """Return how long a dimension is busy at least with phases that take so long in all [s]."""
        return (
            np.maximum(work, total / self.in_flight) if self.shared and self.in_flight > 1 else total / self.in_flight
        )


def ways(network: Network, collective: Collective, size: float, groups: tuple[int, ...], at: Positions | None) -> Ways:
    """Return the phases of one byte along each order; an all-reduce turns around in one phase or in two."""
    used = [d for d, p in enumerate(groups) if p > 1]
    local = network.optimization is Optimization.LOCAL
    turns = (True, False) if collective is Collective.ALL_REDUCE and local else (True,)
    plans = [ChunkPlan(1.0, tuple(used[d] for d in order), fused) for fused in turns for order in orders(len(used))]
    rows = [phases(plan, collective, groups, network.optimization, whole=False) for plan in plans]
    shape = len(rows), max(map(len, rows))
    dimension = np.full(shape, len(used))
    work, latency = np.zeros((*shape, 2)), np.zeros((*shape, 2))
    lines = {}
    for r, row in enumerate(rows):
        for i, (d, operation, share) in enumerate(row):
            if (d, operation) not in lines:
                lines[d, operation] = _lines(network, d, operation, groups[d], size, at[d] if at else None)
            dimension[r, i] = used.index(d)
            work[r, i] = [line.work * share for line in lines[d, operation]]
            latency[r, i] = [line.latency for line in lines[d, operation]]
    even = collective is Collective.ALL_TO_ALL or (collective is Collective.ALL_REDUCE and not local)
    shared = not network.convention.whole_nanoseconds
    return Ways(plans, dimension, work, latency, len(used), network.in_flight, shared, even)


def _lines(
    network: Network, d: int, operation: Collective, group: int, size: float, members: tuple[int, ...] | None
) -> tuple[Cost, Cost]:
    """Return the cost of a phase of one byte, for each of two algorithms that may run it: see `byte_costs`.

    ASTRA-sim's conventions round; there it is the line through no bytes and `size`.
    """
    if network.convention is Convention.PHYSICAL:
        at, way = network.topology.dimensions[d], network.algorithms[d]
        found = byte_costs(at, network.bandwidths[d], way, operation, members or range(group))
        return found[0], found[-1]
    least, most = (network.cost(d, operation, group, each, members) for each in (0.0, size))
    line = Cost((most.work - least.work) / size, least.work, most.sent / size)
    return line, line


@dataclass(frozen=True)
class Batch:
    """Mixtures of as many orders in as many rounds.

    Attributes
    ----------
    ways : Ways
        The phases.
    size : float
        Bytes in all [B].
    rounds, whole : int
        How often the mixture is repeated, and what its parts add up to each time.
    rows, parts, chunks : ndarray of int, shape (orders mixed, mixtures)
        Rows of `ways`, how many parts of the bytes go through each, and in how many chunks in a round.
    least : ndarray, shape (mixtures,)
        The most loaded dimension's load: no order of serving beats it [s].
    """

    ways: Ways
    size: float
    rounds: int
    whole: int
    rows: Integers
    parts: Integers
    chunks: Integers
    least: Floats

    @property
    def chunks_in_round(self) -> int:
        """Alike in all mixtures."""
        return int(self.chunks[:, 0].sum())

    @cached_property
    def seconds(self) -> tuple[Floats, Floats]:
        """`Ways.seconds` of chunks of no part, one part, ... and the whole."""
        return self.ways.seconds(np.arange(self.whole + 1, dtype=np.float64) * (self.size / (self.whole * self.rounds)))

    def bounds(self, some: Integers) -> Floats:
        """Return a better bound for some mixtures [s]: a chunk's phases; those around a dimension's, and its load."""
        work, total = self.seconds
        there = self.ways.dimension[:, :, None] == np.arange(self.ways.used)
        first = there.argmax(axis=1)[:, None]
        last = there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)[:, None]
        until = total.cumsum(axis=-1)
        before = np.take_along_axis(until - total, first, -1)
        after = until[..., -1:] - np.take_along_axis(until, last, -1)
        loads = self.rounds * (work @ there), self.rounds * (total @ there)
        # dimensions first: numpy is slow along a short last axis
        before, after, sending, all_ = (np.moveaxis(each, -1, 0).copy() for each in (before, after, *loads))
        found: list[Floats] = []
        alone = np.zeros(len(some))
        for row, parts, chunks in zip(self.rows[:, some], self.parts[:, some], self.chunks[:, some], strict=True):
            at = (slice(None), row, parts // chunks)
            new = [sending[at] * chunks, all_[at] * chunks, before[at], after[at]]
            found = [*map(np.add, found[:2], new[:2]), *map(np.minimum, found[2:], new[2:])] if found else new
            alone = np.maximum(alone, until[row, parts // chunks, -1])
        load = self.ways.occupied(found[0], found[1])
        return np.asarray(np.maximum((load + found[2] + found[3]).max(axis=0), alone))

    def sequence(self, some: Integers) -> Integers:
        """Return which of the mixed orders each chunk of a round takes, shape (chunks in a round, mixtures)."""
        chunks = self.chunks[:, some]
        at = (np.arange(chunks.max())[:, None, None] + 0.5) / chunks  # spread evenly
        at[at > 1] = np.inf
        mixed = len(chunks)
        return np.asarray(at.reshape(-1, len(some)).argsort(axis=0, kind="stable")[: self.chunks_in_round] % mixed)

    def times(self, some: Integers, lag: float) -> Floats:
        """Return when some mixtures end [s].

        A phase starts when the one before it has ended, a place is free in its dimension, and so are the links; in
        each dimension in the order of `settled`.
        """
        orders = self.sequence(some)
        rows, parts = self.rows[orders, some], (self.parts // self.chunks)[orders, some]
        work, total = (each[rows, parts].transpose(0, 2, 1).copy() for each in self.seconds)
        in_round, count = rows.shape
        # each mixture's dimensions have columns of their own
        column = self.ways.dimension[rows].transpose(0, 2, 1) * count + np.arange(count)
        ended = np.zeros((self.rounds * in_round, count))
        free = np.zeros((self.ways.in_flight, (self.ways.used + 1) * count))
        link_free, alone = free[0].copy(), self.ways.in_flight == 1
        for chunk, i in settled(len(ended), column.shape[1], lag * in_round):
            here = column[chunk % in_round, i]
            if alone:  # it has the links for itself
                ended[chunk] = free[0, here] = np.maximum(ended[chunk], free[0, here]) + total[chunk % in_round, i]
                continue
            places = free[:, here]
            start = np.maximum(np.maximum(ended[chunk], link_free[here]), places.min(axis=0))
            link_free[here] = start + work[chunk % in_round, i]
            ended[chunk] = free[places.argmin(axis=0), here] = start + total[chunk % in_round, i]
        return np.asarray(ended.max(axis=0))


def batches(ways: Ways, size: float, most: int, family: Iterable[Mixtures], shortest: float) -> list[Batch]:
    """Return mixtures of at most so many chunks whose load is less than a time [s], the most promising batch first."""
    there = ways.dimension[:, :, None] == np.arange(ways.used)
    work, latency = (np.einsum("ri,rid->dr", each.min(axis=-1), there) for each in (ways.work, ways.latency))
    found = []
    for mixed in family:
        # an all-reduce of three orders and more turns around in one phase: two do not pay
        turns = len(ways.plans) // len(orders(ways.used)) if len(mixed.orders) < 3 else 1
        rows = np.concatenate([mixed.orders + turn * len(orders(ways.used)) for turn in range(turns)], axis=1)
        parts = np.concatenate([mixed.parts] * turns, axis=1)
        sets, shares = rows[:, :: mixed.shares], parts[:, : mixed.shares] * (size / mixed.whole)
        once = (work[:, sets].transpose(0, 2, 1) @ shares).reshape(len(work), -1)
        late = np.repeat(latency[:, sets].sum(axis=1), mixed.shares, axis=1)  # of one chunk for each order
        some = np.flatnonzero(ways.occupied(once, once + late).max(axis=0) < shortest)
        if not len(some):
            continue
        rows, parts, once = rows[:, some], parts[:, some], once[:, some]
        for chunks in (np.ones_like(parts), parts) if mixed.whole > len(rows) else (parts,):
            late = sum(latency[:, row] * count for row, count in zip(rows, chunks, strict=True))
            in_round = mixed.whole if chunks is parts else len(rows)
            for repeats in rounds(most, in_round):
                # where bytes are whole, no chunks of less than one
                if not (ways.shared or size >= mixed.whole * repeats or mixed.whole * repeats == 1):
                    continue
                latest = repeats * in_round * latency.min(axis=1)
                if ways.occupied(0 * latest, latest).max() < shortest:
                    least = ways.occupied(once, once + repeats * late).max(axis=0)
                    found.append(Batch(ways, size, repeats, mixed.whole, rows, parts, chunks, least))
    # few chunks take longer than their load
    return sorted(found, key=lambda each: float(each.least.min()) * (1 + 1 / (each.rounds * each.chunks_in_round)))
