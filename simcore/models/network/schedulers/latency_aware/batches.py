"""When mixtures of orders end, for many of them at once: bounds by numpy, and what `Server` does, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simcore.models.network.chunks import settled
from simcore.models.network.schedulers.latency_aware.mixtures import Integers, Mixtures, orders, rounds
from simcore.models.network.schedulers.latency_aware.phase_table import Floats, PhaseTable


@dataclass(frozen=True)
class MixtureBatch:
    """Mixtures of as many orders in as many rounds.

    Attributes
    ----------
    table : PhaseTable
        The phases.
    size : float
        Bytes in all [B].
    rounds, whole : int
        How often the mixture is repeated, and what its parts add up to each time.
    rows, parts, chunks : ndarray of int, shape (orders mixed, mixtures)
        Rows of the table, how many parts of the bytes go through each, and in how many chunks in a round.
    least : ndarray, shape (mixtures,)
        The most loaded dimension's load: no order of serving beats it [s].
    """

    table: PhaseTable
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
        """`PhaseTable.seconds` of chunks of no part, one part, ... and the whole."""
        part = self.size / (self.whole * self.rounds)
        return self.table.seconds(np.arange(self.whole + 1, dtype=np.float64) * part)

    def bounds(self, some: Integers) -> Floats:
        """Return a better bound for some mixtures [s]: a chunk's phases; those around a dimension's, and its load."""
        work, total = self.seconds
        there = self.table.dimension[:, :, None] == np.arange(self.table.used)
        first = there.argmax(axis=1)[:, None]
        last = there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)[:, None]
        until = total.cumsum(axis=-1)
        before = np.take_along_axis(until - total, first, -1)
        after = until[..., -1:] - np.take_along_axis(until, last, -1)
        loads = self.rounds * (work @ there), self.rounds * (total @ there)
        # dimensions first: numpy is slow along a short last axis
        before, after, sending, all_ = (np.moveaxis(each, -1, 0).copy() for each in (before, after, *loads))
        sums: list[Floats] = []
        alone = np.zeros(len(some))
        for row, parts, chunks in zip(self.rows[:, some], self.parts[:, some], self.chunks[:, some], strict=True):
            at = (slice(None), row, parts // chunks)
            new = [sending[at] * chunks, all_[at] * chunks, before[at], after[at]]
            sums = [*map(np.add, sums[:2], new[:2]), *map(np.minimum, sums[2:], new[2:])] if sums else new
            alone = np.maximum(alone, until[row, parts // chunks, -1])
        load = self.table.occupied(sums[0], sums[1])
        return np.asarray(np.maximum((load + sums[2] + sums[3]).max(axis=0), alone))

    def sequence(self, some: Integers) -> Integers:
        """Return which of the mixed orders each chunk of a round takes, shape (chunks in a round, mixtures)."""
        chunks = self.chunks[:, some]
        at = (np.arange(chunks.max())[:, None, None] + 0.5) / chunks  # spread evenly
        at[at > 1] = np.inf
        mixed = len(chunks)
        return np.asarray(at.reshape(-1, len(some)).argsort(axis=0, kind="stable")[: self.chunks_in_round] % mixed)

    def times(self, some: Integers, lag: float) -> Floats:
        """Return when some mixtures end [s].

        A phase starts when the one before it has ended, and when a place and the links of its dimension are free. Each
        dimension serves phases in the order of `settled`.
        """
        orders = self.sequence(some)
        rows, parts = self.rows[orders, some], (self.parts // self.chunks)[orders, some]
        work, total = (each[rows, parts].transpose(0, 2, 1).copy() for each in self.seconds)
        in_round, count = rows.shape
        # each mixture's dimensions have columns of their own
        column = self.table.dimension[rows].transpose(0, 2, 1) * count + np.arange(count)
        ended = np.zeros((self.rounds * in_round, count))
        free = np.zeros((self.table.in_flight, (self.table.used + 1) * count))
        link_free, alone = free[0].copy(), self.table.in_flight == 1
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


def batches(
    table: PhaseTable, size: float, most: int, family: Iterable[Mixtures], shortest: float
) -> list[MixtureBatch]:
    """Return mixtures of at most so many chunks whose load is less than a time [s], the most promising batch first."""
    there = table.dimension[:, :, None] == np.arange(table.used)
    work, latency = (np.einsum("ri,rid->dr", each.min(axis=-1), there) for each in (table.work, table.latency))
    kept = []
    for mixed in family:
        # an all-reduce of three orders and more turns around in one phase: two do not pay
        turns = len(table.plans) // len(orders(table.used)) if len(mixed.orders) < 3 else 1
        rows = np.concatenate([mixed.orders + turn * len(orders(table.used)) for turn in range(turns)], axis=1)
        parts = np.concatenate([mixed.parts] * turns, axis=1)
        sets, shares = rows[:, :: mixed.shares], parts[:, : mixed.shares] * (size / mixed.whole)
        once = (work[:, sets].transpose(0, 2, 1) @ shares).reshape(len(work), -1)
        late = np.repeat(latency[:, sets].sum(axis=1), mixed.shares, axis=1)  # of one chunk for each order
        some = np.flatnonzero(table.occupied(once, once + late).max(axis=0) < shortest)
        if not len(some):
            continue
        rows, parts, once = rows[:, some], parts[:, some], once[:, some]
        for chunks in (np.ones_like(parts), parts) if mixed.whole > len(rows) else (parts,):
            late = sum(latency[:, row] * count for row, count in zip(rows, chunks, strict=True))
            in_round = mixed.whole if chunks is parts else len(rows)
            for repeats in rounds(most, in_round):
                # where bytes are whole, no chunks of less than one
                if table.convention.whole_bytes and mixed.whole * repeats > 1 and size < mixed.whole * repeats:
                    continue
                latest = repeats * in_round * latency.min(axis=1)
                if table.occupied(0 * latest, latest).max() < shortest:
                    least = table.occupied(once, once + repeats * late).max(axis=0)
                    kept.append(MixtureBatch(table, size, repeats, mixed.whole, rows, parts, chunks, least))
    # few chunks take longer than their load
    return sorted(kept, key=lambda each: float(each.least.min()) * (1 + 1 / (each.rounds * each.chunks_in_round)))
