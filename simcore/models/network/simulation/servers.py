"""Servers and what passes through them: a dimension serves the phases of chunks, a chunk goes from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Generic, NamedTuple, TypeVar

from simpy.events import Event

from simcore.engine import Clock
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import Convention, PhaseCost
from simcore.models.network.simulation.log import Ledger, LoggedPhase


class ServedPhase(NamedTuple):
    """One phase of a chunk, the server that serves it, and what of its time is latency [s]."""

    server: Server
    operation: Collective
    size: float
    cost: PhaseCost
    latency: float


class Issued:
    """A collective under way; `orders` are the settled ones, by dimension; `count` is told of each finished chunk."""

    __slots__ = ("count", "done", "label", "left", "orders", "priority")

    def __init__(
        self, done: Event, left: int, label: str, priority: float, count: Callable[[], None] | None = None
    ) -> None:
        self.count = count
        self.done, self.left, self.label, self.priority = done, left, label, priority
        self.orders: dict[int, SettledOrder[Chunk]] = {}


T = TypeVar("T")


class SettledOrder(Generic[T]):
    """Phases of one collective in one dimension in a settled order: who comes early waits for those before.

    Parameters
    ----------
    turns : sequence of (int, int)
        Chunk and phase, in order.

    Examples
    --------
    >>> order = SettledOrder([(0, 0), (1, 0)])
    >>> order.arrive((1, 0), "second"), order.arrive((0, 0), "first")
    ([], ['first', 'second'])
    """

    def __init__(self, turns: Sequence[tuple[int, int]]) -> None:
        self._turns, self._next = turns, 0
        self._early: dict[tuple[int, int], T] = {}

    def arrive(self, turn: tuple[int, int], who: T) -> list[T]:
        """Return who may join the queue of the dimension now that one more has arrived."""
        self._early[turn] = who
        ready = []
        while self._next < len(self._turns) and self._turns[self._next] in self._early:
            ready.append(self._early.pop(self._turns[self._next]))
            self._next += 1
        return ready


class Chunk:
    """A chunk under way; `ended` is the callback of its phase's event."""

    __slots__ = ("clock", "index", "issued", "ledger", "phase", "phases", "position", "queued", "start")

    def __init__(
        self, clock: Clock, ledger: Ledger, issued: Issued, index: int, phases: tuple[ServedPhase, ...]
    ) -> None:
        self.clock, self.ledger, self.issued, self.index, self.phases = clock, ledger, issued, index, phases
        self.position = -1
        self.queued = self.start = 0.0

    def next(self) -> None:
        """Go to the next phase, or finish."""
        self.position += 1
        if self.position < len(self.phases):
            self.phase = self.phases[self.position]
            self.queued = self.clock.now
            server = self.phase.server
            if not self.issued.orders:
                server.enter(self)
                return
            for chunk in self.issued.orders[server.dimension].arrive((self.index, self.position), self):
                server.enter(chunk)
            return
        issued = self.issued
        issued.left -= 1
        if issued.count is not None:
            issued.count()
        if issued.left == 0:
            issued.done.succeed(self.clock.now)

    def ended(self, event: Event) -> None:
        """Note the phase that ended, go on, and leave the dimension to the next chunk."""
        phase = self.phase
        if self.ledger.record:
            served = phase.server.dimension, phase.operation, phase.size
            times = self.queued, self.start, self.clock.now
            self.ledger.log.append(LoggedPhase(self.issued.label, self.index, *served, *times))
        self.next()
        phase.server.leave(event)


class PortQueue:
    """A port that dimensions share: bytes pass it in the order in which phases begin.

    A phase on a level that is slower than the port leaves the rest of it to others. So it begins beside them, and ends
    no sooner than its bytes have passed.

    Examples
    --------
    Two phases of a second each on the port, the second of which takes four on its own level:

    >>> port = PortQueue(1e9)
    >>> port.through(0.0, 1e9, 1.0, 0.0, 1.0), port.through(0.0, 1e9, 4.0, 0.0, 4.0)
    ((0.0, 1.0), (0.0, 4.0))
    """

    __slots__ = ("bandwidth", "free")

    def __init__(self, bandwidth: float) -> None:
        self.bandwidth, self.free = bandwidth, 0.0

    def through(self, now: float, sent: float, work: float, start: float, end: float) -> tuple[float, float]:
        """Return when a phase starts and has sent all its bytes, and set aside their time on the port.

        Parameters
        ----------
        now : float
            When it comes [s].
        sent : float
            Its bytes [B].
        work : float
            How long it takes on its own links [s].
        start, end : float
            When it would start and have sent all without the port [s].
        """
        self.free = max(now, self.free) + sent / self.bandwidth
        return max(start, self.free - work), max(end, self.free)


