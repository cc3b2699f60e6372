"""EasyScale (SC'23): elastic jobs that start on one GPU and grow while GPUs are free."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import ClassVar

import numpy as np

from simcore.errors import InputError
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass
from simcore.models.cluster.overheads import step_seconds
from simcore.models.cluster.placement import Placement, class_last, class_seconds
from simcore.models.cluster.policies.easyscale.growth import MAX_GROWTH, MAX_WASTE, Growth, growth
from simcore.models.cluster.policies.easyscale.proposals import MOST, Proposals, TooManyPlacements, for_rules
from simcore.models.cluster.policy import Decision, Policy
from simcore.models.cluster.room import Change
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes, global_step_time
from simcore.models.cluster.ties import descending_ranks
from simcore.models.cluster.view import View


@dataclass
class EasyScaleHeter(Policy):
    """Start new jobs on one GPU each, then grow running ones, the largest gain per GPU first, once per round.

    A job starts with its slowest proposal, one GPU that runs all its threads, and is never shrunk or preempted.
    Heterogeneous jobs use all GPU types, the others their preferred one. Source: Li et al., SC 2023 (EasyScale).

    Attributes
    ----------
    max_waste : float
        Largest share of its GPUs' capability that a job may waste after growing, 0 to 1.
    max_growth : float
        GPUs after growing, at most this many times those before.
    """

    gang: ClassVar[bool] = False
    all_types: ClassVar[bool] = True
    divided: ClassVar[bool] = False

    max_waste: float = MAX_WASTE
    max_growth: float = MAX_GROWTH

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_waste <= 1.0:
            raise InputError("max_waste", f"{self.max_waste:g}", "a number from 0 to 1")
        if not self.max_growth >= 1.0:
            raise InputError("max_growth", f"{self.max_growth:g}", "a number of at least 1")

    def refuses(self, job: JobClass, cluster: Cluster, step_times: StepTimes, rules: Rules) -> str | None:
        """Refuse a job with more placements than memory holds."""
        try:
            seconds, last = class_seconds(job, cluster, step_times), class_last(job, cluster, step_times)
            _class_proposals(job, cluster, seconds, last, rules, self.all_types)
        except TooManyPlacements:
            return f"{job.max_parallelism:,} threads, which have more than {MOST:,} placements"
        return None

    def prepare(self, view: View) -> None:
        """Find every class's proposals, and open a queue per type of the first GPU."""
        self._rules = view.rules
        self._seconds = [class_seconds(job, view.cluster, view.step_times) for job in view.classes]
        self._last = [class_last(job, view.cluster, view.step_times) for job in view.classes]
        self._classes, self._cluster = view.classes, view.cluster
        self._first = [self._initial(index) for index in range(len(view.classes))]
        self._queues: list[list[int]] = [[] for _ in view.cluster.types]  # heaps of rows
        self._wishes = _Wishes(len(view.cluster.types))
        self._grown: dict[tuple[int, tuple[float, ...], float], list[tuple[Growth, Placement]]] = {}

    def decide(self, view: View) -> Decision:
        """Start what fits in row order, then grant growth."""
        class_index, left = view.class_index, list(view.free)
        for row in view.finished:
            self._wishes.drop(row)
        for row in view.arrived:
            heappush(self._queues[self._first[class_index[row]].gpus.index(1)], row)
        changes: list[Change] = []
        for g, queue in enumerate(self._queues):
            while queue and left[g]:
                row = heappop(queue)
                left[g] -= 1
                changes.append((row, self._first[class_index[row]]))
        changes += self._wishes.grant(left)  # before the new jobs have wishes: a job that starts now does not grow now
        for row, placement in changes:
            assert placement is not None
            self._wishes.put(row, self._next(class_index[row], placement))
        return Decision(changes, view.now if changes else None)

    def _initial(self, index: int) -> Placement:
        proposals = self._proposals(index)
        gpus = tuple(int(n) for n in proposals.gpus[-1])
        assert sum(gpus) == 1  # the slowest placement is always one GPU with all threads
        return self._placement(index, gpus, tuple(int(a) for a in proposals.threads[-1]), float(proposals.speedup[-1]))

    def _proposals(self, index: int) -> Proposals:
        """Return the proposals of a class."""
        job, seconds, last = self._classes[index], self._seconds[index], self._last[index]
        return _class_proposals(job, self._cluster, seconds, last, self._rules, self.all_types)

    def _placement(self, index: int, gpus: tuple[float, ...], threads: tuple[int, ...], speedup: float) -> Placement:
        return Placement(gpus, threads, global_step_time(threads, self._seconds[index], self._last[index]), speedup)

    def _next(self, index: int, now: Placement) -> list[tuple[Growth, Placement]]:
        key = (index, now.gpus, now.speedup)
        if key not in self._grown:
            wishes = growth(
                self._proposals(index),
                now.gpus,
                now.speedup,
                self._rules,
                max_waste=self.max_waste,
                max_growth=self.max_growth,
            )
            self._grown[key] = [(w, self._placement(index, w.gpus, w.threads, w.speedup)) for w in wishes]
        return self._grown[key]


