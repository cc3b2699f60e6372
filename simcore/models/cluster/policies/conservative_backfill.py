"""Conservative backfill: every waiting job has a reservation, and nobody delays one."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from simcore.models.cluster.policies.easy_backfill import EasyBackfill
from simcore.models.cluster.pools import DIGITS
from simcore.models.cluster.room import Room
from simcore.models.cluster.view import View


@dataclass
class ConservativeBackfill(EasyBackfill):
    """The queue of `fifo`, in which each job is planned at the earliest time that delays no job before it.

    The plan is made anew at each decision, from the estimated ends of running jobs, in the order of submission; jobs
    that are planned for now start. It counts GPUs: a job whose gang finds no nodes now waits for the next decision.
    Source: Mu'alem and Feitelson, IEEE TPDS 2001.

    Attributes
    ----------
    depth : int
        How many jobs that wait are planned, the first ones; 0 for all.
    """

    depth: int = 0

    def _fill(self, view: View, room: Room, number: int) -> None:
        queue, ends = self._queues[number], self._ends[number]
        plan = _Plan(view.now, round(room.total(number) - sum(map(room.size, ends)), DIGITS))
        for row, end in ends.items():
            plan.free(max(end, view.now), room.size(row))
        waits: list[tuple[int, int]] = []
        for place, entry in enumerate(queue):
            row = entry[1]
            if self.depth and len(waits) >= self.depth:
                waits += queue[place:]
                break
            size, length = room.size(row), self._lengths[row]
            at = plan.earliest(size, length)
            plan.take(at, length, size)
            if at == view.now and room.start(row):
                ends[row] = view.now + length
            else:
                waits.append(entry)
        self._queues[number] = waits


class _Plan:
    """Free GPUs from now on, as a step function."""

    def __init__(self, now: float, free: float) -> None:
        self.times, self.left = [now], [free]

    def _cut(self, time: float) -> int:
        place = bisect_right(self.times, time) - 1
        if self.times[place] == time:
            return place
        self.times.insert(place + 1, time)
        self.left.insert(place + 1, self.left[place])
        return place + 1

    def free(self, time: float, size: float) -> None:
        """Say that GPUs are free from a time on."""
        for place in range(self._cut(time), len(self.left)):
            self.left[place] = round(self.left[place] + size, DIGITS)

    def take(self, time: float, length: float, size: float) -> None:
        """Plan a job."""
        first, last = self._cut(time), self._cut(time + length)
        for place in range(first, last):
            self.left[place] = round(self.left[place] - size, DIGITS)

    def earliest(self, size: float, length: float) -> float:
        """Return the first time from which so many GPUs stay free for so long."""
        start = 0
        for place, left in enumerate(self.left):
            if self.times[place] >= self.times[min(start, place)] + length:
                break
            if left < size:
                start = place + 1
        return self.times[start]
