"""Themis: GPUs go to the jobs that are treated worst, by finish-time fairness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from simcore.errors import InputError
from simcore.models.cluster.policies.ranked import quantum_error
from simcore.models.cluster.policy import NOTHING, Decision, Policy
from simcore.models.cluster.view import View


@dataclass
class Themis(Policy):
    """The jobs whose finish-time fairness is worst run for a lease; then all GPUs are handed out anew.

    Finish-time fairness is rho = (time since submission + remaining time) / (time alone on 1/n of the GPUs), with n the
    active jobs of the pool. Of the active jobs the share 1 - `filter` with the largest rho is offered GPUs first, the
    least remaining service first; then the others, the largest rho first. This is the partial allocation of the paper
    without bids: all jobs tell the truth. Source: Mahajan et al., NSDI 2020.

    Attributes
    ----------
    lease : float
        Time after which GPUs are handed out anew while jobs wait [s].
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
        self._until = -math.inf

    def decide(self, view: View) -> Decision:
        """Hand out what is free, and at the end of a lease everything."""
        room, waiting = view.room(), view.waiting
        if not waiting:
            return NOTHING
        running = view.running if view.now >= self._until * (1.0 - 1e-12) else []
        if running or not view.running:
            self._until = view.now + self.lease
        ranked = self._ranked(view, sorted([*waiting, *running]))
        mine = set(running)
        left = [room.total(pool) for pool in range(room.pools)]
        for row in view.running if not running else ():
            left[room.pool_of(row)] -= room.size(row)
        chosen = []
        for row in ranked:
            if room.size(row) <= left[room.pool_of(row)]:
                left[room.pool_of(row)] -= room.size(row)
                chosen.append(row)
        for row in sorted(mine.difference(chosen)):
            room.stop(row)
        for row in chosen:
            if row not in mine:
                room.start(row)
        return Decision(room.changes, self._until if self._until > view.now else view.now + self.lease)

    def _ranked(self, view: View, rows: list[int]) -> list[int]:
        """Return jobs in the order in which they are offered GPUs."""
        unfair = sorted(rows, key=lambda row: (-self.rho(view, row, len(rows)), row))
        first = max(1, math.ceil((1.0 - self.filter) * len(rows) - 1e-9))
        service = sorted(unfair[:first], key=lambda row: view.remaining[row] * view.job(row).max_parallelism)
        return [*service, *unfair[first:]]

    def rho(self, view: View, row: int, active: int) -> float:
        """Return the finish-time fairness of a job if it ran from now on [1]."""
        gpus = view.cluster.counts[view.cluster.types.index(view.job(row).gpu_type)]
        alone = view.duration[row] * max(1.0, view.job(row).max_parallelism * active / gpus)
        return (view.now - view.submitted[row] + view.remaining[row]) / alone
