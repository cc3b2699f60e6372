"""Strict queues: the head of each starts when its gang fits, and blocks the rest until then."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection
from heapq import heappop, heappush
from typing import Any

from simcore.models.cluster.policy import NOTHING, Decision, Policy
from simcore.models.cluster.room import Room
from simcore.models.cluster.view import View


class StrictQueue(Policy):
    """One queue per GPU type and virtual cluster, in the order of a key; a subclass writes `keys`.

    No back-fill, no preemption; a started job keeps its gang to its end.
    """

    def keys(self, view: View) -> list[Any]:
        """Return what orders the jobs of a queue, by row."""
        raise NotImplementedError

    def prepare(self, view: View) -> None:
        """Open a queue per GPU type and virtual cluster."""
        room = view.room()
        self._pool = [room.pool[index] for index in view.class_index]
        self._keys = self.keys(view)
        self._queues: list[list[tuple[Any, int]]] = [[] for _ in range(room.pools)]  # heaps of (key, row)
        self._freed = room.rivals()

    def decide(self, view: View) -> Decision:
        """Start the heads that fit."""
        queues, pool, keys = self._queues, self._pool, self._keys
        finished, arrived = view.finished, view.arrived
        touched: Collection[int]
        if len(arrived) == 1 and not finished:
            row = arrived[0]
            queue, entry = queues[pool[row]], (keys[row], row)
            heappush(queue, entry)
            if queue[0] is not entry:
                return NOTHING  # the head did not fit before, and nothing is free since then
            touched = (pool[row],)
        elif len(finished) == 1 and not arrived:
            touched = self._freed[pool[finished[0]]]
        else:
            touched = {number for row in finished for number in self._freed[pool[row]]}
            for row in arrived:
                heappush(queues[pool[row]], (keys[row], row))
                touched.add(pool[row])
        room: Room | None = None
        for number in sorted(touched) if len(touched) > 1 else touched:
            queue = queues[number]
            if queue:
                room = room or view.room()
                while queue and room.start(queue[0][1]):
                    heappop(queue)
        return Decision(room.changes) if room is not None and room.changes else NOTHING


class OpenQueue(StrictQueue):
    """One queue per GPU type and virtual cluster, from which all jobs that fit start; a subclass writes `keys`."""

    def decide(self, view: View) -> Decision:
        """Start what fits, in order."""
        touched = {number for row in view.finished for number in self._freed[self._pool[row]]}
        for row in view.arrived:
            insort(self._queues[self._pool[row]], (self._keys[row], row))
            touched.add(self._pool[row])
        room = view.room()
        for number in sorted(touched):
            self._queues[number] = room.start_in_order(self._queues[number])
        return Decision(room.changes) if room.changes else NOTHING
