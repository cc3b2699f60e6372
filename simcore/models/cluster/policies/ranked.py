"""Preemptive policies by rank: at each decision the jobs of the best rank hold GPUs, and others give theirs up."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

from simcore.errors import InputError
from simcore.models.cluster.policy import NOTHING, Decision, Policy
from simcore.models.cluster.pools import DIGITS
from simcore.models.cluster.room import Room
from simcore.models.cluster.view import View

REACHED = 1e-9
"""Share of a service by which rounding may miss it: what is so near counts as reached."""


@dataclass
class Ranked(Policy):
    """All active jobs of a GPU type and virtual cluster in the order of `rank`, the smallest first, then by row.

    Each gets its gang if it fits beside those before it; one that does not fit is passed over. A running job that is
    not chosen is stopped, its work is kept. One that is chosen keeps its GPUs. Where nodes are so fragmented that a
    chosen job finds none, running jobs of later rank are stopped for it, and start elsewhere if they can.

    Attributes
    ----------
    restart : float
        Delay of a job that starts again [s]; below 0: as the rules say.
    watches : bool
        Whether ranks of running jobs are followed even while no job waits.
    """

    restart: float = -1.0
    watches = False

    def __post_init__(self) -> None:
        if not self.restart <= 1e9:
            raise InputError("restart", f"{self.restart:g}", "a number of seconds of at most 1e9")
        if self.restart >= 0.0:
            self.restart_s = self.restart

    def rank(self, view: View, row: int) -> Any:
        """Return what orders active jobs; that of a waiting job must not change while it waits."""
        raise NotImplementedError

    def ranks(self, view: View, rows: list[int]) -> list[Any]:
        """Return the ranks of some jobs."""
        return [self.rank(view, row) for row in rows]

    def again_at(self, view: View, running: Collection[int]) -> float | None:
        """Return when ranks will have changed by themselves, asked where jobs wait, or where a policy `watches` [s]."""
        return None

    def prepare(self, view: View) -> None:
        """Begin with no job."""
        room = view.room()
        self._pool = [room.pool[index] for index in view.class_index]
        self._running: list[set[int]] = [set() for _ in range(room.pools)]
        # of each pool, by size of the gang, heaps of (rank, row)
        self._waiting: list[dict[float, list[tuple[Any, int]]]] = [{} for _ in range(room.pools)]
        self._totals = [room.total(pool) for pool in range(room.pools)]
        self._freed = room.rivals()
        self._next: list[float | None] = [None] * room.pools
        self._time = [view.submitted[row] for row in range(len(view.class_index))]
        self._attained = view.attained
        self._sizes = [room.sizes[index] for index in view.class_index]

    def decide(self, view: View) -> Decision:
        """Give the jobs of the best rank their gangs."""
        room = view.room()
        touched = {number for row in view.finished for number in self._freed[self._pool[row]]}
        for row in view.finished:
            self._running[self._pool[row]].discard(row)
        for row in view.arrived:
            self._wait(view, row, room.size(row))
            touched.add(self._pool[row])
        due = view.now * (1.0 + 1e-12)
        touched |= {pool for pool, time in enumerate(self._next) if time is not None and time <= due}
        for pool in sorted(touched):
            self._next[pool] = None
            if self._waiting[pool]:
                self._share_out(view, room, pool)
            if self._waiting[pool] or self.watches:
                self._next[pool] = self.again_at(view, self._running[pool])
        again = min((time for time in self._next if time is not None), default=None)
        return Decision(room.changes, again) if room.changes or again is not None else NOTHING

    def _wait(self, view: View, row: int, size: float) -> None:
        heappush(self._waiting[self._pool[row]].setdefault(size, []), (self.rank(view, row), row))

    def _share_out(self, view: View, room: Room, pool: int) -> None:
        """Choose by number, stop what is not chosen, start what is, and make room where nodes are fragmented."""
        rows = list(self._running[pool])
        running = sorted(zip(self.ranks(view, rows), rows, strict=True), reverse=True)
        kept, started = self._choose(room, pool, running)
        stopped = self._running[pool] - {row for _, row in kept}
        for row in sorted(stopped):
            room.stop(row)
        moved: list[tuple[Any, int]] = []
        for entry in started:
            if not (room.start(entry[1]) or _make_room(room, entry, kept, moved)):
                moved.append(entry)
            else:
                self._running[pool].add(entry[1])
        self._settle(view, room, pool, stopped, moved)

    def _settle(self, view: View, room: Room, pool: int, stopped: set[int], moved: list[tuple[Any, int]]) -> None:
        """Start elsewhere what had to make room, if it fits; what is stopped waits."""
        for _, row in sorted(moved):
            if room.start(row):
                self._running[pool].add(row)
            else:
                self._running[pool].discard(row)
                self._wait(view, row, room.size(row))
        for row in sorted(stopped):
            self._running[pool].discard(row)
            self._wait(view, row, room.size(row))

    def _choose(
        self, room: Room, pool: int, running: list[tuple[Any, int]]
    ) -> tuple[list[tuple[Any, int]], list[tuple[Any, int]]]:
        """Return the running jobs that stay and the waiting ones that start, by rank; these leave the waiting."""
        left: float = self._totals[pool]
        kept, started, sizes = [], [], self._sizes
        waiting = self._waiting[pool]
        heads = [(*queue[0], size) for size, queue in waiting.items()]
        heapify(heads)
        while left and (heads or running):
            if heads and (not running or heads[0] < running[-1]):
                rank, row, size = heappop(heads)
                if size > left:
                    continue  # and so is all behind it, which has its size
                heappop(waiting[size])
                started.append((rank, row))
                left = round(left - size, DIGITS)
                if waiting[size]:
                    heappush(heads, (*waiting[size][0], size))
                else:
                    del waiting[size]
            else:
                entry = running.pop()
                size = sizes[entry[1]]
                if size <= left:
                    left = round(left - size, DIGITS)
                    kept.append(entry)
        return kept, started


def _make_room(room: Room, entry: tuple[Any, int], kept: list[tuple[Any, int]], moved: list[tuple[Any, int]]) -> bool:
    """Start a job in place of the fewest running ones of later rank, the last first; undo it if all are not enough.

    What fits still fits where more is free. So twice as many are stopped each time, and the fewest found by halves: a
    start is tried a few times, not once for each of many small jobs.
    """
    mark, later = room.mark(), kept[: bisect_right(kept, entry) - len(kept) - 1 : -1]

    def fits(count: int) -> bool:
        """Start the job where so many are stopped."""
        room.back(min(room.mark(), mark + count))
        for _, row in later[room.mark() - mark : count]:
            room.stop(row)
        return room.start(entry[1])

    few, enough = 0, min(1, len(later))
    while few < enough and not fits(enough):
        few, enough = enough, min(2 * enough, len(later))
    if few == enough:
        room.back(mark)
        return False
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if fits(middle) else (middle, enough)
    if room.mark() != mark + enough + 1:
        fits(enough)
    moved += kept[len(kept) - enough :]
    del kept[len(kept) - enough :]
    return True


def quantum_error(name: str, value: float) -> InputError | None:
    """Return what is wrong with a time between decisions [s], None if nothing is."""
    if math.isfinite(value) and value > 0.0:
        return None
    return InputError(name, f"{value:g}", "a number of seconds above 0")
