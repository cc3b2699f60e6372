"""EASY backfill: the head has a reservation, and later jobs start before it if they do not delay it."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.models.cluster.policies.estimates import Estimates
from simcore.models.cluster.policies.queues import OpenQueue
from simcore.models.cluster.policy import NOTHING, Decision
from simcore.models.cluster.room import Room
from simcore.models.cluster.sketch import Sketch
from simcore.models.cluster.view import View


@dataclass
class EasyBackfill(Estimates, OpenQueue):
    """The queue of `fifo`; behind a head that does not fit, jobs start that do not delay it, by estimated ends.

    The head gets a reservation at the earliest time T at which its gang fits. A later job starts now if it ends by T,
    or if the head still fits at T beside it, on the nodes that are free then. With exact estimates the head starts no
    later than at its first T. Source: Lifka, JSSPP 1995; Mu'alem and Feitelson, IEEE TPDS 2001.
    """

    def keys(self, view: View) -> list[int]:
        """Return rows."""
        return [0] * len(view.class_index)

    def prepare(self, view: View) -> None:
        """Open queues, and books of when jobs will end."""
        super().prepare(view)
        self._lengths = [view.rules.startup_delay + seconds for seconds in self.durations(view)]
        self._ends: list[dict[int, float]] = [{} for _ in self._queues]

    def decide(self, view: View) -> Decision:
        """Start heads, then what delays none of them."""
        touched = {number for row in view.finished for number in self._freed[self._pool[row]]}
        for row in view.finished:
            self._ends[self._pool[row]].pop(row, None)
        for row in view.arrived:
            self._queues[self._pool[row]].append((0, row))
            touched.add(self._pool[row])
        room = view.room()
        for number in sorted(touched):
            self._fill(view, room, number)
        return Decision(room.changes) if room.changes else NOTHING

    def _fill(self, view: View, room: Room, number: int) -> None:
        queue, ends = self._queues[number], self._ends[number]
        started = 0
        while started < len(queue) and room.start(queue[started][1]):
            ends[queue[started][1]] = view.now + self._lengths[queue[started][1]]
            started += 1
        del queue[:started]
        if len(queue) > 1 and room.left(number):
            self._queues[number] = [queue[0], *self._backfill(view, room, number)]

    def _backfill(self, view: View, room: Room, number: int) -> list[tuple[int, int]]:
        """Start jobs behind the head, and return those that wait."""
        queue, ends = self._queues[number], self._ends[number]
        head = queue[0][1]
        at, then = reserve(room, number, head, ends, view.now)
        waits, misfits = [], room.misfits()
        for entry in queue[1:]:
            row, mark = entry[1], room.mark()
            if row in misfits or not room.start(row):
                misfits.add(row)
                waits.append(entry)
                continue
            end = view.now + self._lengths[row]
            if end > at:
                held = room.held_by(row)
                then.take(row, held)
                if then.fits(head) is None:
                    then.give(row, held)
                    room.back(mark)
                    waits.append(entry)
                    continue
            ends[row] = end
        return waits


def reserve(room: Room, number: int, row: int, ends: dict[int, float], now: float) -> tuple[float, Sketch]:
    """Return when a gang will fit by the estimated ends of running jobs [s], and what is free then without it."""
    sketch, at = room.sketch(number), now
    for other, end in sorted(ends.items(), key=lambda item: (item[1], item[0])):
        if end > at and sketch.fits(row) is not None:
            break
        at = max(end, at)
        sketch.give(other, room.held_by(other))
    return at, sketch