class Server:
    """A dimension: up to `in_flight` phases under way, the others queue by priority, then by arrival.

    Behind a `port` that others share, it ends no sooner than its bytes have passed this too.
    """

    __slots__ = (
        "arrivals", "clock", "dimension", "idle_events", "in_flight", "ledger", "links_free", "port", "queue",
        "timed", "under_way",
    )  # fmt: skip

    def __init__(
        self, clock: Clock, ledger: Ledger, convention: Convention, in_flight: int, dimension: int,
        port: PortQueue | None = None,
    ) -> None:  # fmt: skip
        self.port = port
        self.clock, self.ledger, self.in_flight, self.dimension = clock, ledger, in_flight, dimension
        self.timed = convention.serve
        self.queue: list[tuple[float, int, Chunk]] = []
        self.arrivals = self.under_way = 0
        self.links_free = 0.0
        self.idle_events: list[Event] = []

    def enter(self, chunk: Chunk) -> None:
        """Serve a chunk's phase now, or queue it."""
        if self.under_way < self.in_flight and not self.queue:
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

    def _serve(self, chunk: Chunk) -> Event:
        clock, ledger, cost = self.clock, self.ledger, chunk.phase.cost
        self.under_way += 1
        ledger.phases += 1
        ledger.busy[self.dimension] += cost.work
        ledger.sent[self.dimension] += cost.sent
        ledger.served[self.dimension] += cost.work + cost.latency
        ledger.latency[self.dimension] += chunk.phase.latency
        chunk.start, end, self.links_free = self.timed(clock.now, self.links_free, cost)
        if self.port is not None:
            before = self.links_free
            chunk.start, self.links_free = self.port.through(
                clock.now, cost.sent, cost.work, chunk.start, self.links_free
            )
            end += self.links_free - before
        if self.idle_events:
            event = self.idle_events.pop()
            clock.again(event, end)
        else:
            event = clock.at(end)
        assert event.callbacks is not None
        event.callbacks.append(chunk.ended)
        return event


class YieldingServer(Server):
    """A dimension that interrupts a phase for one of higher priority, and sends the rest of it later.

    So what the higher priority waits for does not depend on how long the chunks of others are. Behind a port that
    others share, phases are not interrupted.
    """

    __slots__ = ("serving",)

    def __init__(
        self, clock: Clock, ledger: Ledger, convention: Convention, in_flight: int, dimension: int,
        port: PortQueue | None = None,
    ) -> None:  # fmt: skip
        super().__init__(clock, ledger, convention, in_flight, dimension, port)
        self.serving: tuple[Chunk, Event, float] | None = None  # what began last, and when its bytes have left

    def enter(self, chunk: Chunk) -> None:
        """Serve a chunk's phase now, in place of one of lower priority, or queue it."""
        super().enter(chunk)
        if self.queue and self.serving is not None and self.port is None:
            under_way, event, until = self.serving
            left = until - self.clock.now
            if left > 0 and -self.queue[0][0] > under_way.issued.priority:
                self._interrupt(under_way, event, left)
                self._serve(heappop(self.queue)[2])

    def _interrupt(self, chunk: Chunk, event: Event, left: float) -> None:
        """Put a phase back into the queue, ahead of its equals, with what it has not sent yet."""
        assert event.callbacks is not None
        event.callbacks.remove(chunk.ended)
        phase, d = chunk.phase, self.dimension
        rest = min(left, phase.cost.work)  # it may not have begun, behind a message
        cost = phase.cost._replace(work=rest, sent=phase.cost.sent * rest / phase.cost.work)
        self.under_way -= 1
        self.links_free -= rest
        ledger = self.ledger
        ledger.phases -= 1
        ledger.busy[d] -= rest
        ledger.sent[d] -= cost.sent
        ledger.served[d] -= rest + cost.latency
        ledger.latency[d] -= phase.latency
        chunk.phase = phase._replace(cost=cost)
        heappush(self.queue, (-chunk.issued.priority, -self.arrivals, chunk))

    def _serve(self, chunk: Chunk) -> Event:
        before = self.links_free
        event = super()._serve(chunk)
        self.serving = chunk, event, max(before, self.clock.now) + chunk.phase.cost.work
        return event
