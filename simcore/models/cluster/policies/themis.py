"""Themis: GPUs whose lease is over are auctioned among the jobs that are treated worst, by finish-time fairness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simcore.errors import InputError
from simcore.models.cluster.policies.ranked import quantum_error
from simcore.models.cluster.policy import NOTHING, Decision, Policy
from simcore.models.cluster.pools import DIGITS, PARTS
from simcore.models.cluster.room import Room
from simcore.models.cluster.view import View

MOST_SUMS = 2**24
"""Sums that an auction's table holds at most: 128 MiB."""
LEAST_KEPT = math.exp(-1.0)
"""Share of a lease that a winner keeps at least: what the mechanism guarantees where GPUs can be divided."""


@dataclass
class Themis(Policy):
    """GPUs are leased; those whose lease is over are auctioned among the jobs whose finish-time fairness is worst.

    Finish-time fairness is rho = (time since submission + remaining time) / (time alone on 1/n of the GPUs), with n the
    active jobs of the GPU type and virtual cluster, and its GPUs. Whenever GPUs are free or their lease is over while
    jobs wait, the share 1 - `filter` of these jobs with the largest rho is asked for bids. A bid is the rho with the
    gang for a lease, and without it: a lease later. The gangs go to those by whom the product of 1 / rho is largest. A
    winner pays for the others: it keeps the share of its lease by which that product of the others is smaller than
    without it, at least 1 / e. The paper takes GPUs for it, which a gang cannot give up. What is left over goes to the
    jobs that were not asked, the largest rho first. A job that wins again keeps its GPUs. All tell the truth. Source:
    Mahajan et al., NSDI 2020, section 5.1; partial allocation: Cole, Gkatzelis and Goel, EC 2013.

    Attributes
    ----------
    lease : float
        Time for which a winner holds its GPUs while others wait [s].
    filter : float
        The fairness knob f, 0 to 1.
    """

    oracle: ClassVar[bool] = True
    lease: float = 600.0
    filter: float = 0.8

    def __post_init__(self) -> None:
        if error := quantum_error("lease", self.lease):
            raise error
        if not 0.0 <= self.filter <= 1.0:
            raise InputError("filter", f"{self.filter:g}", "a number from 0 to 1")

    def prepare(self, view: View) -> None:
        """Begin with no lease."""
        self._until: dict[int, float] = {}  # end of the lease of running jobs [s]

    def decide(self, view: View) -> Decision:
        """Auction what is free, or whose lease is over."""
        for row in view.finished:
            self._until.pop(row, None)
        room, active = view.room(), view.active
        waiting = [row for row in active if view.placement[row] is None]
        if not waiting:
            return NOTHING
        pools: dict[int, tuple[list[int], list[int]]] = {room.pool_of(row): ([], []) for row in waiting}
        for row in active:
            if room.pool_of(row) in pools:
                pools[room.pool_of(row)][view.placement[row] is None].append(row)
        for pool, (running, mine) in sorted(pools.items()):
            self._sell(view, room, pool, running, mine)
        later = [until for until in self._until.values() if until > view.now * (1.0 + 1e-12)]
        return Decision(room.changes, min(later, default=None))

    def _sell(self, view: View, room: Room, pool: int, running: list[int], waiting: list[int]) -> None:
        """Auction the GPUs of one type and virtual cluster."""
        over = {row for row in running if self._until[row] <= view.now * (1.0 + 1e-12)}
        ended = sum(room.size(row) for row in over)
        held = sum(room.size(row) for row in running) - ended
        offered = round(min(room.total(pool) - held, room.left(pool) + ended), DIGITS)
        if offered < min(room.size(row) for row in waiting):
            return  # nobody who waits could have it
        active, there = len(running) + len(waiting), room.total(pool)
        unfair = sorted([*over, *waiting], key=lambda row: (-self.rho(view, row, active, there), row))
        asked = max(1, math.ceil((1.0 - self.filter) * len(unfair) - 1e-9))
        leases = self._won(view, room, unfair[:asked], offered)
        left = round(offered - sum(room.size(row) for row in leases), DIGITS)
        for row in unfair[asked:]:
            if room.size(row) <= left:
                left = round(left - room.size(row), DIGITS)
                leases[row] = self.lease
        for row in sorted(over.difference(leases)):
            room.stop(row)
            del self._until[row]
        for row, lease in leases.items():
            if row in over or room.start(row):
                self._until[row] = view.now + lease
        for row in unfair:  # where nodes are fragmented
            if row not in self._until and room.start(row):
                self._until[row] = view.now + self.lease

    def _won(self, view: View, room: Room, rows: list[int], offered: float) -> dict[int, float]:
        """Return the winners of an auction with their leases [s]."""
        finish = [view.now - view.submitted[row] + view.remaining[row] for row in rows]
        sizes = [round(PARTS * room.size(row)) for row in rows]
        won = auction([math.log1p(self.lease / time) for time in finish], sizes, round(PARTS * offered))
        return {rows[place]: self.lease * max(LEAST_KEPT, kept) for place, kept in won.items()}

    def rho(self, view: View, row: int, active: int, gpus: int) -> float:
        """Return the finish-time fairness of a job if it ran from now on, beside so many active jobs on GPUs [1]."""
        alone = view.duration[row] * max(1.0, view.job(row).gpus * active / gpus)
        return (view.now - view.submitted[row] + view.remaining[row]) / alone