@dataclass
class EasyScaleHomo(EasyScaleHeter):
    """EasyScale with every job on its preferred GPU type. Source: Li et al., SC 2023 (EasyScale)."""

    all_types: ClassVar[bool] = False


class _Wishes:
    """The growth proposals of all running jobs as arrays, so that a round costs one pass over them."""

    def __init__(self, types: int) -> None:
        self._types = types
        self._slot: dict[int, int] = {}
        self._unused: list[int] = []
        self._row = np.zeros(0, dtype=np.int64)
        self._gain = np.zeros((0, types))
        self._number = np.zeros((0, types), dtype=np.int64)  # 0: no wish for this type
        self._giving = np.zeros((0, types), dtype=np.int64)  # GPUs that granting all of a job's wishes would return
        self._target: list[list[tuple[Growth, Placement] | None]] = []

    def put(self, row: int, wishes: list[tuple[Growth, Placement]]) -> None:
        """Replace a job's wishes."""
        slot = self._slot.get(row)
        if slot is None:
            if not self._unused:
                self._grow()
            slot = self._slot[row] = self._unused.pop()
            self._row[slot] = row
        self._number[slot] = self._giving[slot] = 0
        for wish, placement in wishes:
            self._number[slot, wish.gpu] = wish.number
            self._gain[slot, wish.gpu] = wish.gain
            self._target[slot][wish.gpu] = (wish, placement)
            if any(wish.returned):
                self._giving[slot] += wish.returned

    def drop(self, row: int) -> None:
        """Forget a job."""
        slot = self._slot.pop(row)
        self._number[slot] = self._giving[slot] = 0
        self._unused.append(slot)

    def grant(self, free: list[float]) -> list[tuple[int, Placement]]:
        """Grant by descending gain, ties by row, then type; each job once, while the GPUs last.

        GPUs that a granted job returns can be granted again by the same pass.
        """
        most = np.asarray(free) + self._giving.sum(axis=0)
        slots, types = np.nonzero((self._number > 0) & (self._number <= most))
        if not len(slots):
            return []
        order = np.lexsort((types, self._row[slots], descending_ranks(self._gain[slots, types])))
        granted: dict[int, Placement] = {}
        for slot, g in zip(slots[order].tolist(), types[order].tolist(), strict=True):
            target, row = self._target[slot][g], int(self._row[slot])
            assert target is not None
            wish = target[0]
            if wish.number <= free[g] and row not in granted:
                granted[row] = target[1]
                free[g] -= wish.number
                for h, number in enumerate(wish.returned):
                    free[h] += number
        return list(granted.items())

    def _grow(self) -> None:
        old = len(self._target)
        new = max(64, 2 * old)
        for name in ("_row", "_gain", "_number", "_giving"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate((array, np.zeros((new - old, *array.shape[1:]), dtype=array.dtype))))
        self._target += [[None] * self._types for _ in range(new - old)]
        self._unused += range(new - 1, old - 1, -1)


def _class_proposals(
    job: JobClass,
    cluster: Cluster,
    seconds: tuple[float | None, ...],
    last: tuple[float, ...],
    rules: Rules,
    heterogeneous: bool,
) -> Proposals:
    """Proposals of a class: on all GPU types with a step time, or on the preferred one only."""
    if heterogeneous and job.heterogeneous:
        counts = cluster.counts
    else:
        counts = tuple(n if name == job.gpu_type else 0 for name, n in zip(cluster.types, cluster.counts, strict=True))
    known = [g for g, (t, n) in enumerate(zip(seconds, counts, strict=True)) if n and t is not None]
    reference = len(seconds) - 1 if seconds[-1] is not None else known[-1]
    size, of_reference = job.max_parallelism, seconds[reference]
    assert of_reference is not None
    whole = [step_seconds(size, 1.0, each) for each in last]
    capability = tuple(
        1.0 if t is None else of_reference / t * (whole[reference] / w) for t, w in zip(seconds, whole, strict=True)
    )
    return for_rules(size, capability, counts, rules, last)
