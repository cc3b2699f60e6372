"""Servers and what passes through them: a dimension serves the phases of chunks, a chunk goes from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from simpy.events import Event

from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Cost

if TYPE_CHECKING:
    from simcore.models.network.simulation.network import Network


class Leg(NamedTuple):
    """One phase on the way of a chunk."""

    server: Server
    operation: Collective
    size: float
    cost: Cost


class Issued:
    """A collective under way; `lines` are those of a settled order, by dimension."""

    __slots__ = ("done", "label", "left", "lines", "priority")

    def __init__(self, done: Event, left: int, label: str, priority: float) -> None:
        self.done, self.left, self.label, self.priority = done, left, label, priority
        self.lines: dict[int, Line[Chunk]] = {}


T = TypeVar("T")


class Line(Generic[T]):
    """Phases of one collective in one dimension in a settled order: who comes early waits for those before.

    Parameters
    ----------
    turns : sequence of (int, int)
        Chunk and phase, in order.

    Examples
    --------
    >>> line = Line([(0, 0), (1, 0)])
    >>> line.arrive((1, 0), "second"), line.arrive((0, 0), "first")
    ([], ['first', 'second'])
    """

    def __init__(self, turns: Sequence[tuple[int, int]]) -> None:
        self._turns, self._next = turns, 0
        self._early: dict[tuple[int, int], T] = {}

    def arrive(self, turn: tuple[int, int], who: T) -> list[T]:
        """Return who may join the queue of the dimension now that one more has arrived."""
        self._early[turn] = who
        found = []
        while self._next < len(self._turns) and self._turns[self._next] in self._early:
            found.append(self._early.pop(self._turns[self._next]))
            self._next += 1
        return found


class Chunk:
    """A chunk under way; `ended` is the callback of its phase's event."""

    __slots__ = ("index", "issued", "leg", "network", "position", "queued", "start", "way")

    def __init__(self, network: Network, issued: Issued, index: int, way: tuple[Leg, ...]) -> None:
        self.network, self.issued, self.index, self.way, self.position = network, issued, index, way, -1
        self.queued = self.start = 0.0

    def next(self) -> None:
        """Go to the next phase, or finish."""
        self.position += 1
        if self.position < len(self.way):
            self.leg = self.way[self.position]
            self.queued = self.network.clock.now
            server = self.leg.server
            if not self.issued.lines:
                server.enter(self)
                return
            for chunk in self.issued.lines[server.dimension].arrive((self.index, self.position), self):
                server.enter(chunk)
            return
        issued = self.issued
        issued.left -= 1
        if issued.left == 0:
            issued.done.succeed(self.network.clock.now)

    def ended(self, event: Event) -> None:
        """Note the phase that ended, go on, and leave the dimension to the next chunk."""
        network, leg = self.network, self.leg
        if network.record:
            network.note(self)
        self.next()
        leg.server.leave(event)


class Server:
    """A dimension: up to `in_flight` phases under way, the others queue by priority, then by arrival."""

    __slots__ = ("arrivals", "dimension", "idle_events", "link_free", "network", "queue", "under_way")

    def __init__(self, network: Network, dimension: int) -> None:
        self.network, self.dimension = network, dimension
        self.queue: list[tuple[float, int, Chunk]] = []
        self.arrivals = self.under_way = 0
        self.link_free = 0.0
        self.idle_events: list[Event] = []

    def enter(self, chunk: Chunk) -> None:
        """Serve a chunk's phase now, or queue it."""
        if self.under_way < self.network.in_flight and not self.queue:
            self._serve(chunk)
        else:
            self.arrivals += 1
            heappush(self.queue, (-chunk.issued.priority, self.arrivals, chunk))

    def leave(self, event: Event) -> None:
        """Serve the next in the queue; the event that fired is used again."""
        self.under_way -= 1
        self.idle_events.append(event)
        if self.queue:
            self._serve(heappop(self.queue)[2])

    def _serve(self, chunk: Chunk) -> None:
        network, cost = self.network, chunk.leg.cost
        clock = network.clock
        now = clock.now
        self.under_way += 1
        network.phases += 1
        network.busy[self.dimension] += cost.work
        network.sent[self.dimension] += cost.sent
        if network.convention.whole_nanoseconds:
            chunk.start = now
            end = (round(now * 1e9) + round(cost.work * 1e9)) / 1e9
        else:
            # one chunk sends at a time: those under way share the links instead of multiplying them
            chunk.start = max(now, self.link_free)
            self.link_free = chunk.start + cost.work
            end = self.link_free + cost.latency
        if self.idle_events:
            event = self.idle_events.pop()
            clock.again(event, end)
        else:
            event = clock.at(end)
        assert event.callbacks is not None
        event.callbacks.append(chunk.ended)