def auction(gains: Sequence[float], sizes: Sequence[int], offered: int) -> dict[int, float]:
    """Return who wins, with the share that each keeps: the partial allocation mechanism on gangs.

    The winners are the set that fits and whose gains have the largest sum, found by dynamic programming over the GPUs.
    With S the sum of the winners' gains, and S' the largest without job i, it keeps exp(S - gain of i - S').

    GPUs are counted in the largest unit that divides all gangs. Where the table would hold more than `MOST_SUMS` the
    unit is larger, and gangs are rounded up to it: the winners fit, and may not be the best.

    Parameters
    ----------
    gains : sequence of float, length J
        Logarithm of rho without the gang over rho with it, above 0.
    sizes : sequence of int, length J
        GPUs of each gang, or its 1/1000 of a GPU.
    offered : int
        The same of what is auctioned.

    Examples
    --------
    One GPU, and a job that gains 2 times where the other gains 1.5 times: the first keeps 1 / 1.5.

    >>> {job: round(kept, 3) for job, kept in auction([math.log(2.0), math.log(1.5)], [1, 1], 1).items()}
    {0: 0.667}
    """
    if sum(sizes) <= offered:
        return dict.fromkeys(range(len(sizes)), 1.0)
    unit = max(math.gcd(*sizes), math.ceil(offered * (len(sizes) + 1) / MOST_SUMS))
    weights, width = [-(-size // unit) for size in sizes], offered // unit + 1
    after = np.zeros((len(gains) + 1, width))  # the largest sum of the jobs from each on, by GPUs
    for place in range(len(gains) - 1, -1, -1):
        after[place] = _with_one(after[place + 1], gains[place], weights[place])
    best, left, won = float(after[0, -1]), width - 1, dict[int, float]()
    before = np.zeros(width)
    for place, (gain, weight) in enumerate(zip(gains, weights, strict=True)):
        following = after[place + 1]
        if weight <= left and gain + following[left - weight] >= after[place, left] * (1.0 - 1e-12):
            left -= weight
            without = float((before + following[::-1]).max())
            won[place] = min(1.0, math.exp(best - gain - without))
        before = _with_one(before, gain, weight)
    return won


def _with_one(sums: np.ndarray, gain: float, weight: int) -> np.ndarray:
    """Return the largest sums, by GPUs, if one more job may be among the winners."""
    more = sums.copy()
    if weight < len(sums):
        np.maximum(sums[weight:], sums[: len(sums) - weight] + gain, out=more[weight:])
    return more
