"""The GPUs that one decision hands out: what a policy asks whether a gang fits.

A policy takes gangs and gives them back in the order of its rule; what it has done so far counts for what fits next.
Nothing of it holds until the decision is returned, so that a policy may also try.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass
from simcore.models.cluster.placement import Placement
from simcore.models.cluster.pools import Held, Pool
from simcore.models.cluster.sketch import Sketch

Change = tuple[int, Placement | None]
Entry = tuple[Any, int]
"""What orders a job in a queue, and its row."""

Undo = tuple[int, Held | None, Held | None, Pool | None]
"""A job, what it held before and after, and the pool if it is not that of its gang."""


class Misfits:
    """Jobs of one pool that did not fit in a decision: what asks for as many GPUs does not fit either.

    Parameters
    ----------
    size : callable
        From a row to the GPUs of its gang.

    Examples
    --------
    Row 0 is a gang of 3, row 1 one of 4, row 2 one of 2:

    >>> misfits = Misfits([3, 4, 2].__getitem__)
    >>> misfits.add(0)
    >>> 1 in misfits, 2 in misfits
    (True, False)
    """

    def __init__(self, size: Callable[[int], float]) -> None:
        self._size, self._least = size, math.inf

    def add(self, row: int) -> None:
        """Say that a job does not fit."""
        self._least = min(self._least, self._size(row))

    def __contains__(self, row: int) -> bool:
        return self._size(row) >= self._least


@dataclass(frozen=True)
class Stock:
    """What decisions hand out, and to whom: what every room is opened with.

    Attributes
    ----------
    cluster : Cluster
        The GPUs, and the nodes and quotas where there are some.
    free : sequence of float
        Free GPUs of each type. It is the simulator's own list, so it says what is free now.
    classes : sequence of JobClass
        The distinct classes of the jobs.
    class_index : sequence of int, length jobs
        Class of each job, an index into `classes`.
    gangs : sequence of Placement
        The gang of each class.
    placement : sequence of Placement or None, length jobs
        What each job holds, kept by the simulator as `free` is.

    Examples
    --------
    Before a run a room is asked only what fits an empty cluster. It needs no jobs for that:

    >>> job = JobClass("bert", 8, 3, False, "v100")
    >>> empty = Stock(Cluster("c", ("v100",), (4,)), [4], (job,))
    >>> Room(empty).fits_on(0, "v100")
    True
    """

    cluster: Cluster
    free: Sequence[float]
    classes: Sequence[JobClass]
    class_index: Sequence[int] = ()
    gangs: Sequence[Placement] = ()
    placement: Sequence[Placement | None] = ()


class Room:
    """Free GPUs during a decision, by pool: those of one GPU type and one virtual cluster.

    Parameters
    ----------
    stock : Stock
        What is handed out, and to whom.

    Attributes
    ----------
    pool : list of int
        Pool of each class of jobs; two classes with one pool compete.
    pools : int
        Number of pools.
    changes : list of (int, Placement or None)
        What was taken and given back since the decision began.

    Examples
    --------
    A policy asks its view for the room, see `Policy`. Here two gangs of 3 GPUs ask for 4:

    >>> job = JobClass("bert", 8, 3, False, "v100")
    >>> gang = Placement((3,), (1,), 0.5)
    >>> room = Room(Stock(Cluster("c", ("v100",), (4,)), [4], (job,), [0, 0], [gang]))
    >>> room.begin()
    >>> room.start(0), room.start(1), len(room.changes)
    (True, False, 1)
    """

    def __init__(self, stock: Stock) -> None:
        cluster, classes = stock.cluster, stock.classes
        self._free, self._class_index, self._gangs = stock.free, stock.class_index, stock.gangs
        self._placement = stock.placement
        self.sizes = [job.gpus for job in classes]
        keys = [(job.gpu_type, job.vc if cluster.vcs else "") for job in classes]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        self.pool = [numbers[key] for key in keys]
        self.pools = len(numbers)
        self._keys = list(numbers)
        places = {gpu: number for number, gpu in enumerate(cluster.types)}
        self._types = [places.get(job.gpu_type, -1) for job in classes]
        self._type_of = [places.get(gpu, -1) for gpu, _ in self._keys]
        self._vcs = [vc for _, vc in self._keys]
        self._divided, self._counts, self._cluster_types = cluster.divided, cluster.counts, cluster.types
        quotas = dict(cluster.quotas)
        self.quota = [quotas.get(vc) for vc in self._vcs]
        self._used: dict[str, float] = dict.fromkeys(quotas, 0)
        self._left: list[float] = []
        self.changes: list[Change] = []
        self.journal: list[Undo] = []

    def begin(self) -> None:
        """Begin a decision: what an earlier one tried and did not return is forgotten."""
        self._left = list(self._free)
        self.changes = []

    def rivals(self) -> list[list[int]]:
        """Return by pool the pools that a job that ends there makes room in: its own, and those with its VC's quota."""
        return [[n for n in range(self.pools) if n == pool or self._share(n, pool)] for pool in range(self.pools)]

    def _share(self, one: int, other: int) -> bool:
        """Tell whether two pools share GPUs or a quota."""
        if self._keys[one][0] == self._keys[other][0] and not self._divided:
            return True
        return self.quota[one] is not None and self._vcs[one] == self._vcs[other]

    def total(self, pool: int) -> int:
        """Return the GPUs that jobs of a pool may hold at once: all of it, or the quota."""
        quota = self.quota[pool]
        return self._capacity(pool) if quota is None else min(quota, self._capacity(pool))

    def fits_on(self, index: int, gpu: str) -> bool:
        """Tell whether the gang of a class fits on GPUs of one type when nothing else runs; asked before the run."""
        return self.sizes[index] <= self._counts[self._cluster_types.index(gpu)]

    def _capacity(self, pool: int) -> int:
        return self._counts[self._type_of[pool]]

    def sketch(self, pool: int) -> Sketch:
        """Return a copy of what is free in a pool, to try on what will fit later."""
        return Sketch(self.left(pool), self.left(pool), self.size)

    def misfits(self) -> Misfits:
        """Return a list of jobs of one pool that did not fit, for one decision."""
        return Misfits(self.size)

    def held_by(self, row: int) -> Held:
        """Return what a running job holds, as a sketch takes it."""
        return ((0, self.size(row), 0),)

    def mark(self) -> int:
        """Return how much was done, for `back`."""
        return len(self.changes)

    def back(self, mark: int) -> None:
        """Undo what was done since a mark."""
        while len(self.changes) > mark:
            row, placement = self.changes.pop()
            held, sign = (self._placement[row], -1) if placement is None else (placement, 1)
            gpus = held.gpus if held is not None else ()
            self._left = [left + sign * number for left, number in zip(self._left, gpus, strict=True)]

    def pool_of(self, row: int) -> int:
        """Return the pool of a job."""
        return self.pool[self._class_index[row]]

    def size(self, row: int) -> float:
        """Return the GPUs of a job's gang."""
        return self.sizes[self._class_index[row]]

    def left(self, pool: int) -> float:
        """Return how many GPUs of a pool are free now."""
        return self._left[self._type_of[pool]]

    def start(self, row: int, placement: Placement | None = None) -> bool:
        """Give a waiting job its gang, or GPUs of one other type, if they fit."""
        if placement is not None:
            return self._start_elsewhere(row, placement)
        index = self._class_index[row]
        left, gpu, size = self._left, self._types[index], self.sizes[index]
        if left[gpu] < size:
            return False
        left[gpu] -= size
        self.changes.append((row, self._gangs[index]))
        return True

    def start_in_order(self, queue: Sequence[Entry]) -> list[Entry]:
        """Start the jobs of a queue of one pool that fit, in order, and return what still waits.

        Where a gang does not fit no larger one does.
        """
        waits: list[Entry] = []
        least, sizes, class_index = math.inf, self.sizes, self._class_index
        for entry in queue:
            size = sizes[class_index[entry[1]]]
            if size < least:
                if self.start(entry[1]):
                    continue
                least = size
            waits.append(entry)
        return waits

    def _start_elsewhere(self, row: int, placement: Placement) -> bool:
        if any(wanted > left for wanted, left in zip(placement.gpus, self._left, strict=True)):
            return False
        self._left = [left - wanted for wanted, left in zip(placement.gpus, self._left, strict=True)]
        self.changes.append((row, placement))
        return True

    def stop(self, row: int) -> None:
        """Take a running job's GPUs away; its work is kept."""
        held = self._placement[row]
        if held is not None:
            self._left = [left + gpus for left, gpus in zip(self._left, held.gpus, strict=True)]
        self.changes.append((row, None))
