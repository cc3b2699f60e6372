"""EasyScale (SC'23): elastic jobs that start on one GPU and grow while GPUs are free."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

import numpy as np

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.growth import Growth, growth
from simcore.models.cluster.jobs import JobClass
from simcore.models.cluster.placement import Placement, class_seconds
from simcore.models.cluster.policies import Changes
from simcore.models.cluster.proposals import Proposals, for_rules
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes, step_time
from simcore.models.cluster.ties import descending_ranks


class EasyScale:
    """Start new jobs on one GPU each, then grow running ones, the largest gain per GPU first, once per round.

    A job starts with its slowest proposal, one GPU that runs all its threads, and is never shrunk or preempted. The
    ``homo`` variant keeps every job on its preferred GPU type; ``heter`` lets heterogeneous jobs use all types.

    Parameters
    ----------
    heterogeneous : bool
        False for the ``homo`` variant.
    """

    settles = False

    def __init__(
        self,
        classes: Sequence[JobClass],
        cluster: Cluster,
        rates: StepTimes,
        rules: Rules,
        *,
        heterogeneous: bool = True,
    ) -> None:
        self._rules = rules
        self._seconds = [class_seconds(job, cluster, rates) for job in classes]
        self._proposals = [
            _class_proposals(job, cluster, seconds, rules, heterogeneous)
            for job, seconds in zip(classes, self._seconds, strict=True)
        ]
        self._first = [self._initial(kind) for kind in range(len(classes))]
        self._queues: list[list[tuple[int, int]]] = [[] for _ in cluster.types]  # heaps of (row, kind) per first GPU
        self._wishes = _Wishes(len(cluster.types))
        self._kind: dict[int, int] = {}
        self._grown: dict[tuple[int, tuple[int, ...], float], list[tuple[Growth, Placement]]] = {}

    @classmethod
    def homogeneous(cls, classes: Sequence[JobClass], cluster: Cluster, rates: StepTimes, rules: Rules) -> EasyScale:
        """Build the ``homo`` variant."""
        return cls(classes, cluster, rates, rules, heterogeneous=False)

    def submit(self, row: int, kind: int) -> None:
        """Queue a job at the type of its first GPU."""
        self._kind[row] = kind
        heappush(self._queues[self._first[kind].gpus.index(1)], (row, kind))

    def finish(self, row: int) -> None:
        """Drop a job's wishes."""
        del self._kind[row]
        self._wishes.drop(row)

    def decide(self, free: Sequence[int]) -> Changes:
        """Start what fits in row order, then grant growth."""
        left = list(free)
        started: Changes = []
        for g, queue in enumerate(self._queues):
            while queue and left[g]:
                row, kind = heappop(queue)
                left[g] -= 1
                started.append((row, self._first[kind]))
        granted = self._wishes.grant(left)  # before the new jobs have wishes: a job that starts now does not grow now
        changes = started + [(row, placement) for row, placement in granted]
        for row, placement in changes:
            assert placement is not None
            self._wishes.put(row, self._next(self._kind[row], placement))
        return changes

    def _initial(self, kind: int) -> Placement:
        found = self._proposals[kind]
        gpus = tuple(int(n) for n in found.gpus[-1])
        assert sum(gpus) == 1  # the slowest placement is always one GPU with all threads
        return self._placement(kind, gpus, tuple(int(a) for a in found.threads[-1]), float(found.speedup[-1]))

    def _placement(self, kind: int, gpus: tuple[int, ...], threads: tuple[int, ...], speedup: float) -> Placement:
        return Placement(gpus, threads, step_time(threads, self._seconds[kind]), speedup)

    def _next(self, kind: int, now: Placement) -> list[tuple[Growth, Placement]]:
        key = (kind, now.gpus, now.speedup)
        if key not in self._grown:
            wishes = growth(self._proposals[kind], now.gpus, now.speedup, self._rules)
            self._grown[key] = [(w, self._placement(kind, w.gpus, w.threads, w.speedup)) for w in wishes]
        return self._grown[key]


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

    def grant(self, free: list[int]) -> list[tuple[int, Placement]]:
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
    job: JobClass, cluster: Cluster, seconds: tuple[float | None, ...], rules: Rules, heterogeneous: bool
) -> Proposals:
    """Proposals of a class: on all GPU types with a rate, or on the preferred one only."""
    if heterogeneous and job.heterogeneous:
        counts = cluster.counts
    else:
        counts = tuple(n if name == job.gpu_type else 0 for name, n in zip(cluster.types, cluster.counts, strict=True))
    known = [t for t, n in zip(seconds, counts, strict=True) if n and t is not None]
    reference = seconds[-1] if seconds[-1] is not None else known[-1]
    capability = tuple(1.0 if t is None else reference / t for t in seconds)
    return for_rules(job.max_parallelism, capability, counts, rules)
